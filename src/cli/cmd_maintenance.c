/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/clock.h"
#include "base/file.h"
#include "cli/cli.h"
#include "cli/cli_api.h"
#include "cli/cli_operation.h"
#include "cli/cmd.h"
#include "cli/running.h"
#include "json/json.h"

enum { PAGE_MAX_BYTES = 64 << 10 };

static int show(struct cli *cli, const char *system)
{
    AUTO(json_unref) json_t *answer = NULL;
    struct err err;
    char when[CLOCK_TEXT_BYTES];

    if (!cli_api_call(cli, "GET", cli_operation_path(cli, system, "/maintenance"), NULL, &answer,
                      &err))
        return cli_fail(cli, &err);
    if (cli->options.json) {
        cli_print_json(cli, answer);
        return EXIT_OK;
    }
    if (!json_find_bool(answer, "on", false)) {
        cli_print(cli, str_of(arena_printf(&cli->arena, "%s is live\n", system)));
        return EXIT_OK;
    }
    clock_format_rfc3339((int64_t)json_find_u64(answer, "since_ms", 0), when);
    cli_print(cli, str_of(arena_printf(
                       &cli->arena, "%s is in maintenance since %s, with %s page\n", system, when,
                       json_is_string(json_object_get(answer, "page")) ? "a" : "the usual")));
    return EXIT_OK;
}

/* Text, since it goes through JSON. */
static bool read_page(const char *path, json_t **ret, struct err *err)
{
    AUTO(buf_done) struct buf page = {0};

    if (!file_read(path, PAGE_MAX_BYTES, &page, err))
        return err_prefix(err, "--page");
    *ret = json_stringn(buf_text(&page), page.len);
    return *ret != NULL || err_set(err, ERR_INVALID, "--page: '%s' is not UTF-8 text", path);
}

static int change(struct cli *cli, const char *system, const char *method, const json_t *body,
                  const char *done)
{
    if (cli->options.dry_run) {
        cli_print(cli, str_of(arena_printf(&cli->arena, "%s would be %s\n", system, done)));
        return EXIT_OK;
    }
    return cli_operation_change(cli, system, method, "/maintenance", body, done);
}

static int turn_on(struct cli *cli, const char *system)
{
    AUTO(json_unref) json_t *body = json_object();
    json_t *page = NULL;
    struct err err;

    if (cli->options.page != NULL) {
        if (!read_page(cli->options.page, &page, &err))
            return cli_fail(cli, &err);
        (void)json_object_set_new(body, "page", page);
    }
    return change(cli, system, "POST", body, "in maintenance");
}

int cmd_maintenance(struct cli *cli)
{
    const char *verb = cli->options.arguments.items[0];
    int status = EXIT_OK;
    struct err err;

    const char *system = running_system(cli, &status);
    if (system == NULL)
        return status;
    if (strcmp(verb, "status") == 0)
        return show(cli, system);
    if (strcmp(verb, "on") == 0)
        return turn_on(cli, system);
    if (strcmp(verb, "off") == 0)
        return change(cli, system, "DELETE", NULL, "live again");
    err_set(&err, ERR_INVALID, "'maintenance' takes on, off or status, not '%.40s'", verb);
    return cli_fail(cli, &err);
}
