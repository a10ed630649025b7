/* SPDX-License-Identifier: Apache-2.0
 *
 * What an exchange keeps of the cache's business while a target is asked for it,
 * or while it waits for somebody else's fetch. An exchange that is served from
 * the store at once has none of this.
 */
#pragma once

#include "base/base.h"
#include "edge/cache.h"
#include "edge/cache_fresh.h"
#include "edge/cache_key.h"
#include "edge/cache_store.h"
#include "edge/exchange.h"
#include "edge/worker.h"

enum { CACHE_WAITS_MAX = 2 }; /* of one request, for fetches that then come to nothing */

/* Of a request, what decides. */
struct cache_request {
    struct cache_control control;
    struct cache_request_facts facts;
    bool has_range;
    bool has_condition; /* If-None-Match, If-Modified-Since */
    bool is_bypass;     /* the cache keeps out of it */
};

void cache_request_read(const struct route *route, const struct http1_head *head,
                        struct cache_request *ret);

/* How an answer came about: RFC 9211. Texts are static. */
struct cache_status {
    const char *fwd; /* NULL: a hit */
    const char *detail;
    int fwd_status;
    int64_t ttl_s;
    bool has_ttl;
    bool stored;
    bool collapsed;
};
char *cache_status_put(const struct cache_status *status, char *at);

struct cache_use {
    struct exchange *exchange;
    struct list waiting;         /* in worker.cache_waiters */
    struct timer timer;          /* while it waits */
    struct cache_flight *flight; /* led */
    struct cache_entry *stale;   /* to be validated, or better than an error */
    struct cache_entry *filling; /* its body is coming */
    struct cache_body *body;
    struct spill *head; /* the request, as it came */
    struct cache_key key;
    struct cache_status status;
    struct cache_request_facts facts;
    uint64_t epoch;
    uint64_t asked_ms;
    uint8_t waits;
    bool may_store;
    bool validates;   /* the target is asked whether <stale> is still right */
    bool invalidates; /* the method is unsafe */
    char key_bytes[];
};

static inline uint64_t cache_now_ms(const struct worker *worker)
{
    return loop_now_ns(worker->loop) / NS_PER_MS;
}

bool cache_is_https(const struct exchange *exchange);
/* The parts of <exchange>'s key that are not in its head. */
struct cache_place cache_place_of(const struct exchange *exchange, const struct http1_head *head);

/* Copies the head of the request, and <key>. */
struct cache_use *cache_use_new(struct exchange *exchange, const struct http1_head *head,
                                const struct cache_key *key);
/* The head that is kept, read again into worker->head. */
void cache_use_read_head(struct cache_use *use);

/* How <entry> stands with a request at the moment. */
enum cache_standing {
    CACHE_FRESH,
    CACHE_STALE_FOR_NOW, /* may be sent while it is being revalidated */
    CACHE_STALE,
    CACHE_NOT_WANTED, /* fresh, but the request asks for more */
};
enum cache_standing cache_judge(const struct cache_entry *entry,
                                const struct cache_control *control, uint64_t now_ms);
/* Until it is stale; less than 0 after that. */
int64_t cache_ttl_s(const struct cache_entry *entry, uint64_t now_ms);

/* Decides anew, after a wait: worker->head is the request. True: the target is asked. */
MUST_CHECK bool cache_decide(struct exchange *exchange, uint8_t waits);

/* cache_serve.c. Takes over the reference; worker->head is the request. */
void cache_serve(struct exchange *exchange, struct cache_entry *entry,
                 const struct cache_status *status);

/* cache_wait.c */
void cache_wait(struct exchange *exchange, const struct http1_head *head,
                const struct cache_key *key, uint8_t waits);
/* Asks the target for <entry> without anybody who waits for the answer. Takes over <flight>. */
void cache_revalidate(struct exchange *exchange, const struct http1_head *head,
                      const struct cache_key *key, struct cache_entry *entry,
                      struct cache_flight *flight);
extern const struct client_ops cache_background_ops;
/* What a background exchange was started with. */
struct cache_use *cache_background_take(struct exchange *exchange);

/* cache_fill.c. Begins to store the answer whose head is worker->head. False: it may not be; why is
 * in <use>->status. */
MUST_CHECK bool cache_fill_start(struct cache_use *use, const struct cache_facts *facts);
/* Another entry with the body of <stale> and the headers of worker->head, a 304 (RFC 9111, 3.2); in
 * the store in its place, if it may be stored. NULL: there is no room. One reference. */
struct cache_entry *cache_freshen(struct cache_use *use);
