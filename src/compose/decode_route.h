/* SPDX-License-Identifier: Apache-2.0
 *
 * x-ishizue.routes. Each topic of a route has a function of its own, which
 * returns NULL when the route says nothing about it.
 */
#pragma once

#include "compose/decode.h"
#include "compose/model.h"

struct yaml_node;

void decode_routes(struct load *load, const struct path *path, const struct compose *compose,
                   const struct yaml_node *map, struct compose_x *ret);
