/* SPDX-License-Identifier: Apache-2.0
 *
 * The nearest of several names to a mistyped one, by edit distance (insert,
 * delete, replace, swap of neighbours).
 */
#pragma once

#include "base/base.h"

enum { SUGGEST_NAME_MAX = 32 }; /* longer words get no suggestion */

struct suggest {
    const char *word;
    const char *best;
    size_t best_distance;
};

struct suggest suggest_start(const char *word);
void suggest_offer(struct suggest *suggest, const char *name);
/* NULL when no name offered was near enough: at most a third of the letters wrong, or the word is
 * the start of the name. */
const char *suggest_best(const struct suggest *suggest);
