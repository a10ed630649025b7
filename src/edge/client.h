/* SPDX-License-Identifier: Apache-2.0
 *
 * A connection from a client: reads request heads, starts an exchange for each,
 * one at a time, and keeps what was pipelined behind it. While it is idle it
 * holds this struct and nothing else.
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
    struct list link;          /* in worker.clients */
    struct exchange *exchange; /* NULL: between requests */
    uint32_t listener_id;
    uint32_t acked_bytes; /* at the last client_takes() */
    uint8_t kind;         /* enum listener_kind */
    bool running;         /* client_run() is on the stack */
    uint8_t ip_len;
    char ip[CLIENT_IP_BYTES]; /* text without NUL */
};

/* Owns <fd>. */
void client_open(struct worker *worker, const struct table_listener *config, int fd,
                 const union socket_address *address);

/* The exchange is over and everything of its answer was written or kept. Closes unless
 * <keep_alive>, letting the client read to the end first. */
void client_exchange_done(struct client *client, bool keep_alive);
/* Has the client taken anything of what is being written since the last call? */
bool client_takes(struct client *client);
/* At once, with whatever it was doing. */
void client_abort(struct client *client);
/* For a stop: waits for nothing that has not begun. */
void client_close_if_idle(struct client *client);
