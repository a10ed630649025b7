/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by the files of the API server: server.c accepts and ends connections,
 * server_request.c reads, server_answer.c writes. An exchange and its connection
 * are one struct: a connection has one request at a time.
 */
#pragma once

#include "base/buf.h"
#include "base/list.h"
#include "http/http1.h"
#include "http/server.h"
#include "io/loop.h"

struct http_server {
    struct loop *loop;
    http_request_fn *fn;
    void *arg;
    struct watch watch; /* of the listening socket */
    struct timer retry; /* to accept again after the descriptors ran out */
    struct list exchanges;
    size_t count;
    struct http1_head head; /* scratch: a head is read in one go */
    struct deferred deferred;
};

enum exchange_state {
    EXCHANGE_READING,   /* a request, or idle before one */
    EXCHANGE_ANSWERING, /* the handler has it */
    EXCHANGE_STREAMING, /* the handler pushes pieces */
    EXCHANGE_FLUSHING,  /* the answer is complete but not sent */
    EXCHANGE_LINGERING, /* sent; what the client still sends is dropped, so that it sees the answer
                         */
    EXCHANGE_GONE,      /* to be freed at the end of the round */
};

struct http_exchange {
    struct list link;
    struct http_server *server; /* NULL after http_server_close() */
    struct loop *loop;
    struct watch watch;
    struct timer timer;
    struct deferred deferred;
    enum exchange_state state;

    struct buf in;    /* received and not used up; starts with the body when that has a length */
    bool has_started; /* the first bytes of a request are there */
    bool has_head;
    enum http_framing framing;
    size_t length; /* of the body, with HTTP_LENGTH */
    struct http1_chunks chunks;
    struct buf target; /* method, path and query: request points into it */
    struct buf body;   /* with HTTP_CHUNKED */
    struct http_request request;
    int minor_version;
    bool keep_alive;

    struct buf out;
    size_t out_at; /* sent so far */
    bool refused_piece;
    http_exchange_fn *on_close;
    http_exchange_fn *on_drain;
    void *arg;
};

/* Ends the connection at the end of the round. */
void exchange_abandon(struct http_exchange *exchange);

/* Sets state and what to wait for; <seconds> 0 waits for ever. */
void exchange_enter(struct http_exchange *exchange, enum exchange_state state, unsigned seconds);

/* Abandons the exchange, or answers 408, when it is in the same state by then. */
void exchange_set_timeout(struct http_exchange *exchange, unsigned seconds);

/* Receives what is there into exchange->in. False: closed by the client. */
bool exchange_receive(struct http_exchange *exchange);

/* Goes on with what exchange->in holds; may call the handler. */
void exchange_read(struct http_exchange *exchange);

/* Answers what was wrong with a request and closes. */
void http_exchange_refuse(struct http_exchange *exchange, int status, const char *why);

/* Sends what waits; goes on to the next state when all of a complete answer is sent. */
void exchange_flush(struct http_exchange *exchange);
