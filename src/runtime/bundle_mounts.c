/* SPDX-License-Identifier: Apache-2.0
 *
 * What is mounted over the instance's root, in the order in which it is done:
 * the kernel's file systems, what every instance has in memory, then what the
 * file wants, folders before what lies in them.
 */
#include "base/base.h"

#include <inttypes.h>

#include "base/arena.h"
#include "base/err.h"
#include "runtime/bundle_priv.h"
#include "json/json.h"

static void add_mount(json_t *mounts, const char *target, const char *type, const char *source,
                      json_t *options)
{
    (void)json_array_append_new(mounts,
                                json_pack("{s:o, s:s, s:o, s:o}", "destination",
                                          json_from_bytes(str_of(target)), "type", type, "source",
                                          json_from_bytes(str_of(source)), "options", options));
}

static void add_option(json_t *options, const char *option)
{
    (void)json_array_append_new(options, json_from_bytes(str_of(option)));
}

/* ---- what every instance has ---- */

/* Another instance's, the machine's, or one of its own. */
static void add_shm(const struct bundle *bundle, struct arena *arena, json_t *mounts)
{
    const struct compose_service *service = bundle->spec->service;
    const char *ipc = bundle->machine == NULL ? NULL : service->isolation.ipc;
    uint64_t bytes = service->tuning.shm_size_bytes;
    const char *shared = bundle->pinned.shm;

    if (ipc != NULL && strcmp(ipc, "none") == 0)
        return;
    if (ipc != NULL && strcmp(ipc, "host") == 0)
        shared = "/dev/shm";
    if (shared != NULL) {
        add_mount(mounts, "/dev/shm", "bind", shared,
                  json_pack("[s, s, s, s]", "bind", "nosuid", "nodev", "noexec"));
        return;
    }
    if (bundle->machine == NULL || bytes == 0)
        bytes = BUNDLE_SHM_BYTES;
    json_t *options = json_pack("[s, s, s, s]", "nosuid", "noexec", "nodev", "mode=1777");
    add_option(options, arena_printf(arena, "size=%" PRIu64, bytes));
    add_mount(mounts, "/dev/shm", "tmpfs", "shm", options);
}

static void add_kernel_mounts(const struct bundle *bundle, struct arena *arena, json_t *mounts)
{
    add_mount(mounts, "/proc", "proc", "proc", json_pack("[s, s, s]", "nosuid", "noexec", "nodev"));
    add_mount(mounts, "/dev", "tmpfs", "tmpfs",
              json_pack("[s, s, s, s]", "nosuid", "strictatime", "mode=755", "size=65536k"));
    add_mount(mounts, "/dev/pts", "devpts", "devpts",
              json_pack("[s, s, s, s, s, s]", "nosuid", "noexec", "newinstance", "ptmxmode=0666",
                        "mode=0620", "gid=5"));
    add_shm(bundle, arena, mounts);
    add_mount(mounts, "/dev/mqueue", "mqueue", "mqueue",
              json_pack("[s, s, s]", "nosuid", "noexec", "nodev"));
    add_mount(mounts, "/sys", "sysfs", "sysfs",
              json_pack("[s, s, s, s]", "nosuid", "noexec", "nodev", "ro"));
    if (bundle->machine != NULL && bundle->machine->cgroup_v2)
        add_mount(mounts, "/sys/fs/cgroup", "cgroup", "cgroup",
                  json_pack("[s, s, s, s]", "nosuid", "noexec", "nodev", "ro"));
}

/* A file that belongs to the recipe. */
static void add_script(const struct bundle *bundle, const char *file, const char *target,
                       struct arena *arena, json_t *mounts)
{
    add_mount(mounts, target, "bind", arena_printf(arena, "%s/%s", bundle->images_dir, file),
              json_pack("[s, s, s]", "bind", "ro", "nosuid"));
}

static void add_own_mounts(const struct bundle *bundle, struct arena *arena, json_t *mounts)
{
    const struct recipe *recipe = bundle->recipe;
    json_t *options = json_pack("[s, s, s]", "nosuid", "nodev", "mode=755");

    add_option(options, arena_printf(arena, "uid=%u", bundle->spec->uid));
    add_option(options, arena_printf(arena, "gid=%u", bundle->spec->uid));
    add_mount(mounts, "/tmp", "tmpfs", "tmpfs",
              json_pack("[s, s, s]", "nosuid", "nodev", "mode=1777"));
    add_mount(mounts, "/run", "tmpfs", "tmpfs", options);
    if (recipe != NULL && recipe->script != NULL)
        add_script(bundle, recipe->script, recipe->script_target, arena, mounts);
    if (recipe != NULL && recipe->library != NULL)
        add_script(bundle, recipe->library,
                   arena_printf(arena, RECIPE_LIBRARIES "/%s", recipe->library), arena, mounts);
}

/* ---- what the file wants ---- */

static bool is_propagation(const char *mode)
{
    static const char *const modes[] = {"private", "rprivate", "shared",
                                        "rshared", "slave",    "rslave"};

    for (size_t i = 0; i < ARRAY_LEN(modes); i++)
        if (strcmp(modes[i], mode) == 0)
            return true;
    return false;
}

