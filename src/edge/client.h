/* SPDX-License-Identifier: Apache-2.0
 *
 * A connection from a client: reads request heads, starts an exchange for each,
 * one at a time, and keeps what was pipelined behind it. While it is idle it
 * holds this struct and nothing else. When the client turns out to speak HTTP/2
 * (ALPN, or its preface on a plain connection), h2_conn.c takes over.
 */
#pragma once

#include "base/base.h"
#include "base/list.h"
#include "edge/conn.h"
#include "edge/table.h"

/* IPv6 without a scope; what maps IPv4 is written as IPv4. */
enum { CLIENT_IP_BYTES = 39 };

struct client {
    struct conn conn;
    struct list link; /* in worker.clients */
    union {
        struct exchange *exchange; /* NULL: between requests */
        struct h2 *h2;             /* with <is_http2> */
    };
    uint32_t listener_id;
    uint32_t acked_bytes; /* at the last client_takes() */
    uint8_t kind;         /* enum listener_kind */
    bool running;         /* client_run() is on the stack */
    bool is_http2;
    bool begun;      /* a request was read: the preface of HTTP/2 comes too late */
    bool trusted;    /* it is a proxy whose X-Forwarded-For is believed */
    uint8_t counted; /* limits_client.c */
    uint8_t ip_len;
    char ip[CLIENT_IP_BYTES]; /* text without NUL */
};

/* client_proxied.c: the address of <client> is still to come. */
void client_await_proxy(struct client *client);
/* The address is known: begins, unless there are too many. */
void client_admit(struct client *client, const struct table_listener *config);

/* Owns <fd>. */
void client_open(struct worker *worker, const struct table_listener *config, int fd,
                 const union socket_address *address);

extern const struct client_ops client_http1;

/* Nothing is left to be said but what waits to be written: closes after that, letting the client
 * read to the end. */
void client_finish(struct client *client);
/* Has the client taken anything worth mentioning of what is being written since the last call? */
bool client_takes(struct client *client);
/* What it does next is the last: HTTP/2 says so at once, HTTP/1.1 with the next answer. */
void client_announce_end(struct client *client);
bool client_is_finishing(const struct client *client);
void client_close(struct client *client);
/* At once, with whatever it was doing. */
void client_abort(struct client *client);
/* For a stop: waits for nothing that has not begun. */
void client_close_if_idle(struct client *client);
/* While memory is short: closes one that waits for its next request, and one that has been about to
 * make its first for EDGE_SHED_MS. */
void client_shed(struct client *client);
