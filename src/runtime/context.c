/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/vec.h"
#include "compose/model.h"
#include "runtime/context.h"
#include "runtime/ignore.h"
#include "tls/hasher.h"

struct listing {
    const char *folder;
    struct arena *arena;
    struct ignore ignore;
    VEC(struct context_entry) entries;
    uint64_t bytes;
};

static bool list_folder(struct listing *listing, int fd, const char *prefix, int depth,
                        struct err *err);

static bool list_entry(struct listing *listing, int parent, const char *prefix, const char *name,
                       int depth, struct err *err)
{
    struct context_entry entry = {
        .path = prefix[0] == '\0' ? arena_text(listing->arena, name)
                                  : arena_printf(listing->arena, "%s/%s", prefix, name)};
    bool ignored =
        strcmp(entry.path, ".git") == 0 || ignore_check(&listing->ignore, str_of(entry.path));

    if (fstatat(parent, name, &entry.st, AT_SYMLINK_NOFOLLOW) != 0)
        return err_sys(err, "cannot look at '%s'", entry.path);
    bool folder = S_ISDIR(entry.st.st_mode);
    if (ignored && (!folder || !listing->ignore.any_negated))
        return true;
    if (!folder && !S_ISREG(entry.st.st_mode) && !S_ISLNK(entry.st.st_mode))
        return true; /* sockets, pipes and devices are not part of a source tree */
    listing->bytes += folder ? 0 : (uint64_t)entry.st.st_size;
    if (listing->entries.len == CONTEXT_ENTRIES_MAX)
        return err_set(err, ERR_LIMIT,
                       "the build context '%s' has more than %d files; leave some out in "
                       ".dockerignore",
                       listing->folder, CONTEXT_ENTRIES_MAX);
    if (listing->bytes > CONTEXT_BYTES_MAX)
        return err_set(err, ERR_LIMIT,
                       "the build context '%s' is larger than %llu bytes; leave some out in "
                       ".dockerignore",
                       listing->folder, CONTEXT_BYTES_MAX);
    if (!ignored)
        VEC_PUSH(&listing->entries, entry);
    if (!folder)
        return true;
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? err_sys(err, "cannot open '%s'", entry.path)
                  : list_folder(listing, fd, entry.path, depth + 1, err);
}

/* Takes <fd>. */
static bool list_folder(struct listing *listing, int fd, const char *prefix, int depth,
                        struct err *err)
{
    DIR *dir = fdopendir(fd);
    const struct dirent *entry;
    bool ok = true;

    if (dir == NULL) {
        fd_close(fd);
        return err_sys(err, "cannot list '%s'", prefix);
    }
    if (depth > CONTEXT_DEPTH_MAX)
        ok = err_set(err, ERR_LIMIT, "the build context '%s' is nested deeper than %d folders",
                     listing->folder, CONTEXT_DEPTH_MAX);
    while (ok && (entry = readdir(dir)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            ok = list_entry(listing, fd, prefix, entry->d_name, depth, err);
    (void)closedir(dir);
    return ok;
}

static int compare_entries(const void *a, const void *b)
{
    return strcmp(((const struct context_entry *)a)->path, ((const struct context_entry *)b)->path);
}

static bool read_ignore(struct listing *listing, struct err *err)
{
    AUTO(buf_done) struct buf text = {0};

    if (!file_read_regular(arena_printf(listing->arena, "%s/.dockerignore", listing->folder),
                           IGNORE_BYTES_MAX, &text, err))
        return err->code == ERR_NOT_FOUND;
    return ignore_parse(str_of(arena_str(listing->arena, buf_str(&text))), listing->arena,
                        &listing->ignore, err);
}

bool context_list(const char *folder, struct arena *arena, struct context *ret, struct err *err)
{
    struct listing listing = {.folder = folder, .arena = arena};
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0) {
        err_sys(err, "cannot open the build context '%s'", folder);
        err->code = errno == ENOENT ? ERR_NOT_FOUND : err->code;
        return false;
    }
    if (!read_ignore(&listing, err)) {
        fd_close(fd);
        return false;
    }
    bool listed = list_folder(&listing, fd, "", 0, err);
    if (listed) {
        *ret = (struct context){.folder = folder,
                                .entries =
                                    ARENA_ARRAY(arena, struct context_entry, listing.entries.len),
                                .count = listing.entries.len};
        if (ret->count > 0) {
            memcpy(ret->entries, listing.entries.ptr, ret->count * sizeof *ret->entries);
            qsort(ret->entries, ret->count, sizeof *ret->entries, compare_entries);
        }
    }
    VEC_DONE(&listing.entries);
    return listed;
}

/* As the entries of a context are named. */
static struct str plain_name(const char *file)
{
    struct str name = str_of(file);

    return str_starts(name, STR("./")) ? str_sub(name, 2, name.len) : name;
}

/* Is <path> one of <files>, or a folder above one? */
static bool is_picked(const char *path, bool folder, const struct compose_texts *files)
{
    for (size_t i = 0; i < files->count; i++) {
        struct str file = plain_name(files->items[i]);
        if (str_is(file, path) || (folder && file.len > strlen(path) &&
                                   str_starts(file, str_of(path)) && file.ptr[strlen(path)] == '/'))
            return true;
    }
    return false;
}

static bool has_file(const struct context *context, struct str name)
{
    for (size_t i = 0; i < context->count; i++)
        if (!S_ISDIR(context->entries[i].st.st_mode) && str_is(name, context->entries[i].path))
            return true;
    return false;
}

bool context_pick(const struct context *context, const struct compose_texts *files,
                  struct arena *arena, struct context *ret, struct err *err)
{
    *ret = (struct context){.folder = context->folder,
                            .entries = ARENA_ARRAY(arena, struct context_entry, context->count)};
    for (size_t i = 0; i < context->count; i++)
        if (is_picked(context->entries[i].path, S_ISDIR(context->entries[i].st.st_mode), files))
            ret->entries[ret->count++] = context->entries[i];
    for (size_t i = 0; i < files->count; i++)
        if (!has_file(ret, plain_name(files->items[i])))
            return err_set(err, ERR_NOT_FOUND,
                           "'%s' of host.cache_key is not a file of the build context '%s'; see to "
                           "its name and .dockerignore",
                           files->items[i], context->folder);
    return true;
}

static int open_entry(const struct context *context, const struct context_entry *entry,
                      struct err *err)
{
    AUTO(arena_done) struct arena arena = {0};
    const char *path = arena_printf(&arena, "%s/%s", context->folder, entry->path);
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0)
        err_sys(err, "cannot read '%s'", path);
    return fd;
}

