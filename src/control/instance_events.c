/* SPDX-License-Identifier: Apache-2.0
 *
 * Events of one instance: the table says what becomes of it, the state is stored,
 * the action is carried out.
 */
#include "base/base.h"

#include <signal.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "control/daemon_priv.h"
#include "control/state.h"

enum { NOT_STARTED = 125 };

static void note(struct instance *instance, enum instance_event event)
{
    struct loop *loop = instance->system->daemon->loop;
    bool ended = event == INSTANCE_ON_EXIT_AGAIN || event == INSTANCE_ON_EXIT_FINAL;

    if (event == INSTANCE_ON_STOP || event == INSTANCE_ON_START)
        instance->stopped = event == INSTANCE_ON_STOP;
    if (event == INSTANCE_ON_START)
        instance->no_restart = false;
    if (ended)
        instance->paused = false;
    if (ended && instance->started_ns != 0 &&
        loop_now_ns(loop) - instance->started_ns > restart_window_ms(instance) * NS_PER_MS)
        instance->failures = 0;
    if ((ended && !instance->stopped) || event == INSTANCE_ON_START_FAILED)
        instance->failures++;
    if (event == INSTANCE_ON_HEALTHY || event == INSTANCE_ON_SICK)
        instance->check_failures = 0; /* counted anew: healthy again, or too long unhealthy? */
    if (event == INSTANCE_ON_TIMEOUT && instance->state == INSTANCE_BACKOFF)
        instance->restarts++;
}

void instance_event(struct instance *instance, enum instance_event event, const char *detail)
{
    struct system *system = instance->system;
    const struct instance_transition *row = instance_fsm_next(instance->state, event);
    struct err err;

    if (row == NULL)
        return;
    if (event == INSTANCE_ON_STOP && instance->paused)
        pause_end(instance); /* it could not end */
    note(instance, event);
    if (event == INSTANCE_ON_START_FAILED)
        str_format(instance->start_error, sizeof instance->start_error, "%s", detail);
    if (event == INSTANCE_ON_STARTED)
        instance->start_error[0] = '\0';
    instance->state = row->to;
    timer_clear(&instance->timer);
    if (!state_save_instance(system->daemon->state, instance, &err))
        log_error("daemon", "%s: cannot store its state: %s", instance->id, err.text);
    AUTO(buf_done) struct buf text = {0};
    buf_addf(&text, "%s%s%s", row->why, detail == NULL ? "" : ": ", detail == NULL ? "" : detail);
    log_info("daemon", "%s: %s -> %s: %s", instance->id, instance_state_name(row->from),
             instance_state_name(row->to), buf_text(&text));
    if (!instance->is_job || instance->one_off != NULL) /* a migration tells of itself */
        operation_step_of(instance, instance_state_name(row->to), buf_text(&text));
    instance_act(instance, row->action);
    if (event == INSTANCE_ON_STARTED)
        network_restart_joined(instance);
    system_touch(system);
}

bool instance_begin_afresh(struct instance *instance, struct err *err)
{
    bool was_stopped = instance->stopped;
    uint32_t failures = instance->failures;

    if (instance->is_job)
        return true;
    instance->failures = 0;
    if (instance->state == INSTANCE_EXITED)
        instance->stopped = true; /* the plan starts what was stopped */
    bool changed = instance->stopped != was_stopped || failures != 0;
    if (changed && !state_save_instance(instance->system->daemon->state, instance, err)) {
        instance->stopped = was_stopped;
        instance->failures = failures;
        return false;
    }
    if (instance->paused)
        pause_end(instance);
    if (instance->state == INSTANCE_UNHEALTHY)
        instance_event(instance, INSTANCE_ON_STOP, "it is made anew");
    return true;
}

void instance_exited(struct instance *instance)
{
    struct daemon *daemon = instance->system->daemon;
    struct runtime_status status = {0};
    char detail[64];
    struct err err;

    if (!daemon->runtime->ops->inspect(daemon->runtime, instance->id, &status, &err)) {
        log_error("daemon", "%s: %s", instance->id, err.text);
        status = (struct runtime_status){.state = RUNTIME_EXITED, .exit_status = 255};
    }
    if (status.state == RUNTIME_RUNNING)
        return;
    instance->exit_status = status.state == RUNTIME_EXITED ? status.exit_status : 255;
    str_format(detail, sizeof detail, "status %d%s", instance->exit_status,
               status.out_of_memory ? ", out of memory" : "");
    if (!instance->auto_remove) /* its name is free when its client knows */
        wait_ended(instance);
    instance_event(instance,
                   restart_applies(instance) ? INSTANCE_ON_EXIT_AGAIN : INSTANCE_ON_EXIT_FINAL,
                   detail);
}

/* ---- adoption ---- */

/* A one-off whose start was cut off: whoever asked for it sees that, it is not tried again. */
static void abandon(struct instance *instance)
{
    instance->exit_status = NOT_STARTED;
    if (instance->state == INSTANCE_PENDING)
        instance_event(instance, INSTANCE_ON_STOP, "the daemon ended meanwhile");
    else
        instance_event(instance, INSTANCE_ON_EXIT_FINAL, "the daemon ended meanwhile");
}

static void adopt_running(struct instance *instance, bool is_frozen)
{
    if (is_frozen != instance->paused)
        pause_apply(instance);
    instance->started_ns = loop_now_ns(instance->system->daemon->loop);
    switch (instance->state) {
    case INSTANCE_PENDING:
    case INSTANCE_STARTING:
    case INSTANCE_BACKOFF:
        instance_event(instance, INSTANCE_ON_STARTED, NULL);
        break;
    case INSTANCE_WARMING:
        if (!instance->paused)
            instance_look_after(instance);
        break;
    case INSTANCE_READY:
    case INSTANCE_UNHEALTHY:
        if (!instance->paused)
            check_start(instance);
        break;
    case INSTANCE_DRAINING:
        instance_act(instance, INSTANCE_DO_DRAIN);
        break;
    case INSTANCE_STOPPING:
    case INSTANCE_RESTARTING:
        instance_act(instance, INSTANCE_DO_TERM);
        break;
    case INSTANCE_EXITED: /* it was made to end: make sure */
        instance_send_kill(instance);
        break;
    case INSTANCE_GONE:
    case INSTANCE_STATE_COUNT:
        break;
    }
}

void instance_adopt(struct instance *instance)
{
    struct daemon *daemon = instance->system->daemon;
    struct runtime_status status = {0};
    struct err err;

    if (!daemon->runtime->ops->inspect(daemon->runtime, instance->id, &status, &err))
        log_warn("daemon", "%s: %s", instance->id, err.text);
    if (instance->state == INSTANCE_GONE)
        instance_act(instance, INSTANCE_DO_REMOVE);
    else if (instance->state == INSTANCE_EXITED && instance->is_job && instance->one_off == NULL)
        migration_ended(instance);
    else if (status.state == RUNTIME_RUNNING)
        adopt_running(instance, status.paused);
    else if (instance->one_off != NULL && status.state != RUNTIME_EXITED &&
             (instance->state == INSTANCE_STARTING || instance->state == INSTANCE_PENDING))
        abandon(instance);
    else if (instance->state == INSTANCE_STARTING && status.state != RUNTIME_EXITED)
        instance_event(instance, INSTANCE_ON_START_FAILED, "the daemon ended meanwhile");
    else if (instance->state == INSTANCE_BACKOFF)
        instance_act(instance, INSTANCE_DO_BACKOFF);
    else if (instance_state_is_live(instance->state))
        instance_exited(instance);
}
