/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "cli/agree.h"
#include "cli/cli.h"
#include "cli/cli_api.h"
#include "cli/cli_operation.h"
#include "cli/cmd.h"
#include "cli/daemon_start.h"
#include "cli/deploy_plan.h"
#include "cli/plan_view.h"
#include "cli/project.h"
#include "cli/up_request.h"
#include "json/json.h"

static bool check_options(const struct options *options, struct err *err)
{
    if (options->wait && options->no_wait)
        return err_set(err, ERR_INVALID,
                       "--wait and --no-wait exclude each other, give one of them");
    if (options->build && options->no_build)
        return err_set(err, ERR_INVALID,
                       "--build and --no-build exclude each other, give one of them");
    return true;
}

/* "deploy" of the request: how, and what the answer waits for. */
static json_t *deploy_member(const struct options *options, bool dry_run)
{
    json_t *deploy = json_object();
    const char *wait = options->no_wait ? "started" : options->wait ? "done" : "switched";

    if (options->strategy != NULL)
        (void)json_object_set_new(deploy, "strategy", json_string(options->strategy));
    (void)json_object_set_new(deploy, "wait", json_string(wait));
    if (dry_run)
        (void)json_object_set_new(deploy, "dry_run", json_true());
    return deploy;
}

/* States of a rollout in which not all of the traffic has moved. */
static bool is_under_way(const char *state)
{
    static const char *const states[] = {"migrating", "starting", "shifting", "watching"};

    for (size_t i = 0; i < ARRAY_LEN(states); i++)
        if (strcmp(state, states[i]) == 0)
            return true;
    return false;
}

static void summarize(struct cli *cli, const char *system, const json_t *result)
{
    const char *state = json_find_text(json_object_get(result, "rollout"), "state", "");
    const char *what = "is deployed";

    if (result == NULL || (cli->options.no_wait && is_under_way(state))) {
        if (cli_operation_is_text(cli))
            cli_print(cli, STR("the deploy goes on, 'ishizue rollout' shows how far it is\n"));
        return;
    }
    if (!json_find_bool(result, "changed", true))
        what = "ran this already, checked";
    else if (strcmp(state, "waiting") == 0)
        what = "waits for 'ishizue promote' or 'ishizue abort',";
    cli_operation_summary(cli, system, what, result);
}

static int run_deploy(struct cli *cli, const struct compose *compose, json_t *body)
{
    AUTO(json_unref) json_t *result = NULL;
    bool all = cli->options.arguments.count == 0;
    const struct cli_operation deploy = {
        .kind = PROGRESS_DEPLOY,
        .system = compose->name,
        .verb = "up",
        .body = body,
        .services = up_request_names(cli, compose),
        .service_count = all ? compose->service_count : 0,
    };

    (void)json_object_set_new(body, "deploy", deploy_member(&cli->options, false));
    int status = cli_operation_run(cli, &deploy, &result);
    if (status == EXIT_OK)
        summarize(cli, compose->name, result);
    return status;
}

/* On a terminal, and with --dry-run, the plan comes first. */
static bool shows_plan(const struct cli *cli)
{
    return cli->options.dry_run || (!cli->options.yes && !cli->options.json && cli->out.is_tty &&
                                    cli_operation_is_text(cli));
}

static int plan_and_run(struct cli *cli, const struct compose *compose, json_t *resolved)
{
    AUTO(json_unref) json_t *body = up_request_make_release(cli, compose, resolved);
    AUTO(json_unref) json_t *plan = NULL;
    struct err err;

    if (shows_plan(cli)) {
        (void)json_object_set_new(body, "deploy", deploy_member(&cli->options, true));
        if (!deploy_plan_ask(cli, compose->name, body, &plan, &err))
            return cli_fail(cli, &err);
        deploy_plan_print(cli, plan);
        if (cli->options.dry_run)
            return EXIT_OK;
        if (deploy_plan_changes(plan) && !agree_ask(cli, "Deploy?"))
            return EXIT_FAILED;
    }
    return run_deploy(cli, compose, body);
}

int cmd_deploy(struct cli *cli)
{
    AUTO(json_unref) json_t *resolved = NULL;
    struct compose *compose;
    struct err err;

    if (!check_options(&cli->options, &err))
        return cli_fail(cli, &err);
    int status = project_load(cli, true, true, &compose, &resolved);
    if (status != EXIT_OK)
        return status;
    if (!up_request_apply(cli, compose, resolved, &err) || !cli_check_root(cli, &err))
        return cli_fail(cli, &err);
    if (cli->options.dry_run && !cli_api_is_up(cli))
        return plan_view_up(cli, compose, resolved);
    if (!daemon_ensure(cli, &err))
        return cli_fail(cli, &err);
    return plan_and_run(cli, compose, resolved);
}
