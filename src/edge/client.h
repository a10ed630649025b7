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

struct client {
    struct conn conn;
    struct list link;          /* in worker.clients */
    struct exchange *exchange; /* NULL: between requests */
    uint32_t listener_id;
    uint8_t kind; /* enum listener_kind */
    bool running; /* client_run() is on the stack */
    uint8_t ip_len;
    char ip[SOCKET_TEXT_BYTES];
};

/* Owns <fd>. */
void client_open(struct worker *worker, const struct table_listener *config, int fd,
                 const union socket_address *address);

/* The exchange is over and everything of its answer was written or kept. Closes unless
 * <keep_alive>, letting the client read to the end first. */
void client_exchange_done(struct client *client, bool keep_alive);
/* At once, with whatever it was doing. */
void client_abort(struct client *client);
/* For a stop: waits for nothing that has not begun. */
void client_close_if_idle(struct client *client);
