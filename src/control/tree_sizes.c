/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <fts.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "control/daemon_priv.h"
#include "control/tree_sizes.h"
#include "runtime/helper_process.h"
#include "runtime/layers.h"

struct tree_sizes {
    struct map bytes; /* folder -> struct size, owned */
    bool was_read;
    bool measuring;
};

struct size {
    uint64_t bytes;
};

/* For the other process, which has a copy of it. */
struct measuring {
    struct daemon *daemon;
    char *path;
    json_t *known; /* folder -> bytes; null: to be measured */
    void (*done)(struct daemon *daemon);
};

static struct tree_sizes *sizes_of(struct daemon *daemon)
{
    if (daemon->tree_sizes == NULL)
        daemon->tree_sizes = NEW(struct tree_sizes);
    return daemon->tree_sizes;
}

static char *file_of(const struct daemon *daemon)
{
    AUTO(buf_done) struct buf path = {0};

    buf_addf(&path, "%s/tree-sizes.json", daemon->options.state_dir);
    return mem_copy_text(buf_text(&path));
}

static void forget(struct tree_sizes *sizes)
{
    struct map_entry *entry;

    for (size_t i = 0; (entry = map_next(&sizes->bytes, &i)) != NULL;)
        free(entry->value);
    map_done(&sizes->bytes);
    sizes->bytes = (struct map){0};
}

/* A file that cannot be read is made again. */
static void read_file(struct daemon *daemon)
{
    struct tree_sizes *sizes = sizes_of(daemon);
    AUTO(free) char *path = file_of(daemon);
    AUTO(buf_done) struct buf text = {0};
    AUTO(json_unref) json_t *root = NULL;
    const char *folder;
    json_t *bytes;
    struct err err;

    sizes->was_read = true;
    forget(sizes);
    if (!file_read(path, TREE_SIZES_BYTES, &text, &err) ||
        !json_parse(buf_str(&text), TREE_SIZES_BYTES, &root, &err))
        return;
    json_object_foreach(root, folder, bytes)
    {
        struct size *size = NEW(struct size);
        size->bytes = (uint64_t)MAX(json_integer_value(bytes), 0);
        free(map_set(&sizes->bytes, str_of(folder), size));
    }
}

bool tree_sizes_find(const struct daemon *daemon, const char *folder, uint64_t *ret_bytes)
{
    const struct size *size =
        daemon->tree_sizes == NULL ? NULL : map_find(&daemon->tree_sizes->bytes, str_of(folder));

    if (size != NULL)
        *ret_bytes = size->bytes;
    return size != NULL;
}

void tree_sizes_add_folders(const char *tree, struct map *ret)
{
    AUTO(arena_done) struct arena arena = {0};
    struct layers layers;
    struct err ignored;

    if (!layers_find(tree, &arena, &layers, &ignored))
        return;
    for (size_t i = 0; i < layers.count; i++)
        (void)map_set(ret, str_of(layers.items[i]), ret);
}

/* ---- measuring ---- */

/* Blocks that files take; one of several names counts once for each, which is too much rather than
 * too little. */
static uint64_t measure(char *folder)
{
    char *const paths[] = {folder, NULL};
    FTS *walk = fts_open(paths, FTS_PHYSICAL | FTS_XDEV | FTS_NOCHDIR, NULL);
    uint64_t bytes = 0;
    FTSENT *found;

    while (walk != NULL && (found = fts_read(walk)) != NULL)
        if (found->fts_info != FTS_DP && found->fts_statp != NULL && found->fts_info != FTS_NS)
            bytes += (uint64_t)found->fts_statp->st_blocks * 512;
    if (walk != NULL)
        (void)fts_close(walk);
    return bytes;
}

/* In the helper process. */
static bool measure_all(void *arg, struct err *err)
{
    const struct measuring *measuring = arg;
    AUTO(buf_done) struct buf text = {0};
    const char *folder;
    json_t *bytes;

    json_object_foreach(measuring->known, folder, bytes)
    {
        AUTO(free) char *copy = mem_copy_text(folder);
        if (json_is_null(bytes))
            (void)json_object_set_new(measuring->known, folder,
                                      json_integer((json_int_t)measure(copy)));
    }
    json_format(measuring->known, false, &text);
    return file_write(measuring->path, buf_str(&text), 0600, err);
}

static void measuring_free(struct measuring *measuring)
{
    free(measuring->path);
    json_decref(measuring->known);
    free(measuring);
}

static void on_measured(void *arg, const struct err *err)
{
    struct measuring *measuring = arg;
    struct daemon *daemon = measuring->daemon;

    sizes_of(daemon)->measuring = false;
    if (err != NULL) {
        log_warn("daemon", "built trees cannot be measured: %s", err->text);
    } else {
        read_file(daemon);
        measuring->done(daemon);
    }
    measuring_free(measuring);
}

void tree_sizes_update(struct daemon *daemon, const struct map *folders,
                       void (*done)(struct daemon *daemon))
{
    struct tree_sizes *sizes = sizes_of(daemon);
    struct measuring *measuring;
    struct map_entry *entry;
    uint64_t bytes;
    size_t missing = 0;
    struct err err;

    if (!sizes->was_read)
        read_file(daemon);
    if (sizes->measuring || folders->live > TREE_SIZES_MAX)
        return;
    measuring = NEW(struct measuring);
    *measuring = (struct measuring){
        .daemon = daemon, .path = file_of(daemon), .known = json_object(), .done = done};
    for (size_t i = 0; (entry = map_next(folders, &i)) != NULL;) {
        bool is_known = tree_sizes_find(daemon, entry->key, &bytes);
        missing += !is_known;
        (void)json_object_set_new(measuring->known, entry->key,
                                  is_known ? json_integer((json_int_t)bytes) : json_null());
    }
    if (missing == 0) {
        measuring_free(measuring);
        return;
    }
    sizes->measuring =
        helper_process_start(daemon->loop, measure_all, on_measured, measuring, &err);
    if (!sizes->measuring) {
        log_warn("daemon", "built trees cannot be measured: %s", err.text);
        measuring_free(measuring);
    }
}

void tree_sizes_done(struct daemon *daemon)
{
    if (daemon->tree_sizes == NULL)
        return;
    forget(daemon->tree_sizes);
    free(daemon->tree_sizes);
    daemon->tree_sizes = NULL;
}
