/* SPDX-License-Identifier: Apache-2.0
 *
 * One file's tree against the schema: every short form becomes the long one,
 * every scalar the type of its place, what is wrong becomes a message. Done
 * before files are merged, so that merging sees one form only. Doing it twice
 * changes nothing. Nodes with the tag !reset are left alone.
 */
#pragma once

#include "compose/compose_priv.h"
#include "compose/schema.h"

/* Returns the node to use instead of <node>, or NULL after adding an error. */
struct yaml_node *canonical(struct load *load, const struct path *path, const struct schema *schema,
                            struct yaml_node *node);

/* After merging: a key that stands there without a value, where one is needed, is an error. */
void canonical_check_empty(struct load *load, const struct path *path, const struct schema *schema,
                           const struct yaml_node *node);
