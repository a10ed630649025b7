/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <unistd.h>

#include "cli/attach.h"
#include "cli/cli.h"
#include "cli/cli_api.h"
#include "cli/cli_operation.h"
#include "cli/cmd.h"
#include "cli/daemon_start.h"
#include "cli/project.h"
#include "cli/run_overrides.h"
#include "cli/up_request.h"
#include "json/json.h"

/* The service's own words are no services: they are taken away while the file is read. */
static int load(struct cli *cli, struct compose **ret, json_t **ret_resolved)
{
    struct compose_texts words = cli->options.arguments;

    cli->options.arguments.count = 1;
    int status = project_load(cli, true, true, ret, ret_resolved);
    cli->options.arguments = words;
    return status;
}

static json_t *make_body(struct cli *cli, const struct compose *compose, json_t *resolved,
                         json_t *overrides)
{
    const struct options *options = &cli->options;
    json_t *body = up_request_make(cli, compose, resolved, false);

    (void)json_object_del(body, "services");
    (void)json_object_del(body, "force_recreate");
    (void)json_object_set_new(body, "service",
                              json_from_bytes(str_of(options->arguments.items[0])));
    (void)json_object_set(body, "overrides", overrides);
    (void)json_object_set_new(body, "remove", json_boolean(options->auto_remove));
    (void)json_object_set_new(body, "use_aliases", json_boolean(options->use_aliases));
    if (options->name != NULL)
        (void)json_object_set_new(body, "name", json_from_bytes(str_of(options->name)));
    return body;
}

/* Lets it begin and returns; its end is nobody's matter. */
static int begin_only(struct cli *cli, const char *system, const json_t *instance)
{
    const char *id = json_find_text(instance, "id", "");
    AUTO(json_unref) json_t *body = json_pack("{s:s, s:b}", "instance", id, "wait", 0);
    AUTO(json_unref) json_t *answer = NULL;
    struct err err;

    if (!cli_api_call(cli, "POST", cli_operation_path(cli, system, "/begin"), body, &answer, &err))
        return cli_fail(cli, &err);
    if (cli->options.json)
        cli_print_json(cli, instance);
    else if (!cli->options.quiet)
        cli_print(cli, str_of(arena_printf(&cli->arena, "%s\n", id)));
    return EXIT_OK;
}

static int attach_to(struct cli *cli, const char *system, const json_t *instance)
{
    AUTO(json_unref)
    json_t *body = json_pack("{s:s}", "instance", json_find_text(instance, "id", ""));
    AUTO(json_unref) json_t *answer = NULL;
    struct err err;

    if (!cli_api_call(cli, "POST", cli_operation_path(cli, system, "/attach"), body, &answer, &err))
        return cli_fail(cli, &err);
    struct attach attach = {.system = system,
                            .id = json_find_text(answer, "id", ""),
                            .socket = json_find_text(answer, "socket", NULL),
                            .control = json_find_text(answer, "control", NULL),
                            .tty = json_find_bool(answer, "tty", false),
                            .with_stdin = true,
                            .proxies_signals = true,
                            .begins = true,
                            .detach_keys = cli->options.detach_keys};
    return attach_run(cli, &attach);
}

/* Progress is for a person: what the command prints must stay what it is. */
static void choose_progress(struct cli *cli)
{
    if (cli->options.progress == NULL && (!isatty(STDOUT_FILENO) || cli->options.quiet))
        cli->options.progress = "quiet";
}

int cmd_run(struct cli *cli)
{
    const struct options *options = &cli->options;
    AUTO(json_unref) json_t *resolved = NULL;
    AUTO(json_unref) json_t *result = NULL;
    struct compose *compose;
    struct err err;

    int status = load(cli, &compose, &resolved);
    if (status != EXIT_OK)
        return status;
    bool tty =
        !options->no_tty && !options->detach && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    const json_t *service =
        json_object_get(json_object_get(resolved, "services"), options->arguments.items[0]);
    AUTO(json_unref) json_t *overrides = run_overrides_make(cli, service, tty, &err);
    if (overrides == NULL)
        return cli_fail(cli, &err);
    if (options->dry_run) {
        cli_print_json(cli, overrides);
        return EXIT_OK;
    }
    if (!daemon_ensure(cli, &err))
        return cli_fail(cli, &err);
    AUTO(json_unref) json_t *body = make_body(cli, compose, resolved, overrides);
    struct cli_operation run = {
        .kind = PROGRESS_RUN, .system = compose->name, .verb = "run", .body = body};
    choose_progress(cli);
    status = cli_operation_run(cli, &run, &result);
    if (status != EXIT_OK)
        return status;
    const json_t *instance = json_object_get(result, "instance");
    return options->detach ? begin_only(cli, compose->name, instance)
                           : attach_to(cli, compose->name, instance);
}
