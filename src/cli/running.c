/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/file.h"
#include "cli/cli.h"
#include "cli/cli_api.h"
#include "cli/cli_operation.h"
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

const char *running_path(struct cli *cli, const char *system, const char *rest,
                         const struct compose_texts *services)
{
    AUTO(buf_done) struct buf path = {0};
    bool has_query = strchr(rest, '?') != NULL;

    buf_add_text(&path, rest);
    for (size_t i = 0; i < services->count; i++) {
        buf_add_text(&path, i == 0 && !has_query ? "?service=" : "&service=");
        cli_api_encode(services->items[i], &path);
    }
    return cli_operation_path(cli, system, buf_text(&path));
}

bool running_ask(struct cli *cli, const char *rest, const char **ret_system, json_t **ret,
                 int *ret_status)
{
    struct err err;

    *ret_status = EXIT_OK;
    *ret_system = running_system(cli, ret_status);
    if (*ret_system == NULL)
        return false;
    const char *path = running_path(cli, *ret_system, rest, &cli->options.arguments);
    if (cli_api_call(cli, "GET", path, NULL, ret, &err))
        return true;
    *ret_status = cli_fail(cli, &err);
    return false;
}
