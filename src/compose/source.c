/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <unistd.h>

#include "base/file.h"
#include "compose/canonical.h"
#include "compose/interpolate.h"
#include "compose/merge.h"
#include "compose/source.h"
#include "compose/support.h"
#include "compose/variables.h"

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

void source_fill(const struct source *source, struct yaml_node *root)
{
    struct filler filler = {source->load, source->env, source->warned,
                            NULL,         NULL,        source->total_bytes};

    if (source->load->variables != NULL)
        variables_add(source->load, root);
    if ((source->load->skip & COMPOSE_SKIP_INTERPOLATION) == 0)
        fill(&filler, NULL, root);
}

const char *source_name(const struct load *load, const char *path)
{
    size_t len = strlen(load->working_dir);

    if (strcmp(path, "-") == 0)
        return "(standard input)";
    if (strncmp(path, load->working_dir, len) == 0 && path[len] == '/')
        return path + len + 1;
    return path;
}

static bool read_text(struct load *load, const char *path, const char *name, struct buf *ret,
                      struct err *err)
{
    bool done = strcmp(path, "-") == 0 ? file_read_fd(STDIN_FILENO, COMPOSE_FILE_BYTES, ret, err)
                                       : file_read(path, COMPOSE_FILE_BYTES, ret, err);

    if (!done && err->code == ERR_LIMIT)
        return err_set(err, ERR_LIMIT, "%s: larger than %d KiB; a compose file is smaller", name,
                       COMPOSE_FILE_BYTES / 1024);
    if (!done)
        return false;
    if (ret->len > 0 && memchr(ret->ptr, '\0', ret->len) != NULL)
        return err_set(err, ERR_INVALID, "%s: holds a zero byte; save the file as UTF-8", name);
    load->byte_count += ret->len;
    if (++load->file_count > COMPOSE_LOADED_FILES_MAX)
        return err_set(err, ERR_LIMIT, "%s: more than %d compose files are needed", name,
                       COMPOSE_LOADED_FILES_MAX);
    if (load->byte_count > COMPOSE_LOADED_BYTES)
        return err_set(err, ERR_LIMIT, "%s: the compose files have more than %d MiB together", name,
                       COMPOSE_LOADED_BYTES >> 20);
    return true;
}

bool source_read(struct load *load, const char *path, struct source_file *ret, struct err *err)
{
    AUTO(buf_done) struct buf text = {0};
    const char *name = source_name(load, path);
    struct source_file file = {.path = path};

    if (!read_text(load, path, name, &text, err) ||
        !yaml_parse_all(buf_str(&text), name, NULL, load->arena, &file.documents, &file.count, err))
        return false;
    for (size_t i = 0; i < file.count; i++) {
        const struct yaml_node *root = file.documents[i];
        if (!yaml_is_null(root) && root->kind != YAML_MAP)
            return err_set(err, ERR_INVALID, "%s:%u:%u: must be a map with 'services'", name,
                           root->line, root->column);
    }
    *ret = file;
    return true;
}

/* Returns <merged> with <root> over it. */
static struct yaml_node *add_document(struct source *source, struct yaml_node *merged,
                                      struct yaml_node *root)
{
    struct load *load = source->load;
    size_t errors = load->diags->error_count;

    source_fill(source, root);
    root = canonical(load, NULL, &schema_compose, root);
    if (root == NULL)
        return merged;
    support_list(load, root);
    if (load->diags->error_count > errors)
        return merged; /* its shape is not known to be right */
    include_apply(source, root);
    extends_apply(source, root);
    return merge(load, NULL, &schema_compose, merged, root);
}

struct yaml_node *source_merge(struct source *source, const struct source_file *files, size_t count)
{
    struct yaml_node *merged = NULL;

    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < files[i].count; k++) {
            source->file = files[i].path;
            if (!yaml_is_null(files[i].documents[k]))
                merged = add_document(source, merged, files[i].documents[k]);
        }
    if (merged != NULL) {
        merge_finish(source->load, &schema_compose, merged);
        canonical_check_empty(source->load, NULL, &schema_compose, merged);
    }
    return merged;
}
