/* SPDX-License-Identifier: Apache-2.0
 *
 * The reserve of memory (base/mem.h) of a thread that has a loop: tells its
 * owner when memory becomes short, while it is, and when that is over.
 */
#pragma once

#include "base/base.h"
#include "io/loop.h"

enum { RESERVE_TICK_MS = 25 };

enum reserve_event {
    RESERVE_SHORT, /* memory has become short: let go of what can be done without */
    RESERVE_STILL, /* again each RESERVE_TICK_MS */
    RESERVE_OVER,
};

struct reserve;
/* From the loop; may allocate. */
typedef void reserve_fn(struct reserve *reserve, enum reserve_event event);

/* Zero is the stopped state. Embedded in its owner. */
struct reserve {
    struct loop *loop;
    struct deferred begun;
    struct timer tick;
    reserve_fn *fn;
};

/* For the calling thread, which is the one that runs <loop>. */
void reserve_start(struct reserve *reserve, struct loop *loop, size_t bytes, reserve_fn *fn);
/* In the same thread. */
void reserve_stop(struct reserve *reserve);
