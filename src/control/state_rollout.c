/* SPDX-License-Identifier: Apache-2.0
 *
 * The part of state.db that a rollout goes on from.
 */
#include "base/base.h"

#include "base/err.h"
#include "control/state_priv.h"

enum { TOLERATES = 1, PAUSED = 2 }; /* bits of the column "tolerates" */

bool state_save_rollout(struct state *state, const char *system, const struct state_rollout *row,
                        struct err *err)
{
    AUTO(db_stmt_free) struct db_stmt *stmt = NULL;

    if (!db_prepare(state->db,
                    "INSERT OR REPLACE INTO rollouts(system,from_release,to_release,command,"
                    "strategy,state,step,tolerates,started_ms,since_ms,switched_ms,why) "
                    "VALUES(?,?,?,?,?,?,?,?,?,?,?,?)",
                    &stmt, err))
        return false;
    db_stmt_bind_text(stmt, 1, system);
    db_stmt_bind_int(stmt, 2, row->from);
    db_stmt_bind_int(stmt, 3, row->to);
    db_stmt_bind_text(stmt, 4, row->command);
    db_stmt_bind_text(stmt, 5, row->strategy);
    db_stmt_bind_text(stmt, 6, row->state);
    db_stmt_bind_int(stmt, 7, row->step);
    db_stmt_bind_int(stmt, 8, (row->tolerates ? TOLERATES : 0) | (row->paused ? PAUSED : 0));
    db_stmt_bind_int(stmt, 9, row->started_ms);
    db_stmt_bind_int(stmt, 10, row->since_ms);
    db_stmt_bind_int(stmt, 11, row->switched_ms);
    db_stmt_bind_text(stmt, 12, row->why);
    return db_stmt_run(stmt, err);
}

bool state_delete_rollout(struct state *state, const char *system, struct err *err)
{
    return state_run(state, "DELETE FROM rollouts WHERE system=?", &system, 1, err);
}

bool state_read_rollout(struct state *state, const char *system, state_rollout_fn *fn, void *arg,
                        struct err *err)
{
    AUTO(db_stmt_free) struct db_stmt *stmt = NULL;
    bool row;

    if (!db_prepare(state->db,
                    "SELECT from_release,to_release,command,strategy,state,step,tolerates,"
                    "started_ms,since_ms,switched_ms,why FROM rollouts WHERE system=?",
                    &stmt, err))
        return false;
    db_stmt_bind_text(stmt, 1, system);
    if (!db_stmt_step(stmt, &row, err))
        return false;
    struct state_rollout rollout = {.from = (uint32_t)db_stmt_int(stmt, 0),
                                    .to = (uint32_t)db_stmt_int(stmt, 1),
                                    .command = db_stmt_text(stmt, 2),
                                    .strategy = db_stmt_text(stmt, 3),
                                    .state = db_stmt_text(stmt, 4),
                                    .step = (uint32_t)db_stmt_int(stmt, 5),
                                    .tolerates = (db_stmt_int(stmt, 6) & TOLERATES) != 0,
                                    .paused = (db_stmt_int(stmt, 6) & PAUSED) != 0,
                                    .started_ms = db_stmt_int(stmt, 7),
                                    .since_ms = db_stmt_int(stmt, 8),
                                    .switched_ms = db_stmt_int(stmt, 9),
                                    .why = db_stmt_text(stmt, 10)};
    return row ? fn(arg, &rollout, err) : true;
}
