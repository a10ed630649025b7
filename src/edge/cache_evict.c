/* SPDX-License-Identifier: Apache-2.0
 *
 * Who goes when there is no room: S3-FIFO (Yang and others, "FIFO queues are all
 * you need for cache eviction", SOSP 2023). New entries come into a small queue
 * of a tenth of the room; what was used there more than once moves to the main
 * one, the rest leaves and is remembered for a while as a ghost; who comes back
 * as a ghost goes to the main queue at once. The main queue gives those that
 * were used another round. A use is one atomic store, so a hit moves nothing;
 * a scan, however long, passes through the small queue and leaves what is hot
 * alone.
 */
#include "base/base.h"

#include "base/mem.h"
#include "edge/cache_priv.h"

enum {
    SMALL_PERCENT = 10,
    EVICTED_PER_TURN = 64, /* with the lock held */
    USES_TO_STAY = 1,      /* more than these */
};

static uint64_t cost_of(const struct cache_entry *entry)
{
    return entry->cost + entry->body->cost;
}

/* ---- ghosts ---- */

/* As many as the main queue has entries are remembered, in the order they came. */
static bool is_ghost(const struct cache *cache, uint64_t hash)
{
    if (cache->ghosts == NULL)
        return false;
    const struct cache_ghost *ghost = &cache->ghosts[hash % CACHE_GHOSTS];
    uint64_t kept = MIN(MAX(cache->main_count, 64), (uint64_t)CACHE_GHOSTS);
    return ghost->hash == hash && ghost->at != 0 && cache->ghost_count - ghost->at < kept;
}

static void remember(struct cache *cache, uint64_t hash)
{
    if (cache->ghosts == NULL && mem_is_short())
        return;
    if (cache->ghosts == NULL)
        cache->ghosts = mem_new(CACHE_GHOSTS * sizeof *cache->ghosts);
    cache->ghosts[hash % CACHE_GHOSTS] =
        (struct cache_ghost){.hash = hash, .at = ++cache->ghost_count};
}

/* ---- queues ---- */

static void push(struct cache *cache, struct cache_entry *entry, bool to_main)
{
    entry->is_main = to_main;
    list_push(to_main ? &cache->main : &cache->small, &entry->queue);
    *(to_main ? &cache->main_bytes : &cache->small_bytes) += cost_of(entry);
    cache->main_count += to_main;
}

void cache_queue_remove(struct cache *cache, struct cache_entry *entry)
{
    list_remove(&entry->queue);
    *(entry->is_main ? &cache->main_bytes : &cache->small_bytes) -= cost_of(entry);
    cache->main_count -= entry->is_main;
}

void cache_queue_add(struct cache *cache, struct cache_entry *entry)
{
    push(cache, entry, is_ghost(cache, entry->hash));
}

static struct cache_entry *first_of(struct list *queue)
{
    return CONTAINER_OF(queue->next, struct cache_entry, queue);
}

static uint8_t take_use(struct cache_entry *entry)
{
    uint8_t uses = __atomic_load_n(&entry->uses, __ATOMIC_RELAXED);

    if (uses > 0)
        __atomic_store_n(&entry->uses, (uint8_t)(uses - 1), __ATOMIC_RELAXED);
    return uses;
}

/* The next entry to go, out of its queue or moved to the other: NULL in that case. */
static struct cache_entry *pick(struct cache *cache)
{
    bool from_small = !list_is_empty(&cache->small) &&
                      (list_is_empty(&cache->main) ||
                       cache->small_bytes >= cache_load(&cache->limit_bytes) * SMALL_PERCENT / 100);
    struct cache_entry *entry = first_of(from_small ? &cache->small : &cache->main);

    if (from_small && __atomic_load_n(&entry->uses, __ATOMIC_RELAXED) <= USES_TO_STAY) {
        remember(cache, entry->hash);
        return entry;
    }
    if (!from_small && take_use(entry) == 0)
        return entry;
    cache_queue_remove(cache, entry);
    if (from_small)
        __atomic_store_n(&entry->uses, 0, __ATOMIC_RELAXED);
    push(cache, entry, true);
    return NULL;
}

static uint64_t missing_bytes(const struct cache *cache)
{
    uint64_t used = cache_load(&cache->used_bytes), limit = cache_load(&cache->limit_bytes);

    return used > limit ? used - limit : 0;
}

/* With the lock. What is held by those who send or fill does not come back by evicting others. */
static size_t evict_locked(struct cache *cache, struct cache_entry *gone[EVICTED_PER_TURN])
{
    uint64_t missing = missing_bytes(cache), won = 0;
    size_t count = 0;

    if (cache->small_bytes + cache->main_bytes <= cache_load(&cache->limit_bytes) / 4)
        return 0;
    while (won < missing && count < EVICTED_PER_TURN &&
           !(list_is_empty(&cache->small) && list_is_empty(&cache->main))) {
        struct cache_entry *entry = pick(cache);
        if (entry == NULL)
            continue;
        won += cost_of(entry);
        if (cache_unlink(cache, entry))
            gone[count++] = entry;
    }
    return count;
}

/* False: nothing could go. */
static bool evict_some(struct cache *cache)
{
    struct cache_entry *gone[EVICTED_PER_TURN];

    (void)pthread_mutex_lock(&cache->queue_lock);
    size_t count = evict_locked(cache, gone);
    (void)pthread_mutex_unlock(&cache->queue_lock);
    for (size_t i = 0; i < count; i++)
        cache_entry_unref(gone[i]);
    cache_count(&cache->evicted, count);
    return count > 0;
}

static bool reserve(struct cache *cache, uint64_t bytes)
{
    uint64_t used = __atomic_add_fetch(&cache->used_bytes, bytes, __ATOMIC_RELAXED);

    while (used > cache_load(&cache->limit_bytes)) {
        if (bytes > cache_load(&cache->limit_bytes) || !evict_some(cache)) {
            cache_release(cache, bytes);
            return false;
        }
        used = cache_load(&cache->used_bytes);
    }
    return true;
}

bool cache_reserve(struct cache *cache, uint64_t bytes)
{
    return !mem_is_short() && reserve(cache, bytes);
}

void cache_give_way(struct cache *cache)
{
    uint64_t used = cache_load(&cache->used_bytes), limit = cache_load(&cache->limit_bytes);
    uint64_t wanted = limit - MIN(used / 2, limit);

    if (used > 0 && reserve(cache, wanted))
        cache_release(cache, wanted);
}

void cache_release(struct cache *cache, uint64_t bytes)
{
    (void)__atomic_sub_fetch(&cache->used_bytes, bytes, __ATOMIC_RELAXED);
}
