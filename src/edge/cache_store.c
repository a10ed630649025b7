/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "edge/cache_key.h"
#include "edge/cache_priv.h"

struct cache *cache_new(void)
{
    struct cache *cache = NEW(struct cache);

    (void)pthread_mutex_init(&cache->queue_lock, NULL);
    list_init(&cache->small);
    list_init(&cache->main);
    return cache;
}

void cache_attach(struct cache *cache, unsigned index, struct mailbox *inbox)
{
    assert(index < EDGE_MAX_WORKERS);
    cache->inboxes[index] = inbox;
}

/* ---- out ---- */

static void unlink_locked(struct cache *cache, struct cache_entry *entry)
{
    struct cache_entry **at = cache_bucket_of(cache, entry->hash);

    while (*at != entry)
        at = &(*at)->next;
    *at = entry->next;
    entry->next = NULL;
    entry->is_in = false;
}

bool cache_unlink(struct cache *cache, struct cache_entry *entry)
{
    struct cache_shard *shard = cache_shard_of(cache, entry->hash);

    (void)pthread_mutex_lock(&shard->lock);
    bool was_in = entry->is_in;
    if (was_in)
        unlink_locked(cache, entry);
    (void)pthread_mutex_unlock(&shard->lock);
    if (!was_in)
        return false;
    cache_queue_remove(cache, entry);
    cache_count(&cache->entries, UINT64_MAX);
    return true;
}

void cache_remove(struct cache_entry *entry)
{
    struct cache *cache = entry->cache;

    (void)pthread_mutex_lock(&cache->queue_lock);
    bool was_in = cache_unlink(cache, entry);
    (void)pthread_mutex_unlock(&cache->queue_lock);
    if (was_in)
        cache_entry_unref(entry);
}

enum { GONE_PER_TURN = 128 };

/* Takes out what <matches> says, some at a time. Entries of one shard, or of one bucket. */
struct sweep {
    struct cache *cache;
    struct cache_shard *shard;
    uint32_t first_bucket;
    uint32_t end_bucket;
    bool (*matches)(const struct cache_entry *entry, const void *what);
    const void *what;
};

static size_t gather(const struct sweep *sweep, struct cache_entry *gone[GONE_PER_TURN])
{
    size_t count = 0;

    (void)pthread_mutex_lock(&sweep->shard->lock);
    for (uint32_t i = sweep->first_bucket; sweep->shard->buckets != NULL && i < sweep->end_bucket;
         i++)
        for (struct cache_entry *entry = sweep->shard->buckets[i];
             entry != NULL && count < GONE_PER_TURN; entry = entry->next)
            if (sweep->matches(entry, sweep->what))
                gone[count++] = entry;
    (void)pthread_mutex_unlock(&sweep->shard->lock);
    return count;
}

static uint64_t sweep_run(const struct sweep *sweep)
{
    struct cache_entry *gone[GONE_PER_TURN];
    uint64_t total = 0;
    size_t count;

    do { /* the queue lock keeps what was gathered alive until it is out */
        (void)pthread_mutex_lock(&sweep->cache->queue_lock);
        count = gather(sweep, gone);
        for (size_t i = 0; i < count; i++) {
            bool was_in = cache_unlink(sweep->cache, gone[i]);
            assert(was_in);
        }
        (void)pthread_mutex_unlock(&sweep->cache->queue_lock);
        for (size_t i = 0; i < count; i++)
            cache_entry_unref(gone[i]);
        total += count;
    } while (count == GONE_PER_TURN);
    return total;
}

static bool has_base(const struct cache_entry *entry, const void *what)
{
    const struct cache_wanted *wanted = what;

    return entry->hash == wanted->hash &&
           str_eq(str_sub(entry->key, 0, entry->base_len), wanted->key);
}

void cache_invalidate(struct cache *cache, struct str base, uint64_t hash)
{
    struct cache_wanted wanted = {.key = base, .hash = hash};
    uint32_t bucket = (uint32_t)(hash / CACHE_SHARDS) % cache->bucket_count;

    cache_count(&cache->epochs[hash % CACHE_EPOCHS], 1);
    (void)sweep_run(
        &(struct sweep){cache, cache_shard_of(cache, hash), bucket, bucket + 1, has_base, &wanted});
}

static uint64_t sweep_all(struct cache *cache,
                          bool (*matches)(const struct cache_entry *, const void *),
                          const void *what)
{
    uint64_t total = 0;

    for (size_t i = 0; cache->shards != NULL && i < CACHE_SHARDS; i++)
        total += sweep_run(
            &(struct sweep){cache, &cache->shards[i], 0, cache->bucket_count, matches, what});
    return total;
}

struct purge {
    struct str system;
    enum cache_purge_kind kind;
    struct str text;
};

/* "a, b" or "a b": both are in use. */
static bool has_tag(struct str tags, struct str tag)
{
    for (size_t from = 0, end; from < tags.len; from = end + 1) {
        for (end = from; end < tags.len && tags.ptr[end] != ',' && tags.ptr[end] != ' '; end++)
            ;
        if (str_eq(str_sub(tags, from, end - from), tag))
            return true;
    }
    return false;
}

