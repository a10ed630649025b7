/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/str.h"
#include "cli/copy_tree.h"

enum { PIECE_BYTES = 256 << 10, NAME_BYTES = 256, LINK_BYTES = 4096, PLAIN_MODE = 0777 };

struct copy {
    const struct copy_options *options;
    struct copy_result *result;
    char *piece; /* PIECE_BYTES */
};

/* Of errno, about what is read. */
static bool fail_at_source(struct copy *copy, const char *verb, const char *name, struct err *err)
{
    copy->result->is_source_at_fault = true;
    return err_sys(err, "cannot %s '%s'", verb, name);
}

/* ---- the two ends ---- */

static int open_path(const struct copy_end *end, const char *path, int flags)
{
    struct open_how how = {.flags = (unsigned)(flags | O_CLOEXEC), .resolve = RESOLVE_IN_ROOT};

    if (end->root_fd < 0)
        return open(path, flags | O_CLOEXEC);
    return (int)syscall(SYS_openat2, end->root_fd, path[0] == '\0' ? "/" : path, &how, sizeof how);
}

/* Opens again for use what O_PATH found. */
static int reopen(int fd, int flags)
{
    char path[40];

    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return open(path, flags | O_CLOEXEC);
}

/* "a/b//" and "a/b" are folder "a" and name "b"; "b" alone is in ".", "/" is in itself. */
static bool split_path(const char *path, char *ret_folder, char *ret_name, struct err *err)
{
    struct str text = str_of(path);

    while (text.len > 1 && text.ptr[text.len - 1] == '/')
        text.len--;
    size_t slash = str_find_last(text, '/');
    struct str folder = slash == text.len ? STR(".") : str_sub(text, 0, slash);
    struct str name = slash == text.len ? text : str_sub(text, slash + 1, text.len);
    if (slash == 0)
        folder = STR("/");
    if (folder.len >= LINK_BYTES || name.len >= NAME_BYTES)
        return err_set(err, ERR_LIMIT, "'%.100s...' is longer than a path may be", path);
    memcpy(ret_folder, folder.ptr, folder.len);
    ret_folder[folder.len] = '\0';
    memcpy(ret_name, name.ptr, name.len);
    ret_name[name.len] = '\0';
    return true;
}

/* "x/." and "." stand for what is in the folder. */
static bool means_content(const char *path)
{
    struct str text = str_of(path);

    return str_is(text, ".") || str_is(text, "..") || str_is(text, "/") || str_is(text, "") ||
           str_ends(text, STR("/.")) || str_ends(text, STR("/.."));
}

static bool ends_with_slash(const char *path)
{
    return str_ends(str_of(path), STR("/"));
}

/* ---- one file ---- */

static bool set_facts(const struct copy *copy, int fd, const struct stat *st, const char *name,
                      struct err *err)
{
    const struct copy_options *options = copy->options;
    mode_t mode = st->st_mode & (options->keep_owner ? 07777 : PLAIN_MODE);
    struct timespec times[] = {{.tv_nsec = UTIME_OMIT}, st->st_mtim};

    /* The owner first: changing it takes away set-user-id bits, which only a kept owner may have.
     */
    if (fchown(fd, options->keep_owner ? st->st_uid : options->uid,
               options->keep_owner ? st->st_gid : options->gid) != 0 ||
        fchmod(fd, mode) != 0 || futimens(fd, times) != 0)
        return err_sys(err, "cannot set owner and mode of '%s'", name);
    return true;
}

static bool copy_bytes(struct copy *copy, int from, int to, const char *name, struct err *err)
{
    for (;;) {
        ssize_t got = read(from, copy->piece, PIECE_BYTES);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail_at_source(copy, "read", name, err);
        if (got == 0)
            return true;
        if (!file_write_fd(to, str_from(copy->piece, (size_t)got), err))
            return err_prefix(err, "'%s'", name);
        copy->result->bytes += (uint64_t)got;
    }
}

