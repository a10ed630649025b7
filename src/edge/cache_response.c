/* SPDX-License-Identifier: Apache-2.0
 *
 * What the answer of a target, or its failure, means to the cache.
 */
#include "base/base.h"

#include "edge/cache_use.h"

static bool is_name(const struct http_header *header, struct str name)
{
    return header->name.len == name.len && str_eq_nocase(header->name, name);
}

/* ---- unsafe methods ---- */

/* Of "https://host/path", or "//host/path", if it is this request's; of "/path" as it is. */
static bool same_origin(const struct exchange *exchange, struct str location, struct str *ret)
{
    struct str scheme = cache_is_https(exchange) ? STR("https:") : STR("http:");

    if (str_eq_nocase(str_sub(location, 0, scheme.len), scheme))
        location = str_sub(location, scheme.len, SIZE_MAX);
    if (str_starts(location, STR("//"))) {
        struct str rest = str_sub(location, 2, SIZE_MAX);
        size_t end = str_find(rest, '/');
        if (!str_eq_nocase(str_sub(rest, 0, end), exchange->host))
            return false;
        location = str_sub(rest, end, SIZE_MAX);
    }
    *ret = str_sub(location, 0, str_find(location, '#'));
    return ret->len > 0 && ret->ptr[0] == '/';
}

static void forget_location(struct exchange *exchange, struct str location)
{
    struct worker *worker = exchange->worker;
    const struct route *route = exchange->route;
    struct cache_key key;
    struct str path;

    if (!same_origin(exchange, location, &path))
        return;
    size_t mark = str_find(path, '?');
    struct cache_place place = {
        .system = route->system,
        .upstream = exchange->view->table->upstreams[route->upstream].name,
        .is_https = cache_is_https(exchange),
        .host = exchange->host,
        .path = str_sub(path, 0, mark),
        .query = mark < path.len ? str_sub(path, mark + 1, SIZE_MAX) : (struct str){0},
    };
    if (cache_key_write(route->cache, &place, NULL, worker->joined, &key))
        cache_invalidate(worker->cache, str_sub(key.text, 0, key.base_len), key.hash);
}

static void invalidate(struct exchange *exchange)
{
    struct worker *worker = exchange->worker;
    const struct http1_head *head = &worker->head;
    const struct cache_key *key = &exchange->cache->key;

    if (head->status < 200 || head->status >= 400)
        return;
    cache_invalidate(worker->cache, str_sub(key->text, 0, key->base_len), key->hash);
    for (size_t i = 0; i < head->header_count; i++)
        if (head->headers[i].id == HTTP_LOCATION ||
            is_name(&head->headers[i], STR("Content-Location")))
            forget_location(exchange, head->headers[i].value);
}

/* ---- what is stored, instead ---- */

/* The target's part of the exchange is over; <reuse>: it may have another one. */
static void serve_stored(struct exchange *exchange, struct cache_entry *entry, bool reuse)
{
    struct cache_use *use = exchange->cache;
    struct worker *worker = exchange->worker;
    struct cache_status status = use->status;

    status.ttl_s = cache_ttl_s(entry, cache_now_ms(worker));
    status.has_ttl = true;
    cache_land(worker->cache, TAKE(use->flight), false, cache_now_ms(worker));
    if (exchange->target != NULL)
        proxy_release(exchange, reuse);
    cache_use_read_head(use);
    cache_serve(exchange, entry, &status);
}

/* 304 to our own question. */
static void take_not_modified(struct exchange *exchange, bool reuse)
{
    struct cache_use *use = exchange->cache;
    struct cache_entry *entry = cache_freshen(use);

    count_add(exchange->worker, COUNT_CACHE_REVALIDATED, 1);
    use->status.fwd_status = 304;
    serve_stored(exchange, entry != NULL ? entry : cache_entry_ref(use->stale), reuse);
}

static bool may_serve_stale(const struct exchange *exchange)
{
    const struct cache_use *use = exchange->cache;

    return use->stale != NULL && !use->stale->must_validate &&
           -cache_ttl_s(use->stale, cache_now_ms(exchange->worker)) * 1000 <
               use->stale->if_error_ms;
}

static void serve_stale(struct exchange *exchange, int status)
{
    struct cache_use *use = exchange->cache;

    count_add(exchange->worker, COUNT_CACHE_STALE, 1);
    use->status.fwd_status = status;
    use->status.detail = "stale-if-error";
    serve_stored(exchange, cache_entry_ref(use->stale), false);
}

/* ---- news ---- */

/* A HEAD tells whether what is stored is still what GET would bring (RFC 9111, 4.3.5). */
static void compare_head(struct exchange *exchange, const struct cache_facts *facts)
{
    struct cache_use *use = exchange->cache;
    const struct http1_head *head = &exchange->worker->head;
    const struct cache_entry *stale = use->stale;

    if (head->status != stale->status)
        return;
    if (!str_eq(facts->etag, stale->etag) || !str_eq(facts->last_modified, stale->last_modified) ||
        (head->has_content_length && head->content_length != stale->body->bytes))
        cache_remove(use->stale);
    else
        cache_entry_unref(cache_freshen(use));
}

static void start_fill(struct exchange *exchange, const struct cache_facts *facts)
{
    struct cache_use *use = exchange->cache;
    struct worker *worker = exchange->worker;

    if (use->status.fwd_status == 0 && use->stale != NULL)
        use->status.fwd_status = facts->status;
    if (!use->may_store)
        return;
    use->status.stored = cache_fill_start(use, facts);
    if (use->status.stored) {
        use->status.ttl_s = cache_ttl_s(use->filling, cache_now_ms(worker));
        use->status.has_ttl = true;
    } else {
        cache_land(worker->cache, TAKE(use->flight), true, cache_now_ms(worker));
    }
}

static bool is_failure(int status)
{
    return status == 500 || (status >= 502 && status <= 504);
}

bool cache_on_response(struct exchange *exchange, bool reuse)
{
    struct cache_use *use = exchange->cache;
    struct cache_facts facts;

    if (use->invalidates) {
        invalidate(exchange);
        return true;
    }
    cache_facts_read(&exchange->worker->head, &facts);
    if (facts.status == 304 && use->validates) {
        take_not_modified(exchange, reuse);
        return false;
    }
    if (is_failure(facts.status) && may_serve_stale(exchange)) {
        serve_stale(exchange, facts.status);
        return false;
    }
    if (exchange->method == HTTP_HEAD && use->stale != NULL)
        compare_head(exchange, &facts);
    start_fill(exchange, &facts);
    return true;
}

bool cache_on_failure(struct exchange *exchange, int status)
{
    if (exchange->cache->invalidates || !may_serve_stale(exchange))
        return false;
    serve_stale(exchange, status);
    return true;
}
