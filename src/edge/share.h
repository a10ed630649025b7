/* SPDX-License-Identifier: Apache-2.0
 *
 * What all workers know together of a target that may have only so many
 * requests at once: how many there are, and which workers have requests that
 * wait for room. It belongs to the tables that name the target, from one to the
 * next; only targets with a limit have one.
 */
#pragma once

#include "base/base.h"

struct table;
struct worker;

struct share {
    uint32_t refs;    /* atomic, as all of it: tables */
    uint32_t active;  /* requests and tunnels */
    uint64_t waiting; /* bit for each worker */
};

/* Gives each target of <table> with a limit its share: that of <former>, which may be NULL, when it
 * was there. Main thread, before a worker has <table>. */
void share_plan(struct table *table, const struct table *former);
void share_unref(struct share *share); /* takes NULL */

static inline uint32_t share_active(const struct share *share)
{
    return __atomic_load_n(&share->active, __ATOMIC_RELAXED);
}
/* False: there are <max> already. */
bool share_take(struct share *share, uint32_t max);
/* One less. */
void share_release(struct share *share);
/* There is room: tells the other workers that wait for it. */
void share_tell(struct share *share, struct worker *worker);
/* <worker> is to be told when there is room. */
void share_await(struct share *share, const struct worker *worker);
