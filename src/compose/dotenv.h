/* SPDX-License-Identifier: Apache-2.0
 *
 * Files of NAME=value lines: `.env` and env_file.
 *     A=plain # a comment       B="two ${A}\nlines"       C='as it is $A'
 *     export D=x                E                         (the caller's E, if set)
 */
#pragma once

#include "base/arena.h"
#include "base/base.h"
#include "base/err.h"
#include "base/map.h"

enum {
    DOTENV_BYTES_MAX = 1 << 20,
    DOTENV_NAMES_MAX = 10000,
    DOTENV_VALUES_MAX = 1 << 20, /* bytes of all values together */
};

struct dotenv_source {
    const char *file; /* for errors: "file:line: ..." */
    bool raw;         /* `format: raw`: no quotes, no variables */
    /* The outer variables, asked before those of the file; NULL: not set. May be NULL itself. */
    const char *(*find)(void *context, struct str name);
    void *context;
};

/* Adds to <ret> (name -> const char *); what is there already is replaced. Names and values belong
 * to <arena>. */
MUST_CHECK bool dotenv_parse(struct str text, const struct dotenv_source *source,
                             struct arena *arena, struct map *ret, struct err *err);
