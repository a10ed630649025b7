/* SPDX-License-Identifier: Apache-2.0
 *
 * Token buckets in fixed memory, shared by all workers without locks. A bucket
 * is one word, by the generic cell rate algorithm (ITU-T I.371): the time at
 * which the bucket will be full again. A table has sets of one cache line; a key
 * that is not in its set takes the place of the bucket that has been full for
 * longest, so what is forgotten first is what would have been let through.
 *
 * Keys are hashes with the secret of this process (base/hash.h): nobody can aim
 * at a set. Of a key a set keeps 20 bits, so two of a full set are one with a
 * probability of 1 to 131,072.
 */
#pragma once

#include "base/base.h"

enum {
    BUCKET_SETS = 8192,
    BUCKET_WAYS = 8,
    BUCKET_MAX_DAYS = 30, /* longest time to fill a bucket */
};

/* Zero is a valid start. */
struct bucket_table {
    uint64_t entries[BUCKET_SETS][BUCKET_WAYS];
} __attribute__((aligned(64)));

struct bucket_rate {
    uint64_t step_us; /* time that brings one token; at least 1 */
    uint64_t fill_us; /* time from empty to full: burst times step */
};

/* <requests> in <seconds> with at most <burst> at once. False: it cannot be counted, because
 * a number is 0, a token takes less than a microsecond or the bucket more than
 * BUCKET_MAX_DAYS. */
MUST_CHECK bool bucket_rate_init(struct bucket_rate *rate, uint64_t requests, uint64_t seconds,
                                 uint64_t burst);

/* Takes a token from the bucket of <key>. False: there is none, and the next one comes in
 * <ret_wait_us>. <now_us> does not go back by more than a moment. Any thread. */
bool bucket_take(struct bucket_table *table, uint64_t key, const struct bucket_rate *rate,
                 uint64_t now_us, uint64_t *ret_wait_us);
