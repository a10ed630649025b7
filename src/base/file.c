/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"

bool file_read_fd(int fd, size_t limit_bytes, struct buf *ret, struct err *err)
{
    size_t total = 0;

    for (;;) {
        char *at = buf_reserve(ret, 16384);
        ssize_t n = read(fd, at, 16384);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_sys(err, "cannot read");
        if (n == 0)
            return true;
        buf_grew(ret, (size_t)n);
        total += (size_t)n;
        if (total > limit_bytes)
            return err_set(err, ERR_LIMIT, "larger than %zu bytes", limit_bytes);
    }
}

static int open_to_read(const char *path, int flags, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | flags);

    if (fd < 0) {
        bool absent = errno == ENOENT || errno == ENOTDIR;
        err_sys(err, "cannot open '%s'", path);
        if (absent)
            err->code = ERR_NOT_FOUND;
    }
    return fd;
}

bool file_read(const char *path, size_t limit_bytes, struct buf *ret, struct err *err)
{
    AUTO(fd_close) int fd = open_to_read(path, 0, err);

    if (fd < 0)
        return false;
    return file_read_fd(fd, limit_bytes, ret, err) ? true : err_prefix(err, "%s", path);
}

static bool read_regular_fd(int fd, const char *path, size_t limit_bytes, struct buf *ret,
                            struct err *err)
{
    struct stat st;

    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return err_set(err, ERR_INVALID, "'%s' is no regular file", path);
    return file_read_fd(fd, limit_bytes, ret, err) ? true : err_prefix(err, "%s", path);
}

bool file_read_regular(const char *path, size_t limit_bytes, struct buf *ret, struct err *err)
{
    AUTO(fd_close) int fd = open_to_read(path, O_NONBLOCK | O_NOCTTY, err);

    return fd >= 0 && read_regular_fd(fd, path, limit_bytes, ret, err);
}

bool file_read_beneath(const char *folder, const char *path, size_t limit_bytes, struct buf *ret,
                       struct err *err)
{
    struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
    size_t len = folder == NULL ? 0 : strlen(folder);

    if (len == 0 || strncmp(path, folder, len) != 0 || path[len] != '/')
        return file_read_regular(path, limit_bytes, ret, err);
    AUTO(fd_close) int root = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return err_sys(err, "cannot open '%s'", folder);
    AUTO(fd_close) int fd = (int)syscall(SYS_openat2, root, path + len + 1, &how, sizeof how);
    if (fd < 0 && errno == ELOOP)
        return err_set(err, ERR_INVALID,
                       "'%s' is or passes a symbolic link; put the file itself there", path);
    if (fd < 0)
        return err_sys(err, "cannot open '%s'", path);
    return read_regular_fd(fd, path, limit_bytes, ret, err);
}

bool file_write_fd(int fd, struct str bytes, struct err *err)
{
    for (size_t at = 0; at < bytes.len;) {
        ssize_t n = write(fd, bytes.ptr + at, bytes.len - at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_sys(err, "cannot write");
        at += (size_t)n;
    }
    return true;
}

static bool sync_folder_of(const char *path, struct err *err)
{
    char folder[PATH_MAX];
    size_t cut = str_find_last(str_of(path), '/');

    if (cut >= sizeof folder)
        return err_set(err, ERR_LIMIT, "path is longer than %zu bytes", sizeof folder);
    if (cut == strlen(path) || cut == 0) {
        memcpy(folder, cut == 0 ? "/" : ".", 2);
    } else {
        memcpy(folder, path, cut);
        folder[cut] = '\0';
    }
    AUTO(fd_close) int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0)
        return err_sys(err, "cannot sync '%s'", folder);
    return true;
}

