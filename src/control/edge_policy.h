/* SPDX-License-Identifier: Apache-2.0
 *
 * What a route of the file says beside where it leads, as members of the route
 * in the edge's table (edge/table.h). Each topic has a function of its own.
 */
#pragma once

#include <jansson.h>

#include "compose/model.h"

void edge_policy_write(json_t *row, const struct compose_route *route);
