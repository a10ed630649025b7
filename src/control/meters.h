/* SPDX-License-Identifier: Apache-2.0
 *
 * Which meter of the edge (edge/meter.h) counts for what: a name, such as
 * "upstream shop/web:8000 release 12", has one number as long as tables use it.
 * Numbers are given anew only when all were given once, so what the last
 * requests of a release count does not fall to another one.
 */
#pragma once

#include <jansson.h>

#include "base/base.h"
#include "edge/meter.h"

struct arena;
struct compose_route;
struct daemon;
struct meters;

struct meters *meters_new(void);
void meters_free(struct meters *meters); /* takes NULL */

/* A region that an edge sent; takes <fd>. Replaces the former one: counts start at 0. */
void meters_attach(struct daemon *daemon, int fd);
/* Changes with every region: what was read before cannot be compared with what is read after. */
uint64_t meters_epoch(const struct daemon *daemon);

/* Of <upstream> ("system/service:port") when instances of <release> answer; in <arena>. */
const char *meters_release_name(struct arena *arena, const char *upstream, uint32_t release);
/* Of a route of <system>; in <arena>. */
const char *meters_route_name(struct arena *arena, const char *system, const char *host,
                              const char *path);

/* The number of <name> for the table that is being made, given now when it had none. 0: too many
 * names are in use. */
uint32_t meters_number(struct daemon *daemon, const char *name);
/* A table was sent: names that it did not ask for may lose their numbers. */
void meters_table_sent(struct daemon *daemon);

/* What was counted since the number was given. False, and all zero: there is no such name, or no
 * edge that counts. */
bool meters_read(const struct daemon *daemon, const char *name, struct meter *ret);
/* {"name": {"requests": 12, ...}, ...} of the names of the last table. */
json_t *meters_json(const struct daemon *daemon);