static bool is_purged(const struct cache_entry *entry, const void *what)
{
    const struct purge *purge = what;
    struct str path = entry->path;

    if (!str_eq(entry->system, purge->system))
        return false;
    switch (purge->kind) {
    case CACHE_PURGE_ALL:
        return true;
    case CACHE_PURGE_PREFIX:
        return str_starts(path, purge->text);
    case CACHE_PURGE_TAG:
        return has_tag(entry->tags, purge->text);
    case CACHE_PURGE_PATH:
        break;
    }
    if (str_find(purge->text, '?') == purge->text.len)
        path = str_sub(path, 0, str_find(path, '?'));
    return str_eq(path, purge->text);
}

uint64_t cache_purge(struct cache *cache, struct str system, enum cache_purge_kind kind,
                     struct str text)
{
    struct purge purge = {.system = system, .kind = kind, .text = text};

    cache_count(&cache->epoch, 1);
    uint64_t count = sweep_all(cache, is_purged, &purge);
    cache_count(&cache->purged, count);
    return count;
}

void cache_measure(struct cache *cache, struct str system, uint64_t *ret_entries,
                   uint64_t *ret_bytes)
{
    *ret_entries = *ret_bytes = 0;
    for (size_t i = 0; cache->shards != NULL && i < CACHE_SHARDS; i++) {
        struct cache_shard *shard = &cache->shards[i];
        (void)pthread_mutex_lock(&shard->lock);
        for (uint32_t k = 0; shard->buckets != NULL && k < cache->bucket_count; k++)
            for (const struct cache_entry *at = shard->buckets[k]; at != NULL; at = at->next) {
                bool counts = str_eq(at->system, system);
                *ret_entries += counts;
                *ret_bytes += counts ? at->cost + at->body->cost : 0;
            }
        (void)pthread_mutex_unlock(&shard->lock);
    }
}

/* ---- in ---- */

uint64_t cache_epoch(struct cache *cache, uint64_t hash)
{
    return cache_load(&cache->epoch) + cache_load(&cache->epochs[hash % CACHE_EPOCHS]);
}

static bool is_same_variant(const struct cache_entry *a, const struct cache_entry *b)
{
    return a->hash == b->hash && str_eq(a->key, b->key) && str_eq(a->vary, b->vary) &&
           str_eq(a->variant, b->variant);
}

/* With the shard's lock: which entry has to go for <entry>: what it replaces, or the oldest of too
 * many variants. */
static struct cache_entry *find_replaced(struct cache_entry *bucket,
                                         const struct cache_entry *entry)
{
    struct cache_entry *oldest = NULL;
    size_t variants = 0;

    for (struct cache_entry *at = bucket; at != NULL; at = at->next) {
        if (is_same_variant(at, entry))
            return at;
        if (has_base(at, &(struct cache_wanted){.key = str_sub(entry->key, 0, entry->base_len),
                                                .hash = entry->hash})) {
            oldest = at;
            variants++;
        }
    }
    return variants >= CACHE_MAX_VARIANTS ? oldest : NULL;
}

/* With the queue lock. */
static struct cache_entry *link_entry(struct cache *cache, struct cache_entry *entry)
{
    struct cache_shard *shard = cache_shard_of(cache, entry->hash);

    (void)pthread_mutex_lock(&shard->lock);
    if (shard->buckets == NULL)
        shard->buckets = mem_new(cache->bucket_count * sizeof(struct cache_entry *));
    struct cache_entry **bucket = cache_bucket_of(cache, entry->hash);
    struct cache_entry *replaced = find_replaced(*bucket, entry);
    if (replaced != NULL)
        unlink_locked(cache, replaced);
    entry->next = *bucket;
    entry->is_in = true;
    *bucket = entry;
    (void)pthread_mutex_unlock(&shard->lock);
    return replaced;
}

bool cache_add(struct cache *cache, struct cache_entry *entry, uint64_t epoch)
{
    struct cache_entry *replaced = NULL;

    assert(entry->body != NULL && !entry->is_in);
    (void)pthread_mutex_lock(&cache->queue_lock);
    bool good = cache_load(&cache->limit_bytes) > 0 && cache_epoch(cache, entry->hash) == epoch;
    if (good) {
        replaced = link_entry(cache, cache_entry_ref(entry));
        if (replaced != NULL) {
            __atomic_store_n(&entry->uses, __atomic_load_n(&replaced->uses, __ATOMIC_RELAXED),
                             __ATOMIC_RELAXED);
            cache_queue_remove(cache, replaced);
            cache_count(&cache->evicted, !is_same_variant(replaced, entry));
        } else {
            cache_count(&cache->entries, 1);
        }
        cache_queue_add(cache, entry);
    }
    (void)pthread_mutex_unlock(&cache->queue_lock);
    cache_entry_unref(replaced);
    return good;
}

