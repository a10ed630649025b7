/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/file.h"
#include "db/db.h"

static const char *const steps[] = {
    "CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT UNIQUE, bytes BLOB)",
    "ALTER TABLE item ADD COLUMN amount INTEGER NOT NULL DEFAULT 7",
    "CREATE TABLE broken (",
};

static char folder[] = "/tmp/test_db_XXXXXX";
static char path[sizeof folder + 16];

static int make_folder(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL)
        return -1;
    (void)snprintf(path, sizeof path, "%s/state.db", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    struct err err;
    return file_remove_tree(folder, &err) ? 0 : -1;
}

static int remove_database(void **state)
{
    (void)state;
    static const char *const endings[] = {"", "-wal", "-shm"};
    char name[sizeof path + 8];

    for (size_t i = 0; i < ARRAY_LEN(endings); i++) {
        (void)snprintf(name, sizeof name, "%s%s", path, endings[i]);
        (void)unlink(name);
    }
    return 0;
}

static int64_t count_items(struct db *db)
{
    AUTO(db_stmt_free) struct db_stmt *stmt = NULL;
    struct err err;
    bool row;

    assert_true(db_prepare(db, "SELECT count(*) FROM item", &stmt, &err));
    assert_true(db_stmt_step(stmt, &row, &err) && row);
    return db_stmt_int(stmt, 0);
}

static bool insert(struct db *db, const char *name, struct str bytes, struct err *err)
{
    AUTO(db_stmt_free) struct db_stmt *stmt = NULL;

    if (!db_prepare(db, "INSERT INTO item (name, bytes) VALUES (?1, ?2)", &stmt, err))
        return false;
    db_stmt_bind_text(stmt, 1, name);
    db_stmt_bind_blob(stmt, 2, bytes);
    return db_stmt_run(stmt, err);
}

static void a_schema_grows_by_steps_and_keeps_its_rows(void **state)
{
    (void)state;
    struct err err;
    {
        AUTO(db_free) struct db *db = NULL;
        assert_true(db_open(path, steps, 1, &db, &err));
        assert_true(insert(db, "one", str_from("\0\1", 2), &err));
        assert_int_equal(db_last_id(db), 1);
    }
    AUTO(db_free) struct db *db = NULL;
    AUTO(db_stmt_free) struct db_stmt *stmt = NULL;
    bool row;
    assert_true(db_open(path, steps, 2, &db, &err));
    assert_true(db_prepare(db, "SELECT name, bytes, amount, NULL FROM item", &stmt, &err));
    assert_true(db_stmt_step(stmt, &row, &err) && row);
    assert_string_equal(db_stmt_text(stmt, 0), "one");
    assert_true(str_eq(db_stmt_blob(stmt, 1), str_from("\0\1", 2)));
    assert_int_equal(db_stmt_int(stmt, 2), 7);
    assert_true(db_stmt_is_null(stmt, 3));
    assert_null(db_stmt_text(stmt, 3));
    assert_true(db_stmt_step(stmt, &row, &err));
    assert_false(row);
}

static void a_step_that_fails_changes_nothing(void **state)
{
    (void)state;
    struct err err;
    struct db *none = NULL;

    assert_false(db_open(path, steps, 3, &none, &err));
    assert_null(none);
    assert_non_null(strstr(err.text, "schema step 3"));
    AUTO(db_free) struct db *db = NULL;
    assert_true(db_open(path, steps, 2, &db, &err)); /* user_version is still 2 */
}

static void a_file_of_a_newer_program_is_refused(void **state)
{
    (void)state;
    struct err err;
    struct db *none = NULL;
    {
        AUTO(db_free) struct db *db = NULL;
        assert_true(db_open(path, steps, 2, &db, &err));
    }
    assert_false(db_open(path, steps, 1, &none, &err));
    assert_non_null(strstr(err.text, "newer program"));
}

static void a_file_that_is_no_database_is_refused(void **state)
{
    (void)state;
    AUTO(buf_done) struct buf junk = {0};
    struct err err;
    struct db *none = NULL;

    for (int i = 0; i < 4096; i++)
        buf_add_char(&junk, 'x');
    assert_true(file_write(path, buf_str(&junk), 0600, &err));
    assert_false(db_open(path, steps, 1, &none, &err));
    assert_int_equal(err.code, ERR_INVALID);
}

