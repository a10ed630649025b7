/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "edge/tally.h"

/* An entry: 40 bits of the key, 24 of the count; without a count it is free. */
enum { COUNT_BITS = 24 };
#define COUNT_MASK ((UINT64_C(1) << COUNT_BITS) - 1)

/* NULL: it is not there. <ret_free> is a place without a count, or NULL. */
static uint64_t *find(uint64_t set[TALLY_WAYS], uint64_t tag, uint64_t *ret, uint64_t **ret_free)
{
    *ret_free = NULL;
    for (size_t i = 0; i < TALLY_WAYS; i++) {
        uint64_t entry = __atomic_load_n(&set[i], __ATOMIC_RELAXED);
        if ((entry & COUNT_MASK) == 0) {
            *ret_free = &set[i];
        } else if (entry >> COUNT_BITS == tag) {
            *ret = entry;
            return &set[i];
        }
    }
    return NULL;
}

static bool swap(uint64_t *place, uint64_t from, uint64_t to)
{
    return __atomic_compare_exchange_n(place, &from, to, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

enum tally_result tally_add(struct tally_table *table, uint64_t key, uint32_t max)
{
    uint64_t *set = table->entries[key % TALLY_SETS], tag = key >> COUNT_BITS;

    for (;;) { /* another thread moved on whenever this one starts again */
        uint64_t entry, *unused, *place = find(set, tag, &entry, &unused);
        if (max == 0 || (place != NULL && (entry & COUNT_MASK) >= max))
            return TALLY_FULL;
        if (place == NULL && unused == NULL)
            return TALLY_UNCOUNTED;
        if (place != NULL) {
            if (swap(place, entry, entry + 1))
                return TALLY_ADDED;
            continue;
        }
        entry = __atomic_load_n(unused, __ATOMIC_RELAXED);
        if ((entry & COUNT_MASK) == 0 && swap(unused, entry, tag << COUNT_BITS | 1))
            return TALLY_ADDED;
    }
}

void tally_remove(struct tally_table *table, uint64_t key)
{
    uint64_t *set = table->entries[key % TALLY_SETS], tag = key >> COUNT_BITS;

    for (;;) {
        uint64_t entry, *unused, *place = find(set, tag, &entry, &unused);
        if (place == NULL) /* two threads added it in two places, and the other removed both */
            return;
        if (swap(place, entry, entry - 1))
            return;
    }
}
