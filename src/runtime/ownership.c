/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "compose/model.h"
#include "runtime/ownership.h"
#include "runtime/runtime.h"

struct walk {
    uid_t uid;
    dev_t device;
    size_t entries;
};

/* Takes <fd>, an open folder. */
static bool give_inside(struct walk *walk, int fd, int depth, struct err *err)
{
    DIR *dir = fdopendir(fd);
    const struct dirent *entry;
    bool ok = true;

    if (dir == NULL) {
        fd_close(fd);
        return err_sys(err, "cannot list");
    }
    if (depth > OWNERSHIP_DEPTH_MAX)
        ok = err_set(err, ERR_LIMIT, "folders are nested deeper than %d", OWNERSHIP_DEPTH_MAX);
    while (ok && (entry = readdir(dir)) != NULL) {
        struct stat st;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (++walk->entries > OWNERSHIP_ENTRIES_MAX)
            ok = err_set(err, ERR_LIMIT, "more than %d files", OWNERSHIP_ENTRIES_MAX);
        else if (fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
                 (st.st_uid != walk->uid &&
                  fchownat(fd, entry->d_name, walk->uid, walk->uid, AT_SYMLINK_NOFOLLOW) != 0))
            ok = err_sys(err, "cannot give '%s' to user %u", entry->d_name, walk->uid);
        else if (S_ISDIR(st.st_mode) && st.st_dev == walk->device) {
            int inner = openat(fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            ok = inner < 0 ? err_sys(err, "cannot open '%s'", entry->d_name)
                           : give_inside(walk, inner, depth + 1, err);
        }
    }
    (void)closedir(dir);
    return ok;
}

bool ownership_give(const char *path, uid_t uid, struct err *err)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0)
        return err_sys(err, "cannot open '%s'", path);
    if (fstat(fd, &st) != 0 || fchown(fd, uid, uid) != 0) {
        fd_close(fd);
        return err_sys(err, "cannot give '%s' to user %u", path, uid);
    }
    struct walk walk = {.uid = uid, .device = st.st_dev};
    return give_inside(&walk, fd, 0, err) ? true : err_prefix(err, "%s", path);
}

static bool is_empty(const char *path)
{
    DIR *dir = opendir(path);
    const struct dirent *entry;
    bool empty = true;

    while (dir != NULL && (entry = readdir(dir)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            empty = false;
    if (dir != NULL)
        (void)closedir(dir);
    return empty;
}

static bool is_volume(const struct compose_texts *volumes, const char *target)
{
    for (size_t i = 0; i < volumes->count; i++)
        if (strcmp(volumes->items[i], target) == 0)
            return true;
    return false;
}

/* Does the user get what is in the folder, too? */
static bool is_given_whole(const struct runtime_mount *mount, const struct stat *st,
                           const struct compose_texts *volumes)
{
    return (mount->adopt && st->st_uid < RUNTIME_UID_FIRST) ||
           (!mount->read_only && is_volume(volumes, mount->target));
}

bool ownership_prepare(const struct runtime_mount *mount, uid_t uid,
                       const struct compose_texts *volumes, struct err *err)
{
    struct stat st;

    if (mount->source == NULL)
        return true;
    bool there = stat(mount->source, &st) == 0;
    if (!there && !file_make_dirs(mount->source, 0755, err))
        return false;
    if (there && (!S_ISDIR(st.st_mode) || st.st_uid == uid))
        return true;
    if (mount->own && (!there || is_empty(mount->source))) {
        if (lchown(mount->source, uid, uid) != 0)
            return err_sys(err, "cannot give '%s' to user %u", mount->source, uid);
        return true;
    }
    return there && is_given_whole(mount, &st, volumes) ? ownership_give(mount->source, uid, err)
                                                        : true;
}
