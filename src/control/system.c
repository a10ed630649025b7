/* SPDX-License-Identifier: Apache-2.0
 *
 * Systems and what is wanted of them: stored first, then true.
 */
#include "base/base.h"

#include <stdio.h>

#include "base/err.h"
#include "base/log.h"
#include "control/daemon_priv.h"
#include "control/rollout.h"
#include "control/state.h"

struct system *daemon_find_system(const struct daemon *daemon, const char *name)
{
    return map_find(&daemon->systems, str_of(name));
}

struct system *system_new(struct daemon *daemon, const char *name, const char *directory,
                          const char *files, uid_t uid)
{
    struct system *system = NEW(struct system);

    str_format(system->name, sizeof system->name, "%s", name);
    system->daemon = daemon;
    system->uid = uid;
    system->directory = mem_copy_text(directory);
    system->files = mem_copy_text(files);
    list_init(&system->instances);
    (void)map_set(&daemon->systems, str_of(name), system);
    return system;
}

bool system_check_name(const char *name, struct err *err)
{
    size_t len = strlen(name);

    if (len == 0 || len > SYSTEM_NAME_MAX)
        return err_set(err, ERR_LIMIT, "a system's name has 1 to %d characters, '%.50s' has %zu",
                       SYSTEM_NAME_MAX, name, len);
    for (size_t i = 0; i < len; i++)
        if (!(name[i] >= 'a' && name[i] <= 'z') && !(name[i] >= '0' && name[i] <= '9') &&
            (i == 0 || (name[i] != '-' && name[i] != '_')))
            return err_set(err, ERR_INVALID,
                           "'%s' is no name of a system: lower case letters, digits, - and _ only",
                           name);
    return true;
}

void system_free(struct system *system)
{
    LIST_FOR_EACH (node, &system->instances)
        instance_free(CONTAINER_OF(node, struct instance, link));
    rollout_free(system->rollout);
    release_unref(system->wanted);
    release_unref(system->current);
    map_done(&system->holds);
    map_done(&system->addresses);
    arena_done(&system->addresses_of);
    free(system->directory);
    free(system->files);
    free(system);
}

bool daemon_get_system(struct daemon *daemon, const char *name, const char *directory,
                       struct system **ret, struct err *err)
{
    struct system *system = daemon_find_system(daemon, name);
    uid_t uid;

    if (system != NULL) {
        if (system->wanted != NULL && strcmp(system->directory, directory) != 0)
            return err_set(err, ERR_EXISTS,
                           "a system '%s' runs already, from '%s'; choose another name with -p",
                           name, system->directory);
        *ret = system;
        return true;
    }
    const char *unreadable = map_find(&daemon->unreadable, str_of(name));
    if (unreadable != NULL)
        return err_set(err, ERR_INVALID, "what is stored of '%s' cannot be read: %s", name,
                       unreadable);
    if (!system_check_name(name, err) || !state_uid(daemon->state, name, &uid, err))
        return false;
    *ret = system_new(daemon, name, directory, "[]", uid);
    return true;
}

void daemon_forget_system(struct daemon *daemon, struct system *system)
{
    struct err err;

    assert(list_is_empty(&system->instances) && system->operation == NULL);
    if (!state_delete_system(daemon->state, system->name, &err))
        log_error("daemon", "%s: %s", system->name, err.text);
    (void)map_remove(&daemon->systems, str_of(system->name));
    system_free(system);
    daemon_publish(daemon);
}

/* ---- what is wanted ---- */

static void replace_release(struct release **place, struct release *release)
{
    struct release *former = *place;

    *place = release == NULL ? NULL : release_ref(release);
    release_unref(former);
}

/* What is stored of <system> with <wanted> and <current> in place of its own. */
static bool store(struct system *system, struct release *wanted, struct release *current,
                  struct err *err)
{
    struct release *before[] = {system->wanted, system->current};

    system->wanted = wanted;
    system->current = current;
    bool stored = state_save_system(system->daemon->state, system, err);
    system->wanted = before[0];
    system->current = before[1];
    return stored ? true : err_prefix(err, "%s: cannot store its state", system->name);
}

