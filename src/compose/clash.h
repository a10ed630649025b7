/* SPDX-License-Identifier: Apache-2.0
 *
 * Services that are good each for itself and cannot run together.
 */
#pragma once

#include "compose/compose_priv.h"
#include "compose/model.h"

/* Adds what is wrong with load_unfit(): one port of the machine that is published twice. */
void clash_check(struct load *load, const struct compose *compose);
