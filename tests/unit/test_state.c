/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "control/state.h"

struct fixture {
    char folder[32];
    char path[64];
    struct state *state;
    struct err err;
};

static int open_state(void **state)
{
    static struct fixture fixture;

    fixture = (struct fixture){.folder = "/tmp/test_state.XXXXXX"};
    if (mkdtemp(fixture.folder) == NULL)
        return -1;
    (void)snprintf(fixture.path, sizeof fixture.path, "%s/state.db", fixture.folder);
    fixture.state = state_open(fixture.path, &fixture.err);
    *state = &fixture;
    return fixture.state == NULL ? -1 : 0;
}

static int close_state(void **state)
{
    struct fixture *fixture = *state;

    state_free(fixture->state);
    return file_remove_tree(fixture->folder, &fixture->err) ? 0 : -1;
}

static void reopen(struct fixture *fixture)
{
    state_free(fixture->state);
    fixture->state = state_open(fixture->path, &fixture->err);
    assert_non_null(fixture->state);
}

static void a_system_keeps_its_uid(void **state)
{
    struct fixture *fixture = *state;
    uid_t first, second, again;

    assert_true(state_uid(fixture->state, "shop", &first, &fixture->err));
    assert_true(state_uid(fixture->state, "office", &second, &fixture->err));
    assert_int_not_equal(first, second);
    assert_true(first >= 700000 && second >= 700000);
    reopen(fixture);
    assert_true(state_uid(fixture->state, "shop", &again, &fixture->err));
    assert_int_equal(again, first);
}

static void an_address_belongs_to_one_owner_until_it_is_forgotten(void **state)
{
    struct fixture *fixture = *state;
    char first[STATE_ADDRESS_BYTES], second[STATE_ADDRESS_BYTES], again[STATE_ADDRESS_BYTES];

    assert_true(state_address(fixture->state, "shop/db", first, &fixture->err));
    assert_true(state_address(fixture->state, "shop/web", second, &fixture->err));
    assert_string_not_equal(first, second);
    assert_int_equal(strncmp(first, "10.213.", 7), 0);
    reopen(fixture);
    assert_true(state_address(fixture->state, "shop/db", again, &fixture->err));
    assert_string_equal(first, again);
    assert_true(state_forget_address(fixture->state, "shop/db", &fixture->err));
    assert_true(state_address(fixture->state, "shop/db", again, &fixture->err));
    assert_string_not_equal(second, again);
}

static void releases_are_numbered_and_read_back_as_they_were(void **state)
{
    struct fixture *fixture = *state;
    AUTO(buf_done) struct buf config = {0}, services = {0};
    uint32_t number;

    assert_true(state_add_release(fixture->state, "shop", STR("{\"name\":\"shop\"}"), STR("{}"),
                                  "up", &number, &fixture->err));
    assert_int_equal(number, 1);
    assert_true(state_add_release(fixture->state, "shop", STR("second"), STR("{}"), "up", &number,
                                  &fixture->err));
    assert_int_equal(number, 2);
    assert_true(state_add_release(fixture->state, "office", STR("other"), STR("{}"), "up", &number,
                                  &fixture->err));
    assert_int_equal(number, 1);
    reopen(fixture);
    assert_true(state_read_release(fixture->state, "shop", 1, &config, &services, &fixture->err));
    assert_string_equal(buf_text(&config), "{\"name\":\"shop\"}");
    assert_string_equal(buf_text(&services), "{}");
    assert_false(state_read_release(fixture->state, "shop", 3, &config, &services, &fixture->err));
    assert_int_equal(fixture->err.code, ERR_NOT_FOUND);
}

static void count_release(void *arg, const struct state_release *row)
{
    unsigned *count = arg;

    (*count)++;
    assert_string_equal(row->note, "up");
}

static void keep_second(void *arg, const struct state_release *row)
{
    if (row->number != 2)
        return;
    assert_string_equal(row->user, "anna");
    assert_string_equal(row->commit, "0123456789");
    assert_int_equal(row->back_to, 1);
    assert_true(row->dirty);
    str_format(arg, 32, "%s", row->state);
}

