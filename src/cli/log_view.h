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

/* Prints the stream of <target> until it ends (*ret_signal 0) or a signal comes. */
MUST_CHECK bool log_view_run(struct cli *cli, const char *system, const char *target,
                             int *ret_signal, struct err *err);
