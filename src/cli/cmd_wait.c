/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "cli/cli.h"
#include "cli/cli_api.h"
#include "cli/cli_operation.h"
#include "cli/cmd.h"
#include "cli/running.h"
#include "cli/text_width.h"
#include "cli/verb_operation.h"
#include "json/json.h"

struct waiting {
    struct cli *cli;
    int exit_status; /* of the one that ended last */
};

static bool on_line(void *arg, struct str raw, const json_t *line)
{
    struct waiting *waiting = arg;
    AUTO(buf_done) struct buf out = {0};

    waiting->exit_status = (int)json_find_u64(line, "exit_status", 0);
    if (waiting->cli->options.json) {
        buf_add_str(&out, raw);
    } else {
        buf_add_text(&out, "container \"");
        text_clean(str_of(json_find_text(line, "instance", "?")), false, &out);
        buf_addf(&out, "\" exited with status code %d", waiting->exit_status);
    }
    buf_add_char(&out, '\n');
    cli_print(waiting->cli, buf_str(&out));
    return true;
}

static int take_down(struct cli *cli, const char *system, int exit_status)
{
    AUTO(json_unref) json_t *body = json_object();
    AUTO(json_unref) json_t *result = NULL;
    struct cli_operation down = {
        .kind = PROGRESS_DOWN, .system = system, .verb = "down", .body = body};

    int status = cli_operation_run(cli, &down, &result);
    return status == EXIT_OK ? exit_status : status;
}

int cmd_wait(struct cli *cli)
{
    struct waiting waiting = {.cli = cli};
    const struct cli_api_reader reader = {.on_line = on_line, .arg = &waiting};
    AUTO(json_unref) json_t *body = NULL;
    int status = EXIT_OK, signo = 0;
    struct err err;
    const char *system = running_system(cli, &status);

    if (system == NULL)
        return status;
    body = json_pack("{s:o}", "services", verb_services(cli));
    const struct cli_api_request request = {"POST", cli_operation_path(cli, system, "/wait"), body};
    if (!cli_api_stream(cli, &request, &reader, &signo, &err))
        return cli_fail(cli, &err);
    if (signo != 0)
        return 128 + signo;
    return cli->options.down_project ? take_down(cli, system, waiting.exit_status)
                                     : waiting.exit_status;
}
