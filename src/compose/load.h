/* SPDX-License-Identifier: Apache-2.0
 *
 * Compose files in, one resolved project out: finds the files and `.env`,
 * interpolates each file, checks it against the schema, brings it to the long
 * form, merges, applies profiles and env_file, and decodes the model (model.h).
 * Pure but for reading those files. The file and everything in it comes from
 * outside: each size has a limit.
 */
#pragma once

#include <jansson.h>

#include "base/arena.h"
#include "base/base.h"
#include "base/buf.h"
#include "base/err.h"
#include "compose/model.h"

enum {
    COMPOSE_DIAGS_MAX = 20,
    COMPOSE_FILES_MAX = 32,
    COMPOSE_ENV_FILES_MAX = 64,
    COMPOSE_FILE_BYTES = 1 << 20,
    COMPOSE_LOADED_FILES_MAX = 256, /* with those that `include` and `extends` name */
    COMPOSE_LOADED_BYTES = 8 << 20,
    COMPOSE_INCLUDE_DEPTH = 16,
    COMPOSE_EXTENDS_DEPTH = 32,
    COMPOSE_RESOLVED_BYTES = 16 << 20,
};

/* What the host runtime does about a key. */
enum compose_support {
    SUPPORT_HONOURED,
    SUPPORT_EMULATED, /* has its effect by other means, or needs none */
    SUPPORT_OBSOLETE, /* a warning */
    SUPPORT_REFUSED,  /* to ignore it would be wrong */
};
/* "honoured", "emulated", "obsolete", "refused" */
const char *compose_support_name(enum compose_support support);

/* One key that a file holds, in the order of the files: keys that the specification or x-ishizue
 * defines, not names of services and such. */
struct compose_use {
    struct compose_place place;
    const char *path; /* "services.web.ports[0].target" */
    enum compose_support support;
    const char *how; /* by what means, or why not and what else to do; NULL with HONOURED */
};
struct compose_uses {
    struct compose_use *items; /* in the arena of compose_load() */
    size_t count;
    size_t cap;
};

/* Zero means: not given. <environment> may be the process's `environ`. */
struct compose_options {
    const char *const *files; /* -f, in order; "-" is standard input */
    size_t file_count;
    const char *const *env_files; /* --env-file; replaces `.env` */
    size_t env_file_count;
    const char *const *profiles; /* --profile; "*" is all */
    size_t profile_count;
    const char *const *targets; /* services named on the command line: their profiles are active */
    size_t target_count;
    const char *project_name;      /* -p */
    const char *project_directory; /* --project-directory */
    char *const *environment;      /* "KEY=value", ends with NULL */
    const char *working_dir;       /* absolute; the search for a file starts here */
    bool refuse; /* what cannot run here is an error (`up`, `check`), not a warning (`config`) */
    struct compose_uses *uses; /* filled with every key of every file; also when loading fails */
    unsigned skip;             /* COMPOSE_SKIP_...; with any of them there is no model: NULL */
    struct compose_variables *variables; /* filled with those the files use; may be NULL */
    struct compose_pairs *seen;          /* filled with all that can be used; may be NULL */
    bool select; /* nothing but the targets and what they need; no targets: all */
};

/* Steps that `config` may leave out. */
enum {
    COMPOSE_SKIP_INTERPOLATION = 1, /* and values stay as written, all profiles are there */
    COMPOSE_SKIP_NORMALIZATION = 2, /* names, the default network and such are not written out */
    COMPOSE_SKIP_PATHS = 4,
    COMPOSE_SKIP_CONSISTENCY = 8, /* what is named need not be there */
};

/* A variable as the files name it. Texts belong to the arena. */
struct compose_variable {
    const char *name;
    bool required;
    const char *default_value; /* as written; "" when there is none */
    const char *replacement;   /* the same for ${NAME:+...} */
};
struct compose_variables {
    struct compose_variable *items;
    size_t count;
    size_t cap;
};

enum compose_severity { COMPOSE_WARNING, COMPOSE_ERROR };

/* place.file NULL: not about a place in a file. <path> ("services.web.ports[0]") and <hint> may be
 * NULL. Texts belong to the arena. */
struct compose_diag {
    enum compose_severity severity;
    struct compose_place place;
    const char *path;
    const char *text;
    const char *hint;
};

struct compose_diags {
    struct compose_diag items[COMPOSE_DIAGS_MAX]; /* in the order found */
    size_t count;
    size_t error_count; /* also those that did not fit */
    size_t dropped;     /* found but not in items */
};

/* Appends "docker-compose.yml:12:9: services.web.ports[0]: port 70000 is above 65535; hint". */
void compose_diag_format(const struct compose_diag *diag, struct buf *ret);

/* Everything in <ret> and <diags> belongs to <arena>. <ret_resolved> may be NULL; otherwise it gets
 * a new reference to the canonical project (compose_format() prints it). On failure <diags> holds
 * every error found and <err> the first of them; warnings are there in either case. */
MUST_CHECK bool compose_load(const struct compose_options *options, struct arena *arena,
                             struct compose **ret, json_t **ret_resolved,
                             struct compose_diags *diags, struct err *err);

/* The same from what <ret_resolved> gave: needs only working_dir (the project directory, absolute)
 * of the options, reads no other file, interpolates nothing. Gives an equal model except for
 * places, which are unknown (file NULL). */
MUST_CHECK bool compose_load_resolved(struct str json, const char *working_dir, struct arena *arena,
                                      struct compose **ret, json_t **ret_resolved,
                                      struct compose_diags *diags, struct err *err);

enum compose_format { COMPOSE_FORMAT_JSON, COMPOSE_FORMAT_YAML };

/* Appends the project as `config` prints it. <escape_dollars> doubles every `$`, so that the text
 * can be loaded as a compose file again. */
void compose_format(const json_t *resolved, enum compose_format format, bool escape_dollars,
                    struct buf *ret);

enum { COMPOSE_ESCAPE_DOLLARS = 1, COMPOSE_AS_WRITTEN = 2 /* loaded without interpolation */ };
void compose_format_partly(const json_t *resolved, enum compose_format format, unsigned flags,
                           struct buf *ret);