static void a_transaction_that_is_not_committed_leaves_no_trace(void **state)
{
    (void)state;
    AUTO(db_free) struct db *db = NULL;
    struct err err;

    assert_true(db_open(path, steps, 1, &db, &err));
    {
        AUTO(db_tx_done) struct db_tx tx = {0};
        assert_true(db_tx_begin(db, &tx, &err));
        assert_true(insert(db, "gone", STR(""), &err));
        assert_int_equal(count_items(db), 1);
    }
    assert_int_equal(count_items(db), 0);
    {
        AUTO(db_tx_done) struct db_tx tx = {0};
        assert_true(db_tx_begin(db, &tx, &err));
        assert_true(insert(db, "kept", STR(""), &err));
        assert_true(db_tx_commit(&tx, &err));
    }
    assert_int_equal(count_items(db), 1);
}

static void a_broken_constraint_says_that_it_exists(void **state)
{
    (void)state;
    AUTO(db_free) struct db *db = NULL;
    struct err err;

    assert_true(db_open(path, steps, 1, &db, &err));
    assert_true(insert(db, "one", STR(""), &err));
    assert_false(insert(db, "one", STR(""), &err));
    assert_int_equal(err.code, ERR_EXISTS);
    assert_non_null(strstr(err.text, "item.name"));
    assert_false(db_exec(db, "SELEKT", &err));
    assert_int_equal(err.code, ERR_INVALID);
}

static void the_file_is_readable_by_its_owner_only_and_uses_the_log(void **state)
{
    (void)state;
    AUTO(db_free) struct db *db = NULL;
    AUTO(db_stmt_free) struct db_stmt *stmt = NULL;
    struct err err;
    struct stat st;
    bool row;

    assert_true(db_open(path, steps, 1, &db, &err));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_true(db_prepare(db, "PRAGMA journal_mode", &stmt, &err));
    assert_true(db_stmt_step(stmt, &row, &err) && row);
    assert_string_equal(db_stmt_text(stmt, 0), "wal");
    db_stmt_free(TAKE(stmt));
    assert_true(db_prepare(db, "PRAGMA synchronous", &stmt, &err));
    assert_true(db_stmt_step(stmt, &row, &err) && row);
    assert_int_equal(db_stmt_int(stmt, 0), 2); /* FULL */
}

static const char *const undoable[] = {
    "CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT UNIQUE, bytes BLOB);"
    "CREATE TABLE schema_undo(version INTEGER PRIMARY KEY, sql TEXT NOT NULL)",
    "CREATE TABLE more (a INTEGER);"
    "INSERT INTO schema_undo VALUES(2, 'DROP TABLE more; DELETE FROM schema_undo WHERE version=2')",
    "CREATE TABLE most (a INTEGER);"
    "INSERT INTO schema_undo VALUES(3, 'DROP TABLE most; DELETE FROM schema_undo WHERE version=3')",
};

static void an_older_program_takes_back_what_a_newer_one_said_how_to(void **state)
{
    struct db *db = NULL;
    struct err err;

    (void)state;
    assert_true(db_open(path, undoable, 3, &db, &err));
    assert_true(db_exec(db, "INSERT INTO item(name) VALUES('kept')", &err));
    db_free(db);
    assert_true(db_open(path, undoable, 1, &db, &err));
    assert_int_equal(count_items(db), 1);
    assert_false(db_exec(db, "SELECT * FROM more", &err));
    db_free(db);
    assert_true(db_open(path, undoable, 3, &db, &err)); /* and forth again */
    assert_true(db_exec(db, "SELECT * FROM more; SELECT * FROM most", &err));
    assert_true(db_exec(db, "DELETE FROM schema_undo WHERE version=2", &err));
    db_free(db);
    assert_false(db_open(path, undoable, 1, &db, &err)); /* one step is missing */
    assert_non_null(strstr(err.text, "use the newer program"));
    assert_true(db_open(path, undoable, 2, &db, &err));
    db_free(db);
}

int main(void)
{
#define DB_TEST(name) cmocka_unit_test_teardown(name, remove_database)
    const struct CMUnitTest tests[] = {
        DB_TEST(a_schema_grows_by_steps_and_keeps_its_rows),
        DB_TEST(a_step_that_fails_changes_nothing),
        DB_TEST(a_file_of_a_newer_program_is_refused),
        DB_TEST(an_older_program_takes_back_what_a_newer_one_said_how_to),
        DB_TEST(a_file_that_is_no_database_is_refused),
        DB_TEST(a_transaction_that_is_not_committed_leaves_no_trace),
        DB_TEST(a_broken_constraint_says_that_it_exists),
        DB_TEST(the_file_is_readable_by_its_owner_only_and_uses_the_log),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
