/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/clock.h"
#include "cli/cli.h"
#include "cli/cli_api.h"
#include "cli/cli_operation.h"
#include "cli/cmd.h"
#include "cli/running.h"
#include "cli/text_width.h"
#include "json/json.h"

static int show(struct cli *cli, const char *system)
{
    AUTO(json_unref) json_t *answer = NULL;
    AUTO(buf_done) struct buf out = {0};
    char when[CLOCK_TEXT_BYTES];
    struct err err;

    if (!cli_api_call(cli, "GET", cli_operation_path(cli, system, "/lock"), NULL, &answer, &err))
        return cli_fail(cli, &err);
    if (cli->options.json) {
        cli_print_json(cli, answer);
        return EXIT_OK;
    }
    if (json_find_bool(answer, "locked", false)) {
        clock_format_rfc3339((int64_t)json_find_u64(answer, "time_ms", 0), when);
        buf_addf(&out, "%s is locked by %s since %s: ", system, json_find_text(answer, "user", "?"),
                 when);
        text_clean(str_of(json_find_text(answer, "message", "")), false, &out);
        buf_add_char(&out, '\n');
    } else {
        buf_addf(&out, "%s is not locked\n", system);
    }
    cli_print(cli, buf_str(&out));
    return EXIT_OK;
}

static int acquire(struct cli *cli, const char *system)
{
    struct err err;

    if (cli->options.message == NULL) {
        err_set(&err, ERR_INVALID, "'lock acquire' needs -m MESSAGE, which others will read");
        return cli_fail(cli, &err);
    }
    AUTO(json_unref)
    json_t *body = json_pack("{s:o}", "message", json_from_bytes(str_of(cli->options.message)));
    return cli_operation_change(cli, system, "POST", "/lock/acquire", body, NULL);
}

int cmd_lock(struct cli *cli)
{
    const char *verb = cli->options.arguments.items[0];
    int status = EXIT_OK;
    struct err err;

    const char *system = running_system(cli, &status);
    if (system == NULL)
        return status;
    if (strcmp(verb, "acquire") == 0)
        return acquire(cli, system);
    if (strcmp(verb, "release") == 0)
        return cli_operation_change(cli, system, "POST", "/lock/release", NULL, NULL);
    if (strcmp(verb, "status") == 0)
        return show(cli, system);
    err_set(&err, ERR_INVALID, "'lock' takes acquire, release or status, not '%.40s'", verb);
    return cli_fail(cli, &err);
}