/* O_NONBLOCK: a pipe that was put there does not hold us up. */
static int open_existing(int folder, const char *name, struct stat *ret)
{
    AUTO(fd_close)
    int fd = openat(folder, name, O_WRONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);

    if (fd < 0 || fstat(fd, ret) != 0)
        return -1;
    if (!S_ISREG(ret->st_mode)) {
        errno = S_ISDIR(ret->st_mode) ? EISDIR : EEXIST;
        return -1;
    }
    return ftruncate(fd, 0) == 0 ? TAKE_FD(fd) : -1;
}

/* One that is there is written anew, so that it stays mounted where it is; a link or a program that
 * runs is replaced. */
static int open_target(int folder, const char *name)
{
    struct stat st;
    int fd = open_existing(folder, name, &st);

    if (fd >= 0 || (errno != ENOENT && errno != ELOOP && errno != ETXTBSY))
        return fd;
    if (errno != ENOENT && unlinkat(folder, name, 0) != 0)
        return -1;
    return openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}

static bool copy_file(struct copy *copy, int from, const struct stat *st, int folder,
                      const char *name, struct err *err)
{
    AUTO(fd_close) int to = open_target(folder, name);

    if (to < 0 && errno == EISDIR)
        return err_set(err, ERR_INVALID, "'%s' is a folder there: a file cannot take its place",
                       name);
    if (to < 0)
        return err_sys(err, "cannot write '%s'", name);
    copy->result->files++;
    return copy_bytes(copy, from, to, name, err) && set_facts(copy, to, st, name, err);
}

static bool copy_link(struct copy *copy, int fd, const char *from_name, const struct stat *st,
                      int folder, const char *name, struct err *err)
{
    char target[LINK_BYTES];
    ssize_t len = readlinkat(fd, from_name, target, sizeof target - 1);

    if (len < 0)
        return fail_at_source(copy, "read the link", name, err);
    target[len] = '\0';
    if (unlinkat(folder, name, 0) != 0 && errno != ENOENT)
        return err_sys(err, "cannot replace '%s' by a link", name);
    const struct copy_options *options = copy->options;
    if (symlinkat(target, folder, name) != 0 ||
        fchownat(folder, name, options->keep_owner ? st->st_uid : options->uid,
                 options->keep_owner ? st->st_gid : options->gid, AT_SYMLINK_NOFOLLOW) != 0)
        return err_sys(err, "cannot make the link '%s'", name);
    copy->result->files++;
    return true;
}

/* ---- folders ---- */

/* The kernel's own file systems have no end and no meaning elsewhere. */
static bool is_kernels(int fd)
{
    struct statfs fs;

    return fstatfs(fd, &fs) == 0 &&
           (fs.f_type == PROC_SUPER_MAGIC || fs.f_type == SYSFS_MAGIC ||
            fs.f_type == CGROUP_SUPER_MAGIC || fs.f_type == CGROUP2_SUPER_MAGIC ||
            fs.f_type == DEVPTS_SUPER_MAGIC);
}

static bool copy_content(struct copy *copy, int from, int to, unsigned depth, struct err *err);

/* Makes it unless it is there. */
static bool copy_folder(struct copy *copy, int from, const struct stat *st, int folder,
                        const char *name, unsigned depth, struct err *err)
{
    bool made = mkdirat(folder, name, 0700) == 0;
    int failed = errno;
    AUTO(fd_close)
    int to = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (to < 0 && !made && failed == EEXIST)
        return err_set(err, ERR_INVALID,
                       "'%s' is there and no folder: a folder cannot take its "
                       "place",
                       name);
    if (to < 0) {
        errno = made ? errno : failed;
        return err_sys(err, "cannot make the folder '%s'", name);
    }
    copy->result->folders++;
    return copy_content(copy, from, to, depth + 1, err) &&
           (!made || set_facts(copy, to, st, name, err));
}

