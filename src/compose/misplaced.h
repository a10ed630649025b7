/* SPDX-License-Identifier: Apache-2.0
 *
 * What to do about a value or a key that stands where it cannot: most often a line that is indented
 * too far or too little, or a sign that is missing. For the hints of canonical.c.
 */
#pragma once

#include "compose/compose_priv.h"
#include "compose/schema.h"

/* <item> is no key of <schema>, which is at <path>. NULL: nothing is known about it. */
const char *misplaced_key(struct load *load, const struct path *path, const struct schema *schema,
                          const struct yaml_item *item);

/* The service at <path> has the name of a key of services and holds nothing that a service has.
 * NULL: it has not. */
const char *misplaced_owner(struct load *load, const struct path *path);

/* <node> at <path> is of another kind than <wanted>. NULL: nothing is known about it. */
const char *misplaced_value(struct load *load, const struct path *path,
                            const struct yaml_node *node, enum yaml_kind wanted);
