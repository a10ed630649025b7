/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "control/state_priv.h"

/* Only ever appended to: step i takes the schema from version i to i + 1. From the fourth on, each
 * leaves in schema_undo what takes it back, for a program that does not know it (db.h). */
static const char *const schema_steps[] = {
    "CREATE TABLE systems(name TEXT PRIMARY KEY, directory TEXT NOT NULL, files TEXT NOT NULL,"
    "  uid INTEGER NOT NULL, wanted INTEGER NOT NULL, current INTEGER NOT NULL);"
    "CREATE TABLE users(name TEXT PRIMARY KEY, uid INTEGER NOT NULL UNIQUE);"
    "CREATE TABLE releases(system TEXT NOT NULL, number INTEGER NOT NULL, config BLOB NOT NULL,"
    "  services BLOB NOT NULL, note TEXT NOT NULL, created_ms INTEGER NOT NULL,"
    "  PRIMARY KEY(system, number));"
    "CREATE TABLE instances(id TEXT PRIMARY KEY, system TEXT NOT NULL, service TEXT NOT NULL,"
    "  number INTEGER NOT NULL, release INTEGER NOT NULL, is_job INTEGER NOT NULL,"
    "  address TEXT NOT NULL, state TEXT NOT NULL, stopped INTEGER NOT NULL,"
    "  restarts INTEGER NOT NULL, failures INTEGER NOT NULL, exit_status INTEGER NOT NULL,"
    "  created_ms INTEGER NOT NULL, started_ms INTEGER NOT NULL);"
    "CREATE INDEX instances_of ON instances(system);"
    "CREATE TABLE addresses(address INTEGER PRIMARY KEY, owner TEXT NOT NULL UNIQUE);"
    "CREATE TABLE migrations(system TEXT NOT NULL, service TEXT NOT NULL, hash TEXT NOT NULL,"
    "  done_ms INTEGER NOT NULL, PRIMARY KEY(system, service, hash));",
    "ALTER TABLE instances ADD COLUMN paused INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE instances ADD COLUMN no_restart INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE instances ADD COLUMN one_off TEXT;"
    "ALTER TABLE instances ADD COLUMN auto_remove INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE instances ADD COLUMN leaving INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE instances ADD COLUMN takes_names INTEGER NOT NULL DEFAULT 0;"
    "CREATE TABLE holds(system TEXT NOT NULL, service TEXT NOT NULL, hold INTEGER NOT NULL,"
    "  PRIMARY KEY(system, service));"
    "CREATE TABLE doomed(system TEXT NOT NULL, service TEXT NOT NULL, volume TEXT NOT NULL,"
    "  PRIMARY KEY(system, service, volume));",
    "CREATE TABLE ports(owner TEXT PRIMARY KEY, port INTEGER NOT NULL);",
    "CREATE TABLE release_facts(system TEXT NOT NULL, number INTEGER NOT NULL,"
    "  uid INTEGER NOT NULL, user TEXT NOT NULL, back_to INTEGER NOT NULL, git_commit TEXT,"
    "  dirty INTEGER NOT NULL, changed BLOB NOT NULL, state TEXT NOT NULL,"
    "  PRIMARY KEY(system, number));"
    "INSERT INTO release_facts SELECT name,current,0,'',0,NULL,0,'{}','reached' FROM systems"
    "  WHERE current>0;"
    "CREATE TABLE release_numbers(system TEXT PRIMARY KEY, last INTEGER NOT NULL);"
    "INSERT INTO release_numbers SELECT system,max(number) FROM releases GROUP BY system;"
    "DELETE FROM releases WHERE (note='run' OR number<=(SELECT last-10 FROM release_numbers n"
    "  WHERE n.system=releases.system)) AND NOT EXISTS(SELECT 1 FROM instances i"
    "  WHERE i.system=releases.system AND i.release=releases.number) AND NOT EXISTS("
    "  SELECT 1 FROM systems s WHERE s.name=releases.system AND"
    "  (s.wanted=releases.number OR s.current=releases.number));"
    "CREATE TABLE history(id INTEGER PRIMARY KEY, system TEXT NOT NULL, action TEXT NOT NULL,"
    "  services TEXT NOT NULL, uid INTEGER NOT NULL, user TEXT NOT NULL, time_ms INTEGER NOT NULL,"
    "  took_ms INTEGER NOT NULL, release INTEGER NOT NULL, error TEXT);"
    "CREATE INDEX history_of ON history(system, id);"
    "CREATE TABLE locks(system TEXT PRIMARY KEY, uid INTEGER NOT NULL, user TEXT NOT NULL,"
    "  message TEXT NOT NULL, time_ms INTEGER NOT NULL);"
    "CREATE TABLE schema_undo(version INTEGER PRIMARY KEY, sql TEXT NOT NULL);"
    "INSERT INTO schema_undo VALUES(4, 'DROP TABLE release_facts; DROP TABLE release_numbers;"
    "  DROP TABLE history; DROP TABLE locks; DROP TABLE schema_undo');",
    "CREATE TABLE rollouts(system TEXT PRIMARY KEY, from_release INTEGER NOT NULL,"
    "  to_release INTEGER NOT NULL, command TEXT NOT NULL, strategy TEXT NOT NULL,"
    "  state TEXT NOT NULL, step INTEGER NOT NULL, tolerates INTEGER NOT NULL,"
    "  started_ms INTEGER NOT NULL, since_ms INTEGER NOT NULL, switched_ms INTEGER NOT NULL,"
    "  why TEXT NOT NULL);"
    "INSERT INTO schema_undo VALUES(5, 'DROP TABLE rollouts');",
    "CREATE TABLE maintenance(system TEXT PRIMARY KEY, page TEXT, user TEXT NOT NULL,"
    "  since_ms INTEGER NOT NULL);"
    "INSERT INTO schema_undo VALUES(6, 'DROP TABLE maintenance');",
};

