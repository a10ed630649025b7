/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <fcntl.h>
#include <limits.h>
#include <sqlite3.h>

#include "base/err.h"
#include "base/file.h"
#include "db/db.h"

enum { BUSY_TIMEOUT_MS = 5000 };

struct db {
    sqlite3 *handle;
    char *path;
};

struct db_stmt {
    sqlite3_stmt *handle;
    struct db *db;
};

static enum err_code code_of(int status)
{
    switch (status & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ERR_LOCKED;
    case SQLITE_CONSTRAINT:
        return ERR_EXISTS;
    case SQLITE_TOOBIG:
        return ERR_LIMIT;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_ERROR:
        return ERR_INVALID;
    case SQLITE_NOMEM:
        abort(); /* out of memory, as base/base.h has it */
    default:
        break;
    }
    return ERR_SYSTEM;
}

static bool failed(const struct db *db, int status, struct err *err)
{
    (void)err_set(err, code_of(status), "database '%s': %s", db->path, sqlite3_errmsg(db->handle));
    if (err->code == ERR_SYSTEM)
        err->sys_errno = sqlite3_system_errno(db->handle);
    return false;
}

bool db_exec(struct db *db, const char *sql, struct err *err)
{
    int status = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);

    return status == SQLITE_OK || failed(db, status, err);
}

/* The one value of a pragma. */
static bool read_pragma(struct db *db, const char *sql, int64_t *ret_int, bool *ret_is_ok,
                        struct err *err)
{
    AUTO(db_stmt_free) struct db_stmt *stmt = NULL;
    bool row;

    if (!db_prepare(db, sql, &stmt, err) || !db_stmt_step(stmt, &row, err))
        return false;
    const char *text = row ? db_stmt_text(stmt, 0) : NULL;
    *ret_is_ok = text != NULL && strcmp(text, "ok") == 0;
    *ret_int = row ? db_stmt_int(stmt, 0) : 0;
    return true;
}

static bool check_sound(struct db *db, struct err *err)
{
    int64_t ignored;
    bool sound;

    if (!read_pragma(db, "PRAGMA quick_check(1)", &ignored, &sound, err))
        return false;
    if (!sound)
        return err_set(err, ERR_INVALID, "database '%s' is damaged; restore it from a backup",
                       db->path);
    return true;
}

static bool run_step(struct db *db, const char *sql, size_t version, struct err *err)
{
    AUTO(db_tx_done) struct db_tx tx = {0};
    char pragma[64];

    (void)snprintf(pragma, sizeof pragma, "PRAGMA user_version = %zu", version);
    return db_tx_begin(db, &tx, err) && db_exec(db, sql, err) && db_exec(db, pragma, err) &&
           db_tx_commit(&tx, err);
}

/* What takes <version> back to the one before, as the program that made it left it; NULL: nothing.
 */
static bool find_undo(struct db *db, int64_t version, char **ret, struct err *err)
{
    AUTO(db_stmt_free) struct db_stmt *stmt = NULL;
    int64_t tables;
    bool row;

    *ret = NULL;
    if (!read_pragma(db, "SELECT count(*) FROM sqlite_master WHERE name='schema_undo'", &tables,
                     &row, err))
        return false;
    if (tables == 0)
        return true;
    if (!db_prepare(db, "SELECT sql FROM schema_undo WHERE version=?", &stmt, err))
        return false;
    db_stmt_bind_int(stmt, 1, version);
    if (!db_stmt_step(stmt, &row, err))
        return false;
    if (row && db_stmt_text(stmt, 0) != NULL)
        *ret = mem_copy_text(db_stmt_text(stmt, 0));
    return true;
}

/* A newer program has written the file: back to <step_count>, as far as it said how. */
static bool undo(struct db *db, int64_t version, size_t step_count, struct err *err)
{
    for (int64_t at = version; at > (int64_t)step_count; at--) {
        AUTO(free) char *sql = NULL;
        if (!find_undo(db, at, &sql, err))
            return false;
        if (sql == NULL)
            return err_set(err, ERR_INVALID,
                           "database '%s' has schema %lld but this program knows up to %zu; "
                           "use the newer program that wrote it",
                           db->path, (long long)at, step_count);
        if (!run_step(db, sql, (size_t)at - 1, err))
            return err_prefix(err, "schema %lld, back", (long long)at);
    }
    return true;
}

static bool migrate(struct db *db, const char *const *steps, size_t step_count, struct err *err)
{
    int64_t version;
    bool ignored;

    if (!read_pragma(db, "PRAGMA user_version", &version, &ignored, err))
        return false;
    if (version < 0)
        return err_set(err, ERR_INVALID, "database '%s' has schema %lld, which nothing wrote",
                       db->path, (long long)version);
    if ((uint64_t)version > step_count)
        return undo(db, version, step_count, err);
    for (size_t i = (size_t)version; i < step_count; i++)
        if (!run_step(db, steps[i], i + 1, err))
            return err_prefix(err, "schema step %zu", i + 1);
    return true;
}

/* SQLite would make the file with the umask's mode; states hold things others should not read. */
static bool make_file(const char *path, struct err *err)
{
    AUTO(fd_close) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    return fd >= 0 || err_sys(err, "cannot open database '%s'", path);
}

