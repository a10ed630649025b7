/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "deploy/instance_fsm.h"

#define X(id, name) [INSTANCE_##id] = name,
static const char *const state_names[] = {INSTANCE_STATES(X)};
#undef X

#define X(id, name) [INSTANCE_ON_##id] = name,
static const char *const event_names[] = {INSTANCE_EVENTS(X)};
#undef X

static const char *const action_names[] = {
    [INSTANCE_DO_NOTHING] = "-",       [INSTANCE_DO_START] = "start",
    [INSTANCE_DO_CHECK] = "check",     [INSTANCE_DO_PUBLISH] = "publish",
    [INSTANCE_DO_DRAIN] = "drain",     [INSTANCE_DO_TERM] = "terminate",
    [INSTANCE_DO_KILL] = "kill",       [INSTANCE_DO_BACKOFF] = "back off",
    [INSTANCE_DO_SETTLE] = "settle",   [INSTANCE_DO_REMOVE] = "remove",
    [INSTANCE_DO_READMIT] = "readmit",
};

/* First matching row wins; an event without a row is ignored. The reason goes
 * to the log and the event stream. STARTING has no row for STOP: the runtime
 * reports within moments, and the wish is looked at again then. */
/* clang-format off */
static const struct instance_transition table[] = {
    /* from               on                         to                  action                why */
    {INSTANCE_PENDING,   INSTANCE_ON_START,        INSTANCE_STARTING,  INSTANCE_DO_START,   "asked to run"},
    {INSTANCE_PENDING,   INSTANCE_ON_STARTED,      INSTANCE_WARMING,   INSTANCE_DO_CHECK,   "found running"},
    {INSTANCE_PENDING,   INSTANCE_ON_STOP,         INSTANCE_EXITED,    INSTANCE_DO_NOTHING, "not wanted any more"},
    {INSTANCE_STARTING,  INSTANCE_ON_STARTED,      INSTANCE_WARMING,   INSTANCE_DO_CHECK,   "its process runs"},
    {INSTANCE_STARTING,  INSTANCE_ON_START_FAILED, INSTANCE_BACKOFF,   INSTANCE_DO_BACKOFF, "could not be started"},
    {INSTANCE_STARTING,  INSTANCE_ON_EXIT_AGAIN,   INSTANCE_BACKOFF,   INSTANCE_DO_BACKOFF, "exited at once"},
    {INSTANCE_STARTING,  INSTANCE_ON_EXIT_FINAL,   INSTANCE_EXITED,    INSTANCE_DO_SETTLE,  "exited at once"},
    {INSTANCE_WARMING,   INSTANCE_ON_HEALTHY,      INSTANCE_READY,     INSTANCE_DO_PUBLISH, "healthy"},
    {INSTANCE_WARMING,   INSTANCE_ON_SICK,         INSTANCE_UNHEALTHY, INSTANCE_DO_NOTHING, "not healthy in time"},
    {INSTANCE_WARMING,   INSTANCE_ON_EXIT_AGAIN,   INSTANCE_BACKOFF,   INSTANCE_DO_BACKOFF, "exited before it was healthy"},
    {INSTANCE_WARMING,   INSTANCE_ON_EXIT_FINAL,   INSTANCE_EXITED,    INSTANCE_DO_SETTLE,  "exited"},
    {INSTANCE_WARMING,   INSTANCE_ON_STOP,         INSTANCE_STOPPING,  INSTANCE_DO_TERM,    "not wanted any more"},
    {INSTANCE_READY,     INSTANCE_ON_SICK,         INSTANCE_UNHEALTHY, INSTANCE_DO_PUBLISH, "health checks failed"},
    {INSTANCE_READY,     INSTANCE_ON_EXIT_AGAIN,   INSTANCE_BACKOFF,   INSTANCE_DO_BACKOFF, "exited"},
    {INSTANCE_READY,     INSTANCE_ON_EXIT_FINAL,   INSTANCE_EXITED,    INSTANCE_DO_SETTLE,  "exited"},
    {INSTANCE_READY,     INSTANCE_ON_STOP,         INSTANCE_DRAINING,  INSTANCE_DO_DRAIN,   "not wanted any more"},
    {INSTANCE_UNHEALTHY, INSTANCE_ON_HEALTHY,      INSTANCE_READY,     INSTANCE_DO_PUBLISH, "healthy again"},
    {INSTANCE_UNHEALTHY, INSTANCE_ON_EXIT_AGAIN,   INSTANCE_BACKOFF,   INSTANCE_DO_BACKOFF, "exited"},
    {INSTANCE_UNHEALTHY, INSTANCE_ON_EXIT_FINAL,   INSTANCE_EXITED,    INSTANCE_DO_SETTLE,  "exited"},
    {INSTANCE_UNHEALTHY, INSTANCE_ON_STOP,         INSTANCE_STOPPING,  INSTANCE_DO_TERM,    "not wanted any more"},
    {INSTANCE_UNHEALTHY, INSTANCE_ON_SICK,         INSTANCE_RESTARTING, INSTANCE_DO_TERM,   "unhealthy for too long"},
    {INSTANCE_RESTARTING, INSTANCE_ON_TIMEOUT,     INSTANCE_RESTARTING, INSTANCE_DO_KILL,   "did not stop in time"},
    {INSTANCE_RESTARTING, INSTANCE_ON_EXIT_AGAIN,  INSTANCE_BACKOFF,   INSTANCE_DO_BACKOFF, "stopped, to be started again"},
    {INSTANCE_RESTARTING, INSTANCE_ON_EXIT_FINAL,  INSTANCE_EXITED,    INSTANCE_DO_SETTLE,  "stopped"},
    {INSTANCE_RESTARTING, INSTANCE_ON_STOP,        INSTANCE_STOPPING,  INSTANCE_DO_TERM,    "not wanted any more"},
    {INSTANCE_DRAINING,  INSTANCE_ON_START,        INSTANCE_READY,     INSTANCE_DO_READMIT, "wanted again while it drained"},
    {INSTANCE_DRAINING,  INSTANCE_ON_DRAINED,      INSTANCE_STOPPING,  INSTANCE_DO_TERM,    "drained"},
    {INSTANCE_DRAINING,  INSTANCE_ON_TIMEOUT,      INSTANCE_STOPPING,  INSTANCE_DO_TERM,    "did not drain in time"},
    {INSTANCE_DRAINING,  INSTANCE_ON_EXIT_AGAIN,   INSTANCE_EXITED,    INSTANCE_DO_SETTLE,  "exited while draining"},
    {INSTANCE_DRAINING,  INSTANCE_ON_EXIT_FINAL,   INSTANCE_EXITED,    INSTANCE_DO_SETTLE,  "exited while draining"},
    {INSTANCE_STOPPING,  INSTANCE_ON_TIMEOUT,      INSTANCE_STOPPING,  INSTANCE_DO_KILL,    "did not stop in time"},
    {INSTANCE_STOPPING,  INSTANCE_ON_EXIT_AGAIN,   INSTANCE_EXITED,    INSTANCE_DO_SETTLE,  "stopped"},
    {INSTANCE_STOPPING,  INSTANCE_ON_EXIT_FINAL,   INSTANCE_EXITED,    INSTANCE_DO_SETTLE,  "stopped"},
    {INSTANCE_BACKOFF,   INSTANCE_ON_TIMEOUT,      INSTANCE_STARTING,  INSTANCE_DO_START,   "waited long enough"},
    {INSTANCE_BACKOFF,   INSTANCE_ON_START,        INSTANCE_STARTING,  INSTANCE_DO_START,   "asked to run"},
    {INSTANCE_BACKOFF,   INSTANCE_ON_STARTED,      INSTANCE_WARMING,   INSTANCE_DO_CHECK,   "found running"},
    {INSTANCE_BACKOFF,   INSTANCE_ON_STOP,         INSTANCE_EXITED,    INSTANCE_DO_NOTHING, "not wanted any more"},
    {INSTANCE_EXITED,    INSTANCE_ON_START,        INSTANCE_STARTING,  INSTANCE_DO_START,   "asked to run again"},
    {INSTANCE_EXITED,    INSTANCE_ON_REMOVE,       INSTANCE_GONE,      INSTANCE_DO_REMOVE,  "removed"},
};
/* clang-format on */

const struct instance_transition *instance_fsm_next(enum instance_state from,
                                                    enum instance_event event)
{
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (table[i].from == from && table[i].event == event)
            return &table[i];
    return NULL;
}

const char *instance_state_name(enum instance_state state)
{
    assert((size_t)state < ARRAY_LEN(state_names));
    return state_names[state];
}

const char *instance_event_name(enum instance_event event)
{
    assert((size_t)event < ARRAY_LEN(event_names));
    return event_names[event];
}

const char *instance_action_name(enum instance_action action)
{
    assert((size_t)action < ARRAY_LEN(action_names));
    return action_names[action];
}

bool instance_state_parse(const char *name, enum instance_state *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(state_names); i++)
        if (strcmp(state_names[i], name) == 0) {
            *ret = (enum instance_state)i;
            return true;
        }
    return false;
}

bool instance_state_is_live(enum instance_state state)
{
    return state != INSTANCE_PENDING && state != INSTANCE_BACKOFF && state != INSTANCE_EXITED &&
           state != INSTANCE_GONE;
}
