/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "cli/cli.h"
#include "cli/cli_operation.h"
#include "cli/cmd.h"
#include "cli/daemon_start.h"
#include "cli/plan_view.h"
#include "cli/project.h"
#include "cli/up_request.h"
#include "json/json.h"

int cmd_create(struct cli *cli)
{
    AUTO(json_unref) json_t *resolved = NULL;
    AUTO(json_unref) json_t *result = NULL;
    struct compose *compose;
    struct err err;

    int status = project_load(cli, true, true, &compose, &resolved);
    if (status != EXIT_OK)
        return status;
    if (!up_request_apply(cli, compose, resolved, &err))
        return cli_fail(cli, &err);
    if (cli->options.dry_run)
        return plan_view_up(cli, compose, resolved);
    if (!daemon_ensure(cli, &err))
        return cli_fail(cli, &err);
    cli->options.no_start = true;
    AUTO(json_unref) json_t *body = up_request_make_release(cli, compose, resolved);
    struct cli_operation create = {
        .kind = PROGRESS_CREATE, .system = compose->name, .verb = "up", .body = body};
    status = cli_operation_run(cli, &create, &result);
    if (status == EXIT_OK)
        cli_operation_summary(cli, compose->name, "is created", result);
    return status;
}
