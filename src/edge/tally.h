/* SPDX-License-Identifier: Apache-2.0
 *
 * How many things of a key there are now, such as connections of an address, in
 * fixed memory that all workers share without locks. Nothing that counts is ever
 * forgotten: when a set is full of others, a new key is not counted at all.
 * Keys are hashes with the secret of this process (base/hash.h).
 */
#pragma once

#include "base/base.h"

enum { TALLY_SETS = 8192, TALLY_WAYS = 8, TALLY_MAX = (1 << 24) - 1 };

/* Zero is a valid start. */
struct tally_table {
    uint64_t entries[TALLY_SETS][TALLY_WAYS];
} __attribute__((aligned(64)));

enum tally_result {
    TALLY_ADDED,     /* tally_remove() must follow */
    TALLY_FULL,      /* there are <max> */
    TALLY_UNCOUNTED, /* no room for another key */
};

/* One more of <key>, unless there are <max>, which is at most TALLY_MAX. Any thread. */
enum tally_result tally_add(struct tally_table *table, uint64_t key, uint32_t max);
void tally_remove(struct tally_table *table, uint64_t key);
