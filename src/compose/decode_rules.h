/* SPDX-License-Identifier: Apache-2.0
 *
 * Parts of a route's rules, each NULL when <node>, the route, does not have it.
 */
#pragma once

#include "compose/compose_priv.h"

struct compose_auth;
struct compose_cors;
struct yaml_node;

const struct compose_cors *decode_cors(struct load *load, const struct path *path,
                                       const struct yaml_node *node);
const struct compose_auth *decode_auth(struct load *load, const struct path *path,
                                       const struct yaml_node *node);
