/* SPDX-License-Identifier: Apache-2.0
 *
 * x-ishizue.releases.
 */
#pragma once

#include "compose/decode.h"
#include "compose/model.h"

struct yaml_node;

struct compose_releases decode_releases(struct load *load, const struct path *parent,
                                        const struct yaml_node *map);
