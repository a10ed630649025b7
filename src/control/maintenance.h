/* SPDX-License-Identifier: Apache-2.0
 *
 * A system in maintenance: the edge answers its visitors itself, with 503 and a
 * page. Stored, so that it outlasts the daemon; the services run on, and health
 * probes reach them.
 */
#pragma once

#include <jansson.h>

#include "base/base.h"

struct caller;
struct daemon;
struct err;

enum {
    MAINTENANCE_PAGE_BYTES = 64 << 10,
    MAINTENANCE_TABLE_BYTES = 4 << 20, /* of its copies, one for each route, in the edge's table */
};

/* Reads what is stored. */
MUST_CHECK bool maintenance_load(struct daemon *daemon, struct err *err);
void maintenance_done(struct daemon *daemon);
/* <page> NULL: the usual one. The same system again: the page is replaced. */
MUST_CHECK bool maintenance_begin(struct daemon *daemon, const char *system, const char *page,
                                  const struct caller *caller, struct err *err);
/* One that is not in maintenance stays so. */
MUST_CHECK bool maintenance_end(struct daemon *daemon, const char *system, struct err *err);
/* {"on": bool, "since_ms": wall clock, "user": "...", "page": text or null} */
json_t *maintenance_json(const struct daemon *daemon, const char *system);
/* Adds what the edge needs to know to <row>, a route of <system>; nothing when it is live. */
void maintenance_write(const struct daemon *daemon, const char *system, json_t *row);
