/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "cli/attach.h"
#include "cli/cli.h"
#include "cli/cli_api.h"
#include "cli/cli_operation.h"
#include "cli/cmd.h"
#include "cli/running.h"
#include "json/json.h"

int cmd_attach(struct cli *cli)
{
    const struct options *options = &cli->options;
    AUTO(json_unref) json_t *body = NULL;
    AUTO(json_unref) json_t *answer = NULL;
    int status = EXIT_OK;
    struct err err;
    const char *system = running_system(cli, &status);

    if (system == NULL)
        return status;
    body = json_pack("{s:s, s:I}", "service", options->arguments.items[0], "index",
                     (json_int_t)options->index.value);
    if (!cli_api_call(cli, "POST", cli_operation_path(cli, system, "/attach"), body, &answer, &err))
        return cli_fail(cli, &err);
    if (cli->options.dry_run || cli->options.json) {
        cli_print_json(cli, answer);
        return EXIT_OK;
    }
    struct attach attach = {
        .system = system,
        .id = json_find_text(answer, "id", ""),
        .socket = json_find_text(answer, "socket", NULL),
        .control = json_find_text(answer, "control", NULL),
        .tty = json_find_bool(answer, "tty", false),
        .with_stdin = !options->no_stdin && json_find_bool(answer, "stdin_open", false),
        .proxies_signals = options->sig_proxy == NULL || strcmp(options->sig_proxy, "true") == 0,
        .detach_keys = options->detach_keys,
    };
    return attach_run(cli, &attach);
}
