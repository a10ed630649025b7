/* SPDX-License-Identifier: Apache-2.0
 *
 * What an instance gets: its mounts, the names it can resolve, the command of a
 * migration.
 */
#include "base/base.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "control/daemon_priv.h"
#include "control/state.h"
#include "tls/hasher.h"

char *spec_volume_path(const struct daemon *daemon, const char *name, struct arena *arena)
{
    return arena_printf(arena, "%s/volumes/%s", daemon->options.state_dir, name);
}

bool spec_share_network(const struct compose_service *a, const struct compose_service *b)
{
    for (size_t i = 0; i < a->network_count; i++)
        for (size_t j = 0; j < b->network_count; j++)
            if (strcmp(a->networks[i].network, b->networks[j].network) == 0)
                return true;
    return false;
}

bool spec_service_address(struct system *system, const char *service, char *ret, struct err *err)
{
    AUTO(buf_done) struct buf owner = {0};

    buf_addf(&owner, "%s/%s", system->name, service);
    return state_address(system->daemon->state, buf_text(&owner), ret, err);
}

/* ---- mounts ---- */

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
    mount->own = made;
    return true;
}

static bool add_folder(struct mounts *mounts, const char *name, struct runtime_mount *mount,
                       struct err *err)
{
    const struct daemon *daemon = mounts->instance->system->daemon;
    bool made;

    mount->source = spec_volume_path(daemon, name, mounts->arena);
    mount->own = true;
    return make_folder(mount->source, mounts->instance->system->uid, &made, err);
}

/* They belong to a place, not to a name: the same place finds its data again. */
char *spec_anonymous_name(const struct system *system, const char *service, uint32_t number,
                          const char *target, struct arena *arena)
{
    AUTO(hasher_done) struct hasher hasher;
    char hash[HASH_TEXT_BYTES];

    hasher_init(&hasher);
    hasher_add(&hasher, str_of(target));
    hasher_end(&hasher, hash);
    return arena_printf(arena, "%s_%s_%u_%.12s", system->name, service, number, hash);
}

static const char *anonymous_name(const struct mounts *mounts, const char *target)
{
    const struct instance *instance = mounts->instance;
    return spec_anonymous_name(instance->system, instance->made_of->service->name, instance->number,
                               target, mounts->arena);
}

static bool add_volume(struct mounts *mounts, const struct compose_volume_mount *volume,
                       struct err *err)
{
    struct runtime_mount *mount = &mounts->items[mounts->count];
    const struct compose_volume *named;

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
        named = find_volume(mounts->instance->release->compose, volume->source);
        if (!add_folder(mounts, named == NULL ? volume->source : named->name, mount, err))
            return false;
        break;
    case VOLUME_ANONYMOUS:
        if (!add_folder(mounts, anonymous_name(mounts, volume->target), mount, err))
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

static bool make_mounts(struct mounts *mounts, struct err *err)
{
    const struct release_service *made_of = mounts->instance->made_of;
    const struct compose_texts *image = &made_of->image->volumes;

    mounts->items = ARENA_ARRAY(mounts->arena, struct runtime_mount,
                                made_of->service->volume_count + image->count + 1);
    for (size_t i = 0; i < made_of->service->volume_count; i++)
        if (!add_volume(mounts, &made_of->service->volumes[i], err))
            return err_prefix(err, "volumes[%zu]", i);
    for (size_t i = 0; i < image->count; i++) {
        struct compose_volume_mount own = {.type = VOLUME_ANONYMOUS, .target = image->items[i]};
        if (!has_target(mounts, own.target) && !add_volume(mounts, &own, err))
            return false;
    }
    for (size_t i = 0; i < mounts->count; i++)
        for (size_t j = 0; j < image->count; j++)
            mounts->items[i].own |= strcmp(mounts->items[i].target, image->items[j]) == 0;
    return true;
}

/* ---- names ---- */

struct names {
    struct runtime_host *items;
    size_t count;
};

static void add_name(struct names *names, const char *name, const char *address)
{
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->items[i].name, name) == 0)
            return;
    names->items[names->count++] = (struct runtime_host){.name = name, .address = address};
}

static bool add_service_names(struct names *names, struct system *system,
                              const struct compose_service *service,
                              const struct compose_service *asking, struct arena *arena,
                              struct err *err)
{
    char address[STATE_ADDRESS_BYTES];

    if (!spec_service_address(system, service->name, address, err))
        return false;
    const char *kept = arena_text(arena, address);
    add_name(names, service->name, kept);
    if (service->container_name != NULL)
        add_name(names, service->container_name, kept);
    for (size_t i = 0; i < service->network_count; i++)
        for (size_t j = 0; j < asking->network_count; j++) {
            const struct compose_service_network *network = &service->networks[i];
            if (strcmp(network->network, asking->networks[j].network) != 0)
                continue;
            for (size_t a = 0; a < network->aliases.count; a++)
                add_name(names, network->aliases.items[a], kept);
        }
    return true;
}

static size_t count_names(const struct compose *compose)
{
    size_t count = 0;

    for (size_t i = 0; i < compose->service_count; i++) {
        count += 2;
        for (size_t j = 0; j < compose->services[i].network_count; j++)
            count += compose->services[i].networks[j].aliases.count;
    }
    return count;
}

static bool make_names(struct instance *instance, struct arena *arena, struct names *ret,
                       struct err *err)
{
    const struct compose *compose = instance->release->compose;
    const struct compose_service *asking = instance->made_of->service;

    *ret =
        (struct names){.items = ARENA_ARRAY(arena, struct runtime_host, count_names(compose) + 1)};
    for (size_t i = 0; i < compose->service_count; i++) {
        const struct compose_service *service = &compose->services[i];
        if (service->x.provided_by_edge || !spec_share_network(service, asking))
            continue;
        if (!add_service_names(ret, instance->system, service, asking, arena, err))
            return false;
    }
    return true;
}

/* ---- the whole ---- */

static const struct compose_texts *migration_argv(const struct instance *instance,
                                                  struct arena *arena)
{
    struct compose_texts *argv = ARENA_NEW(arena, struct compose_texts);

    argv->count = 3;
    argv->items = ARENA_ARRAY(arena, const char *, 4);
    argv->items[0] = "/bin/sh";
    argv->items[1] = "-c";
    argv->items[2] = instance->made_of->service->x.migrate;
    return argv;
}

bool spec_make(struct instance *instance, struct arena *arena, struct instance_spec *ret,
               struct err *err)
{
    struct system *system = instance->system;
    const struct compose_service *service = instance->made_of->service;
    struct mounts mounts = {.instance = instance, .arena = arena};
    struct names names = {0};
    AUTO(buf_done) struct buf folder = {0};

    buf_addf(&folder, "%s/logs/%s", system->daemon->options.state_dir, system->name);
    if (!file_make_dirs(buf_text(&folder), 0700, err) || !make_mounts(&mounts, err) ||
        !make_names(instance, arena, &names, err))
        return false;
    *ret = (struct instance_spec){
        .id = instance->id,
        .system = system->name,
        .service = service,
        .hostname = service->hostname == NULL ? instance->id : service->hostname,
        .address = instance->address[0] == '\0' ? NULL : instance->address,
        .uid = system->uid,
        .tree = instance->made_of->tree,
        .mounts = mounts.items,
        .mount_count = mounts.count,
        .hosts = names.items,
        .host_count = names.count,
        .argv = instance->is_job ? migration_argv(instance, arena) : NULL,
        .log_path = instance->log_path,
        .log_max_bytes = 2 * service->logging.max_size_bytes,
    };
    return true;
}