static void a_number_is_never_given_twice_though_its_release_is_forgotten(void **state)
{
    struct fixture *fixture = *state;
    AUTO(buf_done) struct buf config = {0}, services = {0};
    uint32_t number;
    unsigned count = 0;

    for (int i = 0; i < 3; i++)
        assert_true(state_add_release(fixture->state, "shop", STR("c"), STR("{}"), "up", &number,
                                      &fixture->err));
    assert_true(state_forget_release(fixture->state, "shop", 3, &fixture->err));
    assert_false(state_read_release(fixture->state, "shop", 3, &config, &services, &fixture->err));
    assert_true(state_each_release(fixture->state, "shop", count_release, &count, &fixture->err));
    assert_int_equal(count, 2);
    assert_true(state_forget_releases(fixture->state, "shop", &fixture->err));
    reopen(fixture);
    assert_true(state_add_release(fixture->state, "shop", STR("c"), STR("{}"), "up", &number,
                                  &fixture->err));
    assert_int_equal(number, 4);
}

static void the_state_of_a_release_changes_only_from_the_one_named(void **state)
{
    struct fixture *fixture = *state;
    const struct state_release facts = {.number = 2,
                                        .user = "anna",
                                        .back_to = 1,
                                        .commit = "0123456789",
                                        .dirty = true,
                                        .changed = STR("{}"),
                                        .state = "new"};
    char seen[32] = "";
    uint32_t number;

    for (int i = 0; i < 2; i++)
        assert_true(state_add_release(fixture->state, "shop", STR("c"), STR("{}"), "up", &number,
                                      &fixture->err));
    assert_true(state_note_release(fixture->state, "shop", &facts, &fixture->err));
    assert_true(state_mark_release(fixture->state, "shop", 2, NULL, "reached", &fixture->err));
    assert_true(state_mark_release(fixture->state, "shop", 2, "new", "superseded", &fixture->err));
    reopen(fixture);
    assert_true(state_each_release(fixture->state, "shop", keep_second, seen, &fixture->err));
    assert_string_equal(seen, "reached");
}

static void count_action(void *arg, const struct state_action *row)
{
    int64_t *seen = arg; /* how many, and the oldest */

    seen[0]++;
    seen[1] = row->time_ms;
}

static void the_history_keeps_its_last_ten_thousand_actions(void **state)
{
    struct fixture *fixture = *state;
    int64_t seen[2] = {0}, some[2] = {0}, others[2] = {0};

    assert_true(state_begin(fixture->state, &fixture->err));
    for (int64_t i = 1; i <= STATE_HISTORY_MAX + 5; i++) {
        const struct state_action action = {.system = i % 2 == 0 ? "shop" : "office",
                                            .action = "up",
                                            .services = "",
                                            .user = "anna",
                                            .time_ms = i};
        assert_true(state_add_action(fixture->state, &action, &fixture->err));
    }
    assert_true(state_commit(fixture->state, &fixture->err));
    reopen(fixture);
    assert_true(state_each_action(fixture->state, NULL, STATE_HISTORY_MAX * 2, count_action, seen,
                                  &fixture->err));
    assert_int_equal(seen[0], STATE_HISTORY_MAX);
    assert_int_equal(seen[1], 6);
    assert_true(state_each_action(fixture->state, "shop", 3, count_action, some, &fixture->err));
    assert_int_equal(some[0], 3);
    assert_int_equal(some[1], STATE_HISTORY_MAX);
    assert_true(
        state_each_action(fixture->state, "nobody", 3, count_action, others, &fixture->err));
    assert_int_equal(others[0], 0);
}

static void a_lock_is_held_until_it_is_deleted(void **state)
{
    struct fixture *fixture = *state;
    struct state_lock lock = {.uid = 7, .user = "anna", .message = "not now", .time_ms = 9};
    struct state_lock read = {0};
    bool held;

    assert_true(state_read_lock(fixture->state, "shop", &held, &read, &fixture->err));
    assert_false(held);
    assert_true(state_save_lock(fixture->state, "shop", &lock, &fixture->err));
    reopen(fixture);
    assert_true(state_read_lock(fixture->state, "shop", &held, &read, &fixture->err));
    assert_true(held);
    assert_string_equal(read.user, "anna");
    assert_string_equal(read.message, "not now");
    assert_true(read.uid == 7 && read.time_ms == 9);
    assert_true(state_delete_lock(fixture->state, "shop", &fixture->err));
    assert_true(state_read_lock(fixture->state, "shop", &held, &read, &fixture->err));
    assert_false(held);
}

