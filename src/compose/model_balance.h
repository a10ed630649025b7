/* SPDX-License-Identifier: Apache-2.0
 *
 * How a route chooses among the instances of its service, and what happens
 * when none of them can take a request. NULL and 0: the edge's default.
 */
#pragma once

#include "base/base.h"

struct compose_balance {
    const char *kind;          /* round-robin, least-connections, two-choices, hash */
    const char *hash_by;       /* ip, uri, header:NAME, cookie:NAME */
    const char *sticky_cookie; /* name of the cookie */
    uint64_t slow_start_ms;
    uint64_t max_connections; /* at once at one instance */
    uint64_t max_fails;       /* in a row */
    uint64_t fail_timeout_ms;
    bool has_queue;
    uint64_t queue_limit;
    uint64_t queue_timeout_ms;
};
