/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "edge/cache_priv.h"
#include "edge/mailbox.h"

static struct cache_flight **bucket_of(struct cache_shard *shard, uint64_t hash)
{
    return &shard->flights[(hash / CACHE_SHARDS) % CACHE_FLIGHT_BUCKETS];
}

static struct cache_flight *find_flight(struct cache_shard *shard, uint64_t hash)
{
    struct cache_flight *flight = *bucket_of(shard, hash);

    while (flight != NULL && flight->hash != hash)
        flight = flight->next;
    return flight;
}

static struct cache_pass *pass_of(struct cache_shard *shard, uint64_t hash)
{
    return &shard->passes[(hash / CACHE_SHARDS) % CACHE_PASSES];
}

static struct cache_flight *start_flight(struct cache_shard *shard, uint64_t hash)
{
    struct cache_flight *flight = NEW(struct cache_flight);
    struct cache_flight **bucket = bucket_of(shard, hash);

    flight->hash = hash;
    flight->next = *bucket;
    *bucket = flight;
    return flight;
}

static enum cache_joined join_locked(struct cache *cache, const struct cache_wanted *wanted,
                                     const struct cache_entry *seen, bool may_wait, unsigned worker,
                                     uint64_t now_ms, struct cache_flight **ret)
{
    struct cache_shard *shard = cache_shard_of(cache, wanted->hash);
    const struct cache_pass *pass = pass_of(shard, wanted->hash);
    struct cache_flight *flight = find_flight(shard, wanted->hash);

    if (cache_match(cache, wanted) != seen)
        return CACHE_AGAIN;
    if (pass->hash == wanted->hash && pass->until_ms > now_ms)
        return CACHE_GOES;
    if (flight == NULL) {
        *ret = start_flight(shard, wanted->hash);
        return CACHE_LEADS;
    }
    if (flight->is_slow || !may_wait)
        return CACHE_GOES;
    static_assert(EDGE_MAX_WORKERS <= 64, "a bit for each worker");
    flight->waiting |= UINT64_C(1) << worker;
    return CACHE_WAITS;
}

enum cache_joined cache_join(struct cache *cache, const struct cache_wanted *wanted,
                             const struct cache_entry *seen, bool may_wait, unsigned worker,
                             uint64_t now_ms, struct cache_flight **ret)
{
    struct cache_shard *shard = cache_shard_of(cache, wanted->hash);

    (void)pthread_mutex_lock(&shard->lock);
    enum cache_joined joined = join_locked(cache, wanted, seen, may_wait, worker, now_ms, ret);
    (void)pthread_mutex_unlock(&shard->lock);
    return joined;
}

static void end_flight(struct cache_shard *shard, struct cache_flight *flight)
{
    struct cache_flight **at = bucket_of(shard, flight->hash);

    while (*at != flight)
        at = &(*at)->next;
    *at = flight->next;
}

void cache_land(struct cache *cache, struct cache_flight *flight, bool passes, uint64_t now_ms)
{
    if (flight == NULL)
        return;
    struct cache_shard *shard = cache_shard_of(cache, flight->hash);
    struct cache_pass *pass = pass_of(shard, flight->hash);
    (void)pthread_mutex_lock(&shard->lock);
    end_flight(shard, flight);
    if (passes)
        *pass = (struct cache_pass){flight->hash, now_ms + CACHE_PASS_MS};
    else if (pass->hash == flight->hash)
        *pass = (struct cache_pass){0};
    (void)pthread_mutex_unlock(&shard->lock);
    for (unsigned i = 0; i < EDGE_MAX_WORKERS; i++)
        if ((flight->waiting & (UINT64_C(1) << i)) != 0)
            mailbox_send(cache->inboxes[i],
                         &(struct letter){.kind = LETTER_CACHE, .number = flight->hash});
    free(flight);
}

void cache_flight_is_slow(struct cache *cache, uint64_t hash)
{
    struct cache_shard *shard = cache_shard_of(cache, hash);

    (void)pthread_mutex_lock(&shard->lock);
    struct cache_flight *flight = find_flight(shard, hash);
    if (flight != NULL)
        flight->is_slow = true;
    (void)pthread_mutex_unlock(&shard->lock);
}

void cache_flights_done(struct cache_shard *shard)
{
    for (size_t i = 0; i < CACHE_FLIGHT_BUCKETS; i++)
        while (shard->flights[i] != NULL) {
            struct cache_flight *first = shard->flights[i];
            shard->flights[i] = first->next;
            free(first);
        }
}
