/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside the store: cache_store.c, cache_entry.c, cache_evict.c, cache_flight.c.
 *
 * Order of locks: the queues' before a shard's; never two shards' at once.
 */
#pragma once

#include <pthread.h>

#include "edge/cache_store.h"
#include "edge/edge.h"

enum {
    CACHE_USES_MAX = 3,
    CACHE_GHOSTS = 16384,
    CACHE_EPOCHS = 16384,
    CACHE_FLIGHT_BUCKETS = 16,
    CACHE_PASSES = 64,
    CACHE_BUCKETS_MAX = 16384,
};

/* A key whose answers cannot be stored, until then. One for each place: the last one counts. */
struct cache_pass {
    uint64_t hash;
    uint64_t until_ms;
};

struct cache_flight {
    struct cache_flight *next;
    uint64_t hash;
    uint64_t waiting; /* a bit for each worker that has somebody waiting */
    bool is_slow;
};

struct cache_shard {
    pthread_mutex_t lock;
    struct cache_entry **buckets; /* NULL until the first entry */
    struct cache_flight *flights[CACHE_FLIGHT_BUCKETS];
    struct cache_pass passes[CACHE_PASSES];
} __attribute__((aligned(64)));

/* S3-FIFO's memory of what left the small queue unused. */
struct cache_ghost {
    uint64_t hash;
    uint64_t at; /* the count of ghosts when it came */
};

struct cache {
    struct cache_shard *shards; /* NULL until it is given a size; then constant */
    uint64_t limit_bytes;       /* atomic, as are the next five */
    uint64_t used_bytes;
    uint64_t entries;
    uint64_t evicted;
    uint64_t purged;
    uint64_t epoch;        /* of purges */
    uint64_t *epochs;      /* of invalidated keys: CACHE_EPOCHS; as <shards> */
    uint32_t bucket_count; /* of each shard; a power of two; constant once it is not 0 */
    struct mailbox *inboxes[EDGE_MAX_WORKERS];
    /* the queues */
    pthread_mutex_t queue_lock;
    struct list small; /* the oldest first */
    struct list main;
    uint64_t small_bytes;
    uint64_t main_bytes;
    uint64_t main_count;
    struct cache_ghost *ghosts; /* NULL until the first */
    uint64_t ghost_count;
};

static inline struct cache_shard *cache_shard_of(struct cache *cache, uint64_t hash)
{
    return &cache->shards[hash % CACHE_SHARDS];
}

static inline struct cache_entry **cache_bucket_of(struct cache *cache, uint64_t hash)
{
    return &cache_shard_of(cache, hash)
                ->buckets[(uint32_t)(hash / CACHE_SHARDS) % cache->bucket_count];
}

static inline uint64_t cache_load(const uint64_t *number)
{
    return __atomic_load_n(number, __ATOMIC_RELAXED);
}

static inline void cache_count(uint64_t *number, uint64_t n)
{
    (void)__atomic_add_fetch(number, n, __ATOMIC_RELAXED);
}

/* cache_evict.c. Makes room for <bytes> and counts them as used; false: there is none, or memory is
 * short. */
MUST_CHECK bool cache_reserve(struct cache *cache, uint64_t bytes);
void cache_release(struct cache *cache, uint64_t bytes);
/* With the queue lock: <entry> comes into its first queue, or leaves the one it is in. */
void cache_queue_add(struct cache *cache, struct cache_entry *entry);
void cache_queue_remove(struct cache *cache, struct cache_entry *entry);

/* cache_store.c. With the queue lock: out of queue and bucket. False: it was out already. The
 * store's reference is the caller's then. */
MUST_CHECK bool cache_unlink(struct cache *cache, struct cache_entry *entry);

/* cache_store.c, with the shard's lock: what answers <wanted>. */
struct cache_entry *cache_match(struct cache *cache, const struct cache_wanted *wanted);

/* cache_flight.c: what was cut off with its worker. */
void cache_flights_done(struct cache_shard *shard);
