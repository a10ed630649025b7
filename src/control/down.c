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

/* down ends an up or restart that waits for something. One that builds is let be: operation_begin()
 * says that it is busy. */
static void end_what_hangs(struct system *system)
{
    struct operation *operation = system->operation;
    struct err err;

    if (operation == NULL || !operation->reconciling || operation->kind == OPERATION_DOWN)
        return;
    err_set(&err, ERR_CLOSED, "'%s' was taken down meanwhile", system->name);
    operation_end(operation, &err);
}

bool down_begin(struct system *system, bool remove_volumes, uint64_t grace_ms,
                struct subscriber *subscriber, struct err *err)
{
    end_what_hangs(system);
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

static void remove_volume(const struct operation *operation, const char *name)
{
    AUTO(arena_done) struct arena arena = {0};
    const char *path = spec_volume_path(operation->system->daemon, name, &arena);
    struct err err;

    if (!file_exists(path))
        return;
    if (!file_remove_tree(path, &err))
        operation_warn(operation->system, err.text);
    else
        operation_step(operation->system, NULL, NULL, "removed", name);
}

static void remove_anonymous(const struct operation *operation, const struct release_service *made,
                             const char *target)
{
    AUTO(arena_done) struct arena arena = {0};

    for (uint32_t number = 1; number <= made->service->replicas; number++)
        remove_volume(operation, spec_anonymous_name(operation->system, made->service->name, number,
                                                     target, &arena));
}

/* Volumes of the file, and those without a name that belong to its services' places. */
static void remove_volumes(const struct operation *operation)
{
    const struct compose *compose = operation->candidate->compose;

    for (size_t i = 0; i < compose->volume_count; i++)
        if (!compose->volumes[i].external)
            remove_volume(operation, compose->volumes[i].name);
    for (size_t i = 0; i < compose->service_count; i++) {
        const struct release_service *made = &operation->candidate->services[i];
        for (size_t j = 0; j < made->service->volume_count; j++)
            if (made->service->volumes[j].type == VOLUME_ANONYMOUS)
                remove_anonymous(operation, made, made->service->volumes[j].target);
        for (size_t j = 0; made->image != NULL && j < made->image->volumes.count; j++)
            remove_anonymous(operation, made, made->image->volumes.items[j]);
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
