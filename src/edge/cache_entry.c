/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "edge/cache_priv.h"

enum { CHUNK_OVERHEAD_BYTES = 32 }; /* the allocator's, and the place in the list */

/* ---- bodies ---- */

struct cache_body *cache_body_new(struct cache *cache)
{
    if (!cache_reserve(cache, sizeof(struct cache_body)))
        return NULL;
    struct cache_body *body = NEW(struct cache_body);
    body->refs = 1;
    body->cache = cache;
    body->cost = sizeof *body;
    return body;
}

struct cache_body *cache_body_ref(struct cache_body *body)
{
    (void)__atomic_add_fetch(&body->refs, 1, __ATOMIC_RELAXED);
    return body;
}

void cache_body_unref(struct cache_body *body)
{
    if (body == NULL || __atomic_sub_fetch(&body->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    for (uint32_t i = 0; i < body->count; i++)
        free(body->chunks[i].bytes);
    cache_release(body->cache, body->cost);
    free(body->chunks);
    free(body);
}

/* As large as what is known to come, at most CACHE_CHUNK_BYTES. */
static bool add_chunk(struct cache_body *body, uint64_t wanted_bytes)
{
    uint32_t cap = (uint32_t)MIN(MAX(wanted_bytes, 1), (uint64_t)CACHE_CHUNK_BYTES);

    if (!cache_reserve(body->cache, cap + CHUNK_OVERHEAD_BYTES))
        return false;
    body->cost += cap + CHUNK_OVERHEAD_BYTES;
    if (body->count == body->cap) {
        body->cap = MAX(2 * body->cap, 1);
        body->chunks = mem_grow(body->chunks, body->cap * sizeof *body->chunks);
    }
    body->chunks[body->count++] = (struct cache_chunk){.bytes = mem_grow(NULL, cap), .cap = cap};
    return true;
}

bool cache_body_add(struct cache_body *body, struct str data, uint64_t more_bytes)
{
    while (data.len > 0) {
        struct cache_chunk *last = body->count == 0 ? NULL : &body->chunks[body->count - 1];
        if (last == NULL || last->len == last->cap) {
            if (!add_chunk(body, data.len + more_bytes))
                return false;
            continue;
        }
        uint32_t n = (uint32_t)MIN(data.len, (size_t)(last->cap - last->len));
        memcpy(last->bytes + last->len, data.ptr, n);
        last->len += n;
        body->bytes += n;
        data = str_sub(data, n, SIZE_MAX);
    }
    return true;
}

void cache_body_end(struct cache_body *body)
{
    struct cache_chunk *last = body->count == 0 ? NULL : &body->chunks[body->count - 1];

    if (last == NULL || last->len == last->cap || last->len == 0)
        return;
    last->bytes = mem_grow(last->bytes, last->len);
    cache_release(body->cache, last->cap - last->len);
    body->cost -= last->cap - last->len;
    last->cap = last->len;
}

/* ---- entries ---- */

struct cache_entry *cache_entry_new(struct cache *cache, size_t header_count, size_t text_bytes,
                                    char **ret_text)
{
    size_t fixed = sizeof(struct cache_entry) + header_count * sizeof(struct http_header);
    size_t cost = fixed + text_bytes;

    assert(header_count <= CACHE_MAX_HEADERS);
    if (!cache_reserve(cache, cost))
        return NULL;
    struct cache_entry *entry = mem_grow(NULL, cost);
    memset(entry, 0, sizeof *entry);
    entry->refs = 1;
    entry->cache = cache;
    entry->cost = cost;
    entry->last_modified_s = -1;
    list_init(&entry->queue);
    *ret_text = (char *)entry + fixed;
    return entry;
}

struct cache_entry *cache_entry_ref(struct cache_entry *entry)
{
    (void)__atomic_add_fetch(&entry->refs, 1, __ATOMIC_RELAXED);
    return entry;
}

void cache_entry_unref(struct cache_entry *entry)
{
    if (entry == NULL || __atomic_sub_fetch(&entry->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    cache_release(entry->cache, entry->cost);
    cache_body_unref(entry->body);
    free(entry);
}
