/* SPDX-License-Identifier: Apache-2.0
 *
 * Text to pointer, in order of insertion. Keys are copied, values are not
 * owned. Hashed with a per-process secret, so keys may come from outside.
 * Zero is a valid start. One thread at a time.
 */
#pragma once

#include "base/base.h"
#include "base/str.h"

struct map_entry {
    char *key; /* NULL: removed */
    size_t key_len;
    uint64_t hash;
    void *value;
};

struct map {
    struct map_entry *entries;
    size_t len;  /* slots used in entries, removed ones included */
    size_t live; /* keys present */
    size_t cap;
    uint32_t *index; /* entry number + 1; 0 is free */
    size_t index_cap;
};

void map_done(struct map *map);
AUTO_VALUE(struct map, map_done)

/* NULL when <key> is not there. */
void *map_find(const struct map *map, struct str key);

/* Adds or replaces; returns the former value or NULL. */
void *map_set(struct map *map, struct str key, void *value);

/* Returns the value taken out, or NULL. */
void *map_remove(struct map *map, struct str key);

/* for (size_t i = 0; (entry = map_next(&map, &i)) != NULL;) */
struct map_entry *map_next(const struct map *map, size_t *i);
