/* SPDX-License-Identifier: Apache-2.0
 *
 * x-ishizue.edge.
 */
#pragma once

#include "compose/decode.h"
#include "compose/model.h"

struct yaml_node;

/* A list of ranges of addresses. */
struct compose_texts decode_ranges(struct load *load, const struct path *path,
                                   const struct yaml_node *node, const char *key);
/* NULL when <map> is missing. */
const struct compose_edge *decode_edge(struct load *load, const struct path *path,
                                       const struct yaml_node *map);
