/* SPDX-License-Identifier: Apache-2.0
 *
 * A recipe's YAML tree into its struct, by one table of keys. Private to the
 * host runtime.
 */
#pragma once

#include "runtime/recipe.h"
#include "yaml/yaml.h"

/* Unknown keys, wrong kinds and missing ones are ERR_INVALID with "file:line:column: ". */
MUST_CHECK bool recipe_decode(const struct yaml_node *root, struct arena *arena, struct recipe *ret,
                              struct err *err);
