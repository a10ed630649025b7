/* SPDX-License-Identifier: Apache-2.0
 *
 * The order in which services start: what one depends on comes before it.
 */
#pragma once

#include "compose/compose_priv.h"

/* Sorts the entries of <services> in place; services that do not depend on each other keep the
 * order of the file. A cycle becomes an error that names its path. */
void graph_sort(struct load *load, struct yaml_node *services);
