/* SPDX-License-Identifier: Apache-2.0
 *
 * The part of state.db that people look back at: releases, actions, locks.
 */
#include "base/base.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "control/state_priv.h"

/* ---- releases ---- */

/* One more than the last that was ever given. */
static bool next_number(struct state *state, const char *system, int64_t *ret, struct err *err)
{
    AUTO(db_stmt_free) struct db_stmt *stmt = NULL;
    bool found;
    int64_t last = 0;

    if (!state_number(state, "SELECT last FROM release_numbers WHERE system=?", system, &found,
                      &last, err) ||
        !db_prepare(state->db, "INSERT OR REPLACE INTO release_numbers VALUES(?,?)", &stmt, err))
        return false;
    db_stmt_bind_text(stmt, 1, system);
    db_stmt_bind_int(stmt, 2, last + 1);
    *ret = last + 1;
    return db_stmt_run(stmt, err);
}

bool state_add_release(struct state *state, const char *system, struct str config,
                       struct str services, const char *note, uint32_t *ret_number, struct err *err)
{
    AUTO(db_stmt_free) struct db_stmt *stmt = NULL;
    int64_t number;

    if (!next_number(state, system, &number, err) ||
        !db_prepare(state->db,
                    "INSERT INTO releases(system,number,config,services,note,created_ms) "
                    "VALUES(?,?,?,?,?,?)",
                    &stmt, err))
        return false;
    db_stmt_bind_text(stmt, 1, system);
    db_stmt_bind_int(stmt, 2, number);
    db_stmt_bind_blob(stmt, 3, config);
    db_stmt_bind_blob(stmt, 4, services);
    db_stmt_bind_text(stmt, 5, note);
    db_stmt_bind_int(stmt, 6, clock_wall_ms());
    if (!db_stmt_run(stmt, err))
        return false;
    *ret_number = (uint32_t)number;
    return true;
}

bool state_read_release(struct state *state, const char *system, uint32_t number,
                        struct buf *ret_config, struct buf *ret_services, struct err *err)
{
    AUTO(db_stmt_free) struct db_stmt *stmt = NULL;
    bool found;

    if (!db_prepare(state->db, "SELECT config,services FROM releases WHERE system=? AND number=?",
                    &stmt, err))
        return false;
    db_stmt_bind_text(stmt, 1, system);
    db_stmt_bind_int(stmt, 2, number);
    if (!db_stmt_step(stmt, &found, err))
        return false;
    if (!found)
        return err_set(err, ERR_NOT_FOUND, "there is no release %u of '%s'", number, system);
    buf_add_str(ret_config, db_stmt_blob(stmt, 0));
    buf_add_str(ret_services, db_stmt_blob(stmt, 1));
    return true;
}

bool state_note_release(struct state *state, const char *system, const struct state_release *facts,
                        struct err *err)
{
    AUTO(db_stmt_free) struct db_stmt *stmt = NULL;

    if (!db_prepare(state->db,
                    "INSERT OR REPLACE INTO release_facts(system,number,uid,user,back_to,"
                    "git_commit,dirty,changed,state) VALUES(?,?,?,?,?,?,?,?,?)",
                    &stmt, err))
        return false;
    db_stmt_bind_text(stmt, 1, system);
    db_stmt_bind_int(stmt, 2, facts->number);
    db_stmt_bind_int(stmt, 3, facts->uid);
    db_stmt_bind_text(stmt, 4, facts->user);
    db_stmt_bind_int(stmt, 5, facts->back_to);
    db_stmt_bind_text(stmt, 6, facts->commit);
    db_stmt_bind_int(stmt, 7, facts->dirty);
    db_stmt_bind_blob(stmt, 8, facts->changed);
    db_stmt_bind_text(stmt, 9, facts->state);
    return db_stmt_run(stmt, err);
}

