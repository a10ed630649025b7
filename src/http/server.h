/* SPDX-License-Identifier: Apache-2.0
 *
 * A small HTTP/1.1 server on a unix socket: the daemon's API. Lives in the
 * thread of its loop. A request is read whole, body included, before the handler
 * sees it; the handler answers at once, later, or piece by piece.
 *
 * A struct http_exchange is one request on its way to an answer. It ends with
 * http_answer(), http_stream_end() or the client going away, which on_close
 * tells; after that nobody may use the pointer. Nothing here calls on_close from
 * within a call of the handler's: it comes at the end of the round.
 */
#pragma once

#include <sys/types.h>

#include "base/base.h"
#include "base/str.h"
#include "http/http_names.h"

struct err;
struct loop;
struct http_server;
struct http_exchange;

enum {
    HTTP_SERVER_MAX_HEAD_BYTES = 64 << 10,   /* 431 above */
    HTTP_SERVER_MAX_BODY_BYTES = 16 << 20,   /* 413 above */
    HTTP_SERVER_MAX_WAITING_BYTES = 1 << 20, /* of a stream whose client reads slowly */
    HTTP_SERVER_MAX_CONNECTIONS = 256,       /* further ones wait in the kernel's queue */
    HTTP_SERVER_IDLE_SECONDS = 60,           /* between requests */
    HTTP_SERVER_READ_SECONDS = 30,           /* for one whole request: 408 */
    HTTP_SERVER_WRITE_SECONDS = 60,          /* without progress; streams may stand still */
};

/* Valid until the exchange ends. */
struct http_request {
    enum http_method method;
    struct str method_text;
    struct str path;  /* normal form of http/path.h */
    struct str query; /* as it came; ptr NULL when there is no '?' */
    struct str body;
    uid_t peer_uid; /* of the process that connected (SO_PEERCRED) */
    pid_t peer_pid;
};

/* Must answer, or call http_exchange_watch() and answer later. */
typedef void http_request_fn(void *arg, struct http_exchange *exchange,
                             const struct http_request *request);

/* Takes over <listen_fd>, also when it fails. */
MUST_CHECK struct http_server *http_server_open(struct loop *loop, int listen_fd,
                                                http_request_fn *fn, void *arg, struct err *err);

/* Cuts all connections; on_close of what was not answered is called from here.
 * The memory goes at the end of the loop's round: run one before loop_free(). */
void http_server_close(struct http_server *server);

typedef void http_exchange_fn(void *arg);

/* <on_close>: the client went away before the end of the answer. <on_drain>, may
 * be NULL: a stream that refused a piece has room again. */
void http_exchange_watch(struct http_exchange *exchange, http_exchange_fn *on_close,
                         http_exchange_fn *on_drain, void *arg);

/* The whole answer; <json> is copied, may be empty, and is not sent to HEAD. */
void http_answer(struct http_exchange *exchange, int status, struct str json);

/* The head of an answer whose length is not known. Watch the exchange first. */
void http_stream_start(struct http_exchange *exchange, int status, const char *content_type);

/* One piece, sent as soon as the client takes it. False: it was not taken, as
 * HTTP_SERVER_MAX_WAITING_BYTES are waiting already; on_drain comes when half of
 * them are gone. */
MUST_CHECK bool http_stream_push(struct http_exchange *exchange, struct str piece);

void http_stream_end(struct http_exchange *exchange);