static bool hash_file(const struct context *context, const struct context_entry *entry, char *ret,
                      struct err *err)
{
    AUTO(hasher_done) struct hasher hasher = {0};
    AUTO(fd_close) int fd = open_entry(context, entry, err);
    char bytes[65536];
    ssize_t n;

    if (fd < 0)
        return false;
    hasher_init(&hasher);
    while ((n = read(fd, bytes, sizeof bytes)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_sys(err, "cannot read '%s'", entry->path);
        hasher_add_raw(&hasher, bytes, (size_t)n);
    }
    hasher_end(&hasher, ret);
    return true;
}

static bool read_link(const struct context *context, const struct context_entry *entry, char *ret,
                      struct err *err)
{
    AUTO(arena_done) struct arena arena = {0};
    ssize_t n =
        readlink(arena_printf(&arena, "%s/%s", context->folder, entry->path), ret, PATH_MAX - 1);

    if (n < 0)
        return err_sys(err, "cannot read the link '%s'", entry->path);
    ret[n] = '\0';
    return true;
}

static bool add_content(const struct context *context, const struct context_entry *entry,
                        struct stat_cache *cache, struct hasher *hasher, struct err *err)
{
    char link[PATH_MAX];
    char hash[HASHER_TEXT_BYTES];

    if (S_ISDIR(entry->st.st_mode))
        return true;
    if (S_ISLNK(entry->st.st_mode)) {
        if (!read_link(context, entry, link, err))
            return false;
        hasher_add(hasher, str_of(link));
        return true;
    }
    const char *known = stat_cache_find(cache, entry->path, &entry->st);
    if (known == NULL) {
        if (!hash_file(context, entry, hash, err))
            return false;
        stat_cache_set(cache, entry->path, &entry->st, hash, clock_wall_ms());
        known = hash;
    }
    hasher_add(hasher, str_of(known));
    return true;
}

bool context_hash(const struct context *context, struct stat_cache *cache, char *ret,
                  struct err *err)
{
    AUTO(hasher_done) struct hasher hasher = {0};

    hasher_init(&hasher);
    for (size_t i = 0; i < context->count; i++) {
        const struct context_entry *entry = &context->entries[i];
        mode_t mode = entry->st.st_mode & (S_IFMT | 0777);
        hasher_add(&hasher, str_of(entry->path));
        hasher_add_raw(&hasher, &mode, sizeof mode);
        if (!add_content(context, entry, cache, &hasher, err))
            return false;
    }
    hasher_end(&hasher, ret);
    return true;
}

static bool copy_bytes(int from, int to, const char *path, struct err *err)
{
    char bytes[65536];
    ssize_t n;

    if (ioctl(to, FICLONE, from) == 0)
        return true;
    while ((n = read(from, bytes, sizeof bytes)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_sys(err, "cannot read '%s'", path);
        if (!file_write_fd(to, str_from(bytes, (size_t)n), err))
            return err_prefix(err, "%s", path);
    }
    return true;
}

static bool copy_file(const struct context *context, const struct context_entry *entry,
                      const char *to, struct err *err)
{
    AUTO(fd_close) int in = open_entry(context, entry, err);
    AUTO(fd_close)
    int out =
        open(to, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, entry->st.st_mode & 0777);
    struct timespec times[] = {entry->st.st_atim, entry->st.st_mtim};

    if (in < 0)
        return false;
    if (out < 0)
        return err_sys(err, "cannot create '%s'", to);
    return copy_bytes(in, out, entry->path, err) &&
           (futimens(out, times) == 0 || err_sys(err, "cannot set the time of '%s'", to));
}

static bool copy_entry(const struct context *context, const struct context_entry *entry,
                       const char *to, uid_t uid, struct err *err)
{
    char link[PATH_MAX];

    if (S_ISDIR(entry->st.st_mode)) {
        if (mkdir(to, 0755) != 0 && errno != EEXIST)
            return err_sys(err, "cannot create folder '%s'", to);
    } else if (S_ISLNK(entry->st.st_mode)) {
        if (!read_link(context, entry, link, err))
            return false;
        if (symlink(link, to) != 0)
            return err_sys(err, "cannot create the link '%s'", to);
    } else if (!copy_file(context, entry, to, err)) {
        return false;
    }
    return lchown(to, uid, uid) == 0 ? true : err_sys(err, "cannot give '%s' to user %u", to, uid);
}

bool context_copy(const struct context *context, const char *to, uid_t uid, struct err *err)
{
    for (size_t i = 0; i < context->count; i++) {
        AUTO(arena_done) struct arena arena = {0};
        const struct context_entry *entry = &context->entries[i];
        if (!copy_entry(context, entry, arena_printf(&arena, "%s/%s", to, entry->path), uid, err))
            return false;
    }
    return true;
}