/* 10.213.0.0/16, without its first addresses; above the range of people's uids. */
enum { FIRST_ADDRESS = 0x0ad50010, LAST_ADDRESS = 0x0ad5fffe, FIRST_UID = 700000 };

struct state *state_open(const char *path, struct err *err)
{
    AUTO(db_free) struct db *db = NULL;

    if (!db_open(path, schema_steps, ARRAY_LEN(schema_steps), &db, err))
        return NULL;
    struct state *state = NEW(struct state);
    state->db = TAKE(db);
    return state;
}

size_t state_schema(void)
{
    return ARRAY_LEN(schema_steps);
}

bool state_copy(struct state *state, const char *path, struct err *err)
{
    AUTO(db_stmt_free) struct db_stmt *stmt = NULL;

    if (!file_write(path, (struct str){0}, 0600, err) ||
        !db_prepare(state->db, "VACUUM INTO ?", &stmt, err))
        return false;
    db_stmt_bind_text(stmt, 1, path);
    return db_stmt_run(stmt, err);
}

void state_free(struct state *state)
{
    if (state == NULL)
        return;
    db_tx_done(&state->tx);
    db_free(state->db);
    free(state);
}

bool state_begin(struct state *state, struct err *err)
{
    return db_tx_begin(state->db, &state->tx, err);
}

bool state_commit(struct state *state, struct err *err)
{
    bool committed = db_tx_commit(&state->tx, err);

    state_abandon(state);
    return committed;
}

void state_abandon(struct state *state)
{
    db_tx_done(&state->tx);
    state->tx = (struct db_tx){0};
}

bool state_save_system(struct state *state, const struct system *system, struct err *err)
{
    AUTO(db_stmt_free) struct db_stmt *stmt = NULL;

    if (!db_prepare(state->db, "INSERT OR REPLACE INTO systems VALUES(?,?,?,?,?,?)", &stmt, err))
        return false;
    db_stmt_bind_text(stmt, 1, system->name);
    db_stmt_bind_text(stmt, 2, system->directory);
    db_stmt_bind_text(stmt, 3, system->files);
    db_stmt_bind_int(stmt, 4, system->uid);
    db_stmt_bind_int(stmt, 5, system->wanted == NULL ? 0 : system->wanted->number);
    db_stmt_bind_int(stmt, 6, system->current == NULL ? 0 : system->current->number);
    return db_stmt_run(stmt, err);
}