static void migrations_are_remembered_by_hash_until_the_system_goes_down(void **state)
{
    struct fixture *fixture = *state;
    bool done;

    assert_true(state_is_migrated(fixture->state, "shop", "web", "aa", &done, &fixture->err));
    assert_false(done);
    assert_true(state_mark_migrated(fixture->state, "shop", "web", "aa", &fixture->err));
    assert_true(state_mark_migrated(fixture->state, "shop", "web", "aa", &fixture->err));
    assert_true(state_is_migrated(fixture->state, "shop", "web", "aa", &done, &fixture->err));
    assert_true(done);
    assert_true(state_is_migrated(fixture->state, "shop", "web", "bb", &done, &fixture->err));
    assert_false(done);
    assert_true(state_forget_migrations(fixture->state, "shop", &fixture->err));
    assert_true(state_is_migrated(fixture->state, "shop", "web", "aa", &done, &fixture->err));
    assert_false(done);
}

static bool is_migrated(struct fixture *fixture, const char *service, const char *hash)
{
    bool done;

    assert_true(state_is_migrated(fixture->state, "shop", service, hash, &done, &fixture->err));
    return done;
}

static void that_a_version_was_migrated_outlives_that_its_instances_were(void **state)
{
    static const char *const marks[] = {"aa", "aa/1", "aa/migrate", "bb/migrate"};
    struct fixture *fixture = *state;

    for (size_t i = 0; i < ARRAY_LEN(marks); i++)
        assert_true(state_mark_migrated(fixture->state, "shop", "web", marks[i], &fixture->err));
    assert_true(state_mark_migrated(fixture->state, "shop", "job", "aa/migrate", &fixture->err));
    assert_true(state_forget_runs(fixture->state, "shop", &fixture->err));
    assert_false(is_migrated(fixture, "web", "aa"));
    assert_false(is_migrated(fixture, "web", "aa/1"));
    assert_true(is_migrated(fixture, "web", "aa/migrate"));
    assert_true(state_forget_migration(fixture->state, "shop", "web", "aa/migrate", &fixture->err));
    assert_false(is_migrated(fixture, "web", "aa/migrate"));
    assert_true(is_migrated(fixture, "web", "bb/migrate"));
    assert_true(is_migrated(fixture, "job", "aa/migrate"));
}

static void note_hold(void *arg, const char *service, enum plan_hold hold)
{
    char *seen = arg;
    size_t len = strlen(seen);

    (void)snprintf(seen + len, 64 - len, "%s=%d ", service, (int)hold);
}

static void what_is_held_is_remembered_until_it_is_taken_back(void **state)
{
    struct fixture *fixture = *state;
    char seen[64] = "";

    assert_true(state_save_hold(fixture->state, "shop", "web", PLAN_HOLD_STOPPED, &fixture->err));
    assert_true(state_save_hold(fixture->state, "shop", "db", PLAN_HOLD_EMPTY, &fixture->err));
    assert_true(state_save_hold(fixture->state, "office", "x", PLAN_HOLD_EMPTY, &fixture->err));
    reopen(fixture);
    assert_true(state_save_hold(fixture->state, "shop", "db", PLAN_HOLD_NONE, &fixture->err));
    assert_true(state_each_hold(fixture->state, "shop", note_hold, seen, &fixture->err));
    assert_string_equal(seen, "web=1 ");
    assert_true(state_delete_system(fixture->state, "shop", &fixture->err));
    seen[0] = '\0';
    assert_true(state_each_hold(fixture->state, "shop", note_hold, seen, &fixture->err));
    assert_string_equal(seen, "");
}

static void note_doomed(void *arg, const char *user, const char *volume)
{
    char *seen = arg;
    size_t len = strlen(seen);

    (void)snprintf(seen + len, 64 - len, "%s:%s ", user, volume);
}

