/* SPDX-License-Identifier: Apache-2.0
 *
 * The change of a system from its current release to the next, as the daemon
 * carries it out. deploy/rollout_fsm.c has the states, deploy/rollout.c the steps;
 * here they are stored, acted on and told of. One for each system: the one under
 * way, or the last one.
 *
 *     rollout.c         its life: begin, events, actions, going on after a restart
 *     rollout_drive.c   which event comes next: asked at the end of each reconcile
 *     rollout_tracks.c  what the files say of each service
 *     rollout_gate.c    what the edge has counted of both releases
 *     rollout_report.c  what people are told
 *     deploy.c          deploy, promote and abort as operations
 */
#pragma once

#include "base/vec.h"
#include "control/daemon_priv.h"
#include "deploy/gate.h"
#include "deploy/plan.h"
#include "deploy/rollout.h"
#include "edge/meter.h"

struct err;
struct state_rollout;

enum rollout_change { ROLLOUT_SAME, ROLLOUT_REPLACED, ROLLOUT_ADDED, ROLLOUT_REMOVED };

/* A service of either release. */
struct rollout_service {
    const char *name;
    enum rollout_change change;
    const struct release_service *old; /* NULL: ADDED */
    const struct release_service *new; /* NULL: REMOVED */
    struct rollout_track track;        /* REPLACED */
    bool precedes;                     /* something that is migrated depends on it */
    const char *forced;                /* why it is recreated whatever was asked for; NULL: not */
    uint32_t tolerated;                /* so many new instances may fail */
    bool pauses;                       /* a failure waits for a person */
    bool monitored;                    /* one end of an instance within the time is a failure */
    bool has_gate;
    struct gate_terms gate;
};

/* Counters of one upstream of the edge when the step began: of the old release, of the new one. */
struct rollout_upstream {
    char *name;
    struct meter before[2];
};

struct rollout {
    struct system *system;
    struct release *from; /* both NULL when it is over */
    struct release *to;
    uint32_t from_number;
    uint32_t to_number;
    char command[16];
    enum rollout_strategy asked; /* by the command; ROLLOUT_STRATEGY_COUNT: nothing */
    struct rollout_position at;
    int64_t started_wall_ms;
    int64_t since_wall_ms;
    int64_t switched_wall_ms;
    char why[300];
    struct arena arena;
    struct rollout_service *services;
    size_t service_count;
    uint64_t keep_warm_ms;
    uint64_t watch_ms; /* after the switch */
    const char *test_host;
    uint64_t deadline_ns; /* of the state; 0: none */
    uint64_t extended_ns; /* the gate waits for requests until then; 0: not */
    uint64_t told_ns;     /* figures were told of */
    struct timer timer;
    VEC(struct rollout_upstream) upstreams;
    uint64_t epoch; /* of the counters in <upstreams> */
};

/* ---- rollout.c ---- */

/* One from the current release of <system> to <to>; NULL: nothing that runs is replaced. */
struct rollout *rollout_new(struct system *system, struct release *to, const char *command,
                            enum rollout_strategy asked);
void rollout_free(struct rollout *rollout); /* takes NULL */
AUTO_TYPE(struct rollout *, rollout_free)
/* Stores it as it is. */
MUST_CHECK bool rollout_save(const struct rollout *rollout, struct err *err);
/* It is stored: takes the place of the last one, and begins. */
void rollout_install(struct system *system, struct rollout *rollout);
/* A daemon that has just started: <row> was stored. One that is over has no releases. */
MUST_CHECK bool rollout_load(struct system *system, const struct state_rollout *row,
                             struct release *from, struct release *to, struct err *err);
/* Does the last action once more. */
void rollout_resume(struct system *system);
/* False when the event means nothing now, or could not be stored. <detail> may be NULL. */
bool rollout_event(struct rollout *rollout, enum rollout_event event, const char *detail);

/* Looks at it again before its deadline, or in a moment. */
void rollout_schedule(struct rollout *rollout);

bool rollout_is_active(const struct system *system);
/* May nothing else be rolled out, because it has begun to move traffic, or is on its way back? */
MUST_CHECK bool rollout_check_free(const struct system *system, struct err *err);
/* The operation that waits for it; NULL: there is none, or the one under way is about something
 * else. */
struct operation *rollout_follower(const struct rollout *rollout);
/* Is the next step the last one? */
bool rollout_is_last(const struct rollout *rollout);

/* ---- rollout_drive.c ---- */

void rollout_drive(struct system *system, const struct reconcile_view *view,
                   const struct plan *plan);
/* Tells the plan what is to be done with the service of <row>. */
void rollout_direct_service(const struct system *system, struct plan_service *row);
/* Is one under way in which the old instances of <service> end before the new ones start? */
bool rollout_recreates(const struct system *system, const char *service);
/* Is one under way that leaves <service> as it was? */
bool rollout_leaves(const struct system *system, const char *service);
/* The longest time that a stage of this step is watched; *ret_manual: a person decides then. */
uint64_t rollout_bake_ms(const struct rollout *rollout, bool *ret_manual);

/* ---- rollout_tracks.c ---- */

/* Fills in services, times and test host from both releases. */
void rollout_make_tracks(struct rollout *rollout);
struct rollout_service *rollout_find_service(const struct rollout *rollout, const char *name);
/* Does something run to its end before new instances of <service> start? */
bool rollout_migrates(const struct rollout_service *service);
/* The strategy of the service that is treated with most care. */
enum rollout_strategy rollout_strategy_of(const struct rollout *rollout);

/* ---- rollout_gate.c ---- */

/* The edge has an upstream of that name: its counters are looked at. */
void rollout_note_upstream(struct rollout *rollout, const char *name);
/* The step begins: what is counted from here on is of it. */
void rollout_start_counting(struct rollout *rollout);
/* What was counted since, of the old release or the <new> one. */
void rollout_count(struct rollout *rollout, bool new, struct meter *ret);
/* GATE_GOOD when no service has a gate. <ret_why> has GATE_WHY_BYTES. */
enum gate_verdict rollout_check_gate(struct rollout *rollout, char *ret_why);

/* ---- rollout_report.c ---- */

/* Tells the operation and who follows the events. */
void rollout_tell(struct rollout *rollout);
/* The answer of GET rollout; new reference. */
json_t *rollout_json(const struct system *system);
/* What changes, by which strategy, in which steps: the plan of a deploy. <unbuilt> are the services
 * that have to be built first. New reference. */
json_t *rollout_plan_json(const struct rollout *rollout, const struct compose_texts *unbuilt);
/* The same where nothing that runs is replaced or removed: what <to> adds to it. Empty: nothing. */
json_t *rollout_plain_plan_json(const struct system *system, const struct release *to,
                                const struct compose_texts *unbuilt);
