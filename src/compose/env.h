/* SPDX-License-Identifier: Apache-2.0
 *
 * The variables that a file is interpolated with: those of the caller first,
 * then those of `.env` or --env-file. What was read first stays. Values belong
 * to the arena.
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

/* Reads <count> files of variables (absolute paths), of which a later one beats an earlier one;
 * what <env> has already beats them all. */
MUST_CHECK bool env_read_files(struct env *env, struct load *load, const char *const *paths,
                               size_t count, struct err *err);

/* A copy, whose later changes <env> does not see; values are shared. */
void env_copy(const struct env *env, struct env *ret);

/* All of them, by name. */
void env_list(const struct env *env, struct arena *arena, struct compose_pairs *ret);

/* What <name> is; NULL: not set. <context> is a struct env *. */
const char *env_find(void *context, struct str name);
