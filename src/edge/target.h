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

enum {
    TARGET_MAX_IDLE = 1024,
    TARGET_EJECT_MS = 1000,           /* after a refused connection, without other policy */
    TARGET_EJECT_MAX_MS = 300 * 1000, /* however often it failed */
};

struct target {
    struct list link; /* in worker.targets */
    struct list idle; /* struct target_conn, the last used first */
    uint32_t idle_count;
    struct list sessions; /* struct h2_target, of upstreams that speak HTTP/2 */
    uint32_t active;      /* requests and tunnels */
    uint32_t views;       /* that point here */
    uint32_t weight;
    bool draining; /* by the newest table: draining or not in it */
    bool sick;     /* its check failed: it gets nothing new (check.h) */
    bool unreported;
    bool on_trial;             /* was left out and is asked again: by one request at a time */
    uint8_t ejections;         /* since it last answered well */
    uint32_t fails;            /* in a row */
    uint64_t ejected_until_ns; /* failed: skipped until then */
    uint64_t born_ns;          /* slow start; 0: came with the first table */
    uint64_t hash;             /* of its id */
    uint64_t token;            /* its name in cookies; 0: in none yet */
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
    struct worker *worker;
    struct table *table;
    uint32_t users; /* the worker while it is the newest, and each exchange */
    struct target **targets;
    int64_t *turns; /* round robin: for each target what it has earned; NULL: nobody needs it */
    uint32_t next;  /* where the search for the least busy starts: ties go round */
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

/* One request more or less. */
void target_take(struct target *target);
void target_release(struct worker *worker, struct target *target);
/* A connection was refused or timed out. */
void target_eject(struct target *target, const struct upstream_balance *balance, uint64_t now_ns);
/* It did not answer, or by 5xx; true: that was one time too many, and it is left out now. Only
 * for those whose <balance> has a limit. */
bool target_note_failure(struct target *target, const struct upstream_balance *balance,
                         uint64_t now_ns);
void target_note_success(struct target *target, uint64_t now_ns);
/* What the check of all that are called <id> says. */
void target_note_health(struct worker *worker, struct str id, bool sick);