bool state_run(struct state *state, const char *sql, const char *const *texts, int count,
               struct err *err)
{
    AUTO(db_stmt_free) struct db_stmt *stmt = NULL;

    if (!db_prepare(state->db, sql, &stmt, err))
        return false;
    for (int i = 0; i < count; i++)
        db_stmt_bind_text(stmt, i + 1, texts[i]);
    return db_stmt_run(stmt, err);
}

bool state_delete_system(struct state *state, const char *name, struct err *err)
{
    return state_run(state, "DELETE FROM holds WHERE system=?", &name, 1, err) &&
           state_run(state, "DELETE FROM doomed WHERE system=?", &name, 1, err) &&
           state_forget_ports(state, name, err) && state_delete_rollout(state, name, err) &&
           state_run(state, "DELETE FROM systems WHERE name=?", &name, 1, err);
}

/* ---- holds ---- */

bool state_save_hold(struct state *state, const char *system, const char *service,
                     enum plan_hold hold, struct err *err)
{
    const char *const names[] = {system, service};
    AUTO(db_stmt_free) struct db_stmt *stmt = NULL;

    if (hold == PLAN_HOLD_NONE)
        return state_run(state, "DELETE FROM holds WHERE system=? AND service=?", names, 2, err);
    if (!db_prepare(state->db, "INSERT OR REPLACE INTO holds VALUES(?,?,?)", &stmt, err))
        return false;
    db_stmt_bind_text(stmt, 1, system);
    db_stmt_bind_text(stmt, 2, service);
    db_stmt_bind_int(stmt, 3, hold);
    return db_stmt_run(stmt, err);
}

bool state_each_hold(struct state *state, const char *system, state_hold_fn *fn, void *arg,
                     struct err *err)
{
    AUTO(db_stmt_free) struct db_stmt *stmt = NULL;
    bool whole;

    if (!db_prepare(state->db, "SELECT service,hold FROM holds WHERE system=?", &stmt, err))
        return false;
    db_stmt_bind_text(stmt, 1, system);
    while (db_stmt_next(stmt, &whole, err)) {
        int64_t hold = db_stmt_int(stmt, 1);
        if (hold <= PLAN_HOLD_NONE || hold >= PLAN_HOLD_COUNT)
            return err_set(err, ERR_INVALID, "service '%s' is held in an unknown way",
                           db_stmt_text(stmt, 0));
        fn(arg, db_stmt_text(stmt, 0), (enum plan_hold)hold);
    }
    return whole;
}

/* ---- volumes that are to be removed ---- */

bool state_doom_volume(struct state *state, const char *system, const char *service,
                       const char *volume, struct err *err)
{
    const char *const texts[] = {system, service, volume};
    return state_run(state, "INSERT OR REPLACE INTO doomed VALUES(?,?,?)", texts, 3, err);
}

bool state_spare_volume(struct state *state, const char *system, const char *service,
                        const char *volume, struct err *err)
{
    const char *const texts[] = {system, service, volume};
    return state_run(state, "DELETE FROM doomed WHERE system=? AND service=? AND volume=?", texts,
                     3, err);
}

bool state_spare_volumes(struct state *state, const char *system, struct err *err)
{
    return state_run(state,
                     "DELETE FROM doomed WHERE system=? AND service NOT IN "
                     "(SELECT id FROM instances)",
                     &system, 1, err);
}

bool state_each_doomed(struct state *state, const char *system, state_doomed_fn *fn, void *arg,
                       struct err *err)
{
    AUTO(db_stmt_free) struct db_stmt *stmt = NULL;
    bool whole;