static void volumes_that_are_to_go_are_remembered_until_they_are_gone_or_spared(void **state)
{
    struct fixture *fixture = *state;
    char seen[64] = "";

    assert_true(state_doom_volume(fixture->state, "shop", "", "shop_data", &fixture->err));
    assert_true(state_doom_volume(fixture->state, "shop", "", "shop_data", &fixture->err));
    assert_true(state_doom_volume(fixture->state, "shop", "web", "shop_web", &fixture->err));
    assert_true(state_spare_volume(fixture->state, "shop", "web", "shop_web", &fixture->err));
    reopen(fixture);
    assert_true(state_each_doomed(fixture->state, "shop", note_doomed, seen, &fixture->err));
    assert_string_equal(seen, ":shop_data ");
    assert_true(state_spare_volumes(fixture->state, "shop", &fixture->err));
    seen[0] = '\0';
    assert_true(state_each_doomed(fixture->state, "shop", note_doomed, seen, &fixture->err));
    assert_string_equal(seen, "");
}

static void changes_that_are_abandoned_have_not_happened(void **state)
{
    struct fixture *fixture = *state;
    char seen[64] = "";

    assert_true(state_begin(fixture->state, &fixture->err));
    assert_true(state_save_hold(fixture->state, "shop", "web", PLAN_HOLD_STOPPED, &fixture->err));
    state_abandon(fixture->state);
    assert_true(state_begin(fixture->state, &fixture->err));
    assert_true(state_save_hold(fixture->state, "shop", "db", PLAN_HOLD_STOPPED, &fixture->err));
    assert_true(state_commit(fixture->state, &fixture->err));
    assert_true(state_each_hold(fixture->state, "shop", note_hold, seen, &fixture->err));
    assert_string_equal(seen, "db=1 ");
}

struct loaded {
    bool paused, no_restart, auto_remove, leaving, takes_names;
    char one_off[32];
};

static bool note_instance(void *arg, const struct state_instance *row, struct err *err)
{
    struct loaded *loaded = arg;

    (void)err;
    *loaded = (struct loaded){.paused = row->paused,
                              .no_restart = row->no_restart,
                              .auto_remove = row->auto_remove,
                              .leaving = row->leaving,
                              .takes_names = row->takes_names};
    (void)snprintf(loaded->one_off, sizeof loaded->one_off, "%s",
                   row->one_off == NULL ? "(none)" : row->one_off);
    return true;
}

static void the_flags_of_an_instance_are_read_back_as_they_were(void **state)
{
    struct fixture *fixture = *state;
    struct system system = {.name = "shop"};
    struct compose_service service = {.name = "web"};
    struct release_service made = {.service = &service};
    struct release release = {.number = 1};
    char name[] = "special";
    struct instance instance = {
        .system = &system, .release = &release, .made_of = &made, .id = "i"};
    struct loaded loaded;

    assert_true(state_save_instance(fixture->state, &instance, &fixture->err));
    assert_true(state_each_instance(fixture->state, "shop", note_instance, &loaded, &fixture->err));
    assert_false(loaded.paused || loaded.no_restart || loaded.auto_remove || loaded.leaving ||
                 loaded.takes_names);
    assert_string_equal(loaded.one_off, "(none)");
    instance.paused = instance.no_restart = instance.auto_remove = instance.leaving =
        instance.takes_names = true;
    instance.one_off = name;
    assert_true(state_save_instance(fixture->state, &instance, &fixture->err));
    reopen(fixture);
    assert_true(state_each_instance(fixture->state, "shop", note_instance, &loaded, &fixture->err));
    assert_true(loaded.paused && loaded.no_restart && loaded.auto_remove && loaded.leaving &&
                loaded.takes_names);
    assert_string_equal(loaded.one_off, "special");
}

static bool keep_rollout(void *arg, const struct state_rollout *row, struct err *err)
{
    struct state_rollout *kept = arg;

    (void)err;
    *kept = *row;
    kept->command = strcmp(row->command, "deploy") == 0 ? "deploy" : "?";
    kept->strategy = strcmp(row->strategy, "canary") == 0 ? "canary" : "?";
    kept->state = strcmp(row->state, "watching") == 0 ? "watching" : "?";
    kept->why = strcmp(row->why, "traffic has moved") == 0 ? "traffic has moved" : "?";
    return true;
}

