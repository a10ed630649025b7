/* SPDX-License-Identifier: Apache-2.0
 *
 * What RFC 9111 says about one answer: may it be stored, how long is it fresh,
 * how old is it. Pure: heads and times in, numbers out.
 *
 * The order of what counts: CDN-Cache-Control (RFC 9213) before Cache-Control;
 * s-maxage before max-age before Expires before the route's default before a
 * tenth of the time since Last-Modified.
 */
#pragma once

#include "base/base.h"
#include "edge/cache_control.h"
#include "http/http1.h"

enum { CACHE_HEURISTIC_MAX_S = 86400 };

/* Of an answer's head; texts point into it. */
struct cache_facts {
    int status;
    struct cache_control control; /* the one that counts */
    bool targeted;                /* it is CDN-Cache-Control */
    bool has_control;
    bool has_expires;
    bool has_set_cookie;
    bool pragma_no_cache;
    bool varies_on_all; /* Vary: * */
    bool is_events;     /* goes on as long as it likes: nobody can wait for it */
    int64_t expires_s;  /* wall clock; 0 when it is no date: in the past */
    int64_t date_s;     /* CACHE_NONE: none, or no date */
    int64_t last_modified_s;
    int64_t age_s; /* 0: none; CACHE_SECONDS_MAX when it makes no sense */
    struct str etag;
    struct str last_modified;
};

void cache_facts_read(const struct http1_head *head, struct cache_facts *ret);

/* What of a request, and of the route, decides about its answer. */
struct cache_request_facts {
    bool authorized;   /* it has Authorization */
    bool no_store;     /* it says so */
    bool has_cookie;   /* one that may matter: nobody has said which ones do */
    int64_t default_s; /* of the route; CACHE_NONE */
};

struct cache_life {
    int64_t fresh_s;
    bool assumed; /* by default or by heuristic: the answer did not say */
};

/* The answer's freshness lifetime (4.2.1). */
struct cache_life cache_facts_life(const struct cache_facts *facts, int64_t default_s,
                                   int64_t now_s);
/* How old it was when it came (4.2.3), in seconds; it was asked for <delay_s> before. */
int64_t cache_facts_age(const struct cache_facts *facts, int64_t delay_s, int64_t now_s);

/* Why it may not be stored (3), a few words for the log and Cache-Status; NULL: it may. */
const char *cache_facts_refuse(const struct cache_facts *facts,
                               const struct cache_request_facts *request);
/* May it be used for requests that have credentials (3.5)? */
bool cache_facts_is_shareable(const struct cache_facts *facts);
/* Cacheable without a word about it (RFC 9110, 15.1). */
bool cache_status_is_heuristic(int status);
