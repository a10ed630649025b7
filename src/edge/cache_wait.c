/* SPDX-License-Identifier: Apache-2.0
 *
 * Exchanges that wait for somebody else's fetch, and fetches that nobody waits
 * for: a revalidation while the stale answer is being sent has a client without
 * a socket, whose answer goes to the store alone.
 */
#include "base/base.h"

#include "edge/cache_use.h"
#include "edge/head.h"

/* ---- waiting ---- */

/* Looks again; the request is read anew. */
static void wake(struct cache_use *use)
{
    struct exchange *exchange = use->exchange;
    struct worker *worker = exchange->worker;
    uint8_t waits = use->waits;

    list_remove(&use->waiting);
    timer_clear(&use->timer);
    cache_use_read_head(use);
    struct spill *kept = TAKE(use->head); /* worker->head points into it */
    cache_forget(exchange);
    spill_free(&worker->spills, TAKE(exchange->head));
    if (cache_decide(exchange, waits))
        exchange_start_proxy(exchange);
    spill_free(&worker->spills, kept);
}

static void on_timer(struct timer *timer, uint64_t now_ns)
{
    struct cache_use *use = CONTAINER_OF(timer, struct cache_use, timer);
    struct worker *worker = use->exchange->worker;

    (void)now_ns;
    cache_flight_is_slow(worker->cache, use->key.hash);
    use->waits = CACHE_WAITS_MAX;
    wake(use);
}

void cache_wait(struct exchange *exchange, const struct http1_head *head,
                const struct cache_key *key, uint8_t waits)
{
    struct worker *worker = exchange->worker;
    struct cache_use *use = cache_use_new(exchange, head, key);

    use->waits = (uint8_t)(waits + 1);
    exchange->cache = use;
    head_keep_texts(exchange); /* should the client leave, the log knows what it wanted */
    list_push(&worker->cache_waiters, &use->waiting);
    timer_set(worker->loop, &use->timer, loop_now_ns(worker->loop) + CACHE_WAIT_MS * NS_PER_MS,
              on_timer);
}

void cache_landed(struct worker *worker, uint64_t hash)
{
    struct list now;

    list_init(&now);
    LIST_FOR_EACH (node, &worker->cache_waiters)
        if (CONTAINER_OF(node, struct cache_use, waiting)->key.hash == hash) {
            list_remove(node);
            list_push(&now, node);
        }
    while (!list_is_empty(&now)) /* each may end others, or wait again */
        wake(CONTAINER_OF(now.next, struct cache_use, waiting));
}

/* ---- in the background ---- */

struct background {
    struct client client;
    struct list link; /* in worker.cache_background, until it was started */
    struct spill *head;
    struct cache_entry *entry;
    struct cache_flight *flight;
    uint64_t hash;
};

static_assert(offsetof(struct background, client) == 0, "freed as a client's conn");

static struct background *background_of(struct conn *conn)
{
    return CONTAINER_OF(conn, struct background, client.conn);
}

static ssize_t read_nothing(struct conn *conn, void *bytes, size_t len)
{
    (void)bytes, (void)len;
    conn->drained = true;
    return CONN_AGAIN;
}

static bool write_nowhere(struct conn *conn, const struct iovec *iov, int count)
{
    (void)conn, (void)iov, (void)count;
    return true;
}

static void nothing(struct conn *conn)
{
    (void)conn;
}

static const struct conn_ops nowhere = {
    .read = read_nothing,
    .write = write_nowhere,
    .shutdown_write = nothing,
    .rearm = nothing,
};

/* The target's side has the timeouts that count. */
static void stay(struct conn *conn)
{
    conn_set_timeout(conn, EDGE_KEEP_ALIVE_MS);
}

static const struct conn_state background_busy = {
    .name = "in the background",
    .ops = &nowhere,
    .on_readable = nothing,
    .on_writable = nothing,
    .on_timeout = stay,
    .on_error = nothing,
};

static void bind_exchange(struct exchange *exchange)
{
    exchange->client->exchange = exchange;
}

static bool write_head(struct exchange *exchange, size_t head_len, const struct iovec *iov,
                       int count, bool whole)
{
    (void)exchange, (void)head_len, (void)iov, (void)count, (void)whole;
    return true;
}

static bool takes(struct exchange *exchange)
{
    (void)exchange;
    return true;
}