    if (!db_prepare(state->db, "SELECT service,volume FROM doomed WHERE system=?", &stmt, err))
        return false;
    db_stmt_bind_text(stmt, 1, system);
    while (db_stmt_next(stmt, &whole, err)) {
        fn(arg, db_stmt_text(stmt, 0), db_stmt_text(stmt, 1));
    }
    return whole;
}

/* ---- systems ---- */

bool state_each_system(struct state *state, state_system_fn *fn, void *arg, struct err *err)
{
    AUTO(db_stmt_free) struct db_stmt *stmt = NULL;
    bool whole;

    if (!db_prepare(state->db, "SELECT name,directory,files,uid,wanted,current FROM systems", &stmt,
                    err))
        return false;
    while (db_stmt_next(stmt, &whole, err)) {
        struct state_system system = {.name = db_stmt_text(stmt, 0),
                                      .directory = db_stmt_text(stmt, 1),
                                      .files = db_stmt_text(stmt, 2),
                                      .uid = (uid_t)db_stmt_int(stmt, 3),
                                      .wanted = (uint32_t)db_stmt_int(stmt, 4),
                                      .current = (uint32_t)db_stmt_int(stmt, 5)};
        if (!fn(arg, &system, err))
            return false;
    }
    return whole;
}

bool state_number(struct state *state, const char *sql, const char *text, bool *ret_found,
                  int64_t *ret, struct err *err)
{
    AUTO(db_stmt_free) struct db_stmt *stmt = NULL;

    if (!db_prepare(state->db, sql, &stmt, err))
        return false;
    if (text != NULL)
        db_stmt_bind_text(stmt, 1, text);
    if (!db_stmt_step(stmt, ret_found, err))
        return false;
    if (*ret_found) {
        *ret_found = !db_stmt_is_null(stmt, 0);
        *ret = db_stmt_int(stmt, 0);
    }
    return true;
}

bool state_uid(struct state *state, const char *name, uid_t *ret, struct err *err)
{
    AUTO(db_stmt_free) struct db_stmt *stmt = NULL;
    bool found;
    int64_t uid = 0;

    if (!state_number(state, "SELECT uid FROM users WHERE name=?", name, &found, &uid, err))
        return false;
    if (!found) {
        if (!state_number(state, "SELECT max(uid)+1 FROM users", NULL, &found, &uid, err))
            return false;
        uid = found ? uid : FIRST_UID;
        if (!db_prepare(state->db, "INSERT INTO users VALUES(?,?)", &stmt, err))
            return false;
        db_stmt_bind_text(stmt, 1, name);
        db_stmt_bind_int(stmt, 2, uid);
        if (!db_stmt_run(stmt, err))
            return false;
    }
    *ret = (uid_t)uid;
    return true;
}

bool state_save_instance(struct state *state, const struct instance *instance, struct err *err)
{
    AUTO(db_stmt_free) struct db_stmt *stmt = NULL;

    if (!db_prepare(
            state->db,
            "INSERT OR REPLACE INTO instances(id,system,service,number,release,is_job,address,"
            "state,stopped,restarts,failures,exit_status,created_ms,started_ms,paused,"
            "no_restart,one_off,auto_remove,leaving,takes_names) "
            "VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
            &stmt, err))
        return false;
    db_stmt_bind_text(stmt, 1, instance->id);
    db_stmt_bind_text(stmt, 2, instance->system->name);
    db_stmt_bind_text(stmt, 3, instance->made_of->service->name);
    db_stmt_bind_int(stmt, 4, instance->number);
    db_stmt_bind_int(stmt, 5, instance->release->number);
    db_stmt_bind_int(stmt, 6, instance->is_job);
    db_stmt_bind_text(stmt, 7, instance->address);
    db_stmt_bind_text(stmt, 8, instance_state_name(instance->state));
    db_stmt_bind_int(stmt, 9, instance->stopped);
    db_stmt_bind_int(stmt, 10, instance->restarts);
    db_stmt_bind_int(stmt, 11, instance->failures);
    db_stmt_bind_int(stmt, 12, instance->exit_status);
    db_stmt_bind_int(stmt, 13, instance->created_wall_ms);
    db_stmt_bind_int(stmt, 14, instance->started_wall_ms);
    db_stmt_bind_int(stmt, 15, instance->paused);
    db_stmt_bind_int(stmt, 16, instance->no_restart);
    db_stmt_bind_text(stmt, 17, instance->one_off);
    db_stmt_bind_int(stmt, 18, instance->auto_remove);
    db_stmt_bind_int(stmt, 19, instance->leaving);
    db_stmt_bind_int(stmt, 20, instance->takes_names);
    return db_stmt_run(stmt, err);
}