static void a_rollout_goes_on_from_what_was_stored_last(void **state)
{
    struct fixture *fixture = *state;
    struct state_rollout row = {.from = 4,
                                .to = 5,
                                .command = "deploy",
                                .strategy = "canary",
                                .state = "starting",
                                .started_ms = 11,
                                .why = ""};
    struct state_rollout read = {0};

    assert_true(state_save_rollout(fixture->state, "shop", &row, &fixture->err));
    row.state = "watching";
    row.why = "traffic has moved";
    row.step = 2;
    row.tolerates = row.paused = true;
    row.since_ms = 22;
    row.switched_ms = 33;
    assert_true(state_save_rollout(fixture->state, "shop", &row, &fixture->err));
    reopen(fixture);
    assert_true(state_read_rollout(fixture->state, "shop", keep_rollout, &read, &fixture->err));
    assert_int_equal(read.from, 4);
    assert_int_equal(read.to, 5);
    assert_string_equal(read.command, "deploy");
    assert_string_equal(read.strategy, "canary");
    assert_string_equal(read.state, "watching");
    assert_string_equal(read.why, "traffic has moved");
    assert_int_equal(read.step, 2);
    assert_true(read.tolerates && read.paused);
    assert_int_equal(read.started_ms, 11);
    assert_int_equal(read.since_ms, 22);
    assert_int_equal(read.switched_ms, 33);
    read = (struct state_rollout){0};
    assert_true(state_read_rollout(fixture->state, "office", keep_rollout, &read, &fixture->err));
    assert_int_equal(read.to, 0);
    assert_true(state_delete_rollout(fixture->state, "shop", &fixture->err));
    assert_true(state_read_rollout(fixture->state, "shop", keep_rollout, &read, &fixture->err));
    assert_int_equal(read.to, 0);
}

static void a_damaged_file_is_refused(void **state)
{
    struct fixture *fixture = *state;

    state_free(fixture->state);
    fixture->state = NULL;
    assert_true(file_write(fixture->path, STR("this is not a database, it is some text"), 0600,
                           &fixture->err));
    assert_null(state_open(fixture->path, &fixture->err));
    assert_non_null(strstr(fixture->err.text, "state.db"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_system_keeps_its_uid, open_state, close_state),
        cmocka_unit_test_setup_teardown(an_address_belongs_to_one_owner_until_it_is_forgotten,
                                        open_state, close_state),
        cmocka_unit_test_setup_teardown(releases_are_numbered_and_read_back_as_they_were,
                                        open_state, close_state),
        cmocka_unit_test_setup_teardown(
            migrations_are_remembered_by_hash_until_the_system_goes_down, open_state, close_state),
        cmocka_unit_test_setup_teardown(
            that_a_version_was_migrated_outlives_that_its_instances_were, open_state, close_state),
        cmocka_unit_test_setup_teardown(what_is_held_is_remembered_until_it_is_taken_back,
                                        open_state, close_state),
        cmocka_unit_test_setup_teardown(
            volumes_that_are_to_go_are_remembered_until_they_are_gone_or_spared, open_state,
            close_state),
        cmocka_unit_test_setup_teardown(changes_that_are_abandoned_have_not_happened, open_state,
                                        close_state),
        cmocka_unit_test_setup_teardown(the_flags_of_an_instance_are_read_back_as_they_were,
                                        open_state, close_state),
        cmocka_unit_test_setup_teardown(
            a_number_is_never_given_twice_though_its_release_is_forgotten, open_state, close_state),
        cmocka_unit_test_setup_teardown(the_state_of_a_release_changes_only_from_the_one_named,
                                        open_state, close_state),
        cmocka_unit_test_setup_teardown(the_history_keeps_its_last_ten_thousand_actions, open_state,
                                        close_state),
        cmocka_unit_test_setup_teardown(a_lock_is_held_until_it_is_deleted, open_state,
                                        close_state),
        cmocka_unit_test_setup_teardown(a_rollout_goes_on_from_what_was_stored_last, open_state,
                                        close_state),
        cmocka_unit_test_setup_teardown(a_damaged_file_is_refused, open_state, close_state),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
