/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/file.h"
#include "cli/cli.h"
#include "cli/cli_api.h"
#include "cli/project.h"
#include "cli/running.h"

bool running_was_started(const struct cli *cli)
{
    AUTO(buf_done) struct buf path = {0};

    buf_addf(&path, "%s/state.db", cli->state_dir);
    return file_exists(buf_text(&path));
}

const char *running_system(struct cli *cli, int *ret_status)
{
    struct err err;
    const char *system;

    if (!cli_check_root(cli, &err)) {
        *ret_status = cli_fail(cli, &err);
        return NULL;
    }
    system = project_system(cli, ret_status);
    if (system == NULL || cli_api_is_up(cli))
        return system;
    if (running_was_started(cli))
        err_set(&err, ERR_CLOSED,
                "no daemon runs, so nothing can be said about '%s': start it with 'ishizue daemon'",
                system);
    else
        err_set(&err, ERR_NOT_FOUND, "no system '%s' is running", system);
    *ret_status = cli_fail(cli, &err);
    return NULL;
}
