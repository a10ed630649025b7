/* SPDX-License-Identifier: Apache-2.0
 *
 * What to do next. A pure function from what is wanted and what is there to a
 * list of steps; control/reconcile.c takes the steps and asks again whenever
 * something has changed. It has no memory: a daemon that was killed comes to
 * the same steps from the same state.
 *
 * A service is replaced by starting its new instances beside the old ones;
 * traffic moves in one step when all of the new ones are ready. An exclusive
 * service (two cannot share its data) is stopped first. A rollout (rollout.h)
 * directs it in smaller steps: how many new ones, which old ones stay, who takes
 * traffic.
 */
#pragma once

#include "base/base.h"
#include "deploy/instance_fsm.h"

enum plan_condition { PLAN_DEP_STARTED, PLAN_DEP_HEALTHY, PLAN_DEP_COMPLETED };

struct plan_dependency {
    size_t service; /* index */
    enum plan_condition condition;
    bool required;
};

enum plan_migration {
    PLAN_NO_MIGRATION,
    PLAN_MIGRATION_NEEDED,
    PLAN_MIGRATION_RUNS,
    PLAN_MIGRATION_DONE,
    PLAN_MIGRATION_FAILED
};

/* What a person said of a service that is wanted. Whoever depends on one that is held does not wait
 * for it. */
enum plan_hold {
    PLAN_HOLD_NONE,    /* it runs */
    PLAN_HOLD_STOPPED, /* nothing of it runs; the instances that are there stay */
    PLAN_HOLD_CREATED, /* the same, and those that are missing are made */
    PLAN_HOLD_EMPTY,   /* it has no instances */
    PLAN_HOLD_COUNT
};

enum plan_traffic {
    PLAN_TRAFFIC_SWITCH, /* the new ones as soon as all are ready, until then the old ones */
    PLAN_TRAFFIC_OLD,    /* the old ones while one of them is ready */
    PLAN_TRAFFIC_NEW,    /* the new ones while one of them is ready */
    PLAN_TRAFFIC_BOTH,
};

/* What a rollout says of a service. Zero: the service is replaced as a whole. */
struct plan_directive {
    bool directed;      /* the rest counts */
    uint32_t new_limit; /* so many of the wanted ones may exist for now */
    uint32_t old_keep;  /* so many old ones go on although the new ones are ready */
    bool lets_go;       /* old ones that are on their way out are not waited for */
    bool thins_early;   /* old ones beyond old_keep go while the new ones start, not after */
    bool stops_first;   /* old ones beyond old_keep end before new ones start */
    bool keeps_ended;   /* old ones that have ended stay: they may be wanted again */
    bool is_patient;    /* one that is unhealthy has not failed yet */
    uint32_t tolerated; /* so many new ones may fail */
};

struct plan_service {
    const char *name;
    const char *hash;     /* of everything that makes an instance what it is */
    const char *old_hash; /* of those that a rollout replaces; NULL: of all others */
    enum plan_traffic traffic;
    struct plan_directive directive;
    uint32_t wanted_count; /* 0: none */
    enum plan_hold hold;
    bool aside; /* steps are taken for it, but the verdict is not about it */
    bool exclusive;
    const struct plan_dependency *deps;
    size_t dep_count;
    enum plan_migration migration; /* of the wanted hash */
};

struct plan_instance {
    const char *id;
    size_t service;
    uint32_t number; /* 1... within the service */
    const char *hash;
    enum instance_state state;
    int exit_status;   /* EXITED */
    uint32_t failures; /* times it ended, or could not start, since it was last ready */
    bool stopped;      /* EXITED because it was asked to */
    bool paused;       /* frozen: takes no traffic */
};

enum plan_verb {
    PLAN_CREATE,  /* a new instance of <service> with <number>; it stays pending when held */
    PLAN_START,   /* an exited or pending <instance> */
    PLAN_STOP,    /* <instance> */
    PLAN_REMOVE,  /* <instance> */
    PLAN_MIGRATE, /* run <service>'s migration */
};

struct plan_step {
    enum plan_verb verb;
    size_t service;
    size_t instance; /* index; not for CREATE and MIGRATE */
    uint32_t number; /* CREATE */
};

enum plan_verdict {
    PLAN_WORKING,   /* steps to take, or something to wait for */
    PLAN_CONVERGED, /* everything is as wanted */
    PLAN_FAILED,    /* <failed_service> cannot become what is wanted */
};

enum { PLAN_MAX_STEPS = 512, PLAN_FAILURES = 3 };

struct plan {
    enum plan_verdict verdict;
    size_t failed_service;
    size_t failed_instance;                 /* SIZE_MAX: none in particular */
    const char *why;                        /* with PLAN_FAILED */
    struct plan_step steps[PLAN_MAX_STEPS]; /* what does not fit comes in the next round */
    size_t step_count;
};

/* What the plan is made for decides about failure: while an operation waits,
 * a service that fails ends it; afterwards restarts just go on. */
void plan_make(const struct plan_service *services, size_t service_count,
               const struct plan_instance *instances, size_t instance_count, struct plan *ret);

/* Is <instance> as <service> wants it? */
bool plan_is_new(const struct plan_service *service, const struct plan_instance *instance);
/* Does <instance> take traffic? As the service's `traffic` says; when nobody of those is ready, the
 * ready ones of the others do. */
bool plan_takes_traffic(const struct plan_service *service, const struct plan_instance *instances,
                        size_t instance_count, const struct plan_instance *instance);
