/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether the files that a compose file names are there, for `check`: a team reads in the evening
 * what would stop it at night.
 */
#pragma once

#include "compose/load.h"
#include "compose/model.h"

/* Adds an error for a file that a service needs and nobody will make, a warning for what looks like
 * a file and will be made as an empty folder. External secrets lie in <state_dir>. */
void check_files(struct arena *arena, const char *state_dir, const struct compose *compose,
                 struct compose_diags *ret);
