/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "cli/cli.h"
#include "cli/cli_operation.h"
#include "cli/cmd.h"
#include "cli/plan_view.h"
#include "cli/running.h"
#include "json/json.h"

int cmd_down(struct cli *cli)
{
    AUTO(json_unref) json_t *body = NULL;
    AUTO(json_unref) json_t *result = NULL;
    const struct options *options = &cli->options;
    int status = EXIT_OK;
    const char *system = running_system(cli, &status);

    if (system == NULL)
        return status;
    if (options->dry_run)
        return plan_view_down(cli, system);
    body = json_pack("{s:b}", "volumes", (int)options->volumes);
    if (options->timeout_s.given)
        json_object_set_new(body, "timeout_ms",
                            json_integer((json_int_t)options->timeout_s.value * 1000));

    struct cli_operation down = {
        .kind = PROGRESS_DOWN, .system = system, .verb = "down", .body = body};
    status = cli_operation_run(cli, &down, &result);
    if (status == EXIT_OK)
        cli_operation_summary(cli, system, "is down", result);
    return status;
}
