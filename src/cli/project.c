/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/cli.h"
#include "cli/cli_api.h"
#include "cli/environment.h"
#include "cli/project.h"
#include "cli/text_width.h"
#include "json/json.h"

/* Puts the command line into <ret>, beside what is there. */
static void fill_options(struct cli *cli, bool services_are_targets, const char *working_dir,
                         struct compose_options *ret)
{
    const struct options *options = &cli->options;

    ret->files = options->files.items;
    ret->file_count = options->files.count;
    ret->env_files = options->env_files.items;
    ret->env_file_count = options->env_files.count;
    if (ret->profile_count == 0) {
        ret->profiles = options->profiles.items;
        ret->profile_count = options->profiles.count;
    }
    ret->project_name = options->project_name;
    ret->project_directory = options->project_directory;
    ret->environment = environ;
    ret->working_dir = working_dir;
    if (services_are_targets) {
        ret->targets = options->arguments.items;
        ret->target_count = options->arguments.count;
    }
}

static bool check_targets(const struct cli *cli, const struct compose *compose, struct err *err)
{
    const struct compose_texts *names = &cli->options.arguments;

    for (size_t i = 0; i < names->count; i++)
        if (compose_find_service(compose, names->items[i]) == NULL)
            return err_set(err, ERR_INVALID,
                           "no such service: '%s', 'ishizue config --services' lists them",
                           names->items[i]);
    return true;
}

bool project_read_with(struct cli *cli, struct compose_options *with, bool services_are_targets,
                       struct compose **ret, json_t **ret_resolved, struct compose_diags *diags,
                       struct err *err)
{
    AUTO(free) char *working_dir = getcwd(NULL, 0);

    if (working_dir == NULL)
        return err_sys(err, "cannot tell the current folder");
    fill_options(cli, services_are_targets, arena_text(&cli->arena, working_dir), with);
    return compose_load(with, &cli->arena, ret, ret_resolved, diags, err) &&
           (!services_are_targets || *ret == NULL || check_targets(cli, *ret, err));
}

bool project_read(struct cli *cli, bool services_are_targets, struct compose **ret,
                  json_t **ret_resolved, struct compose_diags *diags, struct err *err)
{
    struct compose_options with = {0};

    return project_read_with(cli, &with, services_are_targets, ret, ret_resolved, diags, err);
}

static void print_diag(struct cli *cli, const struct compose_diag *diag)
{
    bool is_error = diag->severity == COMPOSE_ERROR;
    AUTO(buf_done) struct buf line = {0}, text = {0};

    term_style(&cli->errors, is_error ? STYLE_RED : STYLE_YELLOW,
               is_error ? STR("error: ") : STR("warning: "), &line);
    compose_diag_format(diag, &text);
    text_clean(buf_str(&text), false, &line);
    buf_add_char(&line, '\n');
    struct err ignored;
    if (!file_write_fd(cli->errors.fd, buf_str(&line), &ignored))
        return; /* nobody left to tell */
}

void project_print_diags(struct cli *cli, const struct compose_diags *diags, bool with_warnings)
{
    for (size_t i = 0; i < diags->count; i++)
        if (with_warnings || diags->items[i].severity == COMPOSE_ERROR)
            print_diag(cli, &diags->items[i]);
    if (diags->dropped > 0)
        cli_warn(cli, arena_printf(&cli->arena, "%zu more were found", diags->dropped));
}

static json_t *text_or_null(const char *text)
{
    return text == NULL ? json_null() : json_from_bytes(str_of(text));
}

json_t *project_diags_json(const struct compose_diags *diags)
{
    json_t *list = json_array();

    for (size_t i = 0; i < diags->count; i++) {
        const struct compose_diag *diag = &diags->items[i];
        json_array_append_new(
            list,
            json_pack("{s:s, s:o, s:I, s:I, s:o, s:o, s:o}", "severity",
                      diag->severity == COMPOSE_ERROR ? "error" : "warning", "file",
                      text_or_null(diag->place.file), "line", (json_int_t)diag->place.line,
                      "column", (json_int_t)diag->place.column, "path", text_or_null(diag->path),
                      "text", text_or_null(diag->text), "hint", text_or_null(diag->hint)));
    }
    return list;
}

int project_load_with(struct cli *cli, struct compose_options *with, bool services_are_targets,
                      bool with_warnings, struct compose **ret, json_t **ret_resolved)
{
    struct compose_diags *diags = ARENA_NEW(&cli->arena, struct compose_diags);
    struct err err = {0};
    bool ok = project_read_with(cli, with, services_are_targets, ret, ret_resolved, diags, &err);

    if (cli->options.json && !ok)
        (void)cli_fail(cli, &err);
    else if (!cli->options.json)
        project_print_diags(cli, diags, with_warnings);
    if (ok)
        return EXIT_OK;
    if (!cli->options.json && diags->error_count == 0)
        (void)cli_fail(cli, &err);
    return EXIT_USAGE;
}

int project_load(struct cli *cli, bool services_are_targets, bool with_warnings,
                 struct compose **ret, json_t **ret_resolved)
{
    struct compose_options with = {.refuse = true};

    return project_load_with(cli, &with, services_are_targets, with_warnings, ret, ret_resolved);
}

/* The system whose folder is the current one or, nearest first, one above it. */
static const char *find_by_folder(struct cli *cli)
{
    AUTO(json_unref) json_t *root = NULL;
    AUTO(free) char *folder = getcwd(NULL, 0);
    struct err err;
    const char *best = NULL;
    size_t best_len = 0, i;
    const json_t *system;

    if (folder == NULL || !cli_api_call(cli, "GET", "/v1/systems", NULL, &root, &err))
        return NULL;
    json_array_foreach(json_object_get(root, "systems"), i, system)
    {
        const char *directory = json_find_text(system, "directory", "");
        size_t len = strlen(directory);

        if (len > best_len && strncmp(folder, directory, len) == 0 &&
            (folder[len] == '\0' || folder[len] == '/')) {
            best = json_find_text(system, "name", NULL);
            best_len = len;
        }
    }
    return best == NULL ? NULL : arena_text(&cli->arena, best);
}

const char *project_system(struct cli *cli, int *ret_status)
{
    const char *given = cli->options.project_name;
    struct compose *compose = NULL;

    if (given == NULL)
        given = environment_find("COMPOSE_PROJECT_NAME");
    if (given != NULL)
        return given;

    struct compose_diags *diags = ARENA_NEW(&cli->arena, struct compose_diags);
    struct err err = {0};
    if (project_read(cli, false, &compose, NULL, diags, &err))
        return compose->name;
    const char *found = cli->options.files.count > 0 ? NULL : find_by_folder(cli);
    if (found != NULL)
        return found;
    if (cli->options.json || diags->error_count == 0)
        (void)cli_fail(cli, &err);
    else
        project_print_diags(cli, diags, false);
    *ret_status = EXIT_USAGE;
    return NULL;
}
