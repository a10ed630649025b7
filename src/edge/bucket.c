/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "edge/bucket.h"

/* An entry: 20 bits of the key, 44 bits of microseconds, which come round after 203 days. A time
 * that a bucket cannot have is one of a former round: the bucket is full. */
enum { TIME_BITS = 44 };
#define TIME_MASK ((UINT64_C(1) << TIME_BITS) - 1)
#define MAX_US    (BUCKET_MAX_DAYS * UINT64_C(86400) * 1000000)

static_assert(sizeof((struct bucket_table){0}.entries[0]) == 64, "a set is a cache line");

bool bucket_rate_init(struct bucket_rate *rate, uint64_t requests, uint64_t seconds, uint64_t burst)
{
    if (requests == 0 || seconds == 0 || burst == 0 || seconds > MAX_US / 1000000)
        return false;
    rate->step_us = seconds * 1000000 / requests;
    if (rate->step_us == 0 || burst > MAX_US / rate->step_us)
        return false;
    rate->fill_us = burst * rate->step_us;
    return true;
}

/* How long until the bucket of <entry> is full: 0 when it is. */
static uint64_t time_left(uint64_t entry, uint64_t now_us)
{
    uint64_t left = ((entry & TIME_MASK) - now_us) & TIME_MASK;

    return left > 2 * MAX_US ? 0 : left;
}

/* How long the bucket has been full, for the choice of whom to forget. */
static uint64_t time_full(uint64_t entry, uint64_t now_us)
{
    return time_left(entry, now_us) > 0 ? 0 : (now_us - (entry & TIME_MASK)) & TIME_MASK;
}

/* The place of <tag>, or the one it may have. */
static uint64_t *find(uint64_t set[BUCKET_WAYS], uint64_t tag, uint64_t now_us, uint64_t *ret)
{
    uint64_t *oldest = &set[0];
    uint64_t longest = 0, shortest = UINT64_MAX;

    for (size_t i = 0; i < BUCKET_WAYS; i++) {
        uint64_t entry = __atomic_load_n(&set[i], __ATOMIC_RELAXED);
        if (entry >> TIME_BITS == tag && entry != 0) {
            *ret = entry;
            return &set[i];
        }
        uint64_t full = entry == 0 ? UINT64_MAX : time_full(entry, now_us);
        uint64_t left = full > 0 ? 0 : time_left(entry, now_us);
        if (i == 0 || full > longest || (full == longest && left < shortest)) {
            oldest = &set[i];
            *ret = entry;
            longest = full;
            shortest = left;
        }
    }
    return oldest;
}

bool bucket_take(struct bucket_table *table, uint64_t key, const struct bucket_rate *rate,
                 uint64_t now_us, uint64_t *ret_wait_us)
{
    uint64_t *set = table->entries[key % BUCKET_SETS], tag = key >> TIME_BITS;

    for (;;) { /* another thread took a token whenever this one starts again */
        uint64_t entry = 0;
        uint64_t *place = find(set, tag, now_us, &entry);
        bool known = entry != 0 && entry >> TIME_BITS == tag;
        uint64_t left = known ? time_left(entry, now_us) : 0;
        if (left > rate->fill_us) /* of a former round */
            left = 0;
        if (left + rate->step_us > rate->fill_us) {
            *ret_wait_us = left + rate->step_us - rate->fill_us;
            return false;
        }
        left += rate->step_us;
        uint64_t next = tag << TIME_BITS | ((now_us + left) & TIME_MASK);
        if (__atomic_compare_exchange_n(place, &entry, next, false, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED))
            return true;
    }
}
