/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "deploy/rollout_fsm.h"

#define X(id, name) [ROLLOUT_##id] = name,
static const char *const state_names[] = {ROLLOUT_STATES(X)};
#undef X

#define X(id, name) [ROLLOUT_ON_##id] = name,
static const char *const event_names[] = {ROLLOUT_EVENTS(X)};
#undef X

static const char *const action_names[] = {
    [ROLLOUT_DO_NOTHING] = "-",       [ROLLOUT_DO_STEP] = "next step",
    [ROLLOUT_DO_PUBLISH] = "publish", [ROLLOUT_DO_WATCH] = "watch",
    [ROLLOUT_DO_ASK] = "ask",         [ROLLOUT_DO_COMPLETE] = "complete",
    [ROLLOUT_DO_RETIRE] = "retire",   [ROLLOUT_DO_GUARD] = "guard",
    [ROLLOUT_DO_TURN] = "turn back",  [ROLLOUT_DO_FINISH] = "finish",
};

/* One row for each pair that means something; the others are ignored. The reason goes to the log
 * and the event stream. */
/* clang-format off */
static const struct rollout_transition table[] = {
    /* from              on                      to                   action               why */
    {ROLLOUT_MIGRATING, ROLLOUT_ON_MIGRATED,     ROLLOUT_STARTING,    ROLLOUT_DO_NOTHING,  "migrated"},
    {ROLLOUT_MIGRATING, ROLLOUT_ON_ABORT,        ROLLOUT_ABORTING,    ROLLOUT_DO_TURN,     "aborted by a person"},
    {ROLLOUT_MIGRATING, ROLLOUT_ON_FAILED,       ROLLOUT_ABORTING,    ROLLOUT_DO_TURN,     "failed before it ran"},
    {ROLLOUT_STARTING,  ROLLOUT_ON_READY,        ROLLOUT_SHIFTING,    ROLLOUT_DO_PUBLISH,  "the new instances are ready"},
    {ROLLOUT_STARTING,  ROLLOUT_ON_ABORT,        ROLLOUT_ABORTING,    ROLLOUT_DO_TURN,     "aborted by a person"},
    {ROLLOUT_STARTING,  ROLLOUT_ON_FAILED,       ROLLOUT_ABORTING,    ROLLOUT_DO_TURN,     "new instances failed"},
    {ROLLOUT_STARTING,  ROLLOUT_ON_PAUSE,        ROLLOUT_WAITING,     ROLLOUT_DO_ASK,      "new instances failed, and the file says to pause then"},
    {ROLLOUT_SHIFTING,  ROLLOUT_ON_APPLIED,      ROLLOUT_WATCHING,    ROLLOUT_DO_WATCH,    "traffic has moved"},
    {ROLLOUT_SHIFTING,  ROLLOUT_ON_ABORT,        ROLLOUT_ABORTING,    ROLLOUT_DO_TURN,     "aborted by a person"},
    {ROLLOUT_SHIFTING,  ROLLOUT_ON_FAILED,       ROLLOUT_ABORTING,    ROLLOUT_DO_TURN,     "new instances failed"},
    {ROLLOUT_WATCHING,  ROLLOUT_ON_BAKED_NEXT,   ROLLOUT_STARTING,    ROLLOUT_DO_STEP,     "nothing is wrong"},
    {ROLLOUT_WATCHING,  ROLLOUT_ON_BAKED_ASK,    ROLLOUT_WAITING,     ROLLOUT_DO_ASK,      "a person decides: promote or abort"},
    {ROLLOUT_WATCHING,  ROLLOUT_ON_BAKED_LAST,   ROLLOUT_KEEPING,     ROLLOUT_DO_COMPLETE, "all traffic is at the new release"},
    {ROLLOUT_WATCHING,  ROLLOUT_ON_PROMOTE,      ROLLOUT_STARTING,    ROLLOUT_DO_STEP,     "promoted by a person"},
    {ROLLOUT_WATCHING,  ROLLOUT_ON_PROMOTE_LAST, ROLLOUT_KEEPING,     ROLLOUT_DO_COMPLETE, "promoted by a person"},
    {ROLLOUT_WATCHING,  ROLLOUT_ON_ABORT,        ROLLOUT_ABORTING,    ROLLOUT_DO_TURN,     "aborted by a person"},
    {ROLLOUT_WATCHING,  ROLLOUT_ON_SICK,         ROLLOUT_ABORTING,    ROLLOUT_DO_TURN,     "the new release does worse than the old one"},
    {ROLLOUT_WATCHING,  ROLLOUT_ON_FAILED,       ROLLOUT_ABORTING,    ROLLOUT_DO_TURN,     "new instances failed"},
    {ROLLOUT_WATCHING,  ROLLOUT_ON_PAUSE,        ROLLOUT_WAITING,     ROLLOUT_DO_ASK,      "new instances failed, and the file says to pause then"},
    {ROLLOUT_WAITING,   ROLLOUT_ON_PROMOTE,      ROLLOUT_STARTING,    ROLLOUT_DO_STEP,     "promoted by a person"},
    {ROLLOUT_WAITING,   ROLLOUT_ON_PROMOTE_LAST, ROLLOUT_KEEPING,     ROLLOUT_DO_COMPLETE, "promoted by a person"},
    {ROLLOUT_WAITING,   ROLLOUT_ON_ABORT,        ROLLOUT_ABORTING,    ROLLOUT_DO_TURN,     "aborted by a person"},
    {ROLLOUT_WAITING,   ROLLOUT_ON_SICK,         ROLLOUT_ABORTING,    ROLLOUT_DO_TURN,     "the new release does worse than the old one"},
    {ROLLOUT_WAITING,   ROLLOUT_ON_FAILED,       ROLLOUT_ABORTING,    ROLLOUT_DO_TURN,     "new instances failed"},
    {ROLLOUT_KEEPING,   ROLLOUT_ON_EXPIRED,      ROLLOUT_DRAINING,    ROLLOUT_DO_RETIRE,   "the warm time is over"},
    {ROLLOUT_KEEPING,   ROLLOUT_ON_PROMOTE,      ROLLOUT_DRAINING,    ROLLOUT_DO_RETIRE,   "promoted by a person"},
    {ROLLOUT_KEEPING,   ROLLOUT_ON_PROMOTE_LAST, ROLLOUT_DRAINING,    ROLLOUT_DO_RETIRE,   "promoted by a person"},
    {ROLLOUT_KEEPING,   ROLLOUT_ON_ABORT,        ROLLOUT_ABORTING,    ROLLOUT_DO_TURN,     "aborted by a person"},
    {ROLLOUT_KEEPING,   ROLLOUT_ON_FAILED,       ROLLOUT_ABORTING,    ROLLOUT_DO_TURN,     "the new release fails soon after it took over"},
    {ROLLOUT_DRAINING,  ROLLOUT_ON_READY,        ROLLOUT_GUARDING,    ROLLOUT_DO_GUARD,    "the old instances are gone"},
    {ROLLOUT_DRAINING,  ROLLOUT_ON_ABORT,        ROLLOUT_ABORTING,    ROLLOUT_DO_TURN,     "aborted by a person"},
    {ROLLOUT_DRAINING,  ROLLOUT_ON_FAILED,       ROLLOUT_ABORTING,    ROLLOUT_DO_TURN,     "the new release fails soon after it took over"},
    {ROLLOUT_GUARDING,  ROLLOUT_ON_EXPIRED,      ROLLOUT_DONE,        ROLLOUT_DO_FINISH,   "the new release stands"},
    {ROLLOUT_GUARDING,  ROLLOUT_ON_ABORT,        ROLLOUT_ABORTING,    ROLLOUT_DO_TURN,     "aborted by a person"},
    {ROLLOUT_GUARDING,  ROLLOUT_ON_FAILED,       ROLLOUT_ABORTING,    ROLLOUT_DO_TURN,     "the new release fails soon after it took over"},
    {ROLLOUT_ABORTING,  ROLLOUT_ON_READY,        ROLLOUT_ROLLED_BACK, ROLLOUT_DO_FINISH,   "the old release is back"},
    {ROLLOUT_ABORTING,  ROLLOUT_ON_FAILED,       ROLLOUT_ROLLED_BACK, ROLLOUT_DO_FINISH,   "the old release fails too; it stays the wanted one"},
};
/* clang-format on */

const struct rollout_transition *rollout_fsm_next(enum rollout_state from, enum rollout_event event)
{
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (table[i].from == from && table[i].event == event)
            return &table[i];
    return NULL;
}

const char *rollout_state_name(enum rollout_state state)
{
    assert((size_t)state < ARRAY_LEN(state_names));
    return state_names[state];
}

const char *rollout_event_name(enum rollout_event event)
{
    assert((size_t)event < ARRAY_LEN(event_names));
    return event_names[event];
}

const char *rollout_action_name(enum rollout_action action)
{
    assert((size_t)action < ARRAY_LEN(action_names));
    return action_names[action];
}

bool rollout_state_parse(const char *name, enum rollout_state *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(state_names); i++)
        if (strcmp(state_names[i], name) == 0) {
            *ret = (enum rollout_state)i;
            return true;
        }
    return false;
}

bool rollout_state_is_active(enum rollout_state state)
{
    return state != ROLLOUT_DONE && state != ROLLOUT_ROLLED_BACK;
}

bool rollout_state_is_before_switch(enum rollout_state state)
{
    return state <= ROLLOUT_WAITING;
}
