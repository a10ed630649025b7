/* SPDX-License-Identifier: Apache-2.0
 *
 * `include`: other compose files that belong to this one, each with its own folder and `.env`. */
#include "base/base.h"

#include "base/file.h"
#include "compose/merge.h"
#include "compose/resolve.h"
#include "compose/schema.h"
#include "compose/source.h"

static const char *const sections[] = {"services", "jobs",    "volumes", "networks",
                                       "secrets",  "configs", "models"};

/* The variables of an included file: the includer's, then its own `.env` or the files named. */
static bool make_env(const struct source *source, const struct path *path,
                     const struct yaml_node *entry, const char *dir, struct env *ret)
{
    const struct yaml_node *files = yaml_find(entry, "env_file");
    const char *paths[COMPOSE_ENV_FILES_MAX];
    size_t count = 0;
    struct err err;

    env_copy(source->env, ret);
    if (yaml_is_null(files) || files->count == 0) {
        paths[count] = path_absolute(source->load, dir, ".env");
        count += file_exists(paths[count]) && !file_is_dir(paths[count]);
    }
    for (size_t i = 0; !yaml_is_null(files) && i < files->count; i++) {
        if (count == COMPOSE_ENV_FILES_MAX) {
            load_error(source->load, files, path, NULL, "more than %d files of variables",
                       COMPOSE_ENV_FILES_MAX);
            return false;
        }
        if (strcmp(files->items[i].node->text, "/dev/null") != 0)
            paths[count++] = path_absolute(source->load, source->dir, files->items[i].node->text);
    }
    if (env_read_files(ret, source->load, paths, count, &err))
        return true;
    load_error(source->load, entry, path, NULL, "%s", err.text);
    return false;
}

static void add_chain(const struct source *source, struct buf *ret)
{
    if (source->parent != NULL)
        add_chain(source->parent, ret);
    buf_addf(ret, "%s -> ", source_name(source->load, source->file));
}

static bool check_circle(const struct source *source, const struct path *path,
                         const struct yaml_node *entry, const char *file)
{
    AUTO(buf_done) struct buf chain = {0};

    for (const struct source *above = source; above != NULL; above = above->parent)
        if (strcmp(above->file, file) == 0) {
            add_chain(source, &chain);
            load_error(source->load, entry, path, NULL,
                       "files include each other in a circle: %s%s", buf_text(&chain),
                       source_name(source->load, file));
            return false;
        }
    if (source->depth < COMPOSE_INCLUDE_DEPTH)
        return true;
    load_error(source->load, entry, path, NULL, "includes are nested deeper than %d",
               COMPOSE_INCLUDE_DEPTH);
    return false;
}

static bool read_files(const struct source *source, const struct path *path,
                       const struct yaml_node *names, struct source_file *ret)
{
    for (size_t i = 0; i < names->count; i++) {
        const struct yaml_node *name = names->items[i].node;
        const char *file = path_absolute(source->load, source->dir, name->text);
        struct err err;

        if (i == 0 && !check_circle(source, path, name, file))
            return false;
        if (!source_read(source->load, file, &ret[i], &err)) {
            load_error(source->load, name, path, NULL, "%s", err.text);
            return false;
        }
    }
    return true;
}

/* The includer's own entries win, merged as those of a later file. */
static void import_section(struct load *load, struct yaml_node *root, struct yaml_node *included,
                           const char *section)
{
    const struct schema *schema = schema_member(&schema_compose, section);
    const struct yaml_node *from = yaml_find(included, section);
    const struct path top = {NULL, section, 0};

    if (yaml_is_null(from))
        return;
    struct yaml_node *to = yaml_find(root, section);
    if (yaml_is_null(to)) {
        to = yaml_new(load->arena, YAML_MAP, from);
        yaml_set(load->arena, root, section, to);
    }
    for (size_t i = 0; i < from->count; i++) {
        const struct yaml_item *item = &from->items[i];
        const struct path here = {&top, item->key, 0};
        struct yaml_item *own = yaml_find_item(to, item->key);

        if (own == NULL)
            yaml_set(load->arena, to, item->key, item->node);
        else if (!yaml_equal(own->node, item->node))
            own->node = merge(load, &here, schema->items, item->node, own->node);
    }
}

static void include_one(const struct source *source, const struct path *path,
                        const struct yaml_node *entry, struct yaml_node *root)
{
    AUTO(env_done) struct env env = {0};
    struct load *load = source->load;
    const struct yaml_node *names = yaml_find(entry, "path");
    const struct yaml_node *folder = yaml_find(entry, "project_directory");
    struct source_file files[COMPOSE_FILES_MAX];
    size_t errors = load->diags->error_count;

    if (names == NULL || names->kind != YAML_LIST || names->count == 0 ||
        names->count > COMPOSE_FILES_MAX) {
        load_error(load, entry, path, NULL, "needs 1 to %d files", COMPOSE_FILES_MAX);
        return;
    }
    if (!read_files(source, path, names, files))
        return;
    const char *dir = yaml_is_null(folder) || folder->text[0] == '\0'
                          ? path_absolute(load, files[0].path, "..")
                          : path_absolute(load, source->dir, folder->text);
    if (!make_env(source, path, entry, dir, &env))
        return;
    if (!file_is_dir(dir)) /* as Compose has it: then the folder above counts */
        dir = path_absolute(load, dir, "..");
    struct source inner = {.load = load,
                           .env = &env,
                           .warned = source->warned,
                           .total_bytes = source->total_bytes,
                           .dir = dir,
                           .parent = source,
                           .depth = source->depth + 1};
    struct yaml_node *included = source_merge(&inner, files, names->count);
    if (included == NULL || load->diags->error_count > errors)
        return;
    resolve_included(load, &env, dir, included);
    for (size_t i = 0; i < ARRAY_LEN(sections); i++)
        import_section(load, root, included, sections[i]);
}

void include_apply(const struct source *source, struct yaml_node *root)
{
    const struct path path = {NULL, "include", 0};
    struct yaml_item *item = yaml_find_item(root, "include");

    if (item == NULL)
        return;
    struct yaml_node *list = item->node;
    yaml_remove(root, (size_t)(item - root->items));
    if (list->tag != NULL && strcmp(list->tag, "!reset") == 0)
        return; /* takes out what no document before can have left */
    merge_finish(source->load, schema_member(&schema_compose, "include"), list);
    for (size_t i = 0; !yaml_is_null(list) && i < list->count; i++) {
        const struct path here = {&path, NULL, i};
        include_one(source, &here, list->items[i].node, root);
    }
}
