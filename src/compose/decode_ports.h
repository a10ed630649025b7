/* SPDX-License-Identifier: Apache-2.0
 *
 * services.*.x-ishizue.ports.
 */
#pragma once

#include "compose/decode.h"
#include "compose/model.h"

struct yaml_node;

/* Of <service>, whose own ports were read; <map> is its x-ishizue. */
void decode_x_ports(struct load *load, const struct path *path, const struct yaml_node *map,
                    const struct compose_service *service, struct compose_x_service *ret);
