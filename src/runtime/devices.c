/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/major.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/file.h"
#include "runtime/devices.h"

enum { DEVICE_DEPTH_MAX = 4 };

struct search {
    struct arena *arena;
    struct devices *found;
    const char *access;
};

static bool check_access(const struct compose_device *device, const char **ret, struct err *err)
{
    const char *access = device->permissions;

    *ret = access == NULL || access[0] == '\0' ? "rwm" : access;
    if (strspn(*ret, "rwm") == strlen(*ret) && strlen(*ret) <= 3)
        return true;
    return err_set(err, ERR_INVALID,
                   "devices: '%.20s' is no permission of '%s'; some of r, w and m are expected",
                   access, device->source);
}

/* A disk, or a part of one, that is mounted or otherwise taken cannot be opened exclusively. */
static bool is_in_use(const char *path)
{
    AUTO(fd_close) int fd = open(path, O_RDONLY | O_EXCL | O_NONBLOCK | O_CLOEXEC);
    return fd < 0 && errno != ENXIO && errno != ENOMEDIUM; /* what cannot be told counts as used */
}

static bool is_machine_memory(const struct stat *st)
{
    /* mem, kmem, port and kmsg */
    unsigned number = minor(st->st_rdev);
    return S_ISCHR(st->st_mode) && major(st->st_rdev) == MEM_MAJOR &&
           (number == 1 || number == 2 || number == 4 || number == 11);
}

/* The way to a disk that no O_EXCL sees. */
static bool is_generic_scsi(const struct stat *st)
{
    return S_ISCHR(st->st_mode) && major(st->st_rdev) == SCSI_GENERIC_MAJOR;
}

static bool add_device(struct search *search, const char *source, const char *target,
                       const struct stat *st, struct err *err)
{
    mode_t own = (strchr(search->access, 'r') != NULL ? 0400 : 0) |
                 (strchr(search->access, 'w') != NULL ? 0200 : 0);

    if (is_machine_memory(st) || is_generic_scsi(st) || (S_ISBLK(st->st_mode) && is_in_use(source)))
        return err_set(err, ERR_DENIED,
                       "devices: '%s' is the machine's own memory, or a disk that it uses", source);
    if (search->found->count == DEVICES_MAX)
        return err_set(err, ERR_LIMIT, "devices: more than %d", DEVICES_MAX);
    search->found->items[search->found->count++] = (struct device){
        .path = arena_text(search->arena, target),
        .type = S_ISBLK(st->st_mode) ? 'b' : 'c',
        .major = major(st->st_rdev),
        .minor = minor(st->st_rdev),
        .gid = st->st_gid,
        .mode = (st->st_mode & 0077) | own,
        .access = search->access,
    };
    return true;
}

/* Symbolic links below a folder are left out: they may lead anywhere. */
static bool add_folder(struct search *search, const char *source, const char *target, int depth,
                       struct err *err)
{
    DIR *dir = depth > DEVICE_DEPTH_MAX ? NULL : opendir(source);
    const struct dirent *entry;
    bool ok = true;

    if (dir == NULL)
        return err_set(err, ERR_INVALID, "devices: '%s' cannot be read, or is too deep", source);
    while (ok && (entry = readdir(dir)) != NULL) {
        const char *inner = arena_printf(search->arena, "%s/%s", source, entry->d_name);
        const char *inside = arena_printf(search->arena, "%s/%s", target, entry->d_name);
        struct stat st;
        if (entry->d_name[0] == '.' || lstat(inner, &st) != 0)
            continue;
        if (S_ISDIR(st.st_mode))
            ok = add_folder(search, inner, inside, depth + 1, err);
        else if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
            ok = add_device(search, inner, inside, &st, err);
    }
    (void)closedir(dir);
    return ok;
}

static bool find_device(struct search *search, const struct compose_device *device, struct err *err)
{
    const char *target = device->target == NULL ? device->source : device->target;
    struct stat st;

    if (device->source[0] != '/')
        return err_set(err, ERR_INVALID,
                       "devices: '%s' is no path; names of device drivers (CDI) are not known here",
                       device->source);
    if (strncmp(target, "/dev/", 5) != 0 || strstr(target, "..") != NULL)
        return err_set(err, ERR_INVALID, "devices: '%s' is not below /dev in the instance", target);
    if (!check_access(device, &search->access, err))
        return false;
    if (stat(device->source, &st) != 0)
        return err_sys(err, "devices: cannot look at '%s'", device->source);
    if (S_ISDIR(st.st_mode))
        return add_folder(search, device->source, target, 0, err);
    if (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode))
        return err_set(err, ERR_INVALID, "devices: '%s' is no device", device->source);
    return add_device(search, device->source, target, &st, err);
}

bool devices_find(const struct compose_isolation *isolation, struct arena *arena,
                  struct devices *ret, struct err *err)
{
    struct search search = {.arena = arena, .found = ret};

    *ret = (struct devices){0};
    if (isolation->device_count == 0)
        return true;
    ret->items = ARENA_ARRAY(arena, struct device, DEVICES_MAX);
    for (size_t i = 0; i < isolation->device_count; i++)
        if (!find_device(&search, &isolation->devices[i], err))
            return false;
    return true;
}
