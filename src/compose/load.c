/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "compose/canonical.h"
#include "compose/decode.h"
#include "compose/format.h"
#include "compose/graph.h"
#include "compose/interpolate.h"
#include "compose/lookup.h"
#include "compose/merge.h"
#include "compose/resolve.h"
#include "compose/source.h"
#include "compose/support.h"
#include "json/json.h"

static const char *name_in_files(const struct source_file *files, size_t count)
{
    for (size_t i = count; i-- > 0;)
        for (size_t k = files[i].count; k-- > 0;) {
            const struct yaml_node *name = yaml_find(files[i].documents[k], "name");
            if (!yaml_is_null(name) && name->kind == YAML_SCALAR)
                return name->text;
        }
    return NULL;
}

/* -p or COMPOSE_PROJECT_NAME, else `name:`, else the folder. */
static const char *project_name(struct load *load, const struct lookup *lookup, struct env *env,
                                const struct source_file *files, struct err *err)
{
    AUTO(buf_done) struct buf out = {0};
    const char *name =
        lookup->name != NULL ? lookup->name : name_in_files(files, lookup->file_count);
    const struct interpolate with = {env_find, NULL, env};

    if (name == NULL) {
        const char *folder = strrchr(lookup->project_dir, '/') + 1;
        name = lookup_normal_name(load->arena, folder);
        if (*name != '\0')
            return name;
        (void)err_set(err, ERR_INVALID,
                      "the folder '%s' gives no project name; name the project with -p",
                      lookup->project_dir);
        return NULL;
    }
    if (!interpolate_text(&with, str_of(name), &out, err))
        return NULL;
    name = arena_str(load->arena, buf_str(&out));
    if (lookup_is_name(name))
        return name;
    if (lookup->name == NULL && *lookup_normal_name(load->arena, name) != '\0')
        return lookup_normal_name(load->arena, name); /* of a file: made to fit */
    if (*lookup_normal_name(load->arena, name) == '\0') {
        (void)err_set(
            err, ERR_INVALID,
            "project name '%.80s' has no letter and no digit; set what 'name' in the file "
            "or -p takes it from",
            name);
        return NULL;
    }
    (void)err_set(
        err, ERR_INVALID,
        "project name '%.80s' must be lower-case letters, digits, '-' and '_', start with "
        "a letter or digit and have at most 63; '%.63s' would do",
        name, lookup_normal_name(load->arena, name));
    return NULL;
}

static struct yaml_node *merge_files(struct load *load, struct env *env,
                                     const struct source_file *files, size_t count)
{
    AUTO(map_done) struct map warned = {0};
    size_t total = 0;
    struct source source = {.load = load,
                            .env = env,
                            .warned = &warned,
                            .total_bytes = &total,
                            .dir = load->project_dir};

    return source_merge(&source, files, count);
}

/* The common end: from the resolved tree to what the caller gets. */
static bool finish(struct load *load, struct yaml_node *root, struct compose **ret,
                   json_t **ret_resolved, struct err *err)
{
    if (load_failed(load, err))
        return false;
    if (load->skip == 0)
        graph_sort(load, yaml_find(root, "services"));
    if (load_failed(load, err))
        return false;
    format_prune(root);
    struct compose *compose = load->skip == 0 ? decode(load, root) : NULL;
    if (load_failed(load, err))
        return false;
    if (ret_resolved != NULL)
        *ret_resolved = format_json(root);
    *ret = compose;
    return true;
}

/* A message that is no place in the tree is the only one. */
static bool fail_early(struct load *load, const struct err *err)
{
    load_add_err(load, err);
    return false;
}

bool compose_load(const struct compose_options *options, struct arena *arena, struct compose **ret,
                  json_t **ret_resolved, struct compose_diags *diags, struct err *err)
{
    AUTO(env_done) struct env env = {0};
    AUTO(lookup_done) struct lookup lookup = {0};
    struct load load = {.arena = arena,
                        .diags = diags,
                        .working_dir = options->working_dir,
                        .refuse = options->refuse,
                        .uses = options->uses,
                        .skip = options->skip,
                        .variables = options->variables};
    struct source_file files[COMPOSE_FILES_MAX];

    *diags = (struct compose_diags){0};
    if (!lookup_find(&load, options, &env, &lookup, err))
        return fail_early(&load, err);
    for (size_t i = 0; i < lookup.file_count; i++)
        if (!source_read(&load, lookup.files[i], &files[i], err))
            return fail_early(&load, err);
    const char *name = project_name(&load, &lookup, &env, files, err);
    if (name == NULL)
        return fail_early(&load, err);
    (void)map_set(&env.caller, STR("COMPOSE_PROJECT_NAME"), (void *)(uintptr_t)name);
    if (options->seen != NULL)
        env_list(&env, arena, options->seen);
    struct yaml_node *root = merge_files(&load, &env, files, lookup.file_count);
    if (load_failed(&load, err))
        return false;
    if (root == NULL) {
        (void)err_set(err, ERR_INVALID, "%s: the file is empty; it needs 'services'",
                      source_name(&load, files[0].path));
        return fail_early(&load, err);
    }
    AUTO(map_done) struct map off = {0};
    const struct resolve with = {
        &load,           &env, &lookup.profiles, options->targets, options->target_count, name,
        options->select, &off};
    resolve_project(&with, root);
    if (load.diags->error_count == 0) {
        support_settle(&load, root);
        support_check(&load, root);
    }
    return finish(&load, root, ret, ret_resolved, err);
}

bool compose_load_resolved(struct str json, const char *working_dir, struct arena *arena,
                           struct compose **ret, json_t **ret_resolved, struct compose_diags *diags,
                           struct err *err)
{
    static const struct yaml_limits limits = {.nodes = 1000000, .keys = 20000};
    AUTO(json_unref) json_t *value = NULL;
    struct load load = {.arena = arena,
                        .diags = diags,
                        .project_dir = working_dir,
                        .working_dir = working_dir,
                        .refuse = true,
                        .warnings_off = 1 /* told already */};
    struct yaml_node *root;

    assert(working_dir != NULL && working_dir[0] == '/');
    *diags = (struct compose_diags){0};
    if (!json_parse(json, COMPOSE_RESOLVED_BYTES, &value, err) ||
        !yaml_from_json(value, &limits, arena, &root, err))
        return fail_early(&load, err);
    root = canonical(&load, NULL, &schema_compose, root);
    if (load_failed(&load, err))
        return false;
    const char *name = root->kind == YAML_MAP && !yaml_is_null(yaml_find(root, "name"))
                           ? yaml_find(root, "name")->text
                           : "";
    if (!lookup_is_name(name)) {
        (void)err_set(err, ERR_INVALID, "a resolved project needs a 'name'");
        return fail_early(&load, err);
    }
    merge_finish(&load, &schema_compose, root);
    const struct resolve with = {.load = &load, .name = name};
    resolve_project(&with, root);
    return finish(&load, root, ret, ret_resolved, err);
}