static bool copy_entry(struct copy *copy, int from, const char *name, int to, unsigned depth,
                       struct err *err)
{
    struct stat st;
    AUTO(fd_close) int fd = -1;

    if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT || fail_at_source(copy, "look at", name, err);
    if (S_ISLNK(st.st_mode))
        return copy_link(copy, from, name, &st, to, name, err);
    if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) {
        fd = openat(from, name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) != 0)
            return fail_at_source(copy, "open", name, err);
    }
    if (S_ISREG(st.st_mode))
        return copy_file(copy, fd, &st, to, name, err);
    if (S_ISDIR(st.st_mode) && !is_kernels(fd))
        return copy_folder(copy, fd, &st, to, name, depth, err);
    copy->result->left_out++;
    return true;
}

static bool copy_content(struct copy *copy, int from, int to, unsigned depth, struct err *err)
{
    const struct dirent *entry;
    bool ok = true;

    if (depth > COPY_DEPTH_MAX)
        return err_set(err, ERR_LIMIT, "folders are more than %d deep", COPY_DEPTH_MAX);
    int fd = fcntl(from, F_DUPFD_CLOEXEC, 0);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL) {
        (void)fail_at_source(copy, "read the folder", ".", err);
        fd_close(fd);
        return false;
    }
    rewinddir(dir);
    while (ok && (entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        ok = copy_entry(copy, from, entry->d_name, to, depth, err);
        if (!ok && depth < 8) /* the path of what failed, as far as it is of use */
            (void)err_prefix(err, "in '%s'", entry->d_name);
    }
    (void)closedir(dir);
    return ok;
}

/* ---- the first step ---- */

/* What is at the source, opened O_PATH. */
struct source {
    int fd;
    struct stat st;
    char folder[LINK_BYTES];
    char name[NAME_BYTES];
    bool content;
};

static void source_done(struct source *source)
{
    fd_close(source->fd);
}
AUTO_VALUE(struct source, source_done)

static bool source_open(const struct copy_end *from, bool follow, struct source *ret,
                        struct err *err)
{
    int flags = O_PATH;

    ret->content = means_content(from->path);
    if (!follow && !ret->content && !ends_with_slash(from->path))
        flags |= O_NOFOLLOW;
    if (!split_path(from->path, ret->folder, ret->name, err))
        return false;
    ret->fd = open_path(from, from->path, flags);
    if (ret->fd < 0 && errno == ENOENT)
        return err_set(err, ERR_NOT_FOUND, "there is no '%s'", from->path);
    if (ret->fd < 0 || fstat(ret->fd, &ret->st) != 0)
        return err_sys(err, "cannot open '%s'", from->path);
    if (ends_with_slash(from->path) && !S_ISDIR(ret->st.st_mode))
        return err_set(err, ERR_INVALID, "'%s' is no folder", from->path);
    if (!S_ISDIR(ret->st.st_mode) && !S_ISREG(ret->st.st_mode) && !S_ISLNK(ret->st.st_mode))
        return err_set(err, ERR_INVALID, "'%s' is neither a file nor a folder", from->path);
    return true;
}

