/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "runtime/pinned.h"
#include "runtime/rootfs.h"
#include "runtime/runtime.h"

const char *pinned_shm_path(const char *folder, struct arena *arena)
{
    return arena_printf(arena, "%s/shm", folder);
}

static bool mount_folder(const char *folder, const char *options, unsigned long flags,
                         struct err *err)
{
    if (!file_make_dirs(folder, 0700, err))
        return false;
    if (mount("ishizue", folder, "tmpfs", MS_NOSUID | MS_NODEV | flags, options) != 0)
        return err_sys(err, "cannot mount a tmpfs at '%s'", folder);
    return true;
}

/* ---- secrets and configs ---- */

/* The number of "1000:100" before or after the colon. */
static bool is_number_of(const char *user, bool group, uint64_t number)
{
    struct str rest = str_of(user);
    struct str first = str_cut(&rest, ':');
    uint64_t written;

    return str_to_u64(group ? rest : first, UINT32_MAX, &written) && written == number;
}

static bool has_number(const struct compose_texts *numbers, uint64_t number)
{
    uint64_t written;

    for (size_t i = 0; numbers != NULL && i < numbers->count; i++)
        if (str_to_u64(str_of(numbers->items[i]), UINT32_MAX, &written) && written == number)
            return true;
    return false;
}

/* `user: "1000"` stands for the instance's one user, and so does that number as a file's owner; so
 * do the image's own numbers, <uids>. */
static uid_t owner_of(const struct instance_spec *spec, const struct compose_texts *uids,
                      uint64_t number, bool group)
{
    const char *user = spec->service->user;

    if ((user != NULL && is_number_of(user, group, number)) || has_number(uids, number))
        return spec->uid;
    return (uid_t)number;
}

static bool copy_file(const struct instance_spec *spec, const struct compose_texts *uids,
                      const struct runtime_file *file, const char *path, size_t *bytes,
                      struct err *err)
{
    AUTO(buf_done) struct buf content = {0};

    if (file_is_dir(file->source))
        return err_set(err, ERR_INVALID, "'%s' is a folder; a single file is needed", file->source);
    if (!file_read(file->source, PINNED_FILE_BYTES_MAX, &content, err))
        return false;
    *bytes += content.len;
    if (*bytes > PINNED_FILES_BYTES_MAX)
        return err_set(err, ERR_LIMIT, "the secrets and configs of a service are above %d bytes",
                       PINNED_FILES_BYTES_MAX);
    AUTO(fd_close) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_sys(err, "cannot create '%s'", path);
    bool written = file_write_fd(fd, buf_str(&content), err);
    if (content.len > 0)
        explicit_bzero(content.ptr, content.len);
    if (!written)
        return false;
    if (fchown(fd, owner_of(spec, uids, file->uid, false), owner_of(spec, uids, file->gid, true)) !=
            0 ||
        fchmod(fd, file->mode & 07777) != 0)
        return err_sys(err, "cannot give '%s' its owner and mode", file->target);
    return true;
}

static bool copy_files(const char *folder, const struct instance_spec *spec,
                       const struct compose_texts *uids, struct arena *arena, const char **ret,
                       struct err *err)
{
    size_t bytes = 0;

    for (size_t i = 0; i < spec->file_count; i++) {
        ret[i] = arena_printf(arena, "%s/file%zu", folder, i);
        if (!copy_file(spec, uids, &spec->files[i], ret[i], &bytes, err))
            return err_prefix(err, "file '%s'", spec->files[i].target);
    }
    return true;
}

/* ---- folders within volumes ---- */

