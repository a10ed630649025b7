/* SPDX-License-Identifier: Apache-2.0
 *
 * promote, abort and rollout: what a person says to a rollout, and what it says.
 */
#include "base/base.h"

#include "base/clock.h"
#include "cli/cli.h"
#include "cli/cli_api.h"
#include "cli/cli_operation.h"
#include "cli/cmd.h"
#include "cli/rollout_format.h"
#include "cli/running.h"
#include "cli/text_table.h"
#include "cli/text_width.h"
#include "json/json.h"

static const struct text_table_column columns[] = {{.header = "SERVICE"}, {.header = "STRATEGY"},
                                                   {.header = "CHANGE"},  {.header = "NEW SHARE"},
                                                   {.header = "OLD"},     {.header = "NEW"}};

static const char *number_text(struct cli *cli, const json_t *object, const char *key)
{
    return arena_printf(&cli->arena, "%llu", (unsigned long long)json_find_u64(object, key, 0));
}

static void add_services(struct cli *cli, const json_t *rollout, struct buf *ret)
{
    struct text_table table;
    size_t i;
    const json_t *service;

    text_table_init(&table, columns, ARRAY_LEN(columns));
    json_array_foreach(json_object_get(rollout, "services"), i, service)
    {
        AUTO(buf_done) struct buf share = {0};
        rollout_format_share(json_find_u64(service, "share", 0), &share);
        text_table_add(&table, STYLE_NONE, json_find_text(service, "service", "?"));
        text_table_add(&table, STYLE_NONE, json_find_text(service, "strategy", "-"));
        text_table_add(&table, STYLE_NONE, json_find_text(service, "change", "-"));
        text_table_add(&table, STYLE_NONE, arena_str(&cli->arena, buf_str(&share)));
        text_table_add(&table, STYLE_NONE, number_text(cli, service, "old"));
        text_table_add(&table, STYLE_NONE, number_text(cli, service, "new"));
    }
    text_table_format(&table, &cli->out, ret);
    text_table_done(&table);
}

static void print_rollout(struct cli *cli, const json_t *rollout)
{
    AUTO(buf_done) struct buf out = {0};
    const char *host = json_find_text(rollout, "test_host", NULL);

    rollout_format_line(rollout, clock_wall_ms(), &cli->out, &out);
    buf_add_char(&out, '\n');
    rollout_format_figures(rollout, "  ", &out);
    if (host != NULL && json_find_bool(rollout, "active", false) &&
        json_find_u64(rollout, "switched_ms", 0) == 0) {
        buf_add_text(&out, "  the new release answers at ");
        text_clean(str_of(host), false, &out);
        buf_add_char(&out, '\n');
    }
    add_services(cli, rollout, &out);
    if (json_find_bool(rollout, "can_promote", false))
        buf_add_text(&out, "'ishizue promote' goes on to the next step\n");
    if (json_find_bool(rollout, "can_abort", false))
        buf_add_text(&out, "'ishizue abort' goes back to the old release\n");
    cli_print(cli, buf_str(&out));
}

int cmd_rollout(struct cli *cli)
{
    AUTO(json_unref) json_t *answer = NULL;
    const char *system;
    int status;

    if (!running_ask(cli, "/rollout", &system, &answer, &status))
        return status;
    const json_t *rollout = json_object_get(answer, "rollout");
    if (cli->options.json)
        cli_print_json(cli, answer);
    else if (json_is_object(rollout))
        print_rollout(cli, rollout);
    else
        cli_print(cli,
                  str_of(arena_printf(&cli->arena, "nothing of %s was rolled out yet\n", system)));
    return EXIT_OK;
}

/* A promote or an abort. */
static int say(struct cli *cli, const char *verb, enum progress_kind kind, const char *done,
               json_t *body)
{
    const struct options_number *timeout = &cli->options.wait_timeout_s;
    AUTO(json_unref) json_t *result = NULL;
    AUTO(json_unref) json_t *whole = json_incref(body);
    int status = EXIT_OK;

    if (cli->options.dry_run)
        return cmd_rollout(cli);
    const char *system = running_system(cli, &status);
    if (system == NULL)
        return status;
    (void)json_object_set_new(whole, "timeout_ms",
                              json_integer(timeout->given ? (json_int_t)timeout->value * 1000 : 0));
    const struct cli_operation operation = {
        .kind = kind, .system = system, .verb = verb, .body = whole};
    status = cli_operation_run(cli, &operation, &result);
    if (status == EXIT_OK)
        cli_operation_summary(cli, system, done, result);
    return status;
}

int cmd_promote(struct cli *cli)
{
    AUTO(json_unref) json_t *body = json_pack("{s:b}", "all", (int)cli->options.all);

    return say(cli, "promote", PROGRESS_PROMOTE, "is promoted", body);
}

int cmd_abort(struct cli *cli)
{
    AUTO(json_unref) json_t *body = json_object();

    return say(cli, "abort", PROGRESS_ABORT, "is back at the old release", body);
}
