/* SPDX-License-Identifier: Apache-2.0
 *
 * Limits of a route, and of the edge as a whole. A number that is 0 was not
 * given, unless it says otherwise.
 */
#pragma once

#include "base/base.h"
#include "compose/model.h"

/* "20/s:40 per ip" */
struct compose_rate {
    const char *text;
    uint64_t requests;
    uint64_t seconds;
    uint64_t burst;
    const char *per;  /* ip, route, header or cookie */
    const char *name; /* of the header or cookie; NULL: none */
};

enum { COMPOSE_BODY_RATE_MISSING = -1 };

struct compose_limits {
    struct compose_rate *rates;
    size_t rate_count;
    bool dry_run;
    struct compose_texts allow; /* ranges of addresses */
    struct compose_texts deny;
    uint64_t header_bytes;
    uint64_t url_bytes;
    int64_t body_rate;              /* bytes a second; 0: none */
    const char *client_certificate; /* "required", "optional"; NULL: not asked for */
};

/* x-ishizue.edge */
struct compose_access_log; /* model_rules.h */

struct compose_edge {
    const struct compose_access_log *access_log; /* NULL: every request */
    uint64_t connections;
    bool has_connections_per_ip;
    uint64_t connections_per_ip; /* 0: no limit */
    uint64_t header_bytes;
    uint64_t url_bytes;
    uint64_t cache_bytes;
    struct compose_texts trusted_proxies;
    struct compose_texts proxy_protocol;
};
