/* SPDX-License-Identifier: Apache-2.0
 *
 * There is no registry behind the host runtime: what takes each image's place
 * is looked for on the machine, and what is missing is named.
 */
#include "base/base.h"

#include "cli/cli.h"
#include "cli/cli_api.h"
#include "cli/cli_operation.h"
#include "cli/cmd.h"
#include "cli/daemon_start.h"
#include "cli/project.h"
#include "cli/text_table.h"
#include "json/json.h"

static const struct text_table_column columns[] = {
    {.header = "SERVICE", .shrinks = true},
    {.header = "IMAGE", .shrinks = true},
    {.header = "RUN BY", .shrinks = true},
};

static bool is_asked_for(const struct options *options, const json_t *row)
{
    const char *service = json_find_text(row, "service", "");
    bool named = options->arguments.count == 0 || options->include_deps;

    for (size_t i = 0; i < options->arguments.count; i++)
        named |= strcmp(options->arguments.items[i], service) == 0;
    return named && !(options->ignore_buildable && json_find_bool(row, "built", false));
}

static const char *run_by(struct cli *cli, const json_t *row)
{
    const char *recipe = json_find_text(row, "stand_in", NULL);
    const char *version = json_find_text(row, "version", "");

    if (json_find_text(row, "provided_by", NULL) != NULL)
        return "the edge";
    if (json_find_bool(row, "built", false))
        return "a build of its folder ('ishizue build')";
    if (recipe == NULL)
        return "its x-ishizue.host command over the machine's programs";
    return arena_printf(&cli->arena, "the machine's %s%s%s (package %s)", recipe,
                        version[0] == '\0' ? "" : " ", version,
                        json_find_text(row, "package", "?"));
}

/* Returns how many have nothing that takes their place. */
static size_t report(struct cli *cli, const json_t *answer)
{
    AUTO(text_table_done) struct text_table table = {0};
    AUTO(buf_done) struct buf out = {0};
    const struct options *options = &cli->options;
    size_t missing = 0, i;
    const json_t *row;
    struct err err;

    text_table_init(&table, columns, ARRAY_LEN(columns));
    json_array_foreach(json_object_get(answer, "images"), i, row)
    {
        if (!is_asked_for(options, row))
            continue;
        if (!json_find_bool(row, "ok", false)) {
            err_set(&err, ERR_NOT_FOUND, "%s", json_find_text(row, "error", "nothing runs it"));
            if (!options->json)
                (void)cli_fail(cli, &err);
            missing++;
            continue;
        }
        text_table_add(&table, STYLE_NONE, json_find_text(row, "service", "?"));
        text_table_add(&table, STYLE_NONE, json_find_text(row, "image", "-"));
        text_table_add(&table, STYLE_NONE, run_by(cli, row));
    }
    if (options->json) {
        cli_print_json(cli, answer);
    } else if (!options->quiet && text_table_rows(&table) > 0) {
        text_table_format(&table, &cli->out, &out);
        cli_print(cli, buf_str(&out));
    }
    return missing;
}

int cmd_pull(struct cli *cli)
{
    AUTO(json_unref) json_t *resolved = NULL;
    AUTO(json_unref) json_t *body = NULL;
    AUTO(json_unref) json_t *answer = NULL;
    struct compose *compose;
    struct err err;

    int status = project_load(cli, true, false, &compose, &resolved);
    if (status != EXIT_OK)
        return status;
    if (!cli_check_root(cli, &err) || !daemon_ensure(cli, &err))
        return cli_fail(cli, &err);
    body = json_pack("{s:O, s:s}", "config", resolved, "directory", compose->working_dir);
    const char *path = cli_operation_path(cli, compose->name, "/pull");
    if (!cli_api_call(cli, "POST", path, body, &answer, &err))
        return cli_fail(cli, &err);
    size_t missing = report(cli, answer);
    return missing == 0 || cli->options.ignore_pull_failures ? EXIT_OK : EXIT_FAILED;
}
