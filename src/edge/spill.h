/* SPDX-License-Identifier: Apache-2.0
 *
 * Bytes that have to wait: half a request head, what a slow reader has not taken
 * yet. Borrowed from the worker's free lists and given back as soon as it is
 * empty, so a connection that waits for nothing holds no buffer.
 */
#pragma once

#include "base/base.h"
#include "base/str.h"

struct spill {
    struct spill *next; /* in a free list */
    uint32_t class;
    uint32_t cap;
    uint32_t from; /* bytes before it were used up */
    uint32_t end;
    char bytes[];
};

enum { SPILL_CLASSES = 4, SPILL_KEPT_BYTES = 1024 * 1024, SPILL_MAX_BYTES = 1024 * 1024 };

/* Zero is a valid start. */
struct spill_pool {
    struct spill *free[SPILL_CLASSES];
    size_t kept_bytes[SPILL_CLASSES]; /* at most SPILL_KEPT_BYTES each */
};

/* Room for <size> bytes or more, at most SPILL_MAX_BYTES. */
struct spill *spill_new(struct spill_pool *pool, size_t size) MUST_CHECK;
/* Takes NULL. */
void spill_free(struct spill_pool *pool, struct spill *spill);
void spill_pool_done(struct spill_pool *pool);

/* Appends to *<spill>, which may be NULL and may move. */
void spill_add(struct spill_pool *pool, struct spill **spill, const void *bytes, size_t len);

static inline struct str spill_str(const struct spill *spill)
{
    return spill == NULL ? (struct str){0}
                         : str_from(spill->bytes + spill->from, spill->end - spill->from);
}

/* Uses up the first <len> bytes; an empty spill is freed and *<spill> becomes NULL. */
void spill_drop(struct spill_pool *pool, struct spill **spill, size_t len);
