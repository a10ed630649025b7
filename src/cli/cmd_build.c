/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "cli/cli.h"
#include "cli/cli_operation.h"
#include "cli/cmd.h"
#include "cli/daemon_start.h"
#include "cli/project.h"
#include "cli/up_request.h"
#include "json/json.h"

static bool is_named(const struct options *options, const char *service)
{
    for (size_t i = 0; i < options->arguments.count; i++)
        if (strcmp(options->arguments.items[i], service) == 0)
            return true;
    return options->arguments.count == 0;
}

/* Returns how many there are; says them with --dry-run. */
static size_t count_builds(struct cli *cli, const struct compose *compose)
{
    size_t count = 0;

    for (size_t i = 0; i < compose->service_count; i++) {
        const struct compose_service *service = &compose->services[i];
        if (!service->build.present || service->x.provided_by_edge ||
            !is_named(&cli->options, service->name))
            continue;
        count++;
        if (cli->options.dry_run)
            cli_print(cli, str_of(arena_printf(&cli->arena, "would build %s from %s\n",
                                               service->name, service->build.context)));
    }
    return count;
}

static int run_builds(struct cli *cli, const struct compose *compose, json_t *resolved)
{
    AUTO(json_unref) json_t *body = up_request_make(cli, compose, resolved, true);
    AUTO(json_unref) json_t *result = NULL;
    struct cli_operation build = {
        .kind = PROGRESS_UP, .system = compose->name, .verb = "up", .body = body};

    int status = cli_operation_run(cli, &build, &result);
    if (status == EXIT_OK)
        cli_operation_summary(
            cli, compose->name,
            json_find_bool(result, "changed", true) ? "is built" : "was built already, checked",
            result);
    return status;
}

int cmd_build(struct cli *cli)
{
    AUTO(json_unref) json_t *resolved = NULL;
    struct compose *compose;
    struct err err;

    int status = project_load(cli, true, true, &compose, &resolved);
    if (status != EXIT_OK)
        return status;
    if (!up_request_apply(cli, compose, resolved, &err))
        return cli_fail(cli, &err);
    if (cli->options.quiet)
        cli->options.progress = "quiet";
    size_t count = count_builds(cli, compose);
    if (count == 0 && !cli->options.quiet && !cli->options.json)
        cli_print(cli, STR("nothing has to be built\n"));
    if (count == 0 || cli->options.dry_run)
        return EXIT_OK;
    if (!cli_check_root(cli, &err) || !daemon_ensure(cli, &err))
        return cli_fail(cli, &err);
    return run_builds(cli, compose, resolved);
}
