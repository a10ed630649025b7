/* SPDX-License-Identifier: Apache-2.0
 *
 * The folders of the machine that an instance sees: bind mounts, volumes with
 * and without a name, those of another service (`volumes_from`). A volume is a
 * folder below the state folder; with options of the local driver something is
 * mounted on it when it is first used, and unmounted when its system is down.
 */
#include "base/base.h"

#include <dirent.h>
#include <errno.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "control/daemon_priv.h"
#include "tls/hasher.h"

char *volumes_path(const struct daemon *daemon, const char *name, struct arena *arena)
{
    return arena_printf(arena, "%s/volumes/%s", daemon->options.state_dir, name);
}

/* They belong to a place, not to a name: the same place finds its data again. */
char *volumes_anonymous_name(const struct system *system, const char *service, uint32_t number,
                             const char *target, struct arena *arena)
{
    AUTO(hasher_done) struct hasher hasher;
    char hash[HASH_TEXT_BYTES];

    hasher_init(&hasher);
    hasher_add(&hasher, str_of(target));
    hasher_end(&hasher, hash);
    return arena_printf(arena, "%s_%s_%u_%.12s", system->name, service, number, hash);
}

char *volumes_one_off_name(const struct instance *instance, const char *target, struct arena *arena)
{
    const char *of_service = volumes_anonymous_name(
        instance->system, instance->made_of->service->name, 0, target, arena);
    return arena_printf(arena, "%s_%s", of_service, instance->id);
}

/* ---- the local driver's options ---- */

static const char *find_option(const struct compose_volume *volume, const char *key)
{
    for (size_t i = 0; i < volume->driver_opts.count; i++)
        if (strcmp(volume->driver_opts.items[i].key, key) == 0)
            return volume->driver_opts.items[i].value;
    return NULL;
}

static bool has_word(const char *list, const char *word)
{
    for (struct str rest = str_of(list); rest.ptr != NULL;)
        if (str_is(str_cut(&rest, ','), word))
            return true;
    return false;
}

bool volumes_is_mounted(const struct compose_volume *volume)
{
    return find_option(volume, "type") != NULL || find_option(volume, "o") != NULL ||
           find_option(volume, "device") != NULL;
}

/* What of `o` is a flag of mount(2); the rest is for the file system. */
static const struct mount_word {
    const char *word;
    unsigned long flag;
} mount_words[] = {{"ro", MS_RDONLY},       {"rw", 0},
                   {"noexec", MS_NOEXEC},   {"exec", 0},
                   {"noatime", MS_NOATIME}, {"relatime", MS_RELATIME},
                   {"bind", MS_BIND},       {"rbind", MS_BIND | MS_REC}};

static const char *read_words(const char *list, struct arena *arena, unsigned long *ret_flags)
{
    const char *others = "";

    for (struct str rest = str_of(list); rest.ptr != NULL && rest.len > 0;) {
        struct str word = str_cut(&rest, ',');
        bool known = false;
        for (size_t i = 0; !known && i < ARRAY_LEN(mount_words); i++)
            if (str_is(word, mount_words[i].word)) {
                *ret_flags |= mount_words[i].flag;
                known = true;
            }
        if (!known)
            others = arena_printf(arena, "%s%s" STR_FMT, others, *others == '\0' ? "" : ",",
                                  STR_ARG(word));
    }
    return others;
}

/* A network file system is mounted by the machine: its server may hang, and the daemon may not. */
static bool check_type(const struct compose_volume *volume, const char *type, struct err *err)
{
    static const char *const known[] = {"none", "bind", "tmpfs", "ext4", "xfs", "btrfs"};

    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (strcmp(type, known[i]) == 0)
            return true;
    return err_set(err, ERR_INVALID,
                   "volumes.%s.driver_opts.type: '%.40s' is not mounted here; mount it on the "
                   "machine and give its folder as the source of a bind mount",
                   volume->key, type);
}

static bool mount_volume(const struct compose_volume *volume, const char *path, struct arena *arena,
                         struct err *err)
{
    const char *type = find_option(volume, "type");
    const char *options = find_option(volume, "o");
    const char *device = find_option(volume, "device");
    unsigned long flags = MS_NOSUID | MS_NODEV;
    bool bind = has_word(options, "bind") || has_word(options, "rbind");

