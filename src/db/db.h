/* SPDX-License-Identifier: Apache-2.0
 *
 * SQLite behind a few functions. One writer process per file; a connection
 * belongs to one thread. Write-ahead log with synchronous=FULL: what was
 * committed is there after a power cut. Statements are made from constant text
 * and bound values, never from pasted values.
 */
#pragma once

#include "base/base.h"
#include "base/str.h"

struct db;
struct db_stmt;
struct err;

/* Opens or makes <path> with mode 0600, waits up to 5 s for a lock held by another process, checks
 * that the file is sound (quick_check) and brings its schema up to date: step i of <steps> (SQL)
 * takes user_version from i to i + 1 in a transaction of its own. Steps are only ever appended.
 * A step may leave in a table schema_undo(version INTEGER PRIMARY KEY, sql TEXT) what takes its
 * version back: a file that a newer program has written is taken back by that; where it is missing
 * this fails. */
MUST_CHECK bool db_open(const char *path, const char *const *steps, size_t step_count,
                        struct db **ret, struct err *err);
void db_free(struct db *db); /* takes NULL; no statement may be left */
AUTO_TYPE(struct db *, db_free)

/* Runs <sql> (one or more statements without values) to its end. */
MUST_CHECK bool db_exec(struct db *db, const char *sql, struct err *err);

/* Rowid of the last insert. */
int64_t db_last_id(const struct db *db);

/* A compiled statement; values are numbered from 1, columns from 0. */
MUST_CHECK bool db_prepare(struct db *db, const char *sql, struct db_stmt **ret, struct err *err);
void db_stmt_free(struct db_stmt *stmt);
AUTO_TYPE(struct db_stmt *, db_stmt_free)

/* Values are copied. NULL text and NULL bytes bind NULL. A number that the statement does not have
 * is a programming mistake. */
void db_stmt_bind_text(struct db_stmt *stmt, int number, const char *text);
void db_stmt_bind_int(struct db_stmt *stmt, int number, int64_t value);
void db_stmt_bind_blob(struct db_stmt *stmt, int number, struct str bytes);

/* <ret_row> says whether there is a row to read; false means the end. */
MUST_CHECK bool db_stmt_step(struct db_stmt *stmt, bool *ret_row, struct err *err);
/* For a loop over all rows: true while there is one to read. Then *ret_whole: there are no more;
 * false: <err> says what went wrong. */
bool db_stmt_next(struct db_stmt *stmt, bool *ret_whole, struct err *err);
/* For a statement that gives no rows: one step, then ready for new values. */
MUST_CHECK bool db_stmt_run(struct db_stmt *stmt, struct err *err);
/* Ready to be run again; bound values are cleared. */
void db_stmt_reset(struct db_stmt *stmt);

/* Of the row stepped to; text and bytes are valid until the next step or reset. NULL reads as
 * NULL text, 0 and the empty str. */
const char *db_stmt_text(struct db_stmt *stmt, int column);
int64_t db_stmt_int(struct db_stmt *stmt, int column);
struct str db_stmt_blob(struct db_stmt *stmt, int column);
bool db_stmt_is_null(struct db_stmt *stmt, int column);

/* A transaction that is rolled back unless it is committed:
 *     AUTO(db_tx_done) struct db_tx tx = {0};
 *     if (!db_tx_begin(db, &tx, err) || ... || !db_tx_commit(&tx, err)) return false; */
struct db_tx {
    struct db *db; /* NULL: not open */
};
MUST_CHECK bool db_tx_begin(struct db *db, struct db_tx *ret, struct err *err);
MUST_CHECK bool db_tx_commit(struct db_tx *tx, struct err *err);
void db_tx_done(struct db_tx *tx);
AUTO_VALUE(struct db_tx, db_tx_done)