bool file_write(const char *path, struct str bytes, mode_t mode, struct err *err)
{
    AUTO(buf_done) struct buf temporary = {0};
    buf_addf(&temporary, "%s.XXXXXX", path);

    AUTO(fd_close) int fd = mkostemp(temporary.ptr, O_CLOEXEC);
    if (fd < 0)
        return err_sys(err, "cannot create '%s'", buf_text(&temporary));
    bool written = file_write_fd(fd, bytes, err);
    if (written && (fchmod(fd, mode) != 0 || fsync(fd) != 0))
        written = err_sys(err, "cannot store");
    if (written && rename(buf_text(&temporary), path) != 0)
        written = err_sys(err, "cannot rename");
    if (!written) {
        (void)unlink(buf_text(&temporary));
        return err_prefix(err, "%s", path);
    }
    return sync_folder_of(path, err);
}

bool file_make_dirs(const char *path, mode_t mode, struct err *err)
{
    AUTO(buf_done) struct buf part = {0};

    buf_add_text(&part, path);
    for (size_t i = 1; i <= part.len; i++) {
        if (part.ptr[i] != '/' && part.ptr[i] != '\0')
            continue;
        bool last = part.ptr[i + strspn(part.ptr + i, "/")] == '\0';
        bool end = part.ptr[i] == '\0';
        part.ptr[i] = '\0';
        if (mkdir(part.ptr, last ? mode : 0755) != 0 && errno != EEXIST)
            return err_sys(err, "cannot create folder '%s'", part.ptr);
        if (!end)
            part.ptr[i] = '/';
    }
    if (!file_is_dir(path))
        return err_set(err, ERR_EXISTS, "'%s' is there but is not a folder", path);
    return true;
}

/* Which mount it is on: a bind mount of the same file system has the same device. */
static bool look(int folder, const char *name, struct statx *ret, struct err *err)
{
    if (statx(folder, name, AT_SYMLINK_NOFOLLOW, STATX_TYPE | STATX_MNT_ID, ret) == 0)
        return true;
    return err_sys(err, "cannot look at '%s'", name);
}

/* Empties the folder open at <fd>, which it closes. */
static bool remove_inside(int fd, uint64_t mount, int depth, struct err *err)
{
    DIR *dir = fdopendir(fd);
    if (dir == NULL) {
        fd_close(fd);
        return err_sys(err, "cannot list");
    }
    bool removed = true;
    for (struct dirent *entry; removed && (entry = readdir(dir)) != NULL;) {
        struct statx stx;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        removed = look(fd, entry->d_name, &stx, err);
        if (removed && (stx.stx_mnt_id != mount || depth > 200))
            removed = err_set(err, ERR_INVALID, "'%s' is a mount or too deep", entry->d_name);
        else if (removed && S_ISDIR(stx.stx_mode)) {
            int inner = openat(fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            removed = inner < 0 ? err_sys(err, "cannot open '%s'", entry->d_name)
                                : remove_inside(inner, mount, depth + 1, err);
        }
        if (removed && unlinkat(fd, entry->d_name, S_ISDIR(stx.stx_mode) ? AT_REMOVEDIR : 0) != 0)
            removed = err_sys(err, "cannot remove '%s'", entry->d_name);
    }
    (void)closedir(dir);
    return removed;
}

bool file_remove_tree(const char *path, struct err *err)
{
    struct statx stx;

    if (!look(AT_FDCWD, path, &stx, err))
        return err->sys_errno == ENOENT;
    if ((stx.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0)
        return err_set(err, ERR_INVALID, "cannot remove '%s': it is a mount", path);
    if (S_ISDIR(stx.stx_mode)) {
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
            return err_sys(err, "cannot open '%s'", path);
        if (!remove_inside(fd, stx.stx_mnt_id, 0, err))
            return err_prefix(err, "%s", path);
    }
    if ((S_ISDIR(stx.stx_mode) ? rmdir(path) : unlink(path)) != 0)
        return err_sys(err, "cannot remove '%s'", path);
    return true;
}

bool file_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

bool file_is_dir(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool file_is_mount(const char *path)
{
    struct statx stx;
    return statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_TYPE, &stx) == 0 &&
           (stx.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

uint64_t file_free_bytes(const char *path)
{
    struct statvfs vfs;

    if (statvfs(path, &vfs) != 0)
        return UINT64_MAX;
    return (uint64_t)vfs.f_bavail * vfs.f_frsize;
}
