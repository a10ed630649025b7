/* SPDX-License-Identifier: Apache-2.0
 *
 * The cache as an exchange meets it (RFC 9111, a shared cache): before a target
 * is asked, when the target's head comes, with each piece of its body, and when
 * it fails. Only routes to an upstream that say so have one.
 *
 * In the table, of a route (all members may be absent):
 *     "cache": {"default_s": 60,            freshness of answers that do not say
 *               "max_object_bytes": 8388608,
 *               "stale_while_revalidate_s": 30, "stale_if_error_s": 600,   of those, too
 *               "key": ["cookie lang", "header X-Device"], "bypass": ["cookie session"],
 *               "ignore": ["utm_source"],   names in the query that make no difference
 *               "tags": "Cache-Tag"}        header with the names that a purge may give
 * and of the table itself: "cache_bytes": how much all workers together may keep.
 *
 * An answer says how it came about in Cache-Status (RFC 9211) as "ishizue".
 */
#pragma once

#include <jansson.h>

#include "base/base.h"
#include "base/str.h"

struct cache;
struct exchange;
struct reader;
struct route;
struct worker;

enum {
    CACHE_PARTS_MAX = 16,
    CACHE_PART_BYTES = 64,
    CACHE_DEFAULT_OBJECT_BYTES = 8 * 1024 * 1024,
    CACHE_WAIT_MS = 5000,      /* for somebody else's fetch; then one of its own */
    CACHE_BACKGROUND_MAX = 64, /* revalidations that nobody waits for, of one worker */
};

/* "cookie lang", "header X-Device". */
struct cache_part {
    bool is_cookie;
    struct str name;
};

struct route_cache {
    int64_t default_s; /* CACHE_NONE: none */
    int64_t while_revalidate_s;
    int64_t if_error_s;
    uint64_t max_object_bytes;
    struct cache_part *key;
    size_t key_count;
    struct cache_part *bypass;
    size_t bypass_count;
    struct str *ignore;
    size_t ignore_count;
    struct str tags;    /* empty: none */
    bool tells_who;     /* the edge tells the target who asks: what it answers may be for one */
    bool knows_cookies; /* key or bypass name some: the others make no difference */
};

/* Called when a route to an upstream has a cache and worker->head is the request. False: it was
 * answered, or waits. */
MUST_CHECK bool cache_admit(struct exchange *exchange);
/* For head_write_request(): what is asked of the target beside what the client asked. */
size_t cache_conditions_bytes(const struct exchange *exchange);
char *cache_put_conditions(const struct exchange *exchange, char *at);
/* For head_write_response(): the line of Cache-Status. */
char *cache_put_status(const struct exchange *exchange, char *at);

/* worker->head is the target's answer, 200 or above. False: something else was sent in its place.
 * <reuse>: nothing of this answer follows its head if it has no body. */
MUST_CHECK bool cache_on_response(struct exchange *exchange, bool reuse);
/* For the access log: what the cache had to do with the answer. */
const char *cache_word(const struct exchange *exchange);
/* A piece of its body; the last one when exchange->response is done. */
void cache_keep(struct exchange *exchange, struct str data);
/* Does it want the pieces? */
bool cache_is_filling(const struct exchange *exchange);
/* There is no answer; <status> would be sent. True: something better was. */
MUST_CHECK bool cache_on_failure(struct exchange *exchange, int status);
/* The client has taken what it was given of exchange->hit. */
void cache_resume(struct exchange *exchange);
/* The exchange ends. */
void cache_forget(struct exchange *exchange);
/* The fetch of a key is over. */
void cache_landed(struct worker *worker, uint64_t hash);

/* table_cache.c */
MUST_CHECK bool table_read_cache(struct reader *reader, const json_t *item, struct route *route);
