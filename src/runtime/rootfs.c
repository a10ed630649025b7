/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "runtime/rootfs.h"

/* Everything else in `/` is hidden: other systems' folders, homes, backups. */
static const char *const visible[] = {"bin",   "etc",    "lib",  "lib32",
                                      "lib64", "libx32", "sbin", "usr"};
/* Folders that are made again, empty. */
static const char *const fresh[] = {"dev",  "home", "media", "mnt", "opt", "proc",
                                    "root", "run",  "srv",   "sys", "tmp", "var"};
static const char *const fresh_below_var[] = {"cache", "lib", "log", "mail", "spool"};
/* Names of other systems and of how the machine is reached; keys are unreadable for an
 * unprivileged user anyway. */
static const char *const hidden_in_etc[] = {"apt",
                                            "containers",
                                            "cron.d",
                                            "cron.daily",
                                            "docker",
                                            "fstab",
                                            "gshadow",
                                            "gshadow-",
                                            "ishizue",
                                            "letsencrypt",
                                            "machine-id",
                                            "nginx/conf.d",
                                            "nginx/sites-enabled",
                                            "postgresql",
                                            "redis",
                                            "shadow",
                                            "shadow-",
                                            "ssh",
                                            "ssl/private",
                                            "sudoers",
                                            "sudoers.d",
                                            "systemd",
                                            "wireguard"};

static bool is_in(const char *const *list, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i], name) == 0)
            return true;
    return false;
}

static bool make_opaque(const char *path, struct err *err)
{
    if (!file_make_dirs(path, 0755, err))
        return false;
    if (setxattr(path, "trusted.overlay.opaque", "y", 1, 0) != 0)
        return err_sys(err, "cannot mark '%s' for overlayfs", path);
    return true;
}

/* Hides <name> of the folder <from>, whatever it is. */
static bool hide(struct arena *arena, const char *mask, const char *from, const char *name,
                 struct err *err)
{
    struct stat st;
    const char *path = arena_printf(arena, "%s%s/%s", mask, from, name);

    if (lstat(arena_printf(arena, "%s/%s", from, name), &st) != 0 || file_exists(path))
        return true;
    if (mknod(path, S_IFCHR, makedev(0, 0)) != 0 && errno != EEXIST)
        return err_sys(err, "cannot make the overlay whiteout '%s'", path);
    return true;
}

static bool hide_top_level(struct arena *arena, const char *mask, struct err *err)
{
    DIR *dir = opendir("/");
    const struct dirent *entry;
    bool ok = true;

    if (dir == NULL)
        return err_sys(err, "cannot read '/'");
    while (ok && (entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            is_in(visible, ARRAY_LEN(visible), entry->d_name) ||
            is_in(fresh, ARRAY_LEN(fresh), entry->d_name))
            continue;
        ok = hide(arena, mask, "", entry->d_name, err);
    }
    (void)closedir(dir);
    return ok;
}

static bool make_link(const char *to, const char *path, struct err *err)
{
    if (symlink(to, path) != 0 && errno != EEXIST)
        return err_sys(err, "cannot make the link '%s'", path);
    return true;
}

/* One that an earlier daemon mounted is taken over. */
static bool mount_mask(struct arena *arena, const char *folder, struct err *err)
{
    struct stat above, st;

    if (!file_make_dirs(folder, 0755, err))
        return false;
    if (stat(folder, &st) != 0 || stat(arena_printf(arena, "%s/..", folder), &above) != 0)
        return err_sys(err, "cannot look at '%s'", folder);
    if (st.st_dev != above.st_dev)
        return true;
    if (mount("ishizue-mask", folder, "tmpfs", MS_NOSUID | MS_NOEXEC, "size=4m,mode=755") != 0)
        return err_sys(err, "cannot mount a tmpfs at '%s'", folder);
    return true;
}

bool rootfs_make_mask(const char *folder, struct err *err)
{
    AUTO(arena_done) struct arena arena = {0};

    if (!mount_mask(&arena, folder, err) || !hide_top_level(&arena, folder, err))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(fresh); i++)
        if (!make_opaque(arena_printf(&arena, "%s/%s", folder, fresh[i]), err))
            return false;
    /* runc gives a tmpfs the mode of the folder it is mounted on. */
    if (chmod(arena_printf(&arena, "%s/tmp", folder), 01777) != 0)
        return err_sys(err, "cannot change '%s/tmp'", folder);
    for (size_t i = 0; i < ARRAY_LEN(fresh_below_var); i++)
        if (!file_make_dirs(arena_printf(&arena, "%s/var/%s", folder, fresh_below_var[i]), 0755,
                            err))
            return false;
    if (!make_link("/run", arena_printf(&arena, "%s/var/run", folder), err) ||
        !make_link("/run/lock", arena_printf(&arena, "%s/var/lock", folder), err) ||
        !make_link("/tmp", arena_printf(&arena, "%s/var/tmp", folder), err) ||
        !file_make_dirs(arena_printf(&arena, "%s/etc/nginx", folder), 0755, err) ||
        !file_make_dirs(arena_printf(&arena, "%s/etc/ssl", folder), 0755, err))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(hidden_in_etc); i++)
        if (!hide(&arena, folder, "/etc", hidden_in_etc[i], err))
            return false;
    return true;
}