/* Into <folder> under <name>. */
static bool copy_source(struct copy *copy, const struct source *source, int folder,
                        const char *name, struct err *err)
{
    AUTO(fd_close) int fd = -1;

    if (S_ISLNK(source->st.st_mode))
        return copy_link(copy, source->fd, "", &source->st, folder, name, err);
    fd = reopen(source->fd, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return fail_at_source(copy, "open", source->name, err);
    if (S_ISREG(source->st.st_mode))
        return copy_file(copy, fd, &source->st, folder, name, err);
    return copy_folder(copy, fd, &source->st, folder, name, 0, err);
}

static bool copy_into_folder(struct copy *copy, const struct source *source, int folder,
                             struct err *err)
{
    AUTO(fd_close) int to = reopen(folder, O_RDONLY | O_DIRECTORY);

    if (to < 0)
        return err_sys(err, "cannot open the target folder");
    if (!source->content || !S_ISDIR(source->st.st_mode))
        return copy_source(copy, source, to, source->name, err);
    AUTO(fd_close) int from = reopen(source->fd, O_RDONLY | O_DIRECTORY);
    if (from < 0)
        return fail_at_source(copy, "open", source->name, err);
    copy->result->folders++;
    return copy_content(copy, from, to, 0, err);
}

/* The target is a file: it is written through what the path leads to. */
static bool copy_over_file(struct copy *copy, const struct source *source, int target,
                           const char *path, struct err *err)
{
    if (S_ISDIR(source->st.st_mode))
        return err_set(err, ERR_INVALID, "'%s' is no folder: a folder cannot take its place", path);
    if (!S_ISREG(source->st.st_mode))
        return err_set(err, ERR_EXISTS, "'%s' is there: a link does not replace it", path);
    AUTO(fd_close) int from = reopen(source->fd, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    if (from < 0)
        return fail_at_source(copy, "open", source->name, err);
    AUTO(fd_close) int to = reopen(target, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_TRUNC);
    if (to < 0)
        return err_sys(err, "cannot open '%s'", path);
    copy->result->files++;
    return copy_bytes(copy, from, to, path, err) && set_facts(copy, to, &source->st, path, err);
}

static bool copy_to_new(struct copy *copy, const struct source *source, const struct copy_end *to,
                        struct err *err)
{
    char folder[LINK_BYTES], name[NAME_BYTES];

    if (!split_path(to->path, folder, name, err))
        return false;
    if (ends_with_slash(to->path) && !S_ISDIR(source->st.st_mode))
        return err_set(err, ERR_NOT_FOUND, "there is no folder '%s'", to->path);
    AUTO(fd_close) int parent = open_path(to, folder, O_RDONLY | O_DIRECTORY);
    if (parent < 0)
        return err_set(err, ERR_NOT_FOUND, "there is no folder '%s' to put '%s' into", folder,
                       name);
    return copy_source(copy, source, parent, name, err);
}

bool copy_tree(const struct copy_end *from, const struct copy_end *to,
               const struct copy_options *options, struct copy_result *ret, struct err *err)
{
    AUTO(source_done) struct source source = {.fd = -1};
    AUTO(free) char *piece = mem_new(PIECE_BYTES);
    struct copy copy = {options, ret, piece};
    struct stat st;

    *ret = (struct copy_result){0};
    if (!source_open(from, options->follow_first, &source, err)) {
        ret->is_source_at_fault = true;
        return false;
    }
    AUTO(fd_close) int target = open_path(to, to->path, O_PATH);
    if (target < 0 && errno != ENOENT)
        return err_sys(err, "cannot open '%s'", to->path);
    if (target < 0)
        return copy_to_new(&copy, &source, to, err);
    if (fstat(target, &st) != 0)
        return err_sys(err, "cannot look at '%s'", to->path);
    if (S_ISDIR(st.st_mode))
        return copy_into_folder(&copy, &source, target, err);
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_INVALID, "'%s' is neither a file nor a folder", to->path);
    return copy_over_file(&copy, &source, target, to->path, err);
}

int copy_open_folder(const struct copy_end *end, bool is_folder, const char **ret_name,
                     struct err *err)
{
    static char name[NAME_BYTES]; /* one command, one call */
    char folder[LINK_BYTES];
    const char *path = end->path;

    if (!split_path(end->path, folder, name, err))
        return -1;
    bool itself = is_folder || means_content(end->path);
    if (!itself)
        path = folder;
    int fd = open_path(end, path, O_PATH | O_DIRECTORY);
    if (fd < 0)
        err_sys(err, "cannot open the folder '%s'", path);
    *ret_name = itself ? "." : name;
    return fd;
}
