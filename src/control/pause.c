/* SPDX-License-Identifier: Apache-2.0
 *
 * pause and unpause: the processes of an instance are frozen where they are. A
 * flag beside the state: it takes no traffic and is not checked meanwhile. The
 * flag is stored first; a later daemon makes the freezer agree with it.
 */
#include "base/base.h"

#include "base/err.h"
#include "base/log.h"
#include "control/daemon_priv.h"
#include "control/state.h"

/* A late answer finds its instance by id. */
struct pausing {
    struct daemon *daemon;
    char system[SYSTEM_NAME_MAX + 1];
    char id[RUNTIME_ID_MAX + 1];
    bool counts; /* an operation waits for it */
};

static void tell(struct instance *instance)
{
    operation_step_of(instance, instance->paused ? "paused" : instance_state_name(instance->state),
                      instance->paused ? "asked for" : "it goes on");
}

static void on_done(void *arg, const struct err *err)
{
    struct pausing *pausing = arg;
    struct system *system = daemon_find_system(pausing->daemon, pausing->system);
    struct instance *instance = system == NULL ? NULL : system_find_instance(system, pausing->id);

    if (err != NULL)
        log_warn("daemon", "%s: %s", pausing->id, err->text);
    if (instance != NULL && err == NULL && instance_state_is_live(instance->state))
        tell(instance);
    struct operation *operation = system == NULL ? NULL : system->operation;
    if (pausing->counts && operation != NULL && operation->pausing > 0) {
        if (err != NULL)
            operation_fail(operation, err, instance);
        if (--operation->pausing == 0)
            operation_end(operation, operation->failure);
    }
    free(pausing);
}

static bool apply(struct instance *instance, bool counts, struct err *err)
{
    struct daemon *daemon = instance->system->daemon;
    struct pausing *pausing = NEW(struct pausing);

    pausing->daemon = daemon;
    pausing->counts = counts;
    str_format(pausing->system, sizeof pausing->system, "%s", instance->system->name);
    str_format(pausing->id, sizeof pausing->id, "%s", instance->id);
    if (daemon->runtime->ops->pause(daemon->runtime, instance->id, instance->paused, on_done,
                                    pausing, err))
        return true;
    free(pausing);
    return false;
}

void pause_apply(struct instance *instance)
{
    struct err err;

    if (!apply(instance, false, &err))
        log_warn("daemon", "%s: %s", instance->id, err.text);
}

/* Stores the flag, then the checks and the traffic follow it. */
static bool set_flag(struct instance *instance, bool paused, struct err *err)
{
    struct daemon *daemon = instance->system->daemon;

    instance->paused = paused;
    if (!state_save_instance(daemon->state, instance, err)) {
        instance->paused = !paused;
        return false;
    }
    bool is_checked = instance->state == INSTANCE_WARMING || instance->state == INSTANCE_READY ||
                      instance->state == INSTANCE_UNHEALTHY;
    if (paused)
        check_stop(instance);
    else if (is_checked)
        check_start(instance);
    daemon_publish(daemon);
    return true;
}

void pause_end(struct instance *instance)
{
    struct err err;

    if (!set_flag(instance, false, &err))
        log_error("daemon", "%s: cannot store its state: %s", instance->id, err.text);
    instance->paused = false;
    pause_apply(instance);
}

static bool fits(const struct instance *instance, bool paused)
{
    bool runs = instance->state == INSTANCE_WARMING || instance->state == INSTANCE_READY ||
                instance->state == INSTANCE_UNHEALTHY;
    return !instance->is_job && runs && instance->paused != paused;
}

bool pause_begin(struct system *system, const json_t *services, bool paused,
                 struct subscriber *subscriber, struct err *err)
{
    AUTO(arena_done) struct arena arena = {0};
    struct compose_texts names;

    if (!scope_choose(system, services, &arena, &names, err))
        return false;
    struct operation *operation =
        operation_begin(system, paused ? OPERATION_PAUSE : OPERATION_UNPAUSE, err);
    if (operation == NULL)
        return false;
    list_push(&operation->subscribers, &subscriber->link);
    operation->pausing = 1; /* this function */
    LIST_FOR_EACH (node, &system->instances) {
        struct instance *instance = CONTAINER_OF(node, struct instance, link);
        struct err failure;
        if (!fits(instance, paused) || !scope_has(&names, instance->made_of->service->name))
            continue;
        operation->changed = true;
        operation->pausing++;
        if (!set_flag(instance, paused, &failure) || !apply(instance, true, &failure)) {
            operation->pausing--;
            operation_fail(operation, &failure, NULL);
        }
    }
    if (--operation->pausing == 0)
        operation_end(operation, operation->failure);
    return true;
}