bool state_delete_instance(struct state *state, const char *id, struct err *err)
{
    return state_run(state, "DELETE FROM instances WHERE id=?", &id, 1, err);
}

bool state_each_instance(struct state *state, const char *system, state_instance_fn *fn, void *arg,
                         struct err *err)
{
    AUTO(db_stmt_free) struct db_stmt *stmt = NULL;
    bool whole;

    if (!db_prepare(state->db,
                    "SELECT id,service,address,state,number,release,is_job,stopped,restarts,"
                    "failures,exit_status,created_ms,started_ms,paused,no_restart,one_off,"
                    "auto_remove,leaving,takes_names FROM instances WHERE system=? "
                    "ORDER BY created_ms,id",
                    &stmt, err))
        return false;
    db_stmt_bind_text(stmt, 1, system);
    while (db_stmt_next(stmt, &whole, err)) {
        struct state_instance instance = {.id = db_stmt_text(stmt, 0),
                                          .service = db_stmt_text(stmt, 1),
                                          .address = db_stmt_text(stmt, 2),
                                          .state = db_stmt_text(stmt, 3),
                                          .number = (uint32_t)db_stmt_int(stmt, 4),
                                          .release = (uint32_t)db_stmt_int(stmt, 5),
                                          .is_job = db_stmt_int(stmt, 6) != 0,
                                          .stopped = db_stmt_int(stmt, 7) != 0,
                                          .restarts = (uint32_t)db_stmt_int(stmt, 8),
                                          .failures = (uint32_t)db_stmt_int(stmt, 9),
                                          .exit_status = (int)db_stmt_int(stmt, 10),
                                          .created_wall_ms = db_stmt_int(stmt, 11),
                                          .started_wall_ms = db_stmt_int(stmt, 12),
                                          .paused = db_stmt_int(stmt, 13) != 0,
                                          .no_restart = db_stmt_int(stmt, 14) != 0,
                                          .one_off = db_stmt_text(stmt, 15),
                                          .auto_remove = db_stmt_int(stmt, 16) != 0,
                                          .leaving = db_stmt_int(stmt, 17) != 0,
                                          .takes_names = db_stmt_int(stmt, 18) != 0};
        if (!fn(arg, &instance, err))
            return false;
    }
    return whole;
}

bool state_address(struct state *state, const char *owner, char *ret, struct err *err)
{
    AUTO(db_stmt_free) struct db_stmt *stmt = NULL;
    bool found;
    int64_t address = 0;

    if (!state_number(state, "SELECT address FROM addresses WHERE owner=?", owner, &found, &address,
                      err))
        return false;
    if (!found) {
        /* The lowest free one above the last given would wander; the lowest free one is reused at
         * once and may meet old connections: take the next after the highest, then wrap. */
        if (!state_number(state, "SELECT max(address)+1 FROM addresses", NULL, &found, &address,
                          err))
            return false;
        address = found ? address : FIRST_ADDRESS;
        if (address > LAST_ADDRESS &&
            !state_number(
                state,
                "SELECT min(a.address)+1 FROM addresses a WHERE NOT EXISTS (SELECT 1 FROM "
                "addresses b WHERE b.address=a.address+1)",
                NULL, &found, &address, err))
            return false;
        if (address > LAST_ADDRESS)
            return err_set(err, ERR_LIMIT, "all addresses of 10.213.0.0/16 are in use");
        if (!db_prepare(state->db, "INSERT INTO addresses VALUES(?,?)", &stmt, err))
            return false;
        db_stmt_bind_int(stmt, 1, address);
        db_stmt_bind_text(stmt, 2, owner);
        if (!db_stmt_run(stmt, err))
            return false;
    }
    struct in_addr in = {.s_addr = htonl((uint32_t)address)};
    return inet_ntop(AF_INET, &in, ret, STATE_ADDRESS_BYTES) != NULL;
}

