/* SPDX-License-Identifier: Apache-2.0
 *
 * After merging: what Compose implies is written out. Names with the project's
 * prefix, the default network, absolute paths, variables from the caller and
 * from env_file, only the services whose profile is active. Then every
 * reference is checked. Doing it twice changes nothing.
 */
#pragma once

#include "compose/compose_priv.h"
#include "compose/env.h"

struct resolve {
    struct load *load;
    struct env *env;            /* NULL: the input is resolved already */
    const struct map *profiles; /* active ones; "*" is all */
    const char *const *targets;
    size_t target_count;
    const char *name; /* of the project */
};

/* Changes <root> in place; errors go to load->diags. */
void resolve_project(const struct resolve *with, struct yaml_node *root);

/* env_file of every service into its environment (resolve_env.c). */
void resolve_env_files(const struct resolve *with, struct yaml_node *services);
/* Values of <pairs> that the file leaves open are the caller's; those that nobody has stay null,
 * or go when <drop> is set. */
void resolve_open_values(const struct resolve *with, struct yaml_node *pairs, bool drop);
/* Drops services whose profiles are not active (resolve_profiles.c). */
void resolve_profiles(const struct resolve *with, struct yaml_node *services);
/* Networks, volumes, secrets, configs and services that are named must be there
 * (resolve_check.c). */
void resolve_check(const struct resolve *with, const struct yaml_node *root);
