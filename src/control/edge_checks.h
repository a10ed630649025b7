/* SPDX-License-Identifier: Apache-2.0
 *
 * Who checks whom: until an instance is ready the daemon asks, one question at a
 * time (check.c); from then on the edge does by itself what x-ishizue.health says,
 * also while there is no daemon, and tells what it sees. Programs of a compose
 * healthcheck are always run by the daemon.
 */
#pragma once

#include <jansson.h>

#include "base/base.h"

struct daemon;
struct instance;

/* Is its check one that the edge makes? */
bool edge_checks_has(const struct instance *instance);
/* The member "checks" of the edge's table (edge/check.h). New reference. */
json_t *edge_checks_make(struct daemon *daemon);
/* What the edge that accepts has seen. */
void edge_checks_take(struct daemon *daemon, const json_t *event);
