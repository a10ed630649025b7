/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/cli.h"
#include "cli/cli_api.h"
#include "cli/cli_operation.h"
#include "cli/cmd.h"
#include "cli/daemon_start.h"
#include "cli/log_view.h"
#include "cli/plan_view.h"
#include "cli/project.h"
#include "cli/up_follow.h"
#include "cli/up_request.h"
#include "json/json.h"

static void say_started(struct cli *cli, const char *system)
{
    if (cli_operation_is_text(cli))
        cli_print(cli,
                  str_of(arena_printf(
                      &cli->arena, "%s is coming up, 'ishizue ps' shows how far it is\n", system)));
}

static int bring_up(struct cli *cli, const struct compose *compose, json_t *resolved)
{
    AUTO(json_unref) json_t *body = up_request_make_release(cli, compose, resolved);
    AUTO(json_unref) json_t *result = NULL;
    const struct options *options = &cli->options;
    const char *done = options->no_start ? "is made, nothing was started," : "is up";
    bool all = options->arguments.count == 0;
    int64_t start_ms = clock_wall_ms();
    struct cli_operation up = {
        .kind = PROGRESS_UP,
        .system = compose->name,
        .verb = "up",
        .body = body,
        .services = up_request_names(cli, compose),
        .service_count = all ? compose->service_count : 0,
        .only_start = options->no_wait,
    };

    int status = cli_operation_run(cli, &up, &result);
    if (status != EXIT_OK)
        return up_follow_failed(cli, compose->name, start_ms, status);
    if (result == NULL) {
        say_started(cli, compose->name);
        return EXIT_OK;
    }
    cli_operation_summary(
        cli, compose->name,
        json_find_bool(result, "changed", true) ? done : "was up already, checked", result);
    if (options->detach || options->wait || options->no_wait || options->no_start)
        return EXIT_OK;
    return up_follow(cli, compose, start_ms);
}

static bool check_options(const struct options *options, struct err *err)
{
    bool aborts = up_follow_aborts(options);

    if (options->force_recreate && options->no_recreate)
        return err_set(err, ERR_INVALID,
                       "--force-recreate and --no-recreate exclude each other, give one of them");
    if (options->always_recreate_deps && options->no_recreate)
        return err_set(err, ERR_INVALID,
                       "--always-recreate-deps and --no-recreate exclude each "
                       "other, give one of them");
    if (options->build && options->no_build)
        return err_set(err, ERR_INVALID,
                       "--build and --no-build exclude each other, give one of them");
    if (aborts && (options->detach || options->wait || options->no_wait || options->no_start))
        return err_set(err, ERR_INVALID,
                       "whoever waits for an instance to end has to stay: leave "
                       "out -d, --wait, --no-wait and --no-start");
    return true;
}

int cmd_up(struct cli *cli)
{
    AUTO(json_unref) json_t *resolved = NULL;
    struct compose *compose;
    struct err err;

    if (!check_options(&cli->options, &err))
        return cli_fail(cli, &err);
    int status = project_load(cli, true, true, &compose, &resolved);
    if (status != EXIT_OK)
        return status;
    if (!up_request_apply(cli, compose, resolved, &err) || !up_follow_check(cli, compose, &err))
        return cli_fail(cli, &err);
    if (cli->options.dry_run)
        return plan_view_up(cli, compose, resolved);
    if (!daemon_ensure(cli, &err))
        return cli_fail(cli, &err);
    return bring_up(cli, compose, resolved);
}
