/* SPDX-License-Identifier: Apache-2.0
 *
 * The resolved tree as JSON, and from that what is printed.
 */
#pragma once

#include <jansson.h>

#include "compose/compose_priv.h"

/* Drops what Compose does not print: nulls, empty lists, false. In place. */
void format_prune(struct yaml_node *root);

/* A new reference. */
json_t *format_json(const struct yaml_node *root) MUST_CHECK;

/* What is printed of <resolved>, in the shape of Compose's JSON or YAML; a new reference.
 * <escape_dollars> doubles every `$` of a value. <as_written>: the variables are still in it. */
json_t *format_print(const json_t *resolved, bool as_json, bool escape_dollars,
                     bool as_written) MUST_CHECK;
