/* SPDX-License-Identifier: Apache-2.0
 *
 * The PROXY protocol, versions 1 and 2 (haproxy.org, proxy-protocol.txt): who
 * the client of a proxy is, said once before everything else. Strict: what the
 * document does not allow is refused, since the sender is a machine.
 */
#pragma once

#include "base/base.h"
#include "base/str.h"
#include "io/socket.h"

struct exchange;

enum {
    PROXY_PROTOCOL_MAX_BYTES = 4096, /* of a header; version 1 has 107 at most */
    PROXY_PROTOCOL_OUT_BYTES = 128,  /* most that we write */
};

enum proxy_protocol_result { PROXY_PROTOCOL_DONE, PROXY_PROTOCOL_MORE, PROXY_PROTOCOL_BAD };

struct proxy_protocol {
    bool has_source; /* false: the proxy speaks for itself, or does not know */
    union socket_address source;
    union socket_address destination;
    size_t header_bytes;
};

/* Reads a header at the start of <bytes>. PROXY_PROTOCOL_MORE: call again with the same bytes and
 * more; <ret_why> is a static text, set when it is bad. */
enum proxy_protocol_result proxy_protocol_parse(struct str bytes, struct proxy_protocol *ret,
                                                const char **ret_why);

/* A header of <version> 1 or 2 for a connection between two addresses of one family; returns its
 * length. */
size_t proxy_protocol_format(unsigned version, const union socket_address *source,
                             const union socket_address *destination,
                             char ret[PROXY_PROTOCOL_OUT_BYTES]);

/* The same for a connection that has no client but the proxy itself. */
size_t proxy_protocol_format_own(unsigned version, char ret[PROXY_PROTOCOL_OUT_BYTES]);

/* proxy_header.c: writes one to the target of <exchange>, which has just been connected, if its
 * upstream is to have one. False: the connection is dead. */
MUST_CHECK bool proxy_header_send(struct exchange *exchange);
/* Does a connection belong to one client, because it began with his address? */
bool proxy_header_is_sent(const struct exchange *exchange);
