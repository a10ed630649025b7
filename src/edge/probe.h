/* SPDX-License-Identifier: Apache-2.0
 *
 * One question to a target: does it take a connection, or answer a GET as it should? One connection
 * each, made by the main thread, so that a busy worker does not make a healthy target look sick.
 */
#pragma once

#include <jansson.h>

#include "base/base.h"
#include "base/str.h"
#include "io/socket.h"

struct edge;
struct probe;

enum {
    PROBES_MAX = 256, /* at once */
    PROBE_PATH_BYTES = 1024,
    PROBE_HOST_BYTES = 255,
    PROBE_STATUS_FROM = 200, /* good ones, unless the question says otherwise */
    PROBE_STATUS_TO = 399,
};

struct probe_question {
    union socket_address address;
    struct str path; /* empty: a connection is enough */
    struct str host;
    uint32_t timeout_ms;
    uint16_t status_from;
    uint16_t status_to;
    uint8_t send_proxy; /* version; 0: none */
};

/* <status> 0: there was no answer. <detail> is one line, and empty when <good>. */
typedef void probe_fn(void *arg, bool good, int status, struct str detail);

/* May <text> stand in a question as its path or host? */
bool probe_is_clean(struct str text, size_t max);
/* Asks; <fn> is called once. NULL: it was called already. Nothing of <question> is kept. */
struct probe *probe_open(struct edge *edge, const struct probe_question *question, probe_fn *fn,
                         void *arg);
/* <fn> will not be called. */
void probe_cancel(struct probe *probe);
/* The daemon's question, answered with an event. */
void probe_take_message(struct edge *edge, const json_t *message);
