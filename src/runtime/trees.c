/* SPDX-License-Identifier: Apache-2.0
 *
 * Built trees that nobody needs any more. They are renamed into
 * <state_dir>/trees/.gone at once, so that no build and no start can find them
 * half there, and removed from it by a helper process. The newest tree of each
 * service stays whatever happens: the next build may need nothing else.
 */
#include "base/base.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/map.h"
#include "base/vec.h"
#include "runtime/helper_process.h"
#include "runtime/host_priv.h"
#include "runtime/layers.h"

/* What is in the folder of one service. */
struct entry {
    const char *name;
    const char *path;
    int64_t changed_ns;
    bool is_dir;
    bool kept;
};

struct folder {
    struct arena arena;
    VEC(struct entry) entries;
};

struct collection {
    const struct host *host;
    const struct map *keep;
    const char *gone; /* <state_dir>/trees/.gone */
    struct arena arena;
    size_t count; /* of what was put there */
    runtime_done_fn *done;
    void *arg;
};

static bool is_deps_name(const char *name)
{
    return str_starts(str_of(name), STR("deps-"));
}

static void folder_read(struct folder *folder, const char *path)
{
    DIR *dir = opendir(path);
    const struct dirent *found;
    struct stat st;

    while (dir != NULL && (found = readdir(dir)) != NULL) {
        if (found->d_name[0] == '.' || str_ends(str_of(found->d_name), STR(".tmp")) ||
            fstatat(dirfd(dir), found->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        struct entry entry = {.name = arena_text(&folder->arena, found->d_name),
                              .path = arena_printf(&folder->arena, "%s/%s", path, found->d_name),
                              .changed_ns =
                                  (int64_t)st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec,
                              .is_dir = S_ISDIR(st.st_mode)};
        VEC_PUSH(&folder->entries, entry);
    }
    if (dir != NULL)
        (void)closedir(dir);
}

static struct entry *folder_find(struct folder *folder, const char *name)
{
    for (size_t i = 0; i < folder->entries.len; i++)
        if (strcmp(folder->entries.ptr[i].name, name) == 0)
            return &folder->entries.ptr[i];
    return NULL;
}

/* The tree, what says which layer it lies on, and that layer. */
static void keep_tree(struct folder *folder, struct entry *tree)
{
    struct layers layers;
    struct err ignored;
    struct entry *of = folder_find(folder, arena_printf(&folder->arena, "%s.deps", tree->name));

    tree->kept = true;
    if (of != NULL)
        of->kept = true;
    if (!layers_find(tree->path, &folder->arena, &layers, &ignored))
        return;
    for (size_t i = 1; i < layers.count; i++) {
        struct entry *layer = folder_find(folder, strrchr(layers.items[i], '/') + 1);
        if (layer != NULL)
            layer->kept = true;
    }
}

static void choose_trees(struct folder *folder, const struct map *keep)
{
    struct entry *newest = NULL;

    for (size_t i = 0; i < folder->entries.len; i++) {
        struct entry *entry = &folder->entries.ptr[i];
        if (!entry->is_dir || is_deps_name(entry->name))
            continue;
        if (newest == NULL || entry->changed_ns > newest->changed_ns)
            newest = entry;
        if (map_find(keep, str_of(entry->path)) != NULL)
            keep_tree(folder, entry);
    }
    if (newest != NULL)
        keep_tree(folder, newest);
}

/* "<key>.again" goes with the last layer whose name starts with <key>. */
static void choose_marks(struct folder *folder)
{
    for (size_t i = 0; i < folder->entries.len; i++) {
        struct entry *mark = &folder->entries.ptr[i];
        if (mark->is_dir || !str_ends(str_of(mark->name), STR(".again")))
            continue;
        struct str key = str_sub(str_of(mark->name), 0, strlen(mark->name) - strlen(".again"));
        for (size_t k = 0; k < folder->entries.len; k++)
            if (folder->entries.ptr[k].is_dir && folder->entries.ptr[k].kept &&
                str_starts(str_of(folder->entries.ptr[k].name), key))
                mark->kept = true;
    }
}

static bool put_away(struct collection *collection, const struct folder *folder, struct err *err)
{
    for (size_t i = 0; i < folder->entries.len; i++) {
        const struct entry *entry = &folder->entries.ptr[i];
        if (entry->kept)
            continue;
        if (collection->count == 0 && !file_make_dirs(collection->gone, 0700, err))
            return false;
        const char *to = arena_printf(&collection->arena, "%s/%lld-%zu", collection->gone,
                                      (long long)entry->changed_ns, collection->count);
        if (rename(entry->path, to) != 0)
            return err_sys(err, "cannot rename '%s'", entry->path);
        collection->count++;
    }
    return true;
}

static bool look_at_service(struct collection *collection, const char *path, struct err *err)
{
    struct folder folder = {0};

    folder_read(&folder, path);
    choose_trees(&folder, collection->keep);
    choose_marks(&folder);
    bool ok = put_away(collection, &folder, err);
    VEC_DONE(&folder.entries);
    arena_done(&folder.arena);
    return ok;
}

typedef bool folder_fn(struct collection *collection, const char *path, struct err *err);

/* Calls <fn> for each folder in <path>. */
static bool each_folder(struct collection *collection, const char *path, folder_fn *fn,
                        struct err *err)
{
    DIR *dir = opendir(path);
    const struct dirent *found;
    bool ok = true;

    while (dir != NULL && ok && (found = readdir(dir)) != NULL) {
        const char *below = arena_printf(&collection->arena, "%s/%s", path, found->d_name);
        if (found->d_name[0] != '.' && file_is_dir(below))
            ok = fn(collection, below, err);
    }
    if (dir != NULL)
        (void)closedir(dir);
    return ok;
}

static bool look_at_system(struct collection *collection, const char *path, struct err *err)
{
    return each_folder(collection, path, look_at_service, err);
}

/* In the helper process. */
static bool remove_gone(void *arg, struct err *err)
{
    return file_remove_tree(((struct collection *)arg)->gone, err);
}

static void on_removed(void *arg, const struct err *err)
{
    struct collection *collection = arg;

    collection->done(collection->arg, err);
    arena_done(&collection->arena);
    free(collection);
}

bool trees_collect(struct runtime *runtime, const struct map *keep, runtime_done_fn *done,
                   void *arg, struct err *err)
{
    struct host *host = host_of(runtime);

    if (!list_is_empty(&host->builds))
        return err_set(err, ERR_LOCKED, "something is being built");
    struct collection *collection = NEW(struct collection);
    collection->host = host;
    collection->keep = keep;
    collection->done = done;
    collection->arg = arg;
    const char *trees = arena_printf(&collection->arena, "%s/trees", host->state_dir);
    collection->gone = arena_printf(&collection->arena, "%s/.gone", trees);
    bool ok = each_folder(collection, trees, look_at_system, err);
    collection->keep = NULL; /* the caller's, until here */
    if (ok && !file_exists(collection->gone)) {
        on_removed(collection, NULL);
        return true;
    }
    if (ok && helper_process_start(host->loop, remove_gone, on_removed, collection, err))
        return true;
    arena_done(&collection->arena);
    free(collection);
    return false;
}