static bool add_bind(const struct bundle *bundle, size_t index, json_t *mounts, struct err *err)
{
    const struct runtime_mount *mount = &bundle->spec->mounts[index];
    const char *propagation = mount->propagation == NULL || mount->propagation[0] == '\0'
                                  ? "rprivate"
                                  : mount->propagation;
    const char *pinned = bundle->pinned.mounts == NULL ? NULL : bundle->pinned.mounts[index];

    if (!is_propagation(propagation))
        return err_set(err, ERR_INVALID,
                       "volumes: '%.80s' is no propagation; private, shared and slave are, and the "
                       "same with an r in front",
                       propagation);
    add_mount(mounts, mount->target, "bind", pinned == NULL ? mount->source : pinned,
              json_pack("[s, s, s, s, s]", "rbind", propagation, "nosuid", "nodev",
                        mount->read_only ? "ro" : "rw"));
    return true;
}

/* The options of "/run:size=64m,mode=700" for this target; empty when it was given otherwise. */
static struct str written_options(const struct bundle *bundle, const char *target)
{
    const struct compose_texts *all = &bundle->spec->service->tmpfs_options;

    for (size_t i = 0; i < all->count; i++) {
        struct str rest = str_of(all->items[i]);
        if (str_is(str_cut(&rest, ':'), target))
            return rest;
    }
    return (struct str){0};
}

/* Names of tmpfs(5) that change nothing but this file system. */
static bool is_tmpfs_option(struct str option)
{
    static const char *const flags[] = {"ro",     "rw",    "exec",    "noexec",
                                        "nosuid", "nodev", "noatime", "relatime"};
    static const char *const values[] = {"size", "mode", "uid", "gid", "nr_inodes", "nr_blocks"};
    struct str value = option;
    struct str name = str_cut(&value, '=');

    for (size_t i = 0; value.ptr == NULL && i < ARRAY_LEN(flags); i++)
        if (str_is(name, flags[i]))
            return true;
    for (size_t i = 0; value.ptr != NULL && value.len > 0 && i < ARRAY_LEN(values); i++)
        if (str_is(name, values[i]))
            return true;
    return false;
}

static bool add_written_options(const struct bundle *bundle, const char *target,
                                struct arena *arena, json_t *options, struct err *err)
{
    struct str rest = written_options(bundle, target);

    while (rest.ptr != NULL && rest.len > 0) {
        struct str option = str_cut(&rest, ',');
        if (!is_tmpfs_option(option))
            return err_set(err, ERR_INVALID,
                           "tmpfs: '%.*s' of '%s' is no option here; size, mode, uid, gid, "
                           "nr_inodes, ro, noexec and noatime are",
                           (int)MIN(option.len, (size_t)80), option.ptr, target);
        add_option(options, arena_str(arena, option));
    }
    return true;
}

/* A tmpfs belongs to the instance's user: some versions of runc give it the mode of the folder
 * below, whatever its mode option says. The last of two options counts. */
static bool add_tmpfs(const struct bundle *bundle, const struct runtime_mount *mount,
                      struct arena *arena, json_t *mounts, struct err *err)
{
    uint32_t mode = mount->tmpfs_mode == 0 ? 01777 : mount->tmpfs_mode;
    json_t *options = json_pack("[s, s, s]", "nosuid", "nodev", mount->read_only ? "ro" : "rw");

    add_option(options, arena_printf(arena, "uid=%u", bundle->spec->uid));
    add_option(options, arena_printf(arena, "gid=%u", bundle->spec->uid));
    add_option(options, arena_printf(arena, "mode=%o", mode));
    if (mount->tmpfs_size_bytes > 0)
        add_option(options, arena_printf(arena, "size=%" PRIu64, mount->tmpfs_size_bytes));
    bool ok = add_written_options(bundle, mount->target, arena, options, err);
    add_mount(mounts, mount->target, "tmpfs", "tmpfs", options);
    return ok;
}

static size_t depth_of(const char *path)
{
    size_t depth = 0;

    for (; path[0] != '\0'; path++)
        depth += path[0] == '/' && path[1] != '/' && path[1] != '\0' ? 1 : 0;
    return depth;
}

/* The mounts of the file by how deep they are, in the file's order otherwise: a folder that is
 * mounted later would hide what lies in it. */
static size_t *by_depth(const struct instance_spec *spec, struct arena *arena)
{
    size_t *order = ARENA_ARRAY(arena, size_t, spec->mount_count + 1);

    for (size_t i = 0; i < spec->mount_count; i++) {
        size_t at = i;
        for (; at > 0 &&
               depth_of(spec->mounts[order[at - 1]].target) > depth_of(spec->mounts[i].target);
             at--)
            order[at] = order[at - 1];
        order[at] = i;
    }
    return order;
}

static bool add_wanted(const struct bundle *bundle, struct arena *arena, json_t *mounts,
                       struct err *err)
{
    const struct instance_spec *spec = bundle->spec;
    const size_t *order = by_depth(spec, arena);

    for (size_t i = 0; i < spec->mount_count; i++) {
        const struct runtime_mount *mount = &spec->mounts[order[i]];
        if (mount->source == NULL ? !add_tmpfs(bundle, mount, arena, mounts, err)
                                  : !add_bind(bundle, order[i], mounts, err))
            return false;
    }
    for (size_t i = 0; bundle->pinned.files != NULL && i < spec->file_count; i++)
        add_mount(mounts, spec->files[i].target, "bind", bundle->pinned.files[i],
                  json_pack("[s, s, s, s]", "bind", "ro", "nosuid", "nodev"));
    return true;
}

bool bundle_mounts(const struct bundle *bundle, struct arena *arena, json_t **ret, struct err *err)
{
    AUTO(json_unref) json_t *mounts = json_array();

    add_kernel_mounts(bundle, arena, mounts);
    add_own_mounts(bundle, arena, mounts);
    if (!add_wanted(bundle, arena, mounts, err))
        return false;
    *ret = TAKE(mounts);
    return true;
}
