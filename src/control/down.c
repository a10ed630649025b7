/* SPDX-License-Identifier: Apache-2.0
 *
 * down: nothing is wanted any more. The reconcile loop ends the instances,
 * dependents first; then the rest is removed here.
 */
#include "base/base.h"

#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "control/daemon_priv.h"
#include "control/state.h"

bool down_begin(struct system *system, bool remove_volumes, uint64_t grace_ms,
                struct subscriber *subscriber, struct err *err)
{
    struct operation *operation = operation_begin(system, OPERATION_DOWN, err);

    if (operation == NULL)
        return false;
    operation->reconciling = true;
    operation->remove_volumes = remove_volumes;
    operation->grace_ms = grace_ms;
    if (system->wanted != NULL || system->current != NULL)
        operation->candidate =
            release_ref(system->wanted != NULL ? system->wanted : system->current);
    list_push(&operation->subscribers, &subscriber->link);
    if (!state_forget_migrations(system->daemon->state, system->name, err))
        log_error("daemon", "%s: %s", system->name, err->text);
    system_set_wanted(system, NULL);
    system_set_current(system, NULL);
    system_touch(system);
    return true;
}

/* Volumes of the file, and those without a name that belong to its services' places. */
static void remove_volumes(const struct operation *operation)
{
    const struct daemon *daemon = operation->system->daemon;
    const struct compose *compose = operation->candidate->compose;
    AUTO(arena_done) struct arena arena = {0};
    struct err err;

    for (size_t i = 0; i < compose->volume_count; i++) {
        const struct compose_volume *volume = &compose->volumes[i];
        if (volume->external)
            continue;
        if (!file_remove_tree(spec_volume_path(daemon, volume->name, &arena), &err))
            operation_warn(operation->system, err.text);
        else
            operation_step(operation->system, NULL, NULL, "removed", volume->name);
    }
}

static void forget_addresses(const struct operation *operation)
{
    const struct compose *compose = operation->candidate->compose;
    struct err err;

    for (size_t i = 0; i < compose->service_count; i++) {
        AUTO(buf_done) struct buf owner = {0};
        buf_addf(&owner, "%s/%s", operation->system->name, compose->services[i].name);
        if (!state_forget_address(operation->system->daemon->state, buf_text(&owner), &err))
            log_error("daemon", "%s: %s", operation->system->name, err.text);
    }
}

void down_finish(struct operation *operation)
{
    struct system *system = operation->system;

    if (operation->candidate != NULL) {
        if (operation->remove_volumes)
            remove_volumes(operation);
        forget_addresses(operation);
    }
    operation->changed = true;
    daemon_publish(system->daemon);
    operation_end(operation, NULL);
    system_touch(system); /* it is empty: forgotten */
}
