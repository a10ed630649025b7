/* SPDX-License-Identifier: Apache-2.0
 *
 * stop, start, rm and kill. The first three say what a person wants of some
 * services and store it; the reconcile loop does the rest, also in a later
 * daemon. kill only sends a signal.
 */
#include "base/base.h"

#include <signal.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "compose/load.h"
#include "control/daemon_priv.h"
#include "control/state.h"

/* Room for a change of every service of the wanted release. */
static struct system_change change_new(const struct system *system, struct arena *arena)
{
    struct system_change change = {0};
    size_t count = system->wanted == NULL ? 0 : system->wanted->compose->service_count;

    change.holds = arena_alloc(arena, (count + 1) * sizeof *change.holds);
    return change;
}

static void change_hold(struct system_change *change, const char *service, enum plan_hold hold)
{
    change->holds[change->hold_count].service = service;
    change->holds[change->hold_count++].hold = hold;
}

static bool has_live(const struct system *system, const char *service)
{
    LIST_FOR_EACH (node, &system->instances) {
        const struct instance *instance = CONTAINER_OF(node, struct instance, link);
        if (!instance->is_job && strcmp(instance->made_of->service->name, service) == 0 &&
            (instance_state_is_live(instance->state) || instance->state == INSTANCE_BACKOFF))
            return true;
    }
    return false;
}

/* The operation about the services named, or all; NULL with <err>. */
static struct operation *begin(struct system *system, enum operation_kind kind,
                               const json_t *services, struct err *err)
{
    struct operation *operation;

    if (system->wanted == NULL) {
        err_set(err, ERR_NOT_FOUND, "'%s' is not up", system->name);
        return NULL;
    }
    operation = operation_begin(system, kind, err);
    if (operation == NULL)
        return NULL;
    if (!scope_choose(system, services, &operation->arena, &operation->scope, err)) {
        operation_end(operation, err);
        return NULL;
    }
    operation->has_scope = operation->scope.count > 0;
    return operation;
}

/* Stores what is wanted, then the reconcile loop goes to work. */
static bool go(struct operation *operation, const struct system_change *change,
               struct subscriber *subscriber, struct err *err)
{
    struct system *system = operation->system;

    if (!system_become(system, system->wanted, change, err)) {
        operation_end(operation, err);
        return false;
    }
    operation->reconciling = true;
    list_push(&operation->subscribers, &subscriber->link);
    daemon_publish(system->daemon);
    system_touch(system);
    return true;
}

/* ---- stop ---- */

bool stop_begin(struct system *system, const json_t *services, uint64_t grace_ms,
                struct subscriber *subscriber, struct err *err)
{
    struct operation *operation = begin(system, OPERATION_STOP, services, err);

    if (operation == NULL)
        return false;
    operation->grace_ms = grace_ms;
    struct system_change change = change_new(system, &operation->arena);
    for (size_t i = 0; i < system->wanted->compose->service_count; i++) {
        const char *name = system->wanted->services[i].service->name;
        if (operation_has(operation, name) && system_hold(system, name) == PLAN_HOLD_NONE &&
            !system->wanted->services[i].service->x.provided_by_edge)
            change_hold(&change, name, PLAN_HOLD_STOPPED);
    }
    return go(operation, &change, subscriber, err);
}

/* ---- start ---- */

/* Adds what the services named need, which starts too. */
static bool add_needed(struct operation *operation, struct err *err)
{
    AUTO(json_unref) json_t *config = NULL;

    if (!operation->has_scope)
        return true;
    if (!json_parse(str_of(operation->system->wanted->text), COMPOSE_RESOLVED_BYTES, &config, err))
        return false;
    scope_add_needed(config, &operation->arena, &operation->scope);
    return true;
}

static bool make_start(struct operation *operation, const struct compose_texts *named,
                       struct system_change *change, struct err *err)
{
    struct system *system = operation->system;

    for (size_t i = 0; i < system->wanted->compose->service_count; i++) {
        const char *name = system->wanted->services[i].service->name;
        enum plan_hold hold = system_hold(system, name);
        if (!operation_has(operation, name) || hold == PLAN_HOLD_NONE)
            continue;
        bool is_empty = hold == PLAN_HOLD_EMPTY && !system_has_instance(system, name);
        if (is_empty && named->count > 0 && scope_has(named, name))
            return err_set(err, ERR_NOT_FOUND,
                           "service '%s' has no instances to start; 'up %s' makes them", name,
                           name);
        if (!is_empty)
            change_hold(change, name, PLAN_HOLD_NONE);
    }
    return true;
}

