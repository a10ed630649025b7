/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "deploy/rollout.h"

#define X(id, name) [ROLLOUT_##id] = name,
static const char *const strategy_names[] = {ROLLOUT_STRATEGIES(X)};
#undef X

enum rollout_strategy rollout_strategy_parse(const char *name)
{
    size_t i = 0;

    while (i < ARRAY_LEN(strategy_names) && strcmp(strategy_names[i], name) != 0)
        i++;
    return (enum rollout_strategy)i;
}

const char *rollout_strategy_name(enum rollout_strategy strategy)
{
    assert((size_t)strategy < ARRAY_LEN(strategy_names));
    return strategy_names[strategy];
}

uint32_t rollout_count_of(struct rollout_count count, uint32_t total, bool up)
{
    if (count.percent == 0)
        return MIN(count.number, total);
    uint64_t hundredths = (uint64_t)total * MIN(count.percent, 100U);
    return (uint32_t)((hundredths + (up ? 99 : 0)) / 100);
}

/* ---- tracks ---- */

static struct rollout_stage *add_stage(struct rollout_track *track)
{
    assert(track->stage_count < ROLLOUT_MAX_STAGES);
    struct rollout_stage *stage = &track->stages[track->stage_count++];
    *stage = (struct rollout_stage){0};
    return stage;
}

/* <part> of <whole>, rounded up. */
static uint32_t part_of(uint32_t part, uint32_t whole, uint32_t count)
{
    return (uint32_t)(((uint64_t)count * part + whole - 1) / whole);
}

/* Batches of surge + unavailable: so many may be there beyond the wanted number, so many may be
 * missing. */
static void add_batches(const struct rollout_terms *terms, struct rollout_track *track)
{
    uint32_t total = terms->new_count;
    uint32_t surge = rollout_count_of(terms->max_surge, total, true);
    uint32_t missing = rollout_count_of(terms->max_unavailable, total, false);
    uint32_t left = terms->old_count;

    if (surge + missing == 0)
        surge = 1;
    track->stops_first = surge == 0;
    for (uint32_t done = 0; done < total;) {
        struct rollout_stage *stage = add_stage(track);
        done = MIN(done + surge + missing, total);
        stage->new_limit = done;
        stage->share = (uint32_t)((uint64_t)done * ROLLOUT_WHOLE / total);
        stage->old_keep = MIN(left, part_of(total - done, total, terms->old_count));
        stage->old_first =
            track->stops_first ? stage->old_keep : MAX(stage->old_keep, left - MIN(left, missing));
        left = stage->old_keep;
    }
}

/* All traffic stays where it is, or a share of it moves, and all old ones stay. */
static void add_share(const struct rollout_terms *terms, struct rollout_track *track,
                      uint32_t share, uint32_t new_limit)
{
    struct rollout_stage *stage = add_stage(track);

    stage->share = share;
    stage->new_limit = new_limit;
    stage->old_first = stage->old_keep = terms->old_count;
}

static void add_steps(const struct rollout_terms *terms, struct rollout_track *track)
{
    size_t count = MIN(terms->share_count, (size_t)ROLLOUT_MAX_STEPS);

    for (size_t i = 0; i < count; i++)
        if (terms->shares[i] < ROLLOUT_WHOLE)
            add_share(terms, track, terms->shares[i],
                      part_of(terms->shares[i], ROLLOUT_WHOLE, terms->new_count));
}

static void add_stages(const struct rollout_terms *terms, struct rollout_track *track)
{
    switch (terms->strategy) {
    case ROLLOUT_ROLLING:
        add_batches(terms, track);
        return;
    case ROLLOUT_CANARY:
        add_steps(terms, track);
        break;
    case ROLLOUT_AB:
        add_share(terms, track, MIN(terms->split_share, (uint32_t)ROLLOUT_WHOLE - 1),
                  terms->new_count);
        break;
    case ROLLOUT_BLUE_GREEN:
        if (terms->manual)
            add_share(terms, track, 0, terms->new_count);
        break;
    case ROLLOUT_AUTO:
    case ROLLOUT_RECREATE:
    case ROLLOUT_STRATEGY_COUNT:
        break;
    }
    add_share(terms, track, ROLLOUT_WHOLE, terms->new_count);
}

/* Does a person decide after a stage of it that is not the last? */
static bool asks(const struct rollout_terms *terms)
{
    return terms->strategy == ROLLOUT_AB || terms->manual;
}

void rollout_track_make(const struct rollout_terms *terms, struct rollout_stage *stages,
                        struct rollout_track *ret)
{
    *ret = (struct rollout_track){
        .strategy = terms->strategy, .old_count = terms->old_count, .stages = stages};
    add_stages(terms, ret);
    if (ret->stage_count == 0) /* it has no instances any more */
        add_share(terms, ret, ROLLOUT_WHOLE, 0);
    for (size_t i = 0; i < ret->stage_count; i++) {
        bool is_last = i + 1 == ret->stage_count;
        stages[i].manual = !is_last && asks(terms);
        stages[i].bake_ms = is_last ? terms->monitor_ms : MAX(terms->bake_ms, terms->monitor_ms);
    }
}

/* ---- where it stands ---- */

static size_t index_of(const struct rollout_track *track, size_t step, size_t steps)
{
    assert(step < steps && track->stage_count <= steps);
    if (track->comes_first)
        return MIN(step, track->stage_count - 1);
    size_t later = steps - track->stage_count;
    return step < later ? SIZE_MAX : step - later;
}

