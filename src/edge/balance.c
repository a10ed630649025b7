/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <math.h>

#include "base/clock.h"
#include "edge/balance.h"
#include "edge/share.h"
#include "edge/target.h"
#include "edge/worker.h"

/* How much a target is wanted; one of a lower rank is never passed over for a higher one. */
enum rank {
    RANK_GOOD,
    RANK_STARTING, /* slow start: not this one of its requests */
    RANK_OTHER_RELEASE,
    RANK_NO_SHARE,
    RANK_FAILED, /* a moment ago, or in this request */
    RANK_OTHER_FAILED,
    RANKS,
    RANK_FULL = RANKS,
    RANK_NONE,
};

enum { TWO_CHOICES_TRIES = 4 };

/* FNV-1a, then spread. */
uint64_t balance_hash(struct str text)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ (unsigned char)text.ptr[i]) * UINT64_C(0x100000001b3);
    return balance_mix(hash);
}

/* a is less busy than b for its weight */
static bool less_busy(const struct target *a, const struct target *b)
{
    return (uint64_t)a->active * b->weight < (uint64_t)b->active * a->weight;
}

/* One that is being tried again after failures gets one request until that is answered. */
static bool has_failed(const struct target *target, const struct pick *pick, uint64_t now_ns)
{
    return target == pick->avoid || target->ejected_until_ns > now_ns || target->on_trial;
}

/* Gets nothing, whatever the others are like: one that is leaving, or says that it cannot. */
static bool is_out(const struct target *target, const struct pick *pick)
{
    return target->sick || (target->draining && !pick->takes_draining);
}

/* ---- without policies: the least busy ---- */

static struct target *pick_plain(struct view *view, const struct table_upstream *from,
                                 struct pick *pick, uint64_t now_ns)
{
    struct target *best = NULL, *fallback = NULL;
    uint32_t best_at = 0, fallback_at = 0;

    view->next++;
    for (uint32_t i = 0; i < from->target_count; i++) {
        uint32_t at = from->first_target + (view->next + i) % from->target_count;
        struct target *target = view->targets[at];
        if (is_out(target, pick))
            continue;
        if (has_failed(target, pick, now_ns)) {
            if (fallback == NULL || fallback == pick->avoid ||
                (target != pick->avoid && less_busy(target, fallback))) {
                fallback = target;
                fallback_at = at;
            }
        } else if (best == NULL || less_busy(target, best)) {
            best = target;
            best_at = at;
        }
    }
    pick->at = best != NULL ? best_at : fallback_at;
    return best != NULL ? best : fallback;
}

/* ---- with policies ---- */

struct choice {
    struct view *view;
    const struct table_upstream *from;
    const struct upstream_balance *balance;
    struct pick *pick;
    uint64_t now_ns;
    int64_t earned; /* round robin: by all of them */
};

static bool has_share(const struct upstream_split *split, uint32_t release)
{
    for (size_t i = 0; split != NULL && i < split->share_count; i++)
        if (split->shares[i].release == release)
            return split->shares[i].share > 0;
    return split == NULL;
}

/* A new target's part of its requests grows with its age. */
static bool waits_for_start(const struct choice *choice, const struct target *target)
{
    uint64_t slow_ns = choice->balance->slow_start_ms * NS_PER_MS;
    uint64_t age_ns = choice->now_ns - target->born_ns;

    if (target->born_ns == 0 || age_ns >= slow_ns)
        return false;
    return worker_random(choice->view->worker) % slow_ns > age_ns;
}

static bool is_full(const struct choice *choice, uint32_t at)
{
    uint32_t max = choice->balance->max_connections;
    const struct share *share = choice->view->table->targets[at].share;

    return max != 0 &&
           (share != NULL ? share_active(share) : choice->view->targets[at]->active) >= max;
}

static enum rank rank_of(const struct choice *choice, uint32_t at)
{
    const struct target *target = choice->view->targets[at];
    const struct pick *pick = choice->pick;
    uint32_t release = choice->view->table->targets[at].release;

    if (is_out(target, pick))
        return RANK_NONE;
    if (is_full(choice, at))
        return RANK_FULL;
    bool other = pick->release != 0 && release != pick->release;
    if (has_failed(target, pick, choice->now_ns))
        return other ? RANK_OTHER_FAILED : RANK_FAILED;
    if (other)
        return has_share(choice->balance->split, release) ? RANK_OTHER_RELEASE : RANK_NO_SHARE;
    if (pick->release == 0 && !has_share(choice->balance->split, release))
        return RANK_NO_SHARE;
    return waits_for_start(choice, target) ? RANK_STARTING : RANK_GOOD;
}

