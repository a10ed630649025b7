/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests that wait because no target can take them: none exists, all refuse
 * connections, or all have as many requests as they may. First come, first
 * served, for each route and upstream by their names, so that those who wait go on
 * with the targets of a newer table. They leave when there is room, when their time is
 * over (an error with Retry-After), or when the client goes away. Each worker
 * has queues of its own; one exists while somebody waits.
 *
 * Nobody says when an address begins to take connections: while all refuse, the
 * first of the queue tries every QUEUE_TRIAL_MS, and takes the others along.
 */
#pragma once

#include "base/base.h"

struct exchange;
struct worker;

enum { QUEUE_TRIAL_MS = 50, RETRY_SHARE_PERCENT = 20, RETRY_MIN = 50, RETRY_WINDOW_MS = 5000 };

/* Lets <exchange>, which has no target, wait; or answers <status> when it has waited long enough or
 * too many wait. */
void queue_wait(struct exchange *exchange, int status);
/* It is over, or goes on. */
void queue_leave(struct exchange *exchange);
/* A target has room, or there are others: tries those who wait when this round is over. */
void queue_wake(struct worker *worker);
/* Retries of a worker, so that targets that fail do not get more requests for it. Zero is the
 * start. */
struct retry_budget {
    uint64_t window_ns; /* when the newer window began */
    uint32_t requests[2];
    uint32_t retries[2];
};

void retry_budget_add(struct retry_budget *budget, uint64_t now_ns);
/* One more retry, unless there were more than RETRY_SHARE_PERCENT of the requests, and more than
 * RETRY_MIN, within the last one or two windows of RETRY_WINDOW_MS. */
bool retry_budget_take(struct retry_budget *budget, uint64_t now_ns);
