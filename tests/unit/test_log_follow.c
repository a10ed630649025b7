/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "log_rig.h"
#include "watch/log_follow.h"

struct seen {
    struct loop *loop;
    struct log_follow *follow;
    char text[4096]; /* "web:1 db:2 " */
    size_t lines;
    size_t pause_after; /* 0: never */
    size_t stop_after;  /* 0: never */
    int ends;
};

static bool on_line(void *arg, void *source, const struct log_line *line)
{
    struct seen *seen = arg;
    size_t len = strlen(seen->text);

    if (len < sizeof seen->text - 64)
        (void)snprintf(seen->text + len, 64, "%s:" STR_FMT " ", (const char *)source,
                       STR_ARG(line->text));
    seen->lines++;
    if (seen->lines == seen->stop_after) {
        log_follow_stop(seen->follow);
        seen->follow = NULL;
    }
    return seen->lines != seen->pause_after;
}

static void on_end(void *arg)
{
    struct seen *seen = arg;
    seen->ends++;
}

static void start(struct seen *seen, bool keep_on, size_t tail)
{
    struct err err = {0};
    seen->loop = loop_new(NULL, &err);
    struct log_follow_spec spec = {seen->loop, {.tail = tail}, keep_on, on_line, on_end, seen};
    seen->follow = log_follow_start(&spec, &err);
    if (seen->follow == NULL)
        fail_msg("%s", err.text);
}

static void add(struct seen *seen, const char *path, char *source)
{
    struct err err = {0};
    if (!log_follow_add(seen->follow, path, source, &err))
        fail_msg("%s", err.text);
}

/* Runs until <lines> were seen, at most five seconds. */
static void run_until(struct seen *seen, size_t lines)
{
    uint64_t end_ns = clock_now_ns() + 5 * NS_PER_SECOND;
    while (seen->lines < lines && clock_now_ns() < end_ns)
        loop_round(seen->loop, 100);
    assert_int_equal(seen->lines, lines);
}

static void run_rounds(struct seen *seen)
{
    for (int i = 0; i < 5; i++)
        loop_round(seen->loop, 2);
}

static void finish(struct seen *seen)
{
    log_follow_stop(seen->follow);
    loop_free(seen->loop);
}

static char web[] = "web", db[] = "db";

static void logs_are_merged_by_time_and_then_end(void **state)
{
    (void)state;
    struct seen seen = {0};
    const char *a = log_rig_path("a"), *b = log_rig_path("b");

    for (int i = 1; i <= 6; i++)
        log_rig_add_number(i % 3 == 0 ? b : a, i);
    log_rig_add(b, 7, "stdout P", "prompt");
    start(&seen, false, LOG_TAIL_ALL);
    add(&seen, b, db);
    add(&seen, a, web);
    run_until(&seen, 7);
    run_rounds(&seen);
    assert_string_equal(seen.text, "web:1 web:2 db:3 web:4 web:5 db:6 db:prompt ");
    assert_int_equal(seen.ends, 1);
    log_rig_add_number(a, 8);
    run_rounds(&seen);
    assert_int_equal(seen.lines, 7);
    finish(&seen);
}

static void a_tail_is_for_each_log(void **state)
{
    (void)state;
    struct seen seen = {0};
    const char *a = log_rig_path("a"), *b = log_rig_path("b");

    for (int i = 1; i <= 9; i++)
        log_rig_add_number(i <= 3 ? b : a, i);
    start(&seen, true, 2);
    add(&seen, a, web);
    add(&seen, b, db);
    run_until(&seen, 4);
    assert_string_equal(seen.text, "db:2 db:3 web:8 web:9 ");
    finish(&seen);
}

static void lines_come_as_they_are_written_also_over_rotations(void **state)
{
    (void)state;
    struct seen seen = {0};
    const char *path = log_rig_path("a");
    char rotated[140];
    size_t written = 0;

    (void)snprintf(rotated, sizeof rotated, "%s.1", path);
    start(&seen, true, 0);
    add(&seen, path, web);
    run_rounds(&seen);
    assert_int_equal(seen.ends, 1);
    for (int round = 0; round < 20; round++) {
        log_rig_add_number(path, (int)++written);
        run_until(&seen, written);
        log_rig_rename(path);
        log_rig_add_number(rotated, (int)++written); /* not reopened yet */
        run_until(&seen, written);
        log_rig_add_number(rotated, (int)++written);
        log_rig_add_number(path, (int)++written);
        run_until(&seen, written);
    }
    assert_int_equal(seen.ends, 1);
    finish(&seen);
}

static void other_logs_of_the_folder_do_not_matter(void **state)
{
    (void)state;
    struct seen seen = {0};

    start(&seen, true, LOG_TAIL_ALL);
    add(&seen, log_rig_path("a"), web);
    run_rounds(&seen);
    log_rig_add_number(log_rig_path("ab"), 1);
    log_rig_add_number(log_rig_path("b"), 2);
    log_rig_add_number(log_rig_path("a"), 3);
    run_until(&seen, 1);
    assert_string_equal(seen.text, "web:3 ");
    finish(&seen);
}

