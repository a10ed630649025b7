/* SPDX-License-Identifier: Apache-2.0
 *
 * x-ishizue.edge.
 */
#pragma once

#include "compose/decode.h"
#include "compose/model.h"

struct yaml_node;

/* NULL when <map> is missing. */
const struct compose_edge *decode_edge(struct load *load, const struct path *path,
                                       const struct yaml_node *map);
