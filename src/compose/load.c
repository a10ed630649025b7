/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/file.h"
#include "compose/canonical.h"
#include "compose/decode.h"
#include "compose/format.h"
#include "compose/graph.h"
#include "compose/interpolate.h"
#include "compose/lookup.h"
#include "compose/merge.h"
#include "compose/resolve.h"
#include "json/json.h"

enum { INTERPOLATED_BYTES_MAX = 4 << 20 };

/* Interpolation of one file. */
struct filler {
    struct load *load;
    struct env *env;
    struct map *warned; /* names of variables, over all files */
    const struct yaml_node *node;
    const struct path *path;
    size_t *total_bytes;
};

static const char *find_var(void *context, struct str name)
{
    const struct filler *filler = (struct filler *)context;

    return env_find(filler->env, name);
}

static void on_unset(void *context, struct str name)
{
    const struct filler *filler = (struct filler *)context;

    if (map_set(filler->warned, name, filler->warned) == NULL)
        load_warn(filler->load, filler->node, filler->path, "an empty text takes its place",
                  "variable '" STR_FMT "' is not set", STR_ARG(str_sub(name, 0, 60)));
}

static void fill_scalar(struct filler *filler, const struct path *path, struct yaml_node *node)
{
    AUTO(buf_done) struct buf out = {0};
    const struct interpolate with = {find_var, on_unset, filler};
    struct err err;

    if (strchr(node->text, '$') == NULL)
        return;
    filler->node = node;
    filler->path = path;
    if (!interpolate_text(&with, str_of(node->text), &out, &err)) {
        load_error(filler->load, node, path, NULL, "%s", err.text);
        return;
    }
    *filler->total_bytes += out.len;
    if (*filler->total_bytes > INTERPOLATED_BYTES_MAX) {
        load_error(filler->load, node, path, NULL,
                   "the values grow above %d MiB when their variables are replaced",
                   INTERPOLATED_BYTES_MAX >> 20);
        return;
    }
    node->text = arena_str(filler->load->arena, buf_str(&out));
    node->quoted = true;
}

/* Values only, never keys. */
static void fill(struct filler *filler, const struct path *path, struct yaml_node *node)
{
    if (node->kind == YAML_SCALAR) {
        fill_scalar(filler, path, node);
        return;
    }
    for (size_t i = 0; i < node->count && *filler->total_bytes <= INTERPOLATED_BYTES_MAX; i++) {
        const struct path here = {path, node->items[i].key, i};
        fill(filler, &here, node->items[i].node);
    }
}

/* How a file is called in messages: relative to the working folder where it is below. */
static const char *shown_name(const struct compose_options *options, const char *path)
{
    size_t len = strlen(options->working_dir);

    if (strcmp(path, "-") == 0)
        return "(standard input)";
    if (strncmp(path, options->working_dir, len) == 0 && path[len] == '/')
        return path + len + 1;
    return path;
}

static bool read_file(struct load *load, const struct compose_options *options, const char *path,
                      struct yaml_node **ret, struct err *err)
{
    AUTO(buf_done) struct buf text = {0};
    const char *name = shown_name(options, path);
    bool done = strcmp(path, "-") == 0 ? file_read_fd(STDIN_FILENO, COMPOSE_FILE_BYTES, &text, err)
                                       : file_read(path, COMPOSE_FILE_BYTES, &text, err);

    if (!done && err->code == ERR_LIMIT)
        return err_set(err, ERR_LIMIT, "%s: larger than %d KiB; a compose file is smaller", name,
                       COMPOSE_FILE_BYTES / 1024);
    if (!done || !yaml_parse(buf_str(&text), name, NULL, load->arena, ret, err))
        return false;
    if (yaml_is_null(*ret))
        return err_set(err, ERR_INVALID, "%s: the file is empty; it needs 'services'", name);
    if ((*ret)->kind != YAML_MAP)
        return err_set(err, ERR_INVALID, "%s:%u:%u: must be a map with 'services'", name,
                       (*ret)->line, (*ret)->column);
    return true;
}

static const char *name_in_files(struct yaml_node *const *roots, size_t count)
{
    for (size_t i = count; i-- > 0;) {
        const struct yaml_node *name = yaml_find(roots[i], "name");
        if (!yaml_is_null(name) && name->kind == YAML_SCALAR)
            return name->text;
    }
    return NULL;
}

/* -p or COMPOSE_PROJECT_NAME, else `name:`, else the folder. */
static const char *project_name(struct load *load, const struct lookup *lookup, struct env *env,
                                struct yaml_node *const *roots, size_t count, struct err *err)
{
    AUTO(buf_done) struct buf out = {0};
    const char *name = lookup->name != NULL ? lookup->name : name_in_files(roots, count);
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
    (void)err_set(
        err, ERR_INVALID,
        "project name '%.80s' must be lower-case letters, digits, '-' and '_', start with "
        "a letter or digit and have at most 63; '%.63s' would do",
        name, lookup_normal_name(load->arena, name));
    return NULL;
}

static struct yaml_node *merge_files(struct load *load, struct env *env,
                                     struct yaml_node *const *roots, size_t count)
{
    AUTO(map_done) struct map warned = {0};
    size_t total = 0;
    struct filler filler = {load, env, &warned, NULL, NULL, &total};
    struct yaml_node *merged = NULL;

    for (size_t i = 0; i < count; i++) {
        fill(&filler, NULL, roots[i]);
        struct yaml_node *root = canonical(load, NULL, &schema_compose, roots[i]);
        if (root != NULL)
            merged = merge(load, NULL, &schema_compose, merged, root);
    }
    if (merged != NULL)
        merge_finish(load, &schema_compose, merged);
    return merged;
}

/* The common end: from the resolved tree to what the caller gets. */
static bool finish(struct load *load, struct yaml_node *root, struct compose **ret,
                   json_t **ret_resolved, struct err *err)
{
    if (load_failed(load, err))
        return false;
    graph_sort(load, yaml_find(root, "services"));
    if (load_failed(load, err))
        return false;
    format_prune(root);
    struct compose *compose = decode(load, root);
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
    struct load load = {.arena = arena, .diags = diags};
    struct yaml_node *roots[COMPOSE_FILES_MAX];

    *diags = (struct compose_diags){0};
    if (!lookup_find(&load, options, &env, &lookup, err))
        return fail_early(&load, err);
    for (size_t i = 0; i < lookup.file_count; i++)
        if (!read_file(&load, options, lookup.files[i], &roots[i], err))
            return fail_early(&load, err);
    const char *name = project_name(&load, &lookup, &env, roots, lookup.file_count, err);
    if (name == NULL)
        return fail_early(&load, err);
    (void)map_set(&env.caller, STR("COMPOSE_PROJECT_NAME"), (void *)(uintptr_t)name);
    struct yaml_node *root = merge_files(&load, &env, roots, lookup.file_count);
    if (load_failed(&load, err))
        return false;
    const struct resolve with = {
        &load, &env, &lookup.profiles, options->targets, options->target_count, name};
    resolve_project(&with, root);
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
