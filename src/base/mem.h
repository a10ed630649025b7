/* SPDX-License-Identifier: Apache-2.0
 *
 * What a thread does when memory runs out. mem_new() and mem_grow() never give
 * NULL: a thread that asked for a reserve gives back a piece of it when an
 * allocation fails, and the allocation is tried again. From then on memory is
 * short for that thread, and it should let go of what it can do without. Only
 * when the reserve is used up too does the process end.
 *
 * The reserve is the thread's own, because what one thread frees may be of no
 * use to another: the C library gives each its own arena. At first its pieces
 * are mappings, which cost address space and no memory; those that take their
 * place later are of the heap, which seldom gives back what it has.
 */
#pragma once

#include "base/base.h"

enum {
    MEM_RESERVE_PIECES = 16,
    MEM_ENOUGH_PIECES = 12,
    MEM_QUIET_REFILLS = 2, /* without another failure between: memory is not short any more */
};

/* Called once when memory becomes short, from within the allocation that failed: it may note that,
 * no more. */
typedef void mem_short_fn(void *arg);

/* Takes <bytes>, as far as they can be had, for the calling thread. <fn> may be NULL. Once. */
void mem_reserve(size_t bytes, mem_short_fn *fn, void *arg);
/* Before the thread ends. */
void mem_reserve_done(void);

/* Of the calling thread; always false without a reserve. */
bool mem_is_short(void);

/* Tries to complete the reserve. To be called now and then while memory is short, which is over
 * when most of the reserve is back and the last few calls had no failed allocation between them.
 * Returns mem_is_short(). */
bool mem_reserve_refill(void);

/* realloc(), for a library that can cope with NULL: it may use up half of the reserve. */
void *mem_try(void *ptr, size_t size) MUST_CHECK;

/* For a call of a library that may fail for want of memory only, and must not: gives back a piece
 * of the reserve, so that the caller can try again; ends the process when there is none. */
void mem_make_room(void);
