/* SPDX-License-Identifier: Apache-2.0
 *
 * down: nothing is wanted any more. The reconcile loop ends the instances,
 * dependents first; then the rest is removed here.
 */
#include "base/base.h"

#include "base/err.h"
#include "base/log.h"
#include "control/daemon_priv.h"
#include "control/state.h"

/* down ends whatever waits or builds. */
static void end_what_hangs(struct system *system)
{
    struct operation *operation = system->operation;
    struct err err;

    if (operation == NULL || operation->kind == OPERATION_DOWN ||
        (!operation->reconciling && list_is_empty(&operation->builds)))
        return;
    err_set(&err, ERR_CLOSED, "'%s' was taken down meanwhile", system->name);
    operation_end(operation, &err);
}

/* With their volumes: those of the file, and those without a name of its services. */
static void doom_volumes(struct system_change *change, struct operation *operation)
{
    const struct release *release = operation->candidate;

    doom_prepare(change, release, &operation->arena);
    for (size_t i = 0; i < release->compose->volume_count; i++)
        if (!release->compose->volumes[i].external)
            doom_add(change, "", release->compose->volumes[i].name);
    for (size_t i = 0; i < release->compose->service_count; i++)
        doom_add_anonymous(change, operation->system, &release->services[i], "", &operation->arena);
}

bool down_begin(struct system *system, struct release *release, bool remove_volumes,
                uint64_t grace_ms, struct subscriber *subscriber, struct err *err)
{
    struct system_change change = {.forgets_runs = true, .forgets_migrations = remove_volumes};

    if (!lock_check(system->daemon, system->name, err))
        return false;
    end_what_hangs(system);
    struct operation *operation = operation_begin(system, OPERATION_DOWN, err);
    if (operation == NULL)
        return false;
    operation->reconciling = true;
    operation->grace_ms = grace_ms;
    operation->forgets_releases = remove_volumes;
    if (system->wanted != NULL)
        release = system->wanted;
    else if (system->current != NULL)
        release = system->current;
    operation->candidate = release == NULL ? NULL : release_ref(release);
    if (remove_volumes && operation->candidate != NULL)
        doom_volumes(&change, operation);
    if (!migration_note_versions(system, err) || !run_leave(system, err) ||
        !system_become(system, NULL, &change, err)) {
        operation_end(operation, err);
        return false;
    }
    list_push(&operation->subscribers, &subscriber->link);
    system_touch(system);
    return true;
}

void down_clean(struct system *system)
{
    struct err err;

    doom_carry_out(system);
    if (!network_forget(system, &err))
        log_error("daemon", "%s: %s", system->name, err.text);
}

void down_finish(struct operation *operation)
{
    struct system *system = operation->system;
    struct err err;

    if (operation->forgets_releases &&
        !state_forget_releases(system->daemon->state, system->name, &err))
        log_error("daemon", "%s: %s", system->name, err.text);
    if (operation->candidate != NULL)
        volumes_unmount(system->daemon, operation->candidate->compose);
    down_clean(system);
    operation->changed = true;
    daemon_publish(system->daemon);
    operation_end(operation, NULL);
    system_touch(system); /* it is empty: forgotten */
}
