/* SPDX-License-Identifier: Apache-2.0
 *
 * Variables in values: $V ${V} ${V:-d} ${V-d} ${V:?e} ${V?e} ${V:+r} ${V+r} and
 * $$ for a dollar. Lazy: only the branch that is used is looked into, so an
 * unused default neither warns nor fails.
 */
#pragma once

#include "base/base.h"
#include "base/buf.h"
#include "base/err.h"

enum { INTERPOLATE_DEPTH_MAX = 16, INTERPOLATE_BYTES_MAX = 256 * 1024 };

struct interpolate {
    const char *(*find)(void *context, struct str name); /* NULL: not set */
    void (*on_unset)(void *context, struct str name);    /* read, not set and no default */
    void *context;
};

/* Appends <text> with its variables replaced. A `$` that starts none of the forms is kept; `${`
 * that is not closed or has no proper name is an error, as is a required variable without value. */
MUST_CHECK bool interpolate_text(const struct interpolate *with, struct str text, struct buf *ret,
                                 struct err *err);

/* One place where a variable is named. */
struct interpolate_place {
    struct str name;
    bool required;
    struct str default_value; /* as written; ptr NULL: none */
    struct str replacement;   /* of ${NAME:+...}; ptr NULL: none */
};

/* Calls <on_place> for each variable that <text> names, those within defaults too, up to the
 * first that is not closed. */
void interpolate_list(struct str text, void (*on_place)(void *, const struct interpolate_place *),
                      void *context);
