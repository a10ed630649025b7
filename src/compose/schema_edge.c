/* SPDX-License-Identifier: Apache-2.0
 *
 * x-ishizue.edge: what holds for all routes, before one is found. */
#include "base/base.h"

#include "compose/schema_priv.h"

static const struct schema text = {.type = SCHEMA_TEXT};

static const struct schema_key edge_keys[] = {
    {"connections",
     SUPPORT_HONOURED,
     {.type = SCHEMA_INT},
     "most connections of a port",
     NULL,
     "test_connections_have_an_end_and_long_requests_are_refused"},
    {"connections_per_ip",
     SUPPORT_HONOURED,
     {.type = SCHEMA_INT},
     "most connections of an address; 1000 unless given, 0: no limit",
     NULL,
     "test_connections_have_an_end_and_long_requests_are_refused"},
    {"header_limit",
     SUPPORT_HONOURED,
     {.type = SCHEMA_BYTES},
     "most bytes of a request's head, 16k at most",
     NULL,
     "test_connections_have_an_end_and_long_requests_are_refused"},
    {"url_limit",
     SUPPORT_HONOURED,
     {.type = SCHEMA_BYTES},
     "most bytes of a request's address, 16k at most",
     NULL,
     "test_connections_have_an_end_and_long_requests_are_refused"},
    {"cache_size",
     SUPPORT_HONOURED,
     {.type = SCHEMA_BYTES},
     "room for what routes with a cache keep; 64m",
     NULL,
     "test_answers_that_are_too_large_are_not_kept"},
    {"trusted_proxies",
     SUPPORT_HONOURED,
     {.type = SCHEMA_LIST, .items = &text, .canonical = canonical_text_list},
     "addresses whose X-Forwarded-For is believed",
     NULL,
     "test_a_proxy_in_front_says_for_whom_it_asks"},
    {"proxy_protocol",
     SUPPORT_HONOURED,
     {.type = SCHEMA_LIST, .items = &text, .canonical = canonical_text_list},
     "addresses whose connections begin with the PROXY protocol",
     NULL,
     "test_the_proxy_protocol_goes_in_and_out"},
    {"access_log",
     SUPPORT_HONOURED,
     {.type = SCHEMA_OBJECT, .base = &schema_access_log, .canonical = canonical_access_log},
     "10%, off, or a map: which requests are written to the log",
     NULL,
     "test_the_access_log_is_sampled"},
    {0},
};
const struct schema schema_edge = {.type = SCHEMA_OBJECT, .keys = edge_keys};
