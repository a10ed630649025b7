/* SPDX-License-Identifier: Apache-2.0
 *
 * Blocking HTTP/1.1 client over a unix socket, for commands that talk to the
 * daemon. One connection a call; nothing is kept between calls.
 */
#pragma once

#include "base/base.h"
#include "base/buf.h"
#include "base/str.h"

struct err;

enum {
    HTTP_CLIENT_MAX_HEAD_BYTES = 64 << 10,
    HTTP_CLIENT_MAX_LINE_BYTES = 1 << 20, /* of a stream */
};

struct http_call {
    const char *socket_path;
    const char *method; /* "GET" */
    const char *target; /* "/v1/systems?all=1", percent-encoded by the caller */
    struct str json;    /* body; ptr NULL sends none */
    int timeout_ms;     /* without a byte from the server; 0 waits for ever */
    int stop_fd;        /* readable, such as a signalfd: give up; -1 for none */
};

/* Reads the whole answer, at most <limit_bytes> of body (ERR_LIMIT), appended to
 * <ret_body>. True for every status. ERR_NOT_FOUND: nobody listens; ERR_TIMEOUT;
 * ERR_CLOSED: the server went away or stop_fd spoke ("interrupted"). */
MUST_CHECK bool http_client_call(const struct http_call *call, size_t limit_bytes, int *ret_status,
                                 struct buf *ret_body, struct err *err);

/* One line of a stream without its LF, valid during the call. False ends the stream. */
typedef bool http_line_fn(void *arg, struct str line);

/* Calls <fn> with every line of a 2xx answer as it comes, and returns true when
 * the answer is over or <fn> had enough. Of another status nothing is given to
 * <fn>: its body, at most HTTP_CLIENT_MAX_LINE_BYTES, is appended to <ret_body>. */
MUST_CHECK bool http_client_stream(const struct http_call *call, http_line_fn *fn, void *arg,
                                   int *ret_status, struct buf *ret_body, struct err *err);