/* ---- finding ---- */

/* A variant's text is made once for neighbours with the same Vary. */
struct variant {
    struct str vary;
    struct str text;
    bool good;
    char bytes[CACHE_MAX_VARIANT_BYTES];
};

static bool has_variant(const struct cache_entry *entry, const struct cache_wanted *wanted,
                        struct variant *variant)
{
    if (entry->vary.len == 0)
        return true;
    if (!str_eq(entry->vary, variant->vary)) {
        variant->vary = entry->vary;
        variant->good =
            cache_variant_write(entry->vary, wanted->head, variant->bytes, &variant->text);
    }
    return variant->good && str_eq(entry->variant, variant->text);
}

static bool has_key(const struct cache_entry *entry, const struct cache_wanted *wanted)
{
    return entry->hash == wanted->hash && str_eq(entry->key, wanted->key);
}

/* Among several: apart, because of the stack it takes. */
static __attribute__((noinline)) struct cache_entry *
match_variant(struct cache_entry *entry, const struct cache_wanted *wanted)
{
    struct variant variant;

    variant.vary = (struct str){0};
    for (; entry != NULL; entry = entry->next)
        if (has_key(entry, wanted) && has_variant(entry, wanted, &variant))
            return entry;
    return NULL;
}

struct cache_entry *cache_match(struct cache *cache, const struct cache_wanted *wanted)
{
    struct cache_shard *shard = cache_shard_of(cache, wanted->hash);

    if (shard->buckets == NULL)
        return NULL;
    for (struct cache_entry *entry = *cache_bucket_of(cache, wanted->hash); entry != NULL;
         entry = entry->next)
        if (has_key(entry, wanted))
            return entry->vary.len == 0 ? entry : match_variant(entry, wanted);
    return NULL;
}

struct cache_entry *cache_find(struct cache *cache, const struct cache_wanted *wanted, bool is_used)
{
    struct cache_shard *shard = cache_shard_of(cache, wanted->hash);

    (void)pthread_mutex_lock(&shard->lock);
    struct cache_entry *entry = cache_match(cache, wanted);
    if (entry != NULL) {
        (void)cache_entry_ref(entry);
        uint8_t uses = __atomic_load_n(&entry->uses, __ATOMIC_RELAXED);
        if (is_used && uses < CACHE_USES_MAX)
            __atomic_store_n(&entry->uses, (uint8_t)(uses + 1), __ATOMIC_RELAXED);
    }
    (void)pthread_mutex_unlock(&shard->lock);
    return entry;
}

/* ---- size ---- */

static bool is_any(const struct cache_entry *entry, const void *what)
{
    (void)entry;
    (void)what;
    return true;
}

/* About one bucket for two KiB, as the store is when it is first given a size. */
static uint32_t buckets_for(uint64_t bytes)
{
    uint32_t count = 64;

    while (count < CACHE_BUCKETS_MAX && (uint64_t)count * CACHE_SHARDS * 2048 < bytes)
        count *= 2;
    return count;
}

static void make_shards(struct cache *cache, uint64_t bytes)
{
    size_t size = CACHE_SHARDS * sizeof(struct cache_shard);

    cache->bucket_count = buckets_for(bytes);
    cache->epochs = mem_new(CACHE_EPOCHS * sizeof *cache->epochs);
    cache->shards = aligned_alloc(64, size);
    assert(cache->shards != NULL);
    memset(cache->shards, 0, size);
    for (size_t i = 0; i < CACHE_SHARDS; i++)
        (void)pthread_mutex_init(&cache->shards[i].lock, NULL);
}

void cache_set_limit(struct cache *cache, uint64_t bytes)
{
    if (cache->shards == NULL && bytes > 0)
        make_shards(cache, bytes);
    __atomic_store_n(&cache->limit_bytes, bytes, __ATOMIC_RELEASE);
    if (bytes == 0)
        (void)sweep_all(cache, is_any, NULL);
    else if (cache_reserve(cache, 0))
        cache_release(cache, 0);
}

struct cache_totals cache_totals(struct cache *cache)
{
    return (struct cache_totals){
        .entries = cache_load(&cache->entries),
        .bytes = cache_load(&cache->used_bytes),
        .limit_bytes = cache_load(&cache->limit_bytes),
        .evicted = cache_load(&cache->evicted),
        .purged = cache_load(&cache->purged),
    };
}

void cache_free(struct cache *cache)
{
    if (cache == NULL)
        return;
    (void)sweep_all(cache, is_any, NULL);
    for (size_t i = 0; cache->shards != NULL && i < CACHE_SHARDS; i++) {
        cache_flights_done(&cache->shards[i]);
        free(cache->shards[i].buckets);
        (void)pthread_mutex_destroy(&cache->shards[i].lock);
    }
    assert(cache->used_bytes == 0);
    (void)pthread_mutex_destroy(&cache->queue_lock);
    free(cache->shards);
    free(cache->epochs);
    free(cache->ghosts);
    free(cache);
}
