/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "cli/cli.h"
#include "cli/cli_operation.h"
#include "cli/cmd.h"
#include "cli/plan_view.h"
#include "cli/running.h"
#include "json/json.h"

int cmd_restart(struct cli *cli)
{
    AUTO(json_unref) json_t *body = NULL;
    AUTO(json_unref) json_t *result = NULL;
    const struct options *options = &cli->options;
    int status = EXIT_OK;
    const char *system = running_system(cli, &status);

    if (system == NULL)
        return status;
    if (options->dry_run)
        return plan_view_restart(cli, system);
    body = json_pack("{s:[]}", "services");
    for (size_t i = 0; i < options->arguments.count; i++)
        json_array_append_new(json_object_get(body, "services"),
                              json_from_bytes(str_of(options->arguments.items[i])));
    if (options->timeout_s.given)
        json_object_set_new(body, "timeout_ms",
                            json_integer((json_int_t)options->timeout_s.value * 1000));

    struct cli_operation restart = {
        .kind = PROGRESS_RESTART, .system = system, .verb = "restart", .body = body};
    status = cli_operation_run(cli, &restart, &result);
    if (status == EXIT_OK)
        cli_operation_summary(cli, system, "restarted", result);
    return status;
}
