/* SPDX-License-Identifier: Apache-2.0
 *
 * The actions of deploy/instance_fsm.c. Each may run twice.
 */
#include "base/base.h"

#include <signal.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "control/daemon_priv.h"
#include "control/rollout.h"
#include "control/state.h"

enum {
    DRAIN_MAX_MS = 600000,
    DRAIN_ALONE_MS = 5000,
    UDP_DRAIN_MS = 1000,
    BEGIN_MAX_MS = 60000, /* a client attaches within moments */
    REMOVE_TRIES = 5,
    REMOVE_PAUSE_MS = 1000
};

static void on_freed(struct deferred *deferred)
{
    struct instance *instance = CONTAINER_OF(deferred, struct instance, freeing);
    struct system *system = instance->system;

    wait_ended(instance); /* of one that removes itself; others were told of */
    prune_logs(instance);
    instance_free(instance);
    system_touch(system);
}

/* A late answer of the runtime finds its instance by id: it may be gone. */
struct late {
    struct daemon *daemon;
    char system[SYSTEM_NAME_MAX + 1];
    char id[RUNTIME_ID_MAX + 1];
};

static struct late *late_new(const struct instance *instance)
{
    struct late *late = NEW(struct late);

    late->daemon = instance->system->daemon;
    str_format(late->system, sizeof late->system, "%s", instance->system->name);
    str_format(late->id, sizeof late->id, "%s", instance->id);
    return late;
}

static struct instance *late_find(struct late *late)
{
    struct system *system = daemon_find_system(late->daemon, late->system);
    return system == NULL ? NULL : system_find_instance(system, late->id);
}

/* The shell's numbers for a program that is not there or cannot be run. */
static int status_of_failure(const struct err *err)
{
    if (strstr(err->text, "not found") != NULL || strstr(err->text, "no such file") != NULL)
        return 127;
    return strstr(err->text, "permission denied") != NULL ? 126 : 125;
}

/* A one-off is not tried again. */
static void start_failed(struct instance *instance, const struct err *err)
{
    if (instance->one_off == NULL) {
        instance_event(instance, INSTANCE_ON_START_FAILED, err->text);
        return;
    }
    str_format(instance->start_error, sizeof instance->start_error, "%s", err->text);
    instance->exit_status = status_of_failure(err);
    if (!instance->auto_remove)
        wait_ended(instance);
    if (instance->awaits_begin)
        run_created(instance, err);
    instance_event(instance, INSTANCE_ON_EXIT_FINAL, err->text);
}

static void on_started(void *arg, const struct err *err)
{
    struct late *late = arg;
    struct instance *instance = late_find(late);

    free(late);
    if (instance == NULL)
        return;
    if (err != NULL)
        start_failed(instance, err);
    else
        instance_event(instance, INSTANCE_ON_STARTED, NULL);
}

void instance_abandon(struct instance *instance, const char *why)
{
    struct err err;

    err_set(&err, ERR_CLOSED, "%s", why);
    start_failed(instance, &err);
    instance->awaits_begin = false;
}

static void on_never_begun(struct timer *timer, uint64_t now_ns)
{
    struct instance *instance = CONTAINER_OF(timer, struct instance, timer);

    (void)now_ns;
    instance_abandon(instance, "whoever asked for it went away before it began");
    system_touch(instance->system);
}

static void await_begin(struct instance *instance)
{
    struct loop *loop = instance->system->daemon->loop;

    timer_set(loop, &instance->timer, loop_now_ns(loop) + BEGIN_MAX_MS * NS_PER_MS, on_never_begun);
    run_created(instance, NULL);
}

/* Its client may attach now; instance_let_begin() comes next. */
static void on_created(void *arg, const struct err *err)
{
    struct late *late = arg;
    struct instance *instance = late_find(late);

    free(late);
    if (instance == NULL)
        return;
    if (err != NULL)
        start_failed(instance, err);
    else
        await_begin(instance);
}

static void act_start(struct instance *instance)
{
    struct daemon *daemon = instance->system->daemon;
    struct runtime *runtime = daemon->runtime;
    AUTO(arena_done) struct arena arena = {0};
    struct instance_spec spec;
    struct err err;

    daemon_publish(daemon); /* its names must resolve when it asks */
    if (!spec_make(instance, &arena, &spec, &err)) {
        start_failed(instance, &err);
        return;
    }
    struct late *late = late_new(instance);
    bool started = instance->awaits_begin
                       ? runtime->ops->create(runtime, &spec, on_created, late, &err)
                       : runtime->ops->start(runtime, &spec, on_started, late, &err);
    if (!started) {
        free(late);
        start_failed(instance, &err);
    }
}

