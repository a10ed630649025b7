/* SPDX-License-Identifier: Apache-2.0
 *
 * Calls to the daemon (docs/api.md). An answer that is not 2xx becomes a struct
 * err with the daemon's own code and text.
 */
#pragma once

#include <jansson.h>

#include "base/base.h"
#include "base/str.h"

struct cli;
struct err;

/* <body> may be NULL; <target> is percent-encoded (cli_api_encode()). ERR_NOT_FOUND with sys_errno
 * set also stands for "no daemon": ask cli_api_is_up() to tell. */
MUST_CHECK bool cli_api_call(const struct cli *cli, const char *method, const char *target,
                             const json_t *body, json_t **ret, struct err *err);

/* Whether a daemon listens. */
bool cli_api_is_up(const struct cli *cli);

struct cli_api_reader {
    /* One line of the stream. False: had enough, cli_api_stream() returns true. */
    bool (*on_line)(void *arg, struct str raw, const json_t *line);
    void (*on_tick)(void *arg); /* some times a second; NULL: not needed */
    void *arg;
};

struct cli_api_request {
    const char *method;
    const char *target;
    const json_t *body; /* NULL: none */
};

/* Reads a stream to its end. SIGINT, SIGTERM and SIGHUP meanwhile end it: true, and the number in
 * *ret_signal, which is otherwise 0. */
MUST_CHECK bool cli_api_stream(const struct cli *cli, const struct cli_api_request *request,
                               const struct cli_api_reader *reader, int *ret_signal,
                               struct err *err);

/* Appends <text> with everything but unreserved characters (RFC 3986, 2.3) percent-encoded. */
struct buf;
void cli_api_encode(const char *text, struct buf *ret);