const struct rollout_stage *rollout_track_stage(const struct rollout_track *track, size_t step,
                                                size_t steps)
{
    size_t index = index_of(track, step, steps);
    return index == SIZE_MAX ? NULL : &track->stages[index];
}

/* Has the traffic of the step not moved yet? What came first has arrived when its stages are over.
 */
static bool is_starting(const struct rollout_track *track, const struct rollout_position *at)
{
    if (track->comes_first && at->step >= track->stage_count)
        return false;
    return at->state == ROLLOUT_MIGRATING || at->state == ROLLOUT_STARTING ||
           (at->state == ROLLOUT_WAITING && at->paused);
}

static bool is_after_switch(enum rollout_state state)
{
    return state == ROLLOUT_KEEPING || state == ROLLOUT_DRAINING || state == ROLLOUT_GUARDING ||
           state == ROLLOUT_DONE;
}

uint32_t rollout_share(const struct rollout_track *track, const struct rollout_position *at)
{
    if (at->state == ROLLOUT_ABORTING || at->state == ROLLOUT_ROLLED_BACK)
        return 0;
    if (is_after_switch(at->state))
        return ROLLOUT_WHOLE;
    size_t index = index_of(track, at->step, at->steps);
    if (index == SIZE_MAX)
        return 0;
    if (!is_starting(track, at))
        return track->stages[index].share;
    return index == 0 ? 0 : track->stages[index - 1].share;
}

enum plan_traffic rollout_traffic(const struct rollout_track *track,
                                  const struct rollout_position *at)
{
    uint32_t share = rollout_share(track, at);

    if (at->state == ROLLOUT_ABORTING || at->state == ROLLOUT_ROLLED_BACK || share == ROLLOUT_WHOLE)
        return PLAN_TRAFFIC_NEW; /* on the way back the old ones are what is wanted */
    if (rollout_track_stage(track, at->step, at->steps) == NULL)
        return PLAN_TRAFFIC_OLD;
    switch (track->strategy) {
    case ROLLOUT_ROLLING:
        return PLAN_TRAFFIC_BOTH; /* each as soon as it is ready */
    case ROLLOUT_AUTO:
    case ROLLOUT_RECREATE:
        return PLAN_TRAFFIC_SWITCH;
    case ROLLOUT_AB: /* a share of 0: only those whose cookie or header says so */
        return is_starting(track, at) &&
                       rollout_track_stage(track, at->step, at->steps) == &track->stages[0]
                   ? PLAN_TRAFFIC_OLD
                   : PLAN_TRAFFIC_BOTH;
    case ROLLOUT_BLUE_GREEN:
    case ROLLOUT_CANARY:
    case ROLLOUT_STRATEGY_COUNT:
        break;
    }
    return share == 0 ? PLAN_TRAFFIC_OLD : PLAN_TRAFFIC_BOTH;
}

/* The old ones are back, or on their way: the new ones go when these are all there. */
static void direct_back(struct plan_service *ret)
{
    ret->traffic = PLAN_TRAFFIC_NEW;
    ret->directive =
        (struct plan_directive){.directed = true, .new_limit = UINT32_MAX, .lets_go = true};
    ret->old_hash = NULL;
}

static void direct_stage(const struct rollout_track *track, const struct rollout_position *at,
                         struct plan_service *ret)
{
    const struct rollout_stage *stage = rollout_track_stage(track, at->step, at->steps);
    struct plan_directive *directive = &ret->directive;

    directive->thins_early = true;
    if (stage == NULL) {
        directive->old_keep = UINT32_MAX;
        return;
    }
    directive->new_limit = stage->new_limit;
    directive->old_keep = is_starting(track, at) ? stage->old_first : stage->old_keep;
    if (directive->old_keep == track->old_count)
        directive->old_keep = UINT32_MAX; /* those of numbers that are wanted no more, too */
    directive->stops_first = track->stops_first;
    directive->lets_go = !track->stops_first;
}

void rollout_direct(const struct rollout_track *track, const struct rollout_position *at,
                    struct plan_service *ret)
{
    ret->exclusive |= track->strategy == ROLLOUT_RECREATE; /* on the way back, too */
    if (at->state == ROLLOUT_ABORTING || at->state == ROLLOUT_ROLLED_BACK) {
        direct_back(ret);
        return;
    }
    bool after = is_after_switch(at->state);
    ret->directive = (struct plan_directive){
        .directed = true,
        .new_limit = after ? UINT32_MAX : 0,
        .old_keep = at->state == ROLLOUT_KEEPING ? UINT32_MAX : 0,
        .lets_go = at->state == ROLLOUT_KEEPING,
        .keeps_ended = !after || at->state == ROLLOUT_KEEPING,
        .is_patient = after,
        .tolerated = at->tolerates ? UINT32_MAX : 0,
    };
    if (!after)
        direct_stage(track, at, ret);
    ret->traffic = rollout_traffic(track, at);
}

void rollout_direct_other(const struct rollout_position *at, bool removed, struct plan_service *ret)
{
    bool stays = removed && at->state <= ROLLOUT_KEEPING;

    if (stays)
        ret->directive = (struct plan_directive){.directed = true, .old_keep = UINT32_MAX};
    else if (!removed) /* what drains since the rollout before does so by itself */
        ret->directive = (struct plan_directive){.directed = true,
                                                 .new_limit = UINT32_MAX,
                                                 .lets_go = true,
                                                 .is_patient = is_after_switch(at->state)};
}