/* Links are followed as long as they stay within <source>. */
static int open_beneath(const char *source, const char *subpath, struct err *err)
{
    struct open_how how = {.flags = O_PATH | O_CLOEXEC,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    AUTO(fd_close) int root = open(source, O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (root < 0) {
        err_sys(err, "cannot open '%s'", source);
        return -1;
    }
    int fd = (int)syscall(SYS_openat2, root, subpath, &how, sizeof how);
    if (fd < 0 && errno == EXDEV)
        err_set(err, ERR_DENIED, "the subpath '%s' leads out of the volume", subpath);
    else if (fd < 0 && errno == ENOENT)
        err_set(err, ERR_NOT_FOUND, "the volume has no '%s'; make it before it is mounted",
                subpath);
    else if (fd < 0)
        err_sys(err, "cannot open the subpath '%s'", subpath);
    return fd;
}

static bool make_mount_point(int fd, const char *path, struct err *err)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return err_sys(err, "cannot look at a volume");
    if (S_ISDIR(st.st_mode))
        return file_make_dirs(path, 0700, err);
    AUTO(fd_close) int file = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    return file >= 0 ? true : err_sys(err, "cannot create '%s'", path);
}

/* Bound to a place of ours while it is held open, so that nothing can put a link there between this
 * look and the OCI runtime's. */
static bool pin_subpath(const struct runtime_mount *wanted, const char *path, struct err *err)
{
    AUTO(arena_done) struct arena arena = {0};
    AUTO(fd_close) int fd = open_beneath(wanted->source, wanted->subpath, err);

    if (fd < 0 || !make_mount_point(fd, path, err))
        return false;
    if (mount(arena_printf(&arena, "/proc/self/fd/%d", fd), path, NULL, MS_BIND, NULL) != 0)
        return err_sys(err, "cannot mount the subpath '%s'", wanted->subpath);
    return true;
}

static bool pin_subpaths(const char *folder, const struct instance_spec *spec, struct arena *arena,
                         const char **ret, struct err *err)
{
    for (size_t i = 0; i < spec->mount_count; i++) {
        const struct runtime_mount *wanted = &spec->mounts[i];
        ret[i] = NULL;
        if (wanted->source == NULL || wanted->subpath == NULL || wanted->subpath[0] == '\0')
            continue;
        ret[i] = arena_printf(arena, "%s/mount%zu", folder, i);
        if (!pin_subpath(wanted, ret[i], err))
            return err_prefix(err, "mount of '%s'", wanted->target);
    }
    return true;
}

static bool is_needed(const struct instance_spec *spec, uint64_t shm_bytes)
{
    bool needed = spec->file_count > 0 || shm_bytes > 0;

    for (size_t i = 0; i < spec->mount_count; i++)
        needed = needed || spec->mounts[i].subpath != NULL;
    return needed;
}

static bool make_shm(const char *folder, uint64_t shm_bytes, struct arena *arena,
                     struct pinned *ret, struct err *err)
{
    if (shm_bytes == 0)
        return true;
    ret->shm = pinned_shm_path(folder, arena);
    return mount_folder(ret->shm, arena_printf(arena, "mode=1777,size=%" PRIu64, shm_bytes),
                        MS_NOEXEC, err);
}

bool pinned_make(const char *folder, const struct instance_spec *spec,
                 const struct compose_texts *uids, uint64_t shm_bytes, struct arena *arena,
                 struct pinned *ret, struct err *err)
{
    *ret = (struct pinned){0};
    if (!is_needed(spec, shm_bytes))
        return true;
    const char **files = ARENA_ARRAY(arena, const char *, spec->file_count + 1);
    const char **mounts = ARENA_ARRAY(arena, const char *, spec->mount_count + 1);
    const char *options = arena_printf(arena, "mode=700,size=%d", PINNED_FILES_BYTES_MAX * 2);
    if (!mount_folder(folder, options, 0, err) ||
        !copy_files(folder, spec, uids, arena, files, err) ||
        !pin_subpaths(folder, spec, arena, mounts, err) ||
        !make_shm(folder, shm_bytes, arena, ret, err))
        return false;
    ret->files = files;
    ret->mounts = mounts;
    return true;
}

bool pinned_remove(const char *folder, struct err *err)
{
    return rootfs_unmount(folder, err);
}