bool state_forget_address(struct state *state, const char *owner, struct err *err)
{
    return state_run(state, "DELETE FROM addresses WHERE owner=?", &owner, 1, err);
}

bool state_forget_addresses(struct state *state, const char *system, struct err *err)
{
    const char *const texts[] = {system, system};
    return state_run(state, "DELETE FROM addresses WHERE substr(owner,1,length(?)+1)=?||'/'", texts,
                     2, err);
}

bool state_mark_migrated(struct state *state, const char *system, const char *service,
                         const char *hash, struct err *err)
{
    AUTO(db_stmt_free) struct db_stmt *stmt = NULL;

    if (!db_prepare(state->db, "INSERT OR REPLACE INTO migrations VALUES(?,?,?,?)", &stmt, err))
        return false;
    db_stmt_bind_text(stmt, 1, system);
    db_stmt_bind_text(stmt, 2, service);
    db_stmt_bind_text(stmt, 3, hash);
    db_stmt_bind_int(stmt, 4, clock_wall_ms());
    return db_stmt_run(stmt, err);
}

bool state_is_migrated(struct state *state, const char *system, const char *service,
                       const char *hash, bool *ret, struct err *err)
{
    AUTO(db_stmt_free) struct db_stmt *stmt = NULL;

    if (!db_prepare(state->db, "SELECT 1 FROM migrations WHERE system=? AND service=? AND hash=?",
                    &stmt, err))
        return false;
    db_stmt_bind_text(stmt, 1, system);
    db_stmt_bind_text(stmt, 2, service);
    db_stmt_bind_text(stmt, 3, hash);
    return db_stmt_step(stmt, ret, err);
}

bool state_forget_migration(struct state *state, const char *system, const char *service,
                            const char *hash, struct err *err)
{
    const char *const texts[] = {system, service, hash};
    return state_run(state, "DELETE FROM migrations WHERE system=? AND service=? AND hash=?", texts,
                     3, err);
}

bool state_forget_runs(struct state *state, const char *system, struct err *err)
{
    return state_run(state, "DELETE FROM migrations WHERE system=? AND hash NOT GLOB '*/migrate'",
                     &system, 1, err);
}

bool state_forget_migrations(struct state *state, const char *system, struct err *err)
{
    return state_run(state, "DELETE FROM migrations WHERE system=?", &system, 1, err);
}

/* ---- numbers of published ports ---- */

bool state_find_port(struct state *state, const char *owner, uint16_t *ret, struct err *err)
{
    bool found;
    int64_t port = 0;

    if (!state_number(state, "SELECT port FROM ports WHERE owner=?", owner, &found, &port, err))
        return false;
    *ret = found && port > 0 && port <= UINT16_MAX ? (uint16_t)port : 0;
    return true;
}

bool state_keep_port(struct state *state, const char *owner, uint16_t port, struct err *err)
{
    AUTO(db_stmt_free) struct db_stmt *stmt = NULL;

    if (!db_prepare(state->db, "INSERT OR REPLACE INTO ports VALUES(?,?)", &stmt, err))
        return false;
    db_stmt_bind_text(stmt, 1, owner);
    db_stmt_bind_int(stmt, 2, port);
    return db_stmt_run(stmt, err);
}

bool state_forget_ports(struct state *state, const char *system, struct err *err)
{
    const char *const texts[] = {system, system};
    return state_run(state, "DELETE FROM ports WHERE substr(owner,1,length(?)+1)=?||'/'", texts, 2,
                     err);
}