/* What no exchange took over. */
static void give_back(struct background *background)
{
    struct worker *worker = background->client.conn.worker;

    cache_land(worker->cache, TAKE(background->flight), false, cache_now_ms(worker));
    cache_entry_unref(TAKE(background->entry));
    spill_free(&worker->spills, TAKE(background->head));
    worker->cache_background_count--;
}

static void done(struct client *client, struct conn *side, bool keep_alive)
{
    (void)keep_alive;
    client->exchange = NULL;
    give_back(background_of(side));
    client_close(client);
}

static void abort_exchange(struct exchange *exchange)
{
    give_back(background_of(exchange->side));
    client_abort(exchange->client);
}

const struct client_ops cache_background_ops = {
    .is_background = true,
    .bind = bind_exchange,
    .write_head = write_head,
    .takes = takes,
    .done = done,
    .abort = abort_exchange,
};

/* From now on it is a client like others, so it is seen when the worker stops. */
static void start(struct background *background)
{
    struct worker *worker = background->client.conn.worker;
    struct spill *kept;
    const char *why;

    if (worker->stopping) {
        give_back(background);
        free(background);
        return;
    }
    list_push(&worker->clients, &background->client.link);
    count_add(worker, COUNT_CONNECTIONS_OPEN, 1);
    kept = TAKE(background->head); /* worker->head points into it */
    if (http1_parse_request(spill_str(kept), &worker->head, &why) == HTTP1_DONE) {
        worker->head.method = HTTP_GET;
        exchange_start(&background->client, &background->client.conn, &cache_background_ops);
    } else {
        done(&background->client, &background->client.conn, false);
    }
    spill_free(&worker->spills, kept);
}

static void start_all(struct deferred *deferred)
{
    struct worker *worker = CONTAINER_OF(deferred, struct worker, cache_start);

    while (!list_is_empty(&worker->cache_background)) {
        struct background *first =
            CONTAINER_OF(worker->cache_background.next, struct background, link);
        list_remove(&first->link);
        start(first);
    }
}

static void copy_client(const struct exchange *exchange, struct client *client)
{
    client->conn.worker = exchange->worker;
    client->conn.state = &background_busy;
    client->conn.io.fd = -1;
    client->listener_id = exchange->client->listener_id;
    client->kind = exchange->client->kind;
    client->trusted = exchange->client->trusted;
    client->ip_len = exchange->client->ip_len;
    memcpy(client->ip, exchange->client->ip, sizeof client->ip);
}

void cache_revalidate(struct exchange *exchange, const struct http1_head *head,
                      const struct cache_key *key, struct cache_entry *entry,
                      struct cache_flight *flight)
{
    struct worker *worker = exchange->worker;

    if (worker->cache_background_count >= CACHE_BACKGROUND_MAX || worker->stopping) {
        count_add(worker, COUNT_CACHE_REFUSED, 1);
        cache_land(worker->cache, flight, false, cache_now_ms(worker));
        return;
    }
    struct background *background = NEW(struct background);
    struct cache_use *use = cache_use_new(exchange, head, key); /* for the copy of the head */
    background->head = TAKE(use->head);
    free(use);
    background->entry = cache_entry_ref(entry);
    background->flight = flight;
    background->hash = key->hash;
    copy_client(exchange, &background->client);
    worker->cache_background_count++;
    list_push(&worker->cache_background, &background->link);
    loop_defer(worker->loop, &worker->cache_start, start_all);
}

struct cache_use *cache_background_take(struct exchange *exchange)
{
    struct background *background = background_of(exchange->side);
    struct worker *worker = exchange->worker;
    struct cache_place place = cache_place_of(exchange, &worker->head);
    struct cache_request request;
    struct cache_key key;

    /* The table may have changed: then this is another route's request, with nothing to store. */
    if (!cache_key_write(exchange->route->cache, &place, &worker->head, worker->joined, &key) ||
        key.hash != background->hash)
        return NULL;
    struct cache_use *use = cache_use_new(exchange, &worker->head, &key);
    cache_request_read(exchange->route, &worker->head, &request);
    use->status.fwd = "stale";
    use->facts = request.facts;
    use->epoch = cache_epoch(worker->cache, key.hash);
    use->asked_ms = cache_now_ms(worker);
    use->may_store = true;
    use->flight = TAKE(background->flight);
    use->stale = TAKE(background->entry);
    use->validates = use->stale->etag.len > 0 || use->stale->last_modified.len > 0;
    return use;
}
