/* SPDX-License-Identifier: Apache-2.0
 *
 * Log lines of several instances: "backend-1  | text", the prefix in a colour
 * of the service's own. On a terminal, escape sequences other than colours do
 * not get through: a service's output is not trusted.
 */
#pragma once

#include <jansson.h>

#include "base/base.h"
#include "base/buf.h"
#include "base/map.h"

struct cli;
struct err;
struct term;

struct log_view {
    const struct term *term;
    const char *system;
    bool timestamps;
    bool prefix;
    bool colour;
    size_t prefix_width;
    struct map styles; /* service -> enum style */
};

void log_view_init(struct log_view *view, const struct cli *cli, const char *system);
void log_view_done(struct log_view *view);
AUTO_VALUE(struct log_view, log_view_done)

/* <instance> will be among the prefixes: they are aligned. */
void log_view_expect(struct log_view *view, const char *instance);
void log_view_line(struct log_view *view, const json_t *line, struct buf *ret);

struct log_request {
    const char *system;
    const char *target; /* of the API, without `tail` and `since_ms` */
    const char *tail;   /* so many lines of each instance; NULL: all */
    int64_t since_ms;   /* 0: all */
    bool follows;
};

/* Prints the stream until it ends (*ret_signal 0) or a signal comes. One that follows and breaks
 * off, because the daemon becomes another program or is started again, is taken up again without
 * a line lost or repeated; a daemon that stays away for ten seconds ends it. */
MUST_CHECK bool log_view_run(struct cli *cli, const struct log_request *request, int *ret_signal,
                             struct err *err);
