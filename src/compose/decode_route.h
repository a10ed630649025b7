/* SPDX-License-Identifier: Apache-2.0
 *
 * x-ishizue.routes. Each topic of a route has a function of its own, which
 * returns NULL when the route says nothing about it.
 */
#pragma once

#include "compose/decode.h"
#include "compose/model.h"

struct compose_access_log;
struct yaml_node;

/* decode_route_balance.c */
const struct compose_balance *decode_route_balance(struct load *load, const struct path *path,
                                                   const struct yaml_node *node);

/* The same for what is not a route. */
const struct compose_balance *decode_balance(struct load *load, const struct path *path,
                                             const struct yaml_node *node);

/* decode_route_cache.c */
const struct compose_cache *decode_route_cache(struct load *load, const struct path *path,
                                               const struct yaml_node *node);

/* decode_route_place.c: host, path and where a redirect leads. What is wrong with them is told to a
 * person, and not asked again of what is stored. */
void decode_route_place(struct load *load, const struct path *path, const struct yaml_node *node,
                        struct compose_route *ret);
/* Refuses routes[<index>] where one before it is for the same requests. */
void decode_route_check_twin(struct load *load, const struct path *path,
                             const struct yaml_node *node, const struct compose_x *x, size_t index);
void decode_domain(struct load *load, const struct path *path, const struct yaml_node *map);

void decode_routes(struct load *load, const struct path *path, const struct compose *compose,
                   const struct yaml_node *map, struct compose_x *ret);

/* decode_route_limits.c; of a size, 0: not given. */
uint64_t decode_room(struct load *load, const struct path *path, const struct yaml_node *map,
                     const char *key, uint64_t max);
const struct compose_limits *decode_route_limits(struct load *load, const struct path *path,
                                                 const struct yaml_node *node);

/* decode_ports.c: of a pause; 0: not given. */
uint64_t decode_pause(struct load *load, const struct path *path, const struct yaml_node *map,
                      const char *key);

/* decode_route_rules.c; <edge> is x-ishizue.edge. */
const struct compose_rules *decode_route_rules(struct load *load, const struct path *path,
                                               const struct yaml_node *node);
const struct compose_access_log *decode_access_log(struct load *load, const struct path *path,
                                                   const struct yaml_node *edge);
