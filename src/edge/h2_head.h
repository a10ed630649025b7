/* SPDX-License-Identifier: Apache-2.0
 *
 * Between the fields of HTTP/2 and heads as text of HTTP/1.1, which is what the
 * rest of the edge reads and writes. A request's text then goes through the
 * strict parser of src/http, so both protocols are held to the same rules and a
 * field cannot become two lines.
 *
 * Pseudo fields by RFC 9113, 8.3: :authority becomes Host, and a Host beside it
 * must say the same; pieces of Cookie are joined (8.2.3). An extended CONNECT for
 * a WebSocket (RFC 8441) becomes GET with Upgrade.
 */
#pragma once

#include <nghttp2/nghttp2.h>

#include "base/base.h"
#include "base/str.h"
#include "edge/spill.h"

enum {
    H2_HEADER_LIST_BYTES = 64 * 1024, /* names, values and 32 for each field (RFC 9113, 6.5.2) */
    H2_TARGET_BYTES = 15 * 1024,
    H2_FIELDS_MAX = 160, /* of a head: 100 that came, and what the edge and a route's rules add */
    H2_KEY_BYTES = 24,   /* of Sec-WebSocket-Key */
};

enum h2_pseudo {
    H2_AUTHORITY,
    H2_METHOD,
    H2_PATH,
    H2_PROTOCOL,
    H2_SCHEME,
    H2_STATUS,
    H2_HOST, /* not a pseudo field, but of their kind */
    H2_PSEUDOS,
};

/* A header block that is coming. Zero is a valid start. */
struct h2_head {
    struct spill *pseudo; /* values, one behind the other */
    uint32_t from[H2_PSEUDOS];
    uint32_t len[H2_PSEUDOS];
    bool has[H2_PSEUDOS];
    struct spill *lines;
    struct spill *cookies; /* joined */
    uint32_t list_bytes;
    bool has_length;
    bool too_large; /* more than H2_HEADER_LIST_BYTES */
    bool malformed;
};

/* Frees what is there; <head> is at its start again. */
void h2_head_clear(struct h2_head *head, struct spill_pool *pool);
void h2_head_add(struct h2_head *head, struct spill_pool *pool, struct str name, struct str value);

/* The request as text in <ret>. Its body, unless <ended>, is announced as chunked when no length
 * is: its end is not known. <key> is for an extended CONNECT. 0, or the status that refuses it. */
int h2_head_write_request(const struct h2_head *head, struct spill_pool *pool, bool ended,
                          const char key[H2_KEY_BYTES], struct spill **ret);
bool h2_head_is_websocket(const struct h2_head *head);

/* The fields of a response whose text, as the edge writes it, is <text>: the names become lower
 * case in place, and what is for HTTP/1.1 alone is left out. Returns their count. */
size_t h2_head_read_response(char *text, size_t len, nghttp2_nv ret[H2_FIELDS_MAX]);
/* The same for the lines of trailers; fields that mean something in a head are left out, as are
 * those above H2_FIELDS_MAX. */
size_t h2_head_read_trailers(char *text, size_t len, nghttp2_nv ret[H2_FIELDS_MAX]);

/* The other way round, for targets that speak HTTP/2. The fields of a request whose text, as the
 * edge writes it, is <text>; "te: trailers" among them when <wants_trailers>. Names become lower
 * case in place, Host becomes :authority. Returns their count; 0: more than H2_FIELDS_MAX. */
size_t h2_head_read_request(char *text, size_t len, bool wants_trailers,
                            nghttp2_nv ret[H2_FIELDS_MAX]);
/* A response as text in <ret>, of at most <limit> bytes as HTTP/2 counts them. False: it is not
 * one, or above that. */
MUST_CHECK bool h2_head_write_response(const struct h2_head *head, struct spill_pool *pool,
                                       uint32_t limit, struct spill **ret);
/* 1xx: another head follows. */
bool h2_head_is_interim(const struct h2_head *head);
/* False: these are no trailers, or above <limit>. */
MUST_CHECK bool h2_head_take_trailers(struct h2_head *head, uint32_t limit, struct spill **ret);
