/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "cli/cli.h"
#include "cli/cli_api.h"
#include "cli/cmd.h"
#include "cli/running.h"
#include "cli/text_table.h"
#include "cli/text_width.h"
#include "json/json.h"

static const struct text_table_column columns[] = {
    {.header = "NAME"},
    {.header = "STATUS", .shrinks = true},
    {.header = "FILES", .shrinks = true},
};

static const char *files_text(struct cli *cli, const json_t *system)
{
    AUTO(buf_done) struct buf out = {0};
    size_t i;
    const json_t *file;

    json_array_foreach(json_object_get(system, "files"), i, file)
    {
        if (i > 0)
            buf_add_char(&out, ',');
        buf_add_text(&out, json_is_string(file) ? json_string_value(file) : "?");
    }
    return arena_str(&cli->arena, buf_str(&out));
}

static void print_table(struct cli *cli, const json_t *systems)
{
    AUTO(text_table_done) struct text_table table = {0};
    AUTO(buf_done) struct buf out = {0};
    size_t i;
    const json_t *system;

    if (json_array_size(systems) == 0) {
        cli_print(cli, STR("no system is up\n"));
        return;
    }
    text_table_init(&table, columns, ARRAY_LEN(columns));
    json_array_foreach(systems, i, system)
    {
        text_table_add(&table, STYLE_NONE, json_find_text(system, "name", "?"));
        text_table_add(&table, STYLE_NONE, json_find_text(system, "status", "?"));
        text_table_add(&table, STYLE_NONE, files_text(cli, system));
    }
    text_table_format(&table, &cli->out, &out);
    cli_print(cli, buf_str(&out));
}

/* Docker Compose's array. */
static void print_compose_json(struct cli *cli, const json_t *systems)
{
    AUTO(json_unref) json_t *list = json_array();
    AUTO(buf_done) struct buf out = {0};
    size_t i;
    const json_t *system;

    json_array_foreach(systems, i, system) json_array_append_new(
        list,
        json_pack("{s:s, s:s, s:s}", "Name", json_find_text(system, "name", ""), "Status",
                  json_find_text(system, "status", ""), "ConfigFiles", files_text(cli, system)));
    json_format(list, false, &out);
    buf_add_char(&out, '\n');
    cli_print(cli, buf_str(&out));
}

static void print_names(struct cli *cli, const json_t *systems)
{
    AUTO(buf_done) struct buf out = {0};
    size_t i;
    const json_t *system;

    json_array_foreach(systems, i, system)
        buf_addf(&out, "%s\n", json_find_text(system, "name", "?"));
    cli_print(cli, buf_str(&out));
}

static void print_systems(struct cli *cli, const json_t *root)
{
    const json_t *systems = json_object_get(root, "systems");
    const char *format = cli->options.format;

    if (cli->options.json)
        cli_print_json(cli, root);
    else if (format != NULL && strcmp(format, "json") == 0)
        print_compose_json(cli, systems);
    else if (cli->options.quiet)
        print_names(cli, systems);
    else
        print_table(cli, systems);
}

int cmd_ls(struct cli *cli)
{
    AUTO(json_unref) json_t *root = NULL;
    struct err err;

    if (!cli_check_root(cli, &err))
        return cli_fail(cli, &err);
    if (cli_api_is_up(cli)) {
        if (!cli_api_call(cli, "GET", "/v1/systems", NULL, &root, &err))
            return cli_fail(cli, &err);
    } else if (running_was_started(cli)) {
        err_set(&err, ERR_CLOSED,
                "no daemon runs, so nothing can be said: start it with "
                "'ishizue daemon'");
        return cli_fail(cli, &err);
    } else {
        root = json_pack("{s:[]}", "systems");
    }
    print_systems(cli, root);
    return EXIT_OK;
}
