/* SPDX-License-Identifier: Apache-2.0
 *
 * Which variables the files name (`config --variables`).
 */
#pragma once

#include "compose/compose_priv.h"

enum { VARIABLES_MAX = 10000 };

/* Adds those of every value of <root>, a file but for its `name`, to load->variables, one entry a
 * name: it is required when one of its places is, and has the first default and the first
 * replacement that is not empty. */
void variables_add(struct load *load, const struct yaml_node *root);
