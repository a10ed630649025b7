/* SPDX-License-Identifier: Apache-2.0
 *
 * Life cycle of an instance: a pure table. It decides, control/instance.c acts.
 * Every action may run twice, because a daemon that was killed runs the last
 * one again.
 */
#pragma once

#include "base/base.h"

#define INSTANCE_STATES(X)                                                                         \
    X(PENDING, "pending")       /* stored, nothing was started */                                  \
    X(STARTING, "starting")     /* the runtime makes it */                                         \
    X(WARMING, "warming")       /* its process runs, it was never ready */                         \
    X(READY, "ready")           /* takes traffic */                                                \
    X(UNHEALTHY, "unhealthy")   /* runs, takes no traffic, may come back */                        \
    X(RESTARTING, "restarting") /* unhealthy for too long: was asked to end, starts again */       \
    X(DRAINING, "draining")     /* no new traffic; what it has may finish */                       \
    X(STOPPING, "stopping")     /* was asked to end */                                             \
    X(BACKOFF, "backoff")       /* ended, is started again after a while */                        \
    X(EXITED, "exited")         /* ended for good; its log and its files are there */              \
    X(GONE, "gone")             /* nothing of it is left */

#define X(id, name) INSTANCE_##id,
enum instance_state { INSTANCE_STATES(X) INSTANCE_STATE_COUNT };
#undef X

#define INSTANCE_EVENTS(X)                                                                         \
    X(START, "start")               /* it is wanted and its dependencies are there */              \
    X(STARTED, "started")           /* its process runs */                                         \
    X(START_FAILED, "start failed") /* the runtime could not make it */                            \
    X(HEALTHY, "healthy")                                                                          \
    X(SICK, "sick")              /* not healthy in time, or no longer */                           \
    X(EXIT_AGAIN, "exit, again") /* its process ended and its restart policy starts it again */    \
    X(EXIT_FINAL, "exit, final") /* its process ended and that is it */                            \
    X(STOP, "stop")              /* it is not wanted any more */                                   \
    X(DRAINED, "drained")        /* the edge says that nothing uses it */                          \
    X(TIMEOUT, "timeout")        /* the timer of the state ran out */                              \
    X(REMOVE, "remove")

#define X(id, name) INSTANCE_ON_##id,
enum instance_event { INSTANCE_EVENTS(X) INSTANCE_EVENT_COUNT };
#undef X

enum instance_action {
    INSTANCE_DO_NOTHING,
    INSTANCE_DO_START,   /* have the runtime make it */
    INSTANCE_DO_CHECK,   /* begin health checks; without one it is healthy at once */
    INSTANCE_DO_PUBLISH, /* tell edge and network that who takes traffic has changed */
    INSTANCE_DO_DRAIN,   /* publish without it, wait for the edge, set the drain timer */
    INSTANCE_DO_TERM,    /* its stop signal, and the grace timer */
    INSTANCE_DO_KILL,    /* SIGKILL */
    INSTANCE_DO_BACKOFF, /* publish without it, set the back-off timer */
    INSTANCE_DO_SETTLE,  /* publish without it; it stays as it is */
    INSTANCE_DO_READMIT, /* publish with it, go on with its health checks */
    INSTANCE_DO_REMOVE,  /* have the runtime remove what is left */
    INSTANCE_ACTION_COUNT,
};

struct instance_transition {
    enum instance_state from;
    enum instance_event event;
    enum instance_state to;
    enum instance_action action;
    const char *why;
};

/* NULL: <event> means nothing in <from>. */
const struct instance_transition *instance_fsm_next(enum instance_state from,
                                                    enum instance_event event);

const char *instance_state_name(enum instance_state state);
const char *instance_event_name(enum instance_event event);
const char *instance_action_name(enum instance_action action);
/* False when <name> is no state. */
MUST_CHECK bool instance_state_parse(const char *name, enum instance_state *ret);

/* Does a process of it run, or may one at any moment? */
bool instance_state_is_live(enum instance_state state);