bool db_open(const char *path, const char *const *steps, size_t step_count, struct db **ret,
             struct err *err)
{
    AUTO(db_free) struct db *db = NEW(struct db);

    if (!make_file(path, err))
        return false;
    db->path = mem_copy_text(path);
    int status =
        sqlite3_open_v2(path, &db->handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (status != SQLITE_OK)
        return failed(db, status, err);
    (void)sqlite3_extended_result_codes(db->handle, 1);
    (void)sqlite3_busy_timeout(db->handle, BUSY_TIMEOUT_MS);
    if (!db_exec(db,
                 "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; "
                 "PRAGMA trusted_schema = OFF",
                 err) ||
        !check_sound(db, err) || !migrate(db, steps, step_count, err))
        return false;
    *ret = TAKE(db);
    return true;
}

void db_free(struct db *db)
{
    if (db == NULL)
        return;
    int status = sqlite3_close(db->handle);
    assert(status == SQLITE_OK); /* a statement was left */
    free(db->path);
    free(db);
}

int64_t db_last_id(const struct db *db)
{
    return sqlite3_last_insert_rowid(db->handle);
}

bool db_prepare(struct db *db, const char *sql, struct db_stmt **ret, struct err *err)
{
    sqlite3_stmt *handle = NULL;
    int status = sqlite3_prepare_v2(db->handle, sql, -1, &handle, NULL);

    if (status != SQLITE_OK)
        return failed(db, status, err);
    assert(handle != NULL); /* <sql> is empty */
    struct db_stmt *stmt = NEW(struct db_stmt);
    *stmt = (struct db_stmt){handle, db};
    *ret = stmt;
    return true;
}

void db_stmt_free(struct db_stmt *stmt)
{
    if (stmt == NULL)
        return;
    (void)sqlite3_finalize(stmt->handle); /* repeats the error of the last step */
    free(stmt);
}

static void check_bound(int status)
{
    assert(status == SQLITE_OK); /* a number the statement does not have, or no reset */
}

void db_stmt_bind_text(struct db_stmt *stmt, int number, const char *text)
{
    check_bound(sqlite3_bind_text(stmt->handle, number, text, -1, SQLITE_TRANSIENT));
}

void db_stmt_bind_int(struct db_stmt *stmt, int number, int64_t value)
{
    check_bound(sqlite3_bind_int64(stmt->handle, number, value));
}

void db_stmt_bind_blob(struct db_stmt *stmt, int number, struct str bytes)
{
    check_bound(sqlite3_bind_blob64(stmt->handle, number, bytes.ptr, bytes.len, SQLITE_TRANSIENT));
}

bool db_stmt_step(struct db_stmt *stmt, bool *ret_row, struct err *err)
{
    int status = sqlite3_step(stmt->handle);

    if (status != SQLITE_ROW && status != SQLITE_DONE)
        return failed(stmt->db, status, err);
    *ret_row = status == SQLITE_ROW;
    return true;
}

bool db_stmt_next(struct db_stmt *stmt, bool *ret_whole, struct err *err)
{
    bool row = false;

    *ret_whole = db_stmt_step(stmt, &row, err);
    return *ret_whole && row;
}

bool db_stmt_run(struct db_stmt *stmt, struct err *err)
{
    bool row;
    bool done = db_stmt_step(stmt, &row, err);

    db_stmt_reset(stmt);
    return done;
}

void db_stmt_reset(struct db_stmt *stmt)
{
    (void)sqlite3_reset(stmt->handle); /* repeats the error of the last step */
    (void)sqlite3_clear_bindings(stmt->handle);
}

const char *db_stmt_text(struct db_stmt *stmt, int column)
{
    return (const char *)sqlite3_column_text(stmt->handle, column);
}

int64_t db_stmt_int(struct db_stmt *stmt, int column)
{
    return sqlite3_column_int64(stmt->handle, column);
}

struct str db_stmt_blob(struct db_stmt *stmt, int column)
{
    const void *bytes = sqlite3_column_blob(stmt->handle, column);
    int len = sqlite3_column_bytes(stmt->handle, column);

    return str_from(bytes, len < 0 ? 0 : (size_t)len);
}

bool db_stmt_is_null(struct db_stmt *stmt, int column)
{
    return sqlite3_column_type(stmt->handle, column) == SQLITE_NULL;
}

bool db_tx_begin(struct db *db, struct db_tx *ret, struct err *err)
{
    /* IMMEDIATE: the lock is taken here, so that a later write cannot fail for it. */
    if (!db_exec(db, "BEGIN IMMEDIATE", err))
        return false;
    ret->db = db;
    return true;
}

bool db_tx_commit(struct db_tx *tx, struct err *err)
{
    assert(tx->db != NULL);
    if (!db_exec(tx->db, "COMMIT", err))
        return false;
    tx->db = NULL;
    return true;
}

void db_tx_done(struct db_tx *tx)
{
    if (tx->db == NULL)
        return;
    /* Some errors (disk full) have rolled back already; then this fails and nothing is lost. */
    (void)sqlite3_exec(tx->db->handle, "ROLLBACK", NULL, NULL, NULL);
    tx->db = NULL;
}