bool instance_let_begin(struct instance *instance, struct err *err)
{
    struct runtime *runtime = instance->system->daemon->runtime;

    if (!instance->awaits_begin || instance->state != INSTANCE_STARTING)
        return err_set(err, ERR_INVALID, "instance '%s' does not wait to begin", instance->id);
    struct late *late = late_new(instance);
    timer_clear(&instance->timer);
    instance->awaits_begin = false;
    if (runtime->ops->begin(runtime, instance->id, on_started, late, err))
        return true;
    free(late);
    start_failed(instance, err);
    return false;
}

static void on_state_timeout(struct timer *timer, uint64_t now_ns)
{
    struct instance *instance = CONTAINER_OF(timer, struct instance, timer);

    (void)now_ns;
    instance_event(instance, INSTANCE_ON_TIMEOUT, NULL);
}

static void set_timer(struct instance *instance, uint64_t after_ms)
{
    struct loop *loop = instance->system->daemon->loop;
    timer_set(loop, &instance->timer, loop_now_ns(loop) + after_ms * NS_PER_MS, on_state_timeout);
}

static void send_signal(struct instance *instance, int signo)
{
    struct daemon *daemon = instance->system->daemon;
    struct err err;

    if (!daemon->runtime->ops->signal(daemon->runtime, instance->id, signo, &err))
        log_warn("daemon", "%s: signal %d: %s", instance->id, signo, err.text);
}

void instance_send_kill(struct instance *instance)
{
    send_signal(instance, SIGKILL);
}

/* A command that failed ends the instance: it is not what the file asked for. */
static void on_post_start(struct instance *instance, const struct err *err)
{
    if (instance->state != INSTANCE_WARMING)
        return;
    if (err == NULL) {
        check_start(instance);
        return;
    }
    str_format(instance->start_error, sizeof instance->start_error, "%s", err->text);
    operation_warn(instance->system, err->text);
    instance_send_kill(instance);
}

void instance_look_after(struct instance *instance)
{
    if (!hooks_begin(instance, HOOK_POST_START, on_post_start))
        check_start(instance);
}

static void act_check(struct instance *instance)
{
    struct loop *loop = instance->system->daemon->loop;

    instance->started_wall_ms = clock_wall_ms();
    instance->started_ns = loop_now_ns(loop);
    instance_look_after(instance);
    kill_early(instance);
}

/* The instance ends whatever its commands did: the file may be wrong, the person must get it down.
 */
static void on_pre_stop(struct instance *instance, const struct err *err)
{
    if (instance->state != INSTANCE_STOPPING && instance->state != INSTANCE_RESTARTING)
        return;
    if (err != NULL)
        operation_warn(instance->system, err->text);
    send_signal(instance, signal_stop_of(instance));
}

/* As the file says it, unless whoever ends it said otherwise. */
static uint64_t grace_ms(const struct instance *instance)
{
    const struct operation *operation = instance->system->operation;
    const struct compose_service *service = instance->made_of->service;

    return operation != NULL && operation->grace_ms != UINT64_MAX &&
                   operation_has(operation, service->name)
               ? operation->grace_ms
               : service->stop_grace_period_ms;
}

static void act_term(struct instance *instance)
{
    check_stop(instance);
    set_timer(instance, grace_ms(instance)); /* of the commands before it as well */
    daemon_publish(instance->system->daemon);
    if (!hooks_begin(instance, HOOK_PRE_STOP, on_pre_stop))
        send_signal(instance, signal_stop_of(instance));
}

static void act_kill(struct instance *instance)
{
    struct runtime *runtime = instance->system->daemon->runtime;
    struct runtime_status status = {0};
    struct err err;

    if (runtime->ops->inspect(runtime, instance->id, &status, &err) &&
        status.state != RUNTIME_RUNNING) {
        instance_exited(instance); /* its end was not noticed */
        return;
    }
    set_timer(instance, 5000); /* asked again if the kernel takes its time */
    send_signal(instance, SIGKILL);
}

static void on_nothing_to_drain(struct deferred *deferred)
{
    struct instance *instance = CONTAINER_OF(deferred, struct instance, drained);

    /* This round's table may have told the edge of it after all. */
    if (!instance->at_edge && !timer_is_set(&instance->udp_timer))
        instance_event(instance, INSTANCE_ON_DRAINED, NULL);
}

/* The network forgets who talked to it, then it may end. */
static void on_udp_over(struct timer *timer, uint64_t now_ns)
{
    struct instance *instance = CONTAINER_OF(timer, struct instance, udp_timer);
    struct daemon *daemon = instance->system->daemon;

    (void)now_ns;
    daemon_publish(daemon);
    if (!instance->at_edge)
        loop_defer(daemon->loop, &instance->drained, on_nothing_to_drain);
}

static bool has_udp(const struct compose_service *service)
{
    for (size_t i = 0; i < service->port_count; i++)
        if (service->ports[i].protocol == PORT_UDP)
            return true;
    return false;
}

