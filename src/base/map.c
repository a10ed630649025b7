/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/hash.h"
#include "base/map.h"

void map_done(struct map *map)
{
    for (size_t i = 0; i < map->len; i++)
        free(map->entries[i].key);
    free(map->entries);
    free(map->index);
    *map = (struct map){0};
}

/* The index slot of <key>, or the free slot where it would go. */
static size_t slot_of(const struct map *map, struct str key, uint64_t hash)
{
    size_t mask = map->index_cap - 1;
    size_t slot = (size_t)hash & mask;

    while (map->index[slot] != 0) {
        const struct map_entry *entry = &map->entries[map->index[slot] - 1];
        if (entry->key != NULL && entry->hash == hash && entry->key_len == key.len &&
            memcmp(entry->key, key.ptr == NULL ? "" : key.ptr, key.len) == 0)
            break;
        slot = (slot + 1) & mask;
    }
    return slot;
}

static struct map_entry *find_entry(const struct map *map, struct str key)
{
    if (map->index_cap == 0)
        return NULL;
    uint32_t number = map->index[slot_of(map, key, hash_bytes(key.ptr, key.len))];
    return number == 0 ? NULL : &map->entries[number - 1];
}

/* Drops removed entries and builds an index at most half full. */
static void rebuild(struct map *map)
{
    size_t live = 0;

    for (size_t i = 0; i < map->len; i++)
        if (map->entries[i].key != NULL)
            map->entries[live++] = map->entries[i];
    map->len = live;
    map->cap = MAX((size_t)8, live * 2);
    map->entries = mem_grow(map->entries, map->cap * sizeof *map->entries);
    map->index_cap = 16;
    while (map->index_cap < map->cap * 2)
        map->index_cap *= 2;
    free(map->index);
    map->index = mem_new(map->index_cap * sizeof *map->index);
    for (size_t i = 0; i < map->len; i++) {
        size_t slot = (size_t)map->entries[i].hash & (map->index_cap - 1);
        while (map->index[slot] != 0)
            slot = (slot + 1) & (map->index_cap - 1);
        map->index[slot] = (uint32_t)(i + 1);
    }
}

void *map_find(const struct map *map, struct str key)
{
    const struct map_entry *entry = find_entry(map, key);
    return entry == NULL ? NULL : entry->value;
}

void *map_set(struct map *map, struct str key, void *value)
{
    struct map_entry *entry = find_entry(map, key);

    if (entry != NULL) {
        void *former = entry->value;
        entry->value = value;
        return former;
    }
    if (map->len == map->cap)
        rebuild(map);
    uint64_t hash = hash_bytes(key.ptr, key.len);
    char *copy = mem_new(key.len + 1);
    if (key.len > 0)
        memcpy(copy, key.ptr, key.len);
    map->entries[map->len] =
        (struct map_entry){.key = copy, .key_len = key.len, .hash = hash, .value = value};
    size_t slot = slot_of(map, key, hash);
    map->index[slot] = (uint32_t)(++map->len);
    map->live++;
    return NULL;
}

void *map_remove(struct map *map, struct str key)
{
    struct map_entry *entry = find_entry(map, key);

    if (entry == NULL)
        return NULL;
    void *value = entry->value;
    free(entry->key);
    entry->key = NULL;
    map->live--;
    return value;
}

struct map_entry *map_next(const struct map *map, size_t *i)
{
    while (*i < map->len) {
        struct map_entry *entry = &map->entries[(*i)++];
        if (entry->key != NULL)
            return entry;
    }
    return NULL;
}
