/* SPDX-License-Identifier: Apache-2.0
 *
 * Volumes that `down -v` and `rm -v` take away. Their names are stored with the
 * wish, so that a daemon that comes later removes them too.
 */
#include "base/base.h"

#include <sys/mount.h>

#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/vec.h"
#include "control/daemon_priv.h"
#include "control/state.h"

void doom_prepare(struct system_change *change, const struct release *release, struct arena *arena)
{
    size_t count = release->compose->volume_count + 1;

    for (size_t i = 0; i < release->compose->service_count; i++) {
        const struct release_service *made = &release->services[i];
        size_t of_image = made->image == NULL ? 0 : made->image->volumes.count;
        count += made->service->replicas * (made->service->volume_count + of_image);
    }
    change->dooms = arena_alloc(arena, count * sizeof *change->dooms);
}

void doom_add(struct system_change *change, const char *user, const char *volume)
{
    change->dooms[change->doom_count].user = user;
    change->dooms[change->doom_count++].volume = volume;
}

static void add_places(struct system_change *change, const struct system *system,
                       const struct release_service *made, const char *target, const char *user,
                       struct arena *arena)
{
    for (uint32_t number = 1; number <= made->service->replicas; number++)
        doom_add(change, user,
                 volumes_anonymous_name(system, made->service->name, number, target, arena));
}

void doom_add_anonymous(struct system_change *change, const struct system *system,
                        const struct release_service *made, const char *user, struct arena *arena)
{
    for (size_t i = 0; i < made->service->volume_count; i++)
        if (made->service->volumes[i].type == VOLUME_ANONYMOUS)
            add_places(change, system, made, made->service->volumes[i].target, user, arena);
    for (size_t i = 0; made->image != NULL && i < made->image->volumes.count; i++)
        add_places(change, system, made, made->image->volumes.items[i], user, arena);
}

struct doomed {
    char *user;
    char *volume;
};

struct doomed_list {
    struct doomed *ptr;
    size_t len, cap;
};

static void collect(void *arg, const char *user, const char *volume)
{
    struct doomed_list *list = arg;
    VEC_PUSH(list, (struct doomed){mem_copy_text(user), mem_copy_text(volume)});
}

/* <user> is a service, the id of an instance, or "" for the system. */
static bool is_used(const struct system *system, const char *user)
{
    LIST_FOR_EACH (node, &system->instances) {
        const struct instance *instance = CONTAINER_OF(node, struct instance, link);
        if (user[0] == '\0' || strcmp(instance->made_of->service->name, user) == 0 ||
            strcmp(instance->id, user) == 0)
            return true;
    }
    return false;
}

static bool has_volume(const struct release *release, const char *volume)
{
    for (size_t i = 0; release != NULL && i < release->compose->volume_count; i++)
        if (strcmp(release->compose->volumes[i].name, volume) == 0)
            return true;
    return false;
}

/* Another system whose file names <volume>; NULL when there is none. */
static const struct system *find_other_user(const struct system *system, const char *volume)
{
    struct map_entry *entry;

    for (size_t i = 0; (entry = map_next(&system->daemon->systems, &i)) != NULL;) {
        const struct system *other = entry->value;
        if (other == system)
            continue;
        if (has_volume(other->wanted, volume) || has_volume(other->current, volume))
            return other;
        LIST_FOR_EACH (node, &other->instances)
            if (has_volume(CONTAINER_OF(node, struct instance, link)->release, volume))
                return other;
    }
    return NULL;
}

/* What is mounted on it goes first. What cannot be removed is said once and left. */
static void remove_volume(struct system *system, const char *name)
{
    AUTO(arena_done) struct arena arena = {0};
    const char *path = volumes_path(system->daemon, name, &arena);
    struct err err;

    if (!file_exists(path))
        return;
    const struct system *other = find_other_user(system, name);
    if (other != NULL) {
        operation_warn(system, arena_printf(&arena, "volume '%s' is kept: system '%s' uses it",
                                            name, other->name));
        return;
    }
    while (file_is_mount(path) && umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
        ; /* one that is still a mount is not removed */
    if (!file_remove_tree(path, &err)) {
        log_warn("daemon", "%s: %s", system->name, err.text);
        operation_warn(system, err.text);
    } else {
        operation_step(system, NULL, NULL, "removed", name);
    }
}

void doom_carry_out(struct system *system)
{
    struct state *state = system->daemon->state;
    struct doomed_list list = {0};
    struct err err;
    bool left = false;

    if (!system->has_doomed)
        return;
    if (!state_each_doomed(state, system->name, collect, &list, &err))
        log_error("daemon", "%s: %s", system->name, err.text);
    for (size_t i = 0; i < list.len; i++) {
        struct doomed *one = &list.ptr[i];
        if (is_used(system, one->user)) {
            left = true;
        } else {
            remove_volume(system, one->volume);
            if (!state_spare_volume(state, system->name, one->user, one->volume, &err))
                log_error("daemon", "%s: %s", system->name, err.text);
        }
        free(one->user);
        free(one->volume);
    }
    system->has_doomed = left;
    VEC_DONE(&list);
}
