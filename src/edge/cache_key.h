/* SPDX-License-Identifier: Apache-2.0
 *
 * What an answer is kept under. The key: system and upstream, scheme, host, path
 * and query as they came, whatever else the route names. The variant: the values
 * of the headers that the answer's Vary names. Pure.
 *
 * Path and query are not normalised: the target sees them as they came, and two
 * that look alike may mean different things to it.
 */
#pragma once

#include "base/base.h"
#include "edge/cache.h"
#include "edge/cache_store.h"
#include "http/http1.h"

struct cache_key {
    struct str text; /* in memory of the caller */
    size_t base_len; /* of <text> without what the route's own parts add */
    struct str system;
    struct str path; /* with the query */
    uint64_t hash;   /* of the base */
};

/* Where a request leads. */
struct cache_place {
    struct str system;
    struct str upstream; /* name */
    bool is_https;
    struct str host;
    struct str path;
    struct str query;  /* ptr NULL: none */
    uint32_t listener; /* whose rules may change what the target is asked; 0: none do */
    struct str asked;  /* the path that the target is asked for, if that is another one */
};

/* Writes the key to <ret_bytes>, which has room for CACHE_MAX_KEY_BYTES. <head>: the request, for
 * <policy>'s own parts; NULL: the base alone. False: it is longer. */
MUST_CHECK bool cache_key_write(const struct route_cache *policy, const struct cache_place *place,
                                const struct http1_head *head, char *ret_bytes,
                                struct cache_key *ret);

/* Does the request have one of <parts>? */
bool cache_parts_match(const struct cache_part *parts, size_t count, const struct http1_head *head);

/* Is there one way only to read the request's cookies? Browsers send no others. */
bool cache_cookies_are_plain(const struct http1_head *head);

/* The list of names in all Vary fields, lower case, comma-separated, to <ret_bytes> with room for
 * CACHE_MAX_VARIANT_BYTES; headers that are part of the key anyway are left out. False: too many,
 * too long, or it names what differs for each client. */
MUST_CHECK bool cache_vary_write(const struct http1_head *response, char *ret_bytes,
                                 struct str *ret);
/* The values in <request> of the headers that <vary> names. False: they are too long. */
MUST_CHECK bool cache_variant_write(struct str vary, const struct http1_head *request,
                                    char *ret_bytes, struct str *ret);
