/* SPDX-License-Identifier: Apache-2.0
 *
 * Life of a rollout, the change of a system from one release to the next: a pure
 * table. It decides, control/rollout.c acts. The state is stored before it is
 * acted on and every action may run twice, so a daemon that was killed goes on
 * where it was.
 *
 * A rollout has one step or more (rollout.h). Each step walks starting ->
 * shifting -> watching; after the last one the new release is the current one.
 */
#pragma once

#include "base/base.h"

#define ROLLOUT_STATES(X)                                                                          \
    X(MIGRATING, "migrating")     /* what must run before the new release runs */                  \
    X(STARTING, "starting")       /* the instances of the step start beside the old ones */        \
    X(SHIFTING, "shifting")       /* traffic of the step moves */                                  \
    X(WATCHING, "watching")       /* the step is given time to show what is wrong */               \
    X(WAITING, "waiting")         /* a person says how it goes on */                               \
    X(KEEPING, "keeping")         /* all traffic is at the new release; the old one stays warm */  \
    X(DRAINING, "draining")       /* the old instances finish what they have, and end */           \
    X(GUARDING, "guarding")       /* they are gone; a crash loop still brings them back */         \
    X(ABORTING, "aborting")       /* back to the old release */                                    \
    X(DONE, "done")               /* the new release has taken over */                             \
    X(ROLLED_BACK, "rolled-back") /* the old release is back */

#define X(id, name) ROLLOUT_##id,
enum rollout_state { ROLLOUT_STATES(X) ROLLOUT_STATE_COUNT };
#undef X

#define ROLLOUT_EVENTS(X)                                                                          \
    X(MIGRATED, "migrated")         /* nothing is left to run before */                            \
    X(READY, "ready")               /* the instances are as the state wants them */                \
    X(APPLIED, "applied")           /* edge and network work by the newest table */                \
    X(BAKED_NEXT, "baked, next")    /* the step was watched long enough, there is another */       \
    X(BAKED_ASK, "baked, ask")      /* the same, and a person is to be asked */                    \
    X(BAKED_LAST, "baked, last")    /* the same, and it was the last */                            \
    X(EXPIRED, "expired")           /* the time of the state is over */                            \
    X(PROMOTE, "promote")           /* a person says: on to the next step */                       \
    X(PROMOTE_LAST, "promote last") /* the same, and there is no next step */                      \
    X(ABORT, "abort")               /* a person says: back */                                      \
    X(SICK, "sick")                 /* the gate finds the new release worse than the old one */    \
    X(FAILED, "failed")             /* instances or a migration of the release failed */           \
    X(PAUSE, "pause")               /* the same, and the file says to wait then */

#define X(id, name) ROLLOUT_ON_##id,
enum rollout_event { ROLLOUT_EVENTS(X) ROLLOUT_EVENT_COUNT };
#undef X

enum rollout_action {
    ROLLOUT_DO_NOTHING,
    ROLLOUT_DO_STEP,     /* the next step begins */
    ROLLOUT_DO_PUBLISH,  /* tell edge and network who takes which share */
    ROLLOUT_DO_WATCH,    /* set the timer of the step, note where the counters stand */
    ROLLOUT_DO_ASK,      /* say that a person is waited for */
    ROLLOUT_DO_COMPLETE, /* the new release is the current one; set the timer of the warm time */
    ROLLOUT_DO_RETIRE,   /* the old instances are not wanted any more */
    ROLLOUT_DO_GUARD,    /* set the timer of the guard */
    ROLLOUT_DO_TURN,     /* the old release is the wanted one again */
    ROLLOUT_DO_FINISH,   /* it is over */
    ROLLOUT_ACTION_COUNT,
};

struct rollout_transition {
    enum rollout_state from;
    enum rollout_event event;
    enum rollout_state to;
    enum rollout_action action;
    const char *why;
};

/* NULL: <event> means nothing in <from>. */
const struct rollout_transition *rollout_fsm_next(enum rollout_state from,
                                                  enum rollout_event event);

const char *rollout_state_name(enum rollout_state state);
const char *rollout_event_name(enum rollout_event event);
const char *rollout_action_name(enum rollout_action action);
/* False when <name> is no state. */
MUST_CHECK bool rollout_state_parse(const char *name, enum rollout_state *ret);

/* Is it under way? */
bool rollout_state_is_active(enum rollout_state state);
/* Is it under way, and is all traffic still to come to the new release? */
bool rollout_state_is_before_switch(enum rollout_state state);
