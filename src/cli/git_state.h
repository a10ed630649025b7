/* SPDX-License-Identifier: Apache-2.0
 *
 * Which commit of a git repository a folder is at.
 */
#pragma once

#include <jansson.h>

/* {"commit": "3f9a...", "dirty": true} of <folder>, which may lie deep in the repository; NULL when
 * there is none, or git is not here or does not answer within seconds. git runs as the owner of the
 * repository, whose configuration can name programs. New reference. */
json_t *git_state(const char *folder);
