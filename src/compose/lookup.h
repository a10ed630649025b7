/* SPDX-License-Identifier: Apache-2.0
 *
 * Which files make the project, which folder is its own, what its name is and
 * which variables it sees: flags, then COMPOSE_* variables, then what is found.
 */
#pragma once

#include "compose/compose_priv.h"
#include "compose/env.h"

struct lookup {
    const char *files[COMPOSE_FILES_MAX]; /* absolute, or "-" */
    size_t file_count;
    const char *env_files[COMPOSE_ENV_FILES_MAX]; /* absolute: --env-file, COMPOSE_ENV_FILES */
    size_t env_file_count;
    const char *project_dir;
    const char *name;    /* as given by flag or variable; NULL: neither */
    struct map profiles; /* name -> not NULL */
};

void lookup_done(struct lookup *lookup);
AUTO_VALUE(struct lookup, lookup_done)

/* Fills <ret> and <env>; load->project_dir and load->home are set. */
MUST_CHECK bool lookup_find(struct load *load, const struct compose_options *options,
                            struct env *env, struct lookup *ret, struct err *err);

/* "My Shop" becomes "myshop": lower case, letters, digits, '-' and '_', starting with a letter or a
 * digit. */
const char *lookup_normal_name(struct arena *arena, const char *name);
/* True when it is so already. */
bool lookup_is_name(const char *name);