bool state_mark_release(struct state *state, const char *system, uint32_t number, const char *from,
                        const char *to, struct err *err)
{
    AUTO(db_stmt_free) struct db_stmt *stmt = NULL;

    if (!db_prepare(state->db,
                    "UPDATE release_facts SET state=?1 WHERE system=?2 AND number=?3 AND "
                    "(?4 IS NULL OR state=?4)",
                    &stmt, err))
        return false;
    db_stmt_bind_text(stmt, 1, to);
    db_stmt_bind_text(stmt, 2, system);
    db_stmt_bind_int(stmt, 3, number);
    db_stmt_bind_text(stmt, 4, from);
    return db_stmt_run(stmt, err);
}

static const char *text_or_empty(struct db_stmt *stmt, int column)
{
    const char *text = db_stmt_text(stmt, column);
    return text == NULL ? "" : text;
}

bool state_each_release(struct state *state, const char *system, state_release_fn *fn, void *arg,
                        struct err *err)
{
    AUTO(db_stmt_free) struct db_stmt *stmt = NULL;
    bool whole;

    if (!db_prepare(state->db,
                    "SELECT r.number,r.created_ms,r.note,r.services,f.uid,f.user,f.back_to,"
                    "f.git_commit,f.dirty,f.changed,f.state FROM releases r LEFT JOIN "
                    "release_facts f ON f.system=r.system AND f.number=r.number "
                    "WHERE r.system=? ORDER BY r.number DESC",
                    &stmt, err))
        return false;
    db_stmt_bind_text(stmt, 1, system);
    while (db_stmt_next(stmt, &whole, err)) {
        struct state_release release = {.number = (uint32_t)db_stmt_int(stmt, 0),
                                        .created_ms = db_stmt_int(stmt, 1),
                                        .note = text_or_empty(stmt, 2),
                                        .services = db_stmt_blob(stmt, 3),
                                        .uid = (uid_t)db_stmt_int(stmt, 4),
                                        .user = text_or_empty(stmt, 5),
                                        .back_to = (uint32_t)db_stmt_int(stmt, 6),
                                        .commit = db_stmt_text(stmt, 7),
                                        .dirty = db_stmt_int(stmt, 8) != 0,
                                        .changed = db_stmt_blob(stmt, 9),
                                        .state = text_or_empty(stmt, 10)};
        fn(arg, &release);
    }
    return whole;
}

/* Runs <sql>, which deletes what belongs to a release. */
static bool delete_release(struct state *state, const char *sql, const char *system,
                           uint32_t number, struct err *err)
{
    AUTO(db_stmt_free) struct db_stmt *stmt = NULL;

    if (!db_prepare(state->db, sql, &stmt, err))
        return false;
    db_stmt_bind_text(stmt, 1, system);
    db_stmt_bind_int(stmt, 2, number);
    return db_stmt_run(stmt, err);
}

bool state_forget_release(struct state *state, const char *system, uint32_t number, struct err *err)
{
    return delete_release(state, "DELETE FROM release_facts WHERE system=? AND number=?", system,
                          number, err) &&
           delete_release(state, "DELETE FROM releases WHERE system=? AND number=?", system, number,
                          err);
}

bool state_forget_releases(struct state *state, const char *system, struct err *err)
{
    return state_run(state, "DELETE FROM release_facts WHERE system=?", &system, 1, err) &&
           state_run(state, "DELETE FROM releases WHERE system=?", &system, 1, err);
}

bool state_each_services(struct state *state, state_services_fn *fn, void *arg, struct err *err)
{
    AUTO(db_stmt_free) struct db_stmt *stmt = NULL;
    bool whole;

    if (!db_prepare(state->db, "SELECT note,services FROM releases", &stmt, err))
        return false;
    while (db_stmt_next(stmt, &whole, err)) {
        fn(arg, text_or_empty(stmt, 0), db_stmt_blob(stmt, 1));
    }
    return whole;
}

/* ---- history ---- */

