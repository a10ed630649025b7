/* SPDX-License-Identifier: Apache-2.0
 *
 * What a route of the file says beside where it leads, as members of the route
 * in the edge's table (edge/table.h). Each topic has a function of its own.
 */
#pragma once

#include <jansson.h>

#include "compose/model.h"

void edge_policy_write(json_t *row, const struct compose_route *route, const char *folder);

/* edge_policy_balance.c: of the upstream of a route. */
void edge_policy_balance(json_t *upstream, const struct compose_balance *balance);

/* edge_policy_cache.c: of a route; the room that a system's routes ask for, 0: none does. */
void edge_policy_cache(json_t *row, const struct compose_cache *cache);
uint64_t edge_policy_cache_bytes(const struct compose *compose);

/* edge_policy_limits.c: those of a route; of a listener of <compose>, where several systems share
 * it the first one that says anything decides; of the upstream that service <name> is. */
void edge_policy_limits(json_t *row, const struct compose_limits *limits);
void edge_policy_listener(json_t *row, const struct compose *compose);
void edge_policy_upstream(json_t *upstream, const struct compose *compose, const char *name);

/* edge_policy_ports.c: of a TCP listener of <compose>, and of its upstream. <port> NULL: nothing
 * was said of it. */
struct compose_x_port;
void edge_policy_port(json_t *row, const struct compose_x_port *port, const struct compose *compose,
                      uint32_t meter);
void edge_policy_port_upstream(json_t *upstream, const struct compose_x_port *port);

/* edge_policy_rules.c: of a route, and what the system says of the access log. */
void edge_policy_rules(json_t *row, const struct compose_route *route, const char *folder);
void edge_policy_log(json_t *row, const struct compose *compose);
