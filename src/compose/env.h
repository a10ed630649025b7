/* SPDX-License-Identifier: Apache-2.0
 *
 * The variables that a file is interpolated with: those of the caller first,
 * then those of `.env` or --env-file. Values belong to the arena.
 */
#pragma once

#include "compose/compose_priv.h"

struct env {
    struct map caller; /* name -> const char * */
    struct map files;
};

void env_done(struct env *env);
AUTO_VALUE(struct env, env_done)

/* "NAME=value", ends with NULL; <environment> may be NULL. */
void env_add_caller(struct env *env, struct arena *arena, char *const *environment);

/* Reads one file of variables; a later one beats an earlier one. A missing one is no failure when
 * <required> is false. */
MUST_CHECK bool env_read_file(struct env *env, struct load *load, const char *path, bool required,
                              struct err *err);

/* NULL: not set. <context> is a struct env *. */
const char *env_find(void *context, struct str name);