static void a_slow_client_is_waited_for(void **state)
{
    (void)state;
    struct seen seen = {.pause_after = 2};
    const char *path = log_rig_path("a");

    for (int i = 1; i <= 4; i++)
        log_rig_add_number(path, i);
    start(&seen, true, LOG_TAIL_ALL);
    add(&seen, path, web);
    run_until(&seen, 2);
    log_rig_add_number(path, 5);
    run_rounds(&seen);
    assert_int_equal(seen.lines, 2);
    log_follow_resume(seen.follow);
    run_until(&seen, 5);
    assert_string_equal(seen.text, "web:1 web:2 web:3 web:4 web:5 ");
    finish(&seen);
}

static void a_log_that_leaves_is_read_to_its_end_first(void **state)
{
    (void)state;
    struct seen seen = {.pause_after = 1};
    const char *path = log_rig_path("a");
    struct err err;

    for (int i = 1; i <= 3; i++)
        log_rig_add_number(path, i);
    start(&seen, true, LOG_TAIL_ALL);
    add(&seen, path, web);
    run_until(&seen, 1);
    log_rig_rename(path);
    log_rig_add_number(path, 4);
    log_rig_add(path, 5, "stderr P", "bye");
    log_follow_remove(seen.follow, path);
    assert_true(file_remove_tree(log_rig_dir, &err));
    assert_true(file_make_dirs(log_rig_dir, 0700, &err));
    log_follow_resume(seen.follow);
    run_until(&seen, 5);
    assert_string_equal(seen.text, "web:1 web:2 web:3 web:4 web:bye ");
    log_follow_remove(seen.follow, path);
    add(&seen, path, db);
    log_rig_add_number(path, 6);
    run_until(&seen, 6);
    finish(&seen);
}

static void a_log_added_later_is_read_from_its_beginning(void **state)
{
    (void)state;
    struct seen seen = {0};
    const char *b = log_rig_path("b");

    start(&seen, true, 1);
    add(&seen, log_rig_path("a"), web);
    run_rounds(&seen);
    for (int i = 1; i <= 3; i++)
        log_rig_add_number(b, i);
    add(&seen, b, db);
    run_until(&seen, 3);
    assert_string_equal(seen.text, "db:1 db:2 db:3 ");
    finish(&seen);
}

static void it_may_be_stopped_from_its_own_callback(void **state)
{
    (void)state;
    struct seen seen = {.stop_after = 2};
    const char *path = log_rig_path("a");

    for (int i = 1; i <= 4; i++)
        log_rig_add_number(path, i);
    start(&seen, true, LOG_TAIL_ALL);
    add(&seen, path, web);
    run_until(&seen, 2);
    run_rounds(&seen);
    assert_int_equal(seen.lines, 2);
    assert_int_equal(seen.ends, 0);
    finish(&seen);
}

/* More lines than one round gives, so other work has its turn in between. */
static void many_lines_do_not_hold_up_the_loop(void **state)
{
    (void)state;
    enum { LINES = 3000 };
    struct seen seen = {0};
    const char *path = log_rig_path("a");
    AUTO(buf_done) struct buf text = {0};

    for (int i = 0; i < LINES; i++)
        buf_addf(&text, "2026-11-21T00:00:00.%06dZ stdout F %d\n", i, i);
    log_rig_add_raw(path, buf_text(&text));
    start(&seen, false, LOG_TAIL_ALL);
    add(&seen, path, web);
    size_t before, most = 0;
    while (seen.ends == 0) {
        before = seen.lines;
        loop_round(seen.loop, 100);
        most = MAX(most, seen.lines - before);
    }
    assert_int_equal(seen.lines, LINES);
    assert_true(most <= 512);
    finish(&seen);
}

static void a_log_is_added_once_and_not_without_bound(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct err err;
    char name[16];

    start(&seen, true, LOG_TAIL_ALL);
    for (int i = 0; i < LOG_FOLLOW_SOURCES_MAX; i++) {
        (void)snprintf(name, sizeof name, "%d", i);
        add(&seen, log_rig_path(name), web);
    }
    assert_false(log_follow_add(seen.follow, log_rig_path("0"), web, &err));
    assert_int_equal(err.code, ERR_EXISTS);
    assert_false(log_follow_add(seen.follow, log_rig_path("more"), web, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    finish(&seen);
}

static void a_folder_that_is_missing_is_an_error(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct err err;

    start(&seen, true, LOG_TAIL_ALL);
    assert_false(log_follow_add(seen.follow, log_rig_path("none/a"), web, &err));
    assert_int_equal(err.code, ERR_SYSTEM);
    finish(&seen);
}

#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, log_rig_setup, log_rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIR(logs_are_merged_by_time_and_then_end),
        IN_DIR(a_tail_is_for_each_log),
        IN_DIR(lines_come_as_they_are_written_also_over_rotations),
        IN_DIR(other_logs_of_the_folder_do_not_matter),
        IN_DIR(a_slow_client_is_waited_for),
        IN_DIR(a_log_that_leaves_is_read_to_its_end_first),
        IN_DIR(a_log_added_later_is_read_from_its_beginning),
        IN_DIR(it_may_be_stopped_from_its_own_callback),
        IN_DIR(many_lines_do_not_hold_up_the_loop),
        IN_DIR(a_log_is_added_once_and_not_without_bound),
        IN_DIR(a_folder_that_is_missing_is_an_error),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
