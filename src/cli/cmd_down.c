/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "cli/cli.h"
#include "cli/cli_api.h"
#include "cli/cli_operation.h"
#include "cli/cmd.h"
#include "cli/plan_view.h"
#include "cli/project.h"
#include "cli/running.h"
#include "json/json.h"

/* The system is gone by then: what was built for it is of no use to anything that runs. */
static int remove_trees(struct cli *cli, const char *system)
{
    AUTO(json_unref) json_t *body = json_object();
    AUTO(json_unref) json_t *answer = NULL;
    struct err err;

    if (cli_api_call(cli, "POST", cli_operation_path(cli, system, "/trees/remove"), body, &answer,
                     &err))
        return EXIT_OK;
    err_prefix(&err, "what was built is left");
    return cli_fail(cli, &err);
}

/* Is nothing of <system> known? */
static bool is_forgotten(struct cli *cli, const char *system)
{
    AUTO(json_unref) json_t *answer = NULL;
    struct err err;

    return !cli_api_call(cli, "GET", cli_operation_path(cli, system, ""), NULL, &answer, &err) &&
           err.code == ERR_NOT_FOUND && cli_api_is_up(cli);
}

/* Volumes outlive the system: the file says which they are. */
static void add_file(struct cli *cli, json_t *body)
{
    struct compose_diags *diags = ARENA_NEW(&cli->arena, struct compose_diags);
    json_t *resolved = NULL;
    struct compose *compose = NULL;
    struct err ignored;

    if (!project_read(cli, false, &compose, &resolved, diags, &ignored))
        return;
    (void)json_object_set_new(body, "config", resolved);
    (void)json_object_set_new(body, "directory", json_from_bytes(str_of(compose->working_dir)));
}

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
    if (is_forgotten(cli, system)) {
        if (options->volumes)
            add_file(cli, body);
        if (json_object_get(body, "config") == NULL) {
            cli_warn(cli, arena_printf(&cli->arena, "nothing of '%s' runs", system));
            return EXIT_OK;
        }
    }
    if (options->timeout_s.given)
        json_object_set_new(body, "timeout_ms",
                            json_integer((json_int_t)options->timeout_s.value * 1000));

    struct cli_operation down = {
        .kind = PROGRESS_DOWN, .system = system, .verb = "down", .body = body};
    status = cli_operation_run(cli, &down, &result);
    if (status == EXIT_OK)
        cli_operation_summary(cli, system, "is down", result);
    if (status == EXIT_OK && options->rmi != NULL)
        return remove_trees(cli, system);
    return status;
}
