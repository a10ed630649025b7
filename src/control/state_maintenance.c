/* SPDX-License-Identifier: Apache-2.0
 *
 * Systems in maintenance, as state.db has them.
 */
#include "base/base.h"

#include "control/state_priv.h"

bool state_save_maintenance(struct state *state, const char *system,
                            const struct state_maintenance *row, struct err *err)
{
    AUTO(db_stmt_free) struct db_stmt *stmt = NULL;

    if (!db_prepare(state->db, "INSERT OR REPLACE INTO maintenance VALUES(?,?,?,?)", &stmt, err))
        return false;
    db_stmt_bind_text(stmt, 1, system);
    db_stmt_bind_text(stmt, 2, row->page);
    db_stmt_bind_text(stmt, 3, row->user);
    db_stmt_bind_int(stmt, 4, row->since_ms);
    return db_stmt_run(stmt, err);
}

bool state_delete_maintenance(struct state *state, const char *system, struct err *err)
{
    return state_run(state, "DELETE FROM maintenance WHERE system=?", &system, 1, err);
}

bool state_each_maintenance(struct state *state, state_maintenance_fn *fn, void *arg,
                            struct err *err)
{
    AUTO(db_stmt_free) struct db_stmt *stmt = NULL;
    bool whole;

    if (!db_prepare(state->db, "SELECT system,page,user,since_ms FROM maintenance", &stmt, err))
        return false;
    while (db_stmt_next(stmt, &whole, err)) {
        struct state_maintenance maintenance = {.page = db_stmt_text(stmt, 1),
                                                .user = db_stmt_text(stmt, 2),
                                                .since_ms = db_stmt_int(stmt, 3)};
        fn(arg, db_stmt_text(stmt, 0), &maintenance);
    }
    return whole;
}
