/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/err.h"
#include "cli/cli.h"
#include "cli/cli_api.h"
#include "cli/cli_operation.h"
#include "cli/deploy_plan.h"
#include "cli/rollout_format.h"
#include "cli/text_table.h"
#include "json/json.h"

static const struct text_table_column columns[] = {{.header = "SERVICE"},
                                                   {.header = "WOULD"},
                                                   {.header = "HOW"},
                                                   {.header = "BECAUSE", .shrinks = true}};

static bool on_line(void *arg, struct str raw, const json_t *line)
{
    json_t **result = arg;

    (void)raw;
    if (strcmp(json_find_text(line, "event", ""), "result") == 0 && *result == NULL)
        *result = json_deep_copy(line);
    return true;
}

bool deploy_plan_ask(struct cli *cli, const char *system, const json_t *body, json_t **ret,
                     struct err *err)
{
    AUTO(json_unref) json_t *result = NULL;
    const struct cli_api_reader reader = {.on_line = on_line, .arg = &result};
    const struct cli_api_request request = {
        .method = "POST", .target = cli_operation_path(cli, system, "/up"), .body = body};
    int signo = 0;

    if (!cli_api_stream(cli, &request, &reader, &signo, err))
        return false;
    if (signo != 0 || result == NULL)
        return err_set(err, ERR_CLOSED, "the daemon went away before it told the plan");
    json_t *plan = json_object_get(result, "plan");
    if (!json_find_bool(result, "ok", false) || !json_is_object(plan))
        return err_set(err, ERR_PROGRAM, "%.800s",
                       json_find_text(result, "error", "the daemon told no plan"));
    *ret = json_incref(plan);
    return true;
}

static enum style style_of(const char *action)
{
    static const struct {
        const char *action;
        enum style style;
    } styles[] = {{"add", STYLE_GREEN},
                  {"replace", STYLE_YELLOW},
                  {"recreate", STYLE_RED},
                  {"remove", STYLE_RED},
                  {"scale", STYLE_YELLOW}};

    for (size_t i = 0; i < ARRAY_LEN(styles); i++)
        if (strcmp(styles[i].action, action) == 0)
            return styles[i].style;
    return STYLE_NONE;
}

/* " 5 %, 25 %, 100 %"; a rolling deploy goes by instances. */
static void add_steps(const char *strategy, const json_t *steps, struct buf *ret)
{
    const json_t *step;
    size_t i;

    if (json_array_size(steps) < 2)
        return;
    if (strategy != NULL && strcmp(strategy, "rolling") == 0) {
        buf_addf(ret, ", %llu at a time",
                 (unsigned long long)json_find_u64(json_array_get(steps, 0), "instances", 1));
        return;
    }
    json_array_foreach(steps, i, step)
    {
        buf_add_text(ret, i == 0 ? " " : ", ");
        rollout_format_share(json_find_u64(step, "share", 0), ret);
    }
}

/* "canary 5 %, 25 %, 100 %; 3 instances; builds; migrates first". */
static void add_how(const json_t *service, struct buf *ret)
{
    const char *strategy = json_find_text(service, "strategy", NULL);
    uint64_t instances = json_find_u64(service, "instances", 1);

    if (strategy != NULL)
        buf_add_text(ret, strategy);
    add_steps(strategy, json_object_get(service, "steps"), ret);
    if (instances != 1)
        buf_addf(ret, "%s%llu instances", ret->len > 0 ? "; " : "", (unsigned long long)instances);
    if (json_find_bool(service, "build", false))
        buf_addf(ret, "%sbuilds", ret->len > 0 ? "; " : "");
    if (json_find_text(service, "migrate", NULL) != NULL)
        buf_addf(ret, "%smigrates first", ret->len > 0 ? "; " : "");
}

/* Where the daemon has no reason of its own, it is what the action says. */
static const char *reason_of(const json_t *service)
{
    static const struct {
        const char *action;
        const char *reason;
    } reasons[] = {{"keep", "unchanged"},
                   {"add", "new in the file"},
                   {"remove", "not in the file any more"},
                   {"scale", "another number of instances"}};
    const char *action = json_find_text(service, "action", "?");
    const char *told = json_find_text(service, "why", NULL);

    if (told != NULL)
        return told;
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
        if (strcmp(reasons[i].action, action) == 0)
            return reasons[i].reason;
    return json_find_bool(service, "build", false) ? "its sources changed"
                                                   : "its configuration changed";
}

void deploy_plan_print(struct cli *cli, const json_t *plan)
{
    AUTO(buf_done) struct buf out = {0};
    struct text_table table;
    size_t i;
    const json_t *service;

    if (cli->options.json) {
        AUTO(json_unref) json_t *root = json_pack("{s:O}", "plan", plan);
        cli_print_json(cli, root);
        return;
    }
    text_table_init(&table, columns, ARRAY_LEN(columns));
    json_array_foreach(json_object_get(plan, "services"), i, service)
    {
        AUTO(buf_done) struct buf how = {0};
        const char *action = json_find_text(service, "action", "?");

        add_how(service, &how);
        text_table_add(&table, STYLE_NONE, json_find_text(service, "service", "?"));
        text_table_add(&table, style_of(action), action);
        text_table_add(&table, STYLE_NONE,
                       arena_str(&cli->arena, buf_str(&how))); /* the table keeps no copy */
        text_table_add(&table, STYLE_DIM, reason_of(service));
    }
    if (i > 0)
        text_table_format(&table, &cli->out, &out);
    else
        buf_add_text(&out, "nothing would change\n");
    cli_print(cli, buf_str(&out));
    text_table_done(&table);
}

bool deploy_plan_changes(const json_t *plan)
{
    size_t i;
    const json_t *service;

    json_array_foreach(json_object_get(plan, "services"), i, service)
    {
        if (strcmp(json_find_text(service, "action", "keep"), "keep") != 0 ||
            json_find_bool(service, "build", false))
            return true;
    }
    return false;
}
