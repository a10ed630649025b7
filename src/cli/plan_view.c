/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/err.h"
#include "cli/cli.h"
#include "cli/cli_api.h"
#include "cli/cli_operation.h"
#include "cli/plan_view.h"
#include "cli/text_table.h"
#include "json/json.h"

static const struct text_table_column columns[] = {
    {.header = "SERVICE"}, {.header = "WOULD"}, {.header = "BECAUSE", .shrinks = true}};

struct plan {
    struct cli *cli;
    struct text_table table;
    json_t *list; /* [{"service", "action", "why"}] for --json */
};

static void plan_add(struct plan *plan, const char *service, const char *action, enum style style,
                     const char *why)
{
    text_table_add(&plan->table, STYLE_NONE, service);
    text_table_add(&plan->table, style, action);
    text_table_add(&plan->table, STYLE_DIM, why);
    json_array_append_new(plan->list,
                          json_pack("{s:o, s:s, s:s}", "service", json_from_bytes(str_of(service)),
                                    "action", action, "why", why));
}

static void plan_start(struct plan *plan, struct cli *cli)
{
    *plan = (struct plan){.cli = cli, .list = json_array()};
    text_table_init(&plan->table, columns, ARRAY_LEN(columns));
}

static int plan_end(struct plan *plan)
{
    AUTO(buf_done) struct buf out = {0};

    if (plan->cli->options.json) {
        AUTO(json_unref) json_t *root = json_pack("{s:O}", "plan", plan->list);
        cli_print_json(plan->cli, root);
    } else {
        text_table_format(&plan->table, &plan->cli->out, &out);
        cli_print(plan->cli, buf_str(&out));
    }
    text_table_done(&plan->table);
    json_decref(plan->list);
    return EXIT_OK;
}

/* The config the daemon keeps running; *ret is NULL when there is none. */
static bool find_running(struct cli *cli, const char *system, json_t **ret, struct err *err)
{
    *ret = NULL;
    if (!cli_check_root(cli, err))
        return false;
    if (!cli_api_is_up(cli) ||
        cli_api_call(cli, "GET", cli_operation_path(cli, system, "/config"), NULL, ret, err))
        return true;
    return err->code == ERR_NOT_FOUND;
}

static bool is_asked_for(const struct cli *cli, const char *service)
{
    const struct compose_texts *names = &cli->options.arguments;

    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->items[i], service) == 0)
            return true;
    return names->count == 0;
}

static void compare_service(struct plan *plan, const struct compose_service *service,
                            const json_t *wanted, const json_t *running)
{
    const struct options *options = &plan->cli->options;

    if (running == NULL)
        plan_add(plan, service->name, service->x.provided_by_edge ? "route" : "start", STYLE_GREEN,
                 "it does not run");
    else if (!json_equal(wanted, running))
        plan_add(plan, service->name, "replace", STYLE_YELLOW, "its configuration changed");
    else if (options->force_recreate)
        plan_add(plan, service->name, "replace", STYLE_YELLOW, "--force-recreate");
    else if (options->build && service->build.present)
        plan_add(plan, service->name, "build", STYLE_YELLOW, "--build; replaced if that differs");
    else if (service->build.present)
        plan_add(plan, service->name, "keep", STYLE_NONE, "replaced only if its sources changed");
    else
        plan_add(plan, service->name, "keep", STYLE_NONE, "unchanged");
}

int plan_view_up(struct cli *cli, const struct compose *compose, const json_t *resolved)
{
    AUTO(json_unref) json_t *config = NULL;
    const json_t *wanted = json_object_get(resolved, "services");
    struct plan plan;
    struct err err;
    void *at;

    if (!find_running(cli, compose->name, &config, &err))
        return cli_fail(cli, &err);
    json_t *running = json_object_get(config, "services");
    plan_start(&plan, cli);
    for (size_t i = 0; i < compose->service_count; i++) {
        const char *name = compose->services[i].name;
        if (is_asked_for(cli, name))
            compare_service(&plan, &compose->services[i], json_object_get(wanted, name),
                            json_object_get(running, name));
    }
    for (at = json_object_iter(running); at != NULL; at = json_object_iter_next(running, at))
        if (json_object_get(wanted, json_object_iter_key(at)) == NULL)
            plan_add(&plan, json_object_iter_key(at), "remove", STYLE_RED,
                     "it is not in the file any more");
    return plan_end(&plan);
}

/* <action> for every instance of the services asked for. */
int plan_view_instances(struct cli *cli, const char *system, const char *action, const char *why)
{
    AUTO(json_unref) json_t *root = NULL;
    struct plan plan;
    struct err err;
    size_t i;
    const json_t *instance;

    if (!cli_api_call(cli, "GET", cli_operation_path(cli, system, ""), NULL, &root, &err))
        return cli_fail(cli, &err);
    plan_start(&plan, cli);
    json_array_foreach(json_object_get(root, "instances"), i, instance)
    {
        const char *service = json_find_text(instance, "service", "?");
        if (is_asked_for(cli, service))
            plan_add(&plan, service, action, STYLE_YELLOW, why);
    }
    return plan_end(&plan);
}

int plan_view_down(struct cli *cli, const char *system)
{
    return plan_view_instances(cli, system, "stop",
                               cli->options.volumes ? "its volumes would be removed too: -v"
                                                    : "its volumes would stay");
}

int plan_view_restart(struct cli *cli, const char *system)
{
    return plan_view_instances(cli, system, "restart", "asked for");
}