static bool begin_afresh(struct operation *operation, struct err *err)
{
    LIST_FOR_EACH (node, &operation->system->instances) {
        struct instance *instance = CONTAINER_OF(node, struct instance, link);
        if (operation_has(operation, instance->made_of->service->name) &&
            !instance_begin_afresh(instance, err))
            return false;
    }
    return true;
}

bool start_begin(struct system *system, const json_t *services, uint64_t timeout_ms,
                 struct subscriber *subscriber, struct err *err)
{
    struct operation *operation = begin(system, OPERATION_START, services, err);

    if (operation == NULL)
        return false;
    struct compose_texts named = operation->scope;
    struct system_change change = change_new(system, &operation->arena);
    if (!add_needed(operation, err) || !make_start(operation, &named, &change, err) ||
        !begin_afresh(operation, err)) {
        operation_end(operation, err);
        return false;
    }
    operation_set_timeout(operation, timeout_ms);
    return go(operation, &change, subscriber, err);
}

/* ---- rm ---- */

bool rm_begin(struct system *system, const json_t *services, bool stop, bool volumes,
              struct subscriber *subscriber, struct err *err)
{
    struct operation *operation = begin(system, OPERATION_RM, services, err);

    if (operation == NULL)
        return false;
    struct system_change change = change_new(system, &operation->arena);
    doom_prepare(&change, system->wanted, &operation->arena);
    struct compose_texts going = {0};
    for (size_t i = 0; i < system->wanted->compose->service_count; i++) {
        const struct release_service *made = &system->wanted->services[i];
        const char *name = made->service->name;
        if (!operation_has(operation, name) || !system_has_instance(system, name) ||
            (!stop && has_live(system, name)))
            continue;
        change_hold(&change, name, PLAN_HOLD_EMPTY);
        scope_add(&going, name, &operation->arena);
        if (volumes)
            doom_add_anonymous(&change, system, made, name, &operation->arena);
    }
    operation->scope = going;
    operation->has_scope = true;
    return go(operation, &change, subscriber, err);
}

/* ---- kill ---- */

/* Docker's rule: after SIGKILL, or the stop signal, or any signal when none is given, the restart
 * policy does not apply to the next end. */
static bool ends_policy(const struct instance *instance, int signo)
{
    return signo == SIGKILL || signal_stop_name(instance) == NULL ||
           signal_stop_of(instance) == signo;
}

static bool kill_one(struct instance *instance, int signo, struct err *err)
{
    struct daemon *daemon = instance->system->daemon;

    if (!instance->no_restart && ends_policy(instance, signo)) {
        instance->no_restart = true;
        if (!state_save_instance(daemon->state, instance, err)) {
            instance->no_restart = false;
            return false;
        }
    }
    if (!daemon->runtime->ops->signal(daemon->runtime, instance->id, signo, err))
        return err->code == ERR_NOT_FOUND; /* it has just ended */
    if (instance->paused && instance->no_restart)
        pause_end(instance); /* it could not end */
    return true;
}

void kill_early(struct instance *instance)
{
    int signo = instance->early_signal;
    struct err err;

    instance->early_signal = 0;
    if (signo != 0 && !kill_one(instance, signo, &err))
        log_warn("daemon", "%s: %s", instance->id, err.text);
}

bool kill_all_of(struct system *system, const json_t *services, const char *id, int signo,
                 json_t **ret_names, struct err *err)
{
    AUTO(arena_done) struct arena arena = {0};
    AUTO(json_unref) json_t *names = json_array();
    struct compose_texts chosen;
    char name[RUNTIME_ID_MAX + 1];

    if (!scope_choose(system, services, &arena, &chosen, err))
        return false;
    LIST_FOR_EACH (node, &system->instances) {
        struct instance *instance = CONTAINER_OF(node, struct instance, link);
        bool is_meant = id == NULL ? (!instance->is_job || instance->one_off != NULL) &&
                                         scope_has(&chosen, instance->made_of->service->name)
                                   : strcmp(id, instance->id) == 0;
        if (!is_meant || !instance_state_is_live(instance->state))
            continue;
        if (instance->state == INSTANCE_STARTING)
            instance->early_signal = signo; /* it gets it as soon as it can */
        else if (!kill_one(instance, signo, err))
            return false;
        instance_format_name(instance, name);
        (void)json_array_append_new(names, json_string(name));
    }
    *ret_names = json_incref(names);
    return true;
}