void instance_await_udp(struct instance *instance)
{
    const struct system *system = instance->system;
    const char *service = instance->made_of->service->name;
    struct loop *loop = system->daemon->loop;

    if ((instance->state == INSTANCE_READY || instance->state == INSTANCE_DRAINING) &&
        has_udp(instance->made_of->service) && system->wanted != NULL &&
        system_hold(system, service) == PLAN_HOLD_NONE && !rollout_recreates(system, service))
        timer_set(loop, &instance->udp_timer, loop_now_ns(loop) + UDP_DRAIN_MS * NS_PER_MS,
                  on_udp_over);
}

/* As the wanted release says: the instance does not become another one when this changes. When
 * nobody answers before it has ended, since it is stopped or recreated, open streams do not hold it
 * up. */
static uint64_t drain_ms(const struct instance *instance)
{
    const struct system *system = instance->system;
    const struct compose_service *own = instance->made_of->service;
    size_t now = release_find(system->wanted, own->name);
    const struct compose_ms *drain =
        now == SIZE_MAX ? &own->x.deploy.stream_drain
                        : &system->wanted->services[now].service->x.deploy.stream_drain;

    if (system->wanted == NULL || system_hold(system, own->name) != PLAN_HOLD_NONE)
        return MIN(grace_ms(instance), (uint64_t)DRAIN_ALONE_MS);
    if (drain->given)
        return drain->ms;
    return rollout_recreates(system, own->name) ? DRAIN_ALONE_MS : DRAIN_MAX_MS;
}

/* The edge answers with "idle" when the last request has ended. What it was never told of is
 * drained as soon as the network has taken its name away. */
static void act_drain(struct instance *instance)
{
    struct daemon *daemon = instance->system->daemon;

    check_stop(instance);
    set_timer(instance, drain_ms(instance));
    daemon_publish(daemon);
    if (!instance->at_edge)
        loop_defer(daemon->loop, &instance->drained, on_nothing_to_drain);
}

static void act_backoff(struct instance *instance)
{
    check_stop(instance);
    set_timer(instance, restart_pause_ms(instance));
    daemon_publish(instance->system->daemon);
}

static void on_remove_again(struct timer *timer, uint64_t now_ns);

static void on_removed(void *arg, const struct err *err)
{
    struct late *late = arg;
    struct instance *instance = late_find(late);

    free(late);
    if (instance == NULL)
        return;
    struct daemon *daemon = instance->system->daemon;
    struct err failure;
    if (err != NULL && instance->remove_tries++ < REMOVE_TRIES) {
        log_warn("daemon", "%s: cannot remove all of it, tried again: %s", instance->id, err->text);
        timer_set(daemon->loop, &instance->timer,
                  loop_now_ns(daemon->loop) + REMOVE_PAUSE_MS * NS_PER_MS, on_remove_again);
        return;
    }
    if (!state_delete_instance(daemon->state, instance->id, &failure) ||
        !state_forget_address(daemon->state, instance->id, &failure))
        log_error("daemon", "%s: %s", instance->id, failure.text);
    loop_defer(daemon->loop, &instance->freeing, on_freed);
}

static void act_remove(struct instance *instance)
{
    struct daemon *daemon = instance->system->daemon;
    struct late *late = late_new(instance);
    struct err err;

    timer_clear(&instance->timer);
    daemon_publish(daemon);
    if (!daemon->runtime->ops->remove(daemon->runtime, instance->id, on_removed, late, &err))
        on_removed(late, &err);
}

static void on_remove_again(struct timer *timer, uint64_t now_ns)
{
    (void)now_ns;
    act_remove(CONTAINER_OF(timer, struct instance, timer));
}

static void act_settle(struct instance *instance)
{
    check_stop(instance);
    timer_clear(&instance->timer);
    daemon_publish(instance->system->daemon);
    if (instance->is_job && instance->one_off == NULL)
        migration_ended(instance);
}

static void act_publish(struct instance *instance)
{
    daemon_publish(instance->system->daemon);
}

static void act_readmit(struct instance *instance)
{
    check_start(instance);
    daemon_publish(instance->system->daemon);
}

static void act_nothing(struct instance *instance)
{
    (void)instance;
}

void instance_act(struct instance *instance, enum instance_action action)
{
    typedef void action_fn(struct instance * instance);
    static action_fn *const actions[INSTANCE_ACTION_COUNT] = {
        [INSTANCE_DO_NOTHING] = act_nothing, [INSTANCE_DO_START] = act_start,
        [INSTANCE_DO_CHECK] = act_check,     [INSTANCE_DO_PUBLISH] = act_publish,
        [INSTANCE_DO_DRAIN] = act_drain,     [INSTANCE_DO_TERM] = act_term,
        [INSTANCE_DO_KILL] = act_kill,       [INSTANCE_DO_BACKOFF] = act_backoff,
        [INSTANCE_DO_SETTLE] = act_settle,   [INSTANCE_DO_REMOVE] = act_remove,
        [INSTANCE_DO_READMIT] = act_readmit,
    };

    actions[action](instance);
}