    if (type == NULL || *type == '\0')
        type = "none";
    if (!check_type(volume, type, err))
        return false;
    bind |= strcmp(type, "bind") == 0;
    const char *data = read_words(options, arena, &flags);
    if (device == NULL || (strcmp(type, "tmpfs") != 0 && device[0] != '/'))
        return err_set(err, ERR_INVALID,
                       "volumes.%s.driver_opts.device: an absolute path is needed", volume->key);
    if (bind)
        flags |= MS_BIND;
    if (mount(device, path, bind ? NULL : type, flags, bind ? NULL : data) != 0)
        return err_sys(err, "cannot mount '%s' for the volume '%s'", device, volume->key);
    /* A bind mount takes its flags only when it is mounted again. */
    if (bind && (flags & MS_RDONLY) != 0 &&
        mount(NULL, path, NULL, MS_REMOUNT | flags, NULL) != 0) {
        err_sys(err, "cannot make the volume '%s' read-only", volume->key);
        (void)umount2(path, MNT_DETACH);
        return false;
    }
    return true;
}

void volumes_unmount(const struct daemon *daemon, const struct compose *compose)
{
    AUTO(arena_done) struct arena arena = {0};

    for (size_t i = 0; i < compose->volume_count; i++) {
        const struct compose_volume *volume = &compose->volumes[i];
        const char *path = volumes_path(daemon, volume->name, &arena);
        if (volume->external || !volumes_is_mounted(volume))
            continue;
        while (file_is_mount(path) && umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
            ;
    }
}

/* ---- mounts of an instance ---- */

struct mounts {
    struct instance *instance;
    struct arena *arena;
    struct runtime_mount *items;
    size_t count;
};

static const struct compose_volume *find_volume(const struct compose *compose, const char *key)
{
    for (size_t i = 0; i < compose->volume_count; i++)
        if (strcmp(compose->volumes[i].key, key) == 0)
            return &compose->volumes[i];
    return NULL;
}

static bool make_folder(const char *path, uid_t uid, bool *ret_made, struct err *err)
{
    *ret_made = !file_exists(path);
    if (!*ret_made)
        return true;
    if (!file_make_dirs(path, 0755, err))
        return false;
    if (chown(path, uid, uid) != 0)
        return err_sys(err, "cannot give '%s' to its user", path);
    return true;
}

static bool add_bind(struct mounts *mounts, const struct compose_volume_mount *volume,
                     struct runtime_mount *mount, struct err *err)
{
    bool made = false;

    if (!file_exists(volume->source) && !volume->create_host_path)
        return err_set(err, ERR_NOT_FOUND,
                       "'%s' is not there; make it, or write the volume in the short form",
                       volume->source);
    if (!make_folder(volume->source, mounts->instance->system->uid, &made, err))
        return false;
    mount->source = volume->source;
    mount->propagation = volume->propagation;
    mount->own = made;
    return true;
}

static bool add_folder(struct mounts *mounts, const char *name, struct runtime_mount *mount,
                       struct err *err)
{
    const struct daemon *daemon = mounts->instance->system->daemon;
    bool made;

    mount->source = volumes_path(daemon, name, mounts->arena);
    mount->own = true;
    return make_folder(mount->source, mounts->instance->system->uid, &made, err);
}

static bool add_named(struct mounts *mounts, const struct compose_volume_mount *volume,
                      struct runtime_mount *mount, struct err *err)
{
    const struct compose_volume *named =
        find_volume(mounts->instance->release->compose, volume->source);
    const struct daemon *daemon = mounts->instance->system->daemon;
    const char *name = named == NULL ? volume->source : named->name;

    mount->subpath = volume->subpath;
    if (named != NULL && named->external && !file_exists(volumes_path(daemon, name, mounts->arena)))
        return err_set(err, ERR_NOT_FOUND,
                       "the external volume '%s' is not there; bring up the system that makes it, "
                       "make the folder '%s', or remove external",
                       name, volumes_path(daemon, name, mounts->arena));
    if (!add_folder(mounts, name, mount, err))
        return false;
    bool is_folder = named == NULL || named->external || !volumes_is_mounted(named);
    bool is_mounted = file_is_mount(mount->source);
    mount->adopt = is_folder && !is_mounted;
    if (is_folder || is_mounted)
        return true;
    return mount_volume(named, mount->source, mounts->arena, err);
}

/* <owner> is the service that the volume belongs to. */
static bool add_volume(struct mounts *mounts, const struct compose_service *owner,
                       const struct compose_volume_mount *volume, struct err *err)
{
    const struct instance *instance = mounts->instance;
    struct runtime_mount *mount = &mounts->items[mounts->count];

    *mount = (struct runtime_mount){.target = volume->target,
                                    .read_only = volume->read_only,
                                    .tmpfs_size_bytes = volume->tmpfs_size_bytes,
                                    .tmpfs_mode = volume->tmpfs_mode};
    switch (volume->type) {
    case VOLUME_BIND:
        if (!add_bind(mounts, volume, mount, err))
            return false;
        break;
    case VOLUME_NAMED:
        if (!add_named(mounts, volume, mount, err))
            return false;
        break;
    case VOLUME_ANONYMOUS:
        if (!add_folder(mounts,
                        instance->one_off != NULL
                            ? volumes_one_off_name(instance, volume->target, mounts->arena)
                            : volumes_anonymous_name(instance->system, owner->name,
                                                     instance->number, volume->target,
                                                     mounts->arena),
                        mount, err))
            return false;
        break;
    case VOLUME_TMPFS:
        break;
    }
    mounts->count++;
    return true;
}

static bool has_target(const struct mounts *mounts, const char *target)
{
    for (size_t i = 0; i < mounts->count; i++)
        if (strcmp(mounts->items[i].target, target) == 0)
            return true;
    return false;
}

static bool add_own(struct mounts *mounts, const struct compose_service *service, bool read_only,
                    struct err *err)
{
    for (size_t i = 0; i < service->volume_count; i++) {
        struct compose_volume_mount volume = service->volumes[i];
        volume.read_only |= read_only;
        if (!has_target(mounts, volume.target) && !add_volume(mounts, service, &volume, err))
            return err_prefix(err, "volumes[%zu]", i);
    }
    return true;
}

/* The file's volumes of <owner>, then those that its image declares. */
static bool add_all(struct mounts *mounts, const struct release_service *owner, bool read_only,
                    struct err *err)
{
    const struct compose_texts *image = &owner->image->volumes;
    const struct compose_service *service = owner->service;

    if (!add_own(mounts, service, read_only, err))
        return false;
    for (size_t i = 0; i < image->count; i++) {
        struct compose_volume_mount own = {
            .type = VOLUME_ANONYMOUS, .target = image->items[i], .read_only = read_only};
        if (!has_target(mounts, own.target) && !add_volume(mounts, service, &own, err))
            return false;
    }
    return true;
}

/* ---- what is left of them ---- */

/* Is something at <path>, and in it when it is a folder? */
static bool has_content(const char *path)
{
    DIR *folder = opendir(path);
    const struct dirent *entry = NULL;

    if (folder == NULL)
        return file_exists(path) && !file_is_dir(path);
    while ((entry = readdir(folder)) != NULL &&
           (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0))
        ;
    (void)closedir(folder);
    return entry != NULL;
}

/* What is mounted on a volume is elsewhere while its system is down; memory is nowhere. */
static bool is_named_kept(const struct system *system, const struct compose *compose,
                          const char *key, struct arena *arena)
{
    const struct compose_volume *volume = find_volume(compose, key);

    if (volume != NULL && !volume->external && volumes_is_mounted(volume)) {
        const char *type = find_option(volume, "type");
        return type == NULL || strcmp(type, "tmpfs") != 0;
    }
    return has_content(volumes_path(system->daemon, volume == NULL ? key : volume->name, arena));
}

static bool is_anonymous_kept(const struct system *system, const struct compose_service *service,
                              const char *target, struct arena *arena)
{
    return has_content(volumes_path(
        system->daemon, volumes_anonymous_name(system, service->name, 1, target, arena), arena));
}

static bool is_kept(const struct system *system, const struct compose *compose,
                    const struct compose_service *service, const struct compose_volume_mount *mount,
                    struct arena *arena)
{
    switch (mount->type) {
    case VOLUME_BIND:
        return has_content(mount->source);
    case VOLUME_NAMED:
        return is_named_kept(system, compose, mount->source, arena);
    case VOLUME_ANONYMOUS:
        return is_anonymous_kept(system, service, mount->target, arena);
    case VOLUME_TMPFS:
        break;
    }
    return false;
}

static const struct compose_volume_mount *find_mount(const struct compose_service *service,
                                                     const char *target)
{
    for (size_t i = 0; i < service->volume_count; i++)
        if (strcmp(service->volumes[i].target, target) == 0)
            return &service->volumes[i];
    return NULL;
}

bool volumes_are_kept(const struct system *system, const struct release *release, size_t service,
                      bool needs_some)
{
    const struct release_service *made = &release->services[service];
    const struct compose_texts *image = &made->image->volumes;
    const struct compose_service *own = made->service;
    AUTO(arena_done) struct arena arena = {0};
    bool keeps = image->count > 0;

    for (size_t i = 0; i < image->count; i++) {
        const struct compose_volume_mount *mount = find_mount(own, image->items[i]);
        if (mount == NULL ? !is_anonymous_kept(system, own, image->items[i], &arena)
                          : !is_kept(system, release->compose, own, mount, &arena))
            return false;
    }
    for (size_t i = 0; i < own->volume_count; i++) {
        const struct compose_volume_mount *mount = &own->volumes[i];
        if (mount->type == VOLUME_TMPFS || mount->read_only)
            continue;
        if (!is_kept(system, release->compose, own, mount, &arena))
            return false;
        keeps = true;
    }
    return keeps || !needs_some;
}

/* ---- */

static const struct release_service *find_from(const struct mounts *mounts, struct str name,
                                               struct err *err)
{
    const struct release *release = mounts->instance->release;
    size_t at = release_find(release, arena_str(mounts->arena, name));

    if (at == SIZE_MAX || release->services[at].image == NULL) {
        err_set(err, ERR_NOT_FOUND, "volumes_from: there is no service '" STR_FMT "'",
                STR_ARG(name));
        return NULL;
    }
    return &release->services[at];
}

static size_t count_most(const struct release *release)
{
    size_t count = 1;

    for (size_t i = 0; i < release->compose->service_count; i++) {
        const struct release_service *made = &release->services[i];
        count += made->service->volume_count;
        count += made->image == NULL ? 0 : made->image->volumes.count;
    }
    return count;
}

bool volumes_make(struct instance *instance, struct arena *arena, struct instance_spec *ret,
                  struct err *err)
{
    const struct release_service *made_of = instance->made_of;
    const struct compose_texts *from = &made_of->service->volumes_from;
    const struct compose_texts *image = &made_of->image->volumes;
    const struct compose_service *hook = migration_hook(instance, arena);
    struct mounts mounts = {.instance = instance,
                            .arena = arena,
                            .items = ARENA_ARRAY(arena, struct runtime_mount,
                                                 count_most(instance->release) +
                                                     (hook == NULL ? 0 : hook->volume_count))};

    if (hook != NULL && !add_own(&mounts, hook, false, err))
        return false;
    if (!add_all(&mounts, made_of, false, err))
        return false;
    for (size_t i = 0; i < from->count; i++) {
        struct str mode = str_of(from->items[i]);
        const struct release_service *other = find_from(&mounts, str_cut(&mode, ':'), err);
        if (other == NULL || !add_all(&mounts, other, str_is(mode, "ro"), err))
            return false;
    }
    for (size_t i = 0; i < mounts.count; i++)
        for (size_t j = 0; j < image->count; j++)
            mounts.items[i].own |= strcmp(mounts.items[i].target, image->items[j]) == 0;
    ret->mounts = mounts.items;
    ret->mount_count = mounts.count;
    return true;
}