bool rootfs_check_machine(struct err *err)
{
    struct stat root, st;

    if (stat("/", &root) != 0)
        return err_sys(err, "cannot read '/'");
    for (size_t i = 0; i < ARRAY_LEN(visible); i++) {
        AUTO(arena_done) struct arena arena = {0};
        const char *path = arena_printf(&arena, "/%s", visible[i]);
        if (stat(path, &st) == 0 && st.st_dev != root.st_dev)
            return err_set(err, ERR_INVALID,
                           "'%s' is a file system of its own, so instances would not see it; the "
                           "host runtime needs it on the root file system",
                           path);
    }
    return true;
}

/* The machine's root file system with the mask over it. */
static bool mount_machine(const struct rootfs *rootfs, struct err *err)
{
    AUTO(buf_done) struct buf options = {0};

    buf_addf(&options, "lowerdir=%s:/", rootfs->mask);
    if (mount("overlay", rootfs->target, "overlay", MS_NODEV | MS_RDONLY, buf_text(&options)) != 0)
        return err_sys(err, "cannot mount the machine's root file system at '%s'", rootfs->target);
    return true;
}

static bool mount_instance(const struct rootfs *rootfs, struct err *err)
{
    AUTO(buf_done) struct buf options = {0};

    buf_add_text(&options, "redirect_dir=off,index=off,metacopy=off,lowerdir=");
    for (size_t i = 0; i < rootfs->layer_count; i++)
        buf_addf(&options, "%s:", rootfs->layers[i]);
    buf_addf(&options, "%s,upperdir=%s,workdir=%s", rootfs->target, rootfs->upper, rootfs->work);
    if (mount("overlay", rootfs->target, "overlay", MS_NODEV, buf_text(&options)) == 0)
        return true;
    if (errno == EINVAL)
        return err_set(err, ERR_SYSTEM,
                       "'%s' is on a file system that cannot hold an overlay; keep the state on "
                       "ext4, xfs or btrfs",
                       rootfs->upper);
    return err_sys(err, "cannot mount the root file system at '%s'", rootfs->target);
}

bool rootfs_mount(const struct rootfs *rootfs, struct err *err)
{
    struct err ignored;

    if (!file_make_dirs(rootfs->target, 0755, err) || !file_make_dirs(rootfs->upper, 0755, err) ||
        !file_make_dirs(rootfs->work, 0700, err) || !rootfs_unmount(rootfs->target, err) ||
        !mount_machine(rootfs, err))
        return false;
    if (mount_instance(rootfs, err))
        return true;
    (void)!rootfs_unmount(rootfs->target, &ignored);
    return false;
}

bool rootfs_unmount(const char *target, struct err *err)
{
    /* The overlays lie on each other, and an interrupted start may have left some more. */
    for (int i = 0; i < 8; i++) {
        if (umount2(target, MNT_DETACH | UMOUNT_NOFOLLOW) != 0)
            return errno == EINVAL || errno == ENOENT ? true
                                                      : err_sys(err, "cannot unmount '%s'", target);
    }
    return true;
}

bool rootfs_make_link(const char *root, const char *path, const char *to, struct err *err)
{
    AUTO(arena_done) struct arena arena = {0};
    const char *full = arena_printf(&arena, "%s/%s", root, path);
    const char *folder =
        arena_str(&arena, str_sub(str_of(full), 0, str_find_last(str_of(full), '/')));

    if (strstr(path, "..") != NULL)
        return err_set(err, ERR_INVALID, "the path '%s' has '..' in it", path);
    if (!file_make_dirs(folder, 0755, err))
        return false;
    return make_link(to, full, err);
}

bool rootfs_make_dir(const char *root, const char *path, mode_t mode, uid_t owner, struct err *err)
{
    AUTO(arena_done) struct arena arena = {0};
    const char *full = arena_printf(&arena, "%s/%s", root, path);

    if (strstr(path, "..") != NULL)
        return err_set(err, ERR_INVALID, "the path '%s' has '..' in it", path);
    if (!file_make_dirs(full, mode, err))
        return false;
    if (chmod(full, mode) != 0 || lchown(full, owner, owner) != 0)
        return err_sys(err, "cannot give '%s' to user %u", full, owner);
    return true;
}
