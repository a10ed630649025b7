/* SPDX-License-Identifier: Apache-2.0
 *
 * What the phases of one compose_load() share: the arena, the list of messages
 * and the place in the document that is being looked at.
 */
#pragma once

#include "base/map.h"
#include "compose/load.h"
#include "yaml/yaml.h"

struct load {
    struct arena *arena;
    struct compose_diags *diags;
    const char *working_dir;   /* absolute; names of files in messages are relative to it */
    const char *project_dir;   /* absolute */
    const char *home;          /* for "~"; NULL: unknown */
    int warnings_off;          /* above 0: load_warn() adds nothing */
    bool refuse;               /* load_unfit() adds errors */
    bool keep_tags;            /* merge() leaves what a later merge() must see */
    struct compose_uses *uses; /* may be NULL */
    size_t file_count;         /* read so far */
    size_t byte_count;
    size_t copied; /* values that are not written in a file but taken over; see load_copy() */
    unsigned skip; /* COMPOSE_SKIP_... */
    struct compose_variables *variables; /* may be NULL */
};

/* The value of the variable that `environment` of a secret or config names, beside it. Never
 * printed by `config`. */
#define VALUE_OF_ENVIRONMENT "x-ishizue-value"

/* "services.web.ports[0]", linked from the innermost part outwards, on the stack. key NULL: an
 * index. The root has no path: NULL. */
struct path {
    const struct path *parent;
    const char *key;
    size_t index;
};

/* NULL for NULL. */
const char *path_format(const struct path *path, struct arena *arena);

/* Adds a message about <node> (may be NULL) at <path> (may be NULL); <hint> may be NULL. */
/* Counts <values> that extends, hooks, env_file or label_file make out of few bytes; false, with an
 * error, when they are more than YAML_NODES_MAX together. */
bool load_copy(struct load *load, const struct yaml_node *node, const struct path *path,
               size_t values);
void load_error(struct load *load, const struct yaml_node *node, const struct path *path,
                const char *hint, const char *fmt, ...) PRINTF_LIKE(5, 6);
void load_warn(struct load *load, const struct yaml_node *node, const struct path *path,
               const char *hint, const char *fmt, ...) PRINTF_LIKE(5, 6);
/* What the specification allows and nothing here can run: an error for `up`, a warning for
 * `config`. */
void load_unfit(struct load *load, const struct yaml_node *node, const struct path *path,
                const char *hint, const char *fmt, ...) PRINTF_LIKE(5, 6);
/* An error whose text is ready: of a file that could not be read or parsed. */
void load_add_err(struct load *load, const struct err *err);

/* True when errors were added; fills <err> with the first. */
bool load_failed(const struct load *load, struct err *err);

/* Absolute and without "." and ".." parts; "~" is the home folder; relative to <base>. */
const char *path_absolute(const struct load *load, const char *base, const char *path);

/* "did you mean 'x'?" for the one of <words> (ends with NULL) that is near <word>, or NULL. */
const char *suggest(struct arena *arena, const char *word, const char *const *words);
