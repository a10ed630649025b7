/* SPDX-License-Identifier: Apache-2.0
 *
 * The resolved tree as JSON in the shape that Compose prints.
 */
#pragma once

#include <jansson.h>

#include "compose/compose_priv.h"

/* Drops what Compose does not print: nulls, empty lists, false. In place. */
void format_prune(struct yaml_node *root);

/* A new reference. */
json_t *format_json(const struct yaml_node *root) MUST_CHECK;
