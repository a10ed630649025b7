/* SPDX-License-Identifier: Apache-2.0
 *
 * .dockerignore: which files of a build context are left out. The rules of
 * Docker's build context documentation: one pattern a line, `#` comments, `*`
 * and `?` within a name, `**` over folders, `[a-z]`, `!` takes back, the last
 * line that matches decides; a pattern that matches a folder matches all in it.
 */
#pragma once

#include "base/arena.h"
#include "base/base.h"
#include "base/str.h"

struct err;

enum { IGNORE_BYTES_MAX = 64 * 1024, IGNORE_PATTERNS_MAX = 1000 };

struct ignore_pattern {
    struct str text;
    bool negated;
};

struct ignore {
    struct ignore_pattern *patterns;
    size_t count;
    bool any_negated; /* then what is below an ignored folder has to be looked at */
};

/* The patterns point into <text>, which must live as long. */
MUST_CHECK bool ignore_parse(struct str text, struct arena *arena, struct ignore *ret,
                             struct err *err);

/* Is <path>, relative to the context without a leading slash, left out? */
bool ignore_check(const struct ignore *ignore, struct str path);

/* Does <pattern> match the whole of <path>? */
bool ignore_match(struct str pattern, struct str path);
