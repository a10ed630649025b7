/* SPDX-License-Identifier: Apache-2.0
 *
 * Targets as one worker sees them: how busy each is, which idle connections it
 * has, whether it failed a moment ago. A target lives across tables as long as
 * its id and address stay; a view joins one table with the worker's targets.
 * Nothing here is shared between threads.
 */
#pragma once

#include "base/base.h"
#include "base/list.h"
#include "edge/conn.h"
#include "edge/table.h"

struct worker;
struct exchange;

enum { TARGET_MAX_IDLE = 1024, TARGET_EJECT_MS = 1000 };

struct target {
    struct list link; /* in worker.targets */
    struct list idle; /* struct target_conn, the last used first */
    uint32_t idle_count;
    uint32_t active; /* requests and tunnels */
    uint32_t views;  /* that point here */
    uint32_t weight;
    bool draining; /* by the newest table: draining or not in it */
    bool unreported;
    uint64_t ejected_until_ns; /* failed to connect: skipped until then */
    uint64_t generation;       /* of the newest table that has it */
    union socket_address address;
    struct str address_text; /* owned, as is id */
    struct str id;
};

/* A connection to a target: serving one exchange, or idle. */
struct target_conn {
    struct conn conn;
    struct target *target;
    struct exchange *exchange; /* NULL: idle */
    struct list link;          /* in target.idle */
    bool reused; /* has answered before: the other side may have closed it meanwhile */
};

struct view {
    struct table *table;
    uint32_t users; /* the worker while it is the newest, and each exchange */
    struct target **targets;
    uint32_t next; /* where the search for the least busy starts: ties go round */
};

/* Joins <table> (takes the reference) with the worker's targets and reports those that
 * drain and are idle. */
struct view *view_new(struct worker *worker, struct table *table);
static inline struct view *view_ref(struct view *view)
{
    view->users++;
    return view;
}
void view_unref(struct worker *worker, struct view *view);

/* The least busy target of <upstream>, by weight, that is not draining; one that failed a moment
 * ago, or is <avoid>, only when there is no other. NULL: there is none. */
struct target *view_pick(struct view *view, uint32_t upstream, const struct target *avoid,
                         uint64_t now_ns);

/* One request more or less. */
void target_take(struct target *target);
void target_release(struct worker *worker, struct target *target);
/* A connection was refused or timed out. */
void target_eject(struct target *target, uint64_t now_ns);
