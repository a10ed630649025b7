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
    bool select;      /* keep only the targets and what they need */
    struct map *off;  /* gets the services whose profile is not active; NULL: not known */
};

/* Changes <root> in place; errors go to load->diags. */
void resolve_project(const struct resolve *with, struct yaml_node *root);

/* Makes relative paths absolute (resolve_paths.c). */
void resolve_paths(struct load *load, const char *base, struct yaml_node *root);
/* What must be done with an included tree while its folder and variables are known. */
void resolve_included(struct load *load, struct env *env, const char *dir, struct yaml_node *root);
/* The values of secrets and configs with `environment`, into VALUE_OF_ENVIRONMENT. */
void resolve_file_values(struct load *load, struct env *env, struct yaml_node *root);

/* pre_start hooks get what they do not say themselves from their service (resolve_hooks.c). */
void resolve_hooks(struct load *load, const struct path *path, struct yaml_node *service);
/* Drops networks, volumes, ... that no service uses (resolve_unused.c). */
void resolve_unused(struct yaml_node *root);
/* `container:NAME` of a container of this project becomes what names its service
 * (resolve_containers.c). */
void resolve_containers(const struct resolve *with, struct yaml_node *services);
/* label_file of every service into its labels (resolve_env.c). */
void resolve_label_files(const struct resolve *with, struct yaml_node *services);
/* env_file of every service into its environment (resolve_env.c). */
void resolve_env_files(const struct resolve *with, struct yaml_node *services);
/* Values of <pairs> that the file leaves open are the caller's; those that nobody has stay null,
 * or go when <drop> is set. */
void resolve_open_values(const struct resolve *with, struct yaml_node *pairs, bool drop);
/* Drops services that no target needs (resolve_select.c). */
void resolve_selected(const struct resolve *with, struct yaml_node *services);
/* Drops services whose profiles are not active (resolve_profiles.c). */
void resolve_profiles(const struct resolve *with, struct yaml_node *services);
/* Networks, volumes, secrets, configs and services that are named must be there
 * (resolve_check.c). */
void resolve_check(const struct resolve *with, const struct yaml_node *root);
