/* SPDX-License-Identifier: Apache-2.0
 *
 * Compose files that belong together: those of the command line, or those of
 * one entry of `include`. Each document is interpolated, brought to the long
 * form, joined with what it includes and extends, and merged over the one before.
 */
#pragma once

#include "compose/compose_priv.h"
#include "compose/env.h"

struct source {
    struct load *load;
    struct env *env;
    struct map *warned;          /* variables that a warning was given for */
    size_t *total_bytes;         /* of replaced values, over all files */
    const char *dir;             /* absolute; relative paths start here */
    const struct source *parent; /* whose file includes these; NULL: the command line's */
    size_t depth;                /* of includes */
    const char *file;            /* the one that is being read; absolute or "-" */
};

struct source_file {
    const char *path;
    struct yaml_node **documents; /* maps, or null */
    size_t count;
};

/* <path> is absolute or "-". Counts against the limits of one load. */
MUST_CHECK bool source_read(struct load *load, const char *path, struct source_file *ret,
                            struct err *err);

/* How a file is called in messages: relative to the working folder where it is below. */
const char *source_name(const struct load *load, const char *path);

/* Fills in ${...} in every value of <root>. */
void source_fill(const struct source *source, struct yaml_node *root);

/* Returns the merged tree, or NULL; errors go to load->diags. */
struct yaml_node *source_merge(struct source *source, const struct source_file *files,
                               size_t count);

/* include.c: puts what `include` of <root> names below what <root> has itself. */
void include_apply(const struct source *source, struct yaml_node *root);
/* extends.c: puts every service of <root> over the one it extends. */
void extends_apply(const struct source *source, struct yaml_node *root);