static bool insert_action(struct state *state, const struct state_action *action, struct err *err)
{
    AUTO(db_stmt_free) struct db_stmt *stmt = NULL;

    if (!db_prepare(state->db,
                    "INSERT INTO history(system,action,services,uid,user,time_ms,took_ms,release,"
                    "error) VALUES(?,?,?,?,?,?,?,?,?)",
                    &stmt, err))
        return false;
    db_stmt_bind_text(stmt, 1, action->system);
    db_stmt_bind_text(stmt, 2, action->action);
    db_stmt_bind_text(stmt, 3, action->services);
    db_stmt_bind_int(stmt, 4, action->uid);
    db_stmt_bind_text(stmt, 5, action->user);
    db_stmt_bind_int(stmt, 6, action->time_ms);
    db_stmt_bind_int(stmt, 7, action->took_ms);
    db_stmt_bind_int(stmt, 8, action->release);
    db_stmt_bind_text(stmt, 9, action->error);
    return db_stmt_run(stmt, err);
}

bool state_add_action(struct state *state, const struct state_action *action, struct err *err)
{
    AUTO(db_stmt_free) struct db_stmt *stmt = NULL;

    if (!insert_action(state, action, err) ||
        !db_prepare(state->db, "DELETE FROM history WHERE id<=?", &stmt, err))
        return false;
    db_stmt_bind_int(stmt, 1, db_last_id(state->db) - STATE_HISTORY_MAX);
    return db_stmt_run(stmt, err);
}

bool state_each_action(struct state *state, const char *system, uint32_t limit, state_action_fn *fn,
                       void *arg, struct err *err)
{
    AUTO(db_stmt_free) struct db_stmt *stmt = NULL;
    bool whole;

    if (!db_prepare(state->db,
                    "SELECT id,system,action,services,uid,user,time_ms,took_ms,release,error FROM "
                    "history WHERE ?1 IS NULL OR system=?1 ORDER BY id DESC LIMIT ?2",
                    &stmt, err))
        return false;
    db_stmt_bind_text(stmt, 1, system);
    db_stmt_bind_int(stmt, 2, limit);
    while (db_stmt_next(stmt, &whole, err)) {
        struct state_action action = {.id = db_stmt_int(stmt, 0),
                                      .system = text_or_empty(stmt, 1),
                                      .action = text_or_empty(stmt, 2),
                                      .services = text_or_empty(stmt, 3),
                                      .uid = (uid_t)db_stmt_int(stmt, 4),
                                      .user = text_or_empty(stmt, 5),
                                      .time_ms = db_stmt_int(stmt, 6),
                                      .took_ms = db_stmt_int(stmt, 7),
                                      .release = (uint32_t)db_stmt_int(stmt, 8),
                                      .error = db_stmt_text(stmt, 9)};
        fn(arg, &action);
    }
    return whole;
}

/* ---- locks ---- */

bool state_read_lock(struct state *state, const char *system, bool *ret_held,
                     struct state_lock *ret, struct err *err)
{
    AUTO(db_stmt_free) struct db_stmt *stmt = NULL;

    if (!db_prepare(state->db, "SELECT uid,user,message,time_ms FROM locks WHERE system=?", &stmt,
                    err))
        return false;
    db_stmt_bind_text(stmt, 1, system);
    if (!db_stmt_step(stmt, ret_held, err))
        return false;
    if (*ret_held) {
        ret->uid = (uid_t)db_stmt_int(stmt, 0);
        str_format(ret->user, sizeof ret->user, "%s", text_or_empty(stmt, 1));
        str_format(ret->message, sizeof ret->message, "%s", text_or_empty(stmt, 2));
        ret->time_ms = db_stmt_int(stmt, 3);
    }
    return true;
}

bool state_save_lock(struct state *state, const char *system, const struct state_lock *lock,
                     struct err *err)
{
    AUTO(db_stmt_free) struct db_stmt *stmt = NULL;

    if (!db_prepare(state->db, "INSERT OR REPLACE INTO locks VALUES(?,?,?,?,?)", &stmt, err))
        return false;
    db_stmt_bind_text(stmt, 1, system);
    db_stmt_bind_int(stmt, 2, lock->uid);
    db_stmt_bind_text(stmt, 3, lock->user);
    db_stmt_bind_text(stmt, 4, lock->message);
    db_stmt_bind_int(stmt, 5, lock->time_ms);
    return db_stmt_run(stmt, err);
}

bool state_delete_lock(struct state *state, const char *system, struct err *err)
{
    return state_run(state, "DELETE FROM locks WHERE system=?", &system, 1, err);
}
