/* SPDX-License-Identifier: Apache-2.0
 *
 * The directives of Cache-Control (RFC 9111, 5.2) and of fields that look like it
 * (CDN-Cache-Control, RFC 9213). Pure; no allocation.
 *
 * Of a directive that comes twice the first counts. A number that is none makes
 * an answer stale (4.2.1), so it is read as 0.
 */
#pragma once

#include "base/base.h"
#include "base/str.h"

enum {
    CACHE_NONE = -1,                /* the directive is not there */
    CACHE_SECONDS_MAX = INT32_MAX,  /* larger numbers are read as this one (RFC 9111, 1.2.2) */
    CACHE_CONTROL_MAX_BYTES = 4096, /* of one field line; a longer one is read as no-store */
};

struct cache_control {
    int64_t max_age; /* seconds, or CACHE_NONE */
    int64_t s_maxage;
    int64_t stale_while_revalidate;
    int64_t stale_if_error;
    int64_t max_stale; /* of requests, as is the next; without a number: CACHE_SECONDS_MAX */
    int64_t min_fresh;
    bool no_store;
    bool no_cache;   /* without names of fields */
    bool is_private; /* the same */
    bool is_public;
    bool must_revalidate; /* or proxy-revalidate: the same to a shared cache */
    bool must_understand;
    bool only_if_cached;
    struct str no_cache_fields; /* inside the quotes */
    struct str private_fields;
};

void cache_control_init(struct cache_control *control);
/* Adds what <value>, one field line, says. Texts point into it. */
void cache_control_parse(struct cache_control *control, struct str value);

/* Whole text as seconds: digits only, at most CACHE_SECONDS_MAX. */
MUST_CHECK bool cache_seconds_parse(struct str text, int64_t *ret);

/* Cuts off and returns the next element of a comma-separated list without blanks around it; commas
 * in quotes do not count. False: no more. */
bool cache_list_take(struct str *rest, struct str *ret);
/* The same, but empty elements are skipped. */
bool cache_list_next(struct str *rest, struct str *ret);
/* Is <name> in <list>, whatever its letters' case? */
bool cache_list_has(struct str list, struct str name);
