/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files that read and write state.db share.
 */
#pragma once

#include "control/state.h"
#include "db/db.h"

struct state {
    struct db *db;
    struct db_tx tx;
};

/* Runs <sql>, whose values are texts: <count> of them. */
MUST_CHECK bool state_run(struct state *state, const char *sql, const char *const *texts, int count,
                          struct err *err);
/* The number in the first column of the only row of <sql>, bound to <text> (NULL: nothing). */
MUST_CHECK bool state_number(struct state *state, const char *sql, const char *text,
                             bool *ret_found, int64_t *ret, struct err *err);