/* Smooth weighted round robin: at each turn every good target earns its weight, and the richest,
 * whose turn it is, pays it all back. <turns> has a purse for each target of the table. */
static void earn(struct choice *choice, uint32_t at)
{
    uint32_t weight = choice->view->targets[at]->weight;

    choice->view->turns[at] += weight;
    choice->earned += weight;
}

/* Rendezvous hashing: each target draws a number by the key, the highest wins; when one leaves,
 * only its keys move. By weight: Schindler's logarithm. */
static double draw(const struct choice *choice, uint32_t at)
{
    const struct target *target = choice->view->targets[at];
    uint64_t bits = balance_mix(choice->pick->hash ^ target->hash);

    return (double)target->weight / -log(((double)(bits >> 11) + 0.5) * 0x1p-53);
}

static bool is_better(const struct choice *choice, uint32_t at, uint32_t best)
{
    const struct view *view = choice->view;

    switch (choice->balance->kind) {
    case BALANCE_ROUND_ROBIN:
        return view->turns[at] > view->turns[best];
    case BALANCE_HASH:
        return draw(choice, at) > draw(choice, best);
    case BALANCE_LEAST:
    case BALANCE_TWO_CHOICES:
        break;
    }
    return less_busy(view->targets[at], view->targets[best]);
}

/* The best of the lowest rank. */
static enum rank scan(struct choice *choice, uint32_t *ret)
{
    const struct table_upstream *from = choice->from;
    struct view *view = choice->view;
    enum rank lowest = RANK_NONE;

    view->next++;
    for (uint32_t i = 0; i < from->target_count; i++) {
        uint32_t at = from->first_target + (view->next + i) % from->target_count;
        enum rank rank = rank_of(choice, at);
        if (rank == RANK_GOOD && choice->balance->kind == BALANCE_ROUND_ROBIN)
            earn(choice, at);
        if (rank < lowest || (rank == lowest && rank < RANKS && is_better(choice, at, *ret))) {
            lowest = rank;
            *ret = at;
        }
    }
    return lowest;
}

/* Where it was before, as long as that is no worse than somewhere else. */
static bool find_sticky(const struct choice *choice, uint32_t *ret)
{
    const struct table_upstream *from = choice->from;

    for (uint32_t i = 0; i < from->target_count; i++) {
        uint32_t at = from->first_target + i;
        if (choice->view->targets[at]->token != choice->pick->sticky)
            continue;
        *ret = at;
        return rank_of(choice, at) <= RANK_STARTING;
    }
    return false;
}

/* Two at random, the less busy of them: as good as looking at all, and it costs the same for 2 and
 * for 1000 targets (Mitzenmacher). */
static bool find_of_two(const struct choice *choice, uint32_t *ret)
{
    const struct table_upstream *from = choice->from;

    for (int i = 0; i < TWO_CHOICES_TRIES; i++) {
        uint64_t random = worker_random(choice->view->worker);
        uint32_t a = from->first_target + (uint32_t)(random >> 32) % from->target_count;
        uint32_t b = from->first_target + (uint32_t)random % from->target_count;
        if (a == b || rank_of(choice, a) != RANK_GOOD || rank_of(choice, b) != RANK_GOOD)
            continue;
        *ret = less_busy(choice->view->targets[b], choice->view->targets[a]) ? b : a;
        return true;
    }
    return false;
}

static struct target *pick_by(struct choice *choice)
{
    struct pick *pick = choice->pick;

    if (pick->sticky != 0 && find_sticky(choice, &pick->at))
        return choice->view->targets[pick->at];
    if (choice->balance->kind == BALANCE_TWO_CHOICES && choice->from->target_count > 2 &&
        find_of_two(choice, &pick->at))
        return choice->view->targets[pick->at];
    enum rank rank = scan(choice, &pick->at);
    pick->is_full = rank == RANK_FULL;
    if (rank >= RANKS)
        return NULL;
    if (choice->balance->kind == BALANCE_ROUND_ROBIN)
        choice->view->turns[pick->at] -= choice->earned;
    return choice->view->targets[pick->at];
}

struct target *balance_pick(struct view *view, uint32_t upstream, struct pick *pick,
                            uint64_t now_ns)
{
    const struct table_upstream *from = &view->table->upstreams[upstream];

    pick->is_full = false;
    if (from->balance == NULL)
        return pick_plain(view, from, pick, now_ns);
    if (from->target_count == 0)
        return NULL;
    struct choice choice = {view, from, from->balance, pick, now_ns, 0};
    return pick_by(&choice);
}
