/* SPDX-License-Identifier: Apache-2.0
 *
 * Completion: a small script for each shell asks `ishizue __complete -- WORD...`
 * for what may stand in the place of the last word, so that every shell offers
 * the same and the rules are here.
 */
#pragma once

#include "base/buf.h"
#include "cli/options.h"

/* NULL for a shell that is not known. */
const char *completion_script(const char *shell);

/* What may stand in the place of the last of <words>. */
struct completion {
    struct buf lines;    /* "CANDIDATE\tDESCRIPTION\n" */
    bool wants_services; /* and the services of the compose file */
    bool wants_files;    /* and file names */
};

void completion_done(struct completion *completion);
AUTO_VALUE(struct completion, completion_done)

void completion_find(const char *const *words, size_t count, struct completion *ret);
