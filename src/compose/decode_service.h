/* SPDX-License-Identifier: Apache-2.0
 *
 * The larger parts of a service, for decode.c.
 */
#pragma once

#include "compose/compose_priv.h"

void decode_ports(struct load *load, const struct path *path, const struct yaml_node *node,
                  struct compose_service *ret);
void decode_expose(struct load *load, const struct path *path, const struct yaml_node *node,
                   struct compose_service *ret);
/* `volumes` and `tmpfs`. */
void decode_volumes(struct load *load, const struct path *path, const struct yaml_node *node,
                    struct compose_service *ret);