enum plan_hold system_hold(const struct system *system, const char *service)
{
    return (enum plan_hold)(uintptr_t)map_find(&system->holds, str_of(service));
}

void system_note_hold(struct system *system, const char *service, enum plan_hold hold)
{
    if (hold == PLAN_HOLD_NONE)
        (void)map_remove(&system->holds, str_of(service));
    else
        (void)map_set(&system->holds, str_of(service), (void *)(uintptr_t)hold);
}

/* One that was not reached, and did not fail, is over. */
static bool supersede(struct system *system, const struct release *wanted, struct err *err)
{
    return system->wanted == NULL || system->wanted == wanted ||
           state_mark_release(system->daemon->state, system->name, system->wanted->number, "new",
                              "superseded", err);
}

/* Another release is wanted: the rollout of the one before is over, whatever it was at. */
static bool store_rollout(struct system *system, const struct release *wanted,
                          const struct system_change *change, struct err *err)
{
    if (change->rollout != NULL)
        return rollout_save(change->rollout, err);
    return wanted == system->wanted ||
           state_delete_rollout(system->daemon->state, system->name, err);
}

static bool store_all(struct system *system, struct release *wanted,
                      const struct system_change *change, struct err *err)
{
    struct state *state = system->daemon->state;

    for (size_t i = 0; i < change->hold_count; i++)
        if (!state_save_hold(state, system->name, change->holds[i].service, change->holds[i].hold,
                             err))
            return false;
    for (size_t i = 0; i < change->doom_count; i++)
        if (!state_doom_volume(state, system->name, change->dooms[i].user, change->dooms[i].volume,
                               err))
            return false;
    if (change->spares_volumes && !state_spare_volumes(state, system->name, err))
        return false;
    if (!supersede(system, wanted, err) || !store_rollout(system, wanted, change, err))
        return false;
    if (change->forgets_migrations && !state_forget_migrations(state, system->name, err))
        return false;
    if (change->forgets_runs && !state_forget_runs(state, system->name, err))
        return false;
    return store(system, wanted, wanted == NULL ? NULL : system->current, err);
}

bool system_become(struct system *system, struct release *wanted,
                   const struct system_change *change, struct err *err)
{
    struct state *state = system->daemon->state;

    if (!state_begin(state, err))
        return false;
    if (!store_all(system, wanted, change, err)) {
        state_abandon(state);
        return false;
    }
    if (!state_commit(state, err))
        return false;
    bool is_other = wanted != system->wanted;
    replace_release(&system->wanted, wanted);
    if (wanted == NULL)
        replace_release(&system->current, NULL);
    if (is_other || change->rollout != NULL)
        rollout_install(system, change->rollout);
    for (size_t i = 0; i < change->hold_count; i++)
        system_note_hold(system, change->holds[i].service, change->holds[i].hold);
    system->has_doomed |= change->doom_count > 0;
    return true;
}

bool system_set_wanted(struct system *system, struct release *release, struct err *err)
{
    struct state *state = system->daemon->state;
    const struct release *failed = system->wanted == release ? NULL : system->wanted;

    if (!state_begin(state, err))
        return false;
    if ((failed != NULL &&
         !state_mark_release(state, system->name, failed->number, NULL, "failed", err)) ||
        !store(system, release, system->current, err)) {
        state_abandon(state);
        return false;
    }
    if (!state_commit(state, err))
        return false;
    replace_release(&system->wanted, release);
    return true;
}

bool system_set_current(struct system *system, struct release *release, struct err *err)
{
    if (system->current == release)
        return true;
    struct state *state = system->daemon->state;
    if (!state_begin(state, err))
        return false;
    if ((release != NULL &&
         !state_mark_release(state, system->name, release->number, NULL, "reached", err)) ||
        !store(system, system->wanted, release, err)) {
        state_abandon(state);
        return false;
    }
    if (!state_commit(state, err))
        return false;
    replace_release(&system->current, release);
    daemon_publish(system->daemon); /* what the release before published is over */
    return true;
}
