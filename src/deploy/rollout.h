/* SPDX-License-Identifier: Apache-2.0
 *
 * The steps of a rollout. Pure: from what the file says of a service, how many
 * instances it had and is to have, to a track of stages; and from a track and
 * where the rollout stands to what the plan is told.
 *
 * The rollout of a system has as many steps as its longest track. A shorter track
 * walks its stages in the last steps, so that what is done in small steps is
 * watched before the rest is touched.
 */
#pragma once

#include "base/base.h"
#include "deploy/plan.h"
#include "deploy/rollout_fsm.h"

#define ROLLOUT_STRATEGIES(X)                                                                      \
    X(AUTO, "auto")             /* all new ones beside the old ones; the service switches once */  \
    X(ROLLING, "rolling")       /* some at a time */                                               \
    X(BLUE_GREEN, "blue-green") /* all services of the release switch together */                  \
    X(CANARY, "canary")         /* a growing share of the requests */                              \
    X(AB, "ab")                 /* two variants until a person decides */                          \
    X(RECREATE, "recreate")     /* the old ones end before the new ones start */

#define X(id, name) ROLLOUT_##id,
enum rollout_strategy { ROLLOUT_STRATEGIES(X) ROLLOUT_STRATEGY_COUNT };
#undef X

enum {
    ROLLOUT_WHOLE = 10000,  /* shares are counted in 1/10000 */
    ROLLOUT_MAX_STEPS = 20, /* that a file may list */
    ROLLOUT_MAX_STAGES = 101,
};

/* A number of instances, or a part of them. */
struct rollout_count {
    uint32_t number;
    uint32_t percent; /* counts when it is not 0 */
};

struct rollout_terms {
    enum rollout_strategy strategy;
    uint32_t old_count;
    uint32_t new_count;
    struct rollout_count max_surge; /* rolling */
    struct rollout_count max_unavailable;
    const uint32_t *shares; /* canary: of each step, growing */
    size_t share_count;
    uint32_t split_share; /* ab: of the new variant */
    uint64_t bake_ms;     /* of each stage but the last; rolling: pause between batches */
    uint64_t monitor_ms;  /* the least time that each stage is watched, the last one too */
    bool manual;          /* a person is asked after each stage but the last */
};

struct rollout_stage {
    uint32_t share;     /* of the traffic that the new ones take */
    uint32_t new_limit; /* so many new ones */
    uint32_t old_first; /* so many old ones while the new ones of the stage start */
    uint32_t old_keep;  /* so many old ones after */
    uint64_t bake_ms;
    bool manual;
};

struct rollout_track {
    enum rollout_strategy strategy;
    bool stops_first;
    bool comes_first; /* its stages are of the first steps: others wait for it to have ended */
    uint32_t old_count;
    struct rollout_stage *stages; /* the last one has the share ROLLOUT_WHOLE */
    size_t stage_count;
};

/* How many of <total>: a percentage is rounded up when <up>, and down otherwise. */
uint32_t rollout_count_of(struct rollout_count count, uint32_t total, bool up);

/* <stages> has room for ROLLOUT_MAX_STAGES and belongs to the track from then on. */
void rollout_track_make(const struct rollout_terms *terms, struct rollout_stage *stages,
                        struct rollout_track *ret);

/* The stage of <track> in step <step> of <steps>; NULL: its turn comes later. */
const struct rollout_stage *rollout_track_stage(const struct rollout_track *track, size_t step,
                                                size_t steps);

/* Where a rollout stands. */
struct rollout_position {
    enum rollout_state state;
    size_t step; /* from 0 */
    size_t steps;
    bool tolerates; /* failures end it no more: a person decides about them */
    bool paused;    /* WAITING because new instances failed before the traffic of the step moved */
};

/* What the plan is told of a service that the release replaces. Sets `traffic` and `directive`. */
void rollout_direct(const struct rollout_track *track, const struct rollout_position *at,
                    struct plan_service *ret);
/* The same for a service that the release takes away, or one that it leaves as it was (<removed>
 * false). */
void rollout_direct_other(const struct rollout_position *at, bool removed,
                          struct plan_service *ret);
/* The share of the traffic that goes to new instances. */
uint32_t rollout_share(const struct rollout_track *track, const struct rollout_position *at);

/* Who of a replaced service takes traffic. */
enum plan_traffic rollout_traffic(const struct rollout_track *track,
                                  const struct rollout_position *at);

/* ROLLOUT_STRATEGY_COUNT: there is no strategy of that name. */
enum rollout_strategy rollout_strategy_parse(const char *name);
const char *rollout_strategy_name(enum rollout_strategy strategy);
