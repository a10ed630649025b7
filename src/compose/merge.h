/* SPDX-License-Identifier: Apache-2.0
 *
 * Several files into one tree (Compose Specification, 13 Merge): maps merge,
 * lists append, single values replace; command, entrypoint and healthcheck.test
 * replace; entries of ports, volumes and such are one per identity. Works on
 * what canonical() gave.
 */
#pragma once

#include "compose/compose_priv.h"
#include "compose/schema.h"

/* Puts <over> on <base> (changed in place; may be NULL). Returns NULL when nothing is left:
 * `!reset`. */
struct yaml_node *merge(struct load *load, const struct path *path, const struct schema *schema,
                        struct yaml_node *base, struct yaml_node *over);

/* After the last file: drops what `!reset` took out and repeated entries. */
void merge_finish(struct load *load, const struct schema *schema, struct yaml_node *node);
