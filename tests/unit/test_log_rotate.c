/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "log_rig.h"
#include "watch/log_read.h"
#include "watch/log_rotate.h"

struct writer {
    const char *path;
    int asked;
    bool deaf;
    bool failing;
};

static bool on_reopen(void *arg, struct err *err)
{
    struct writer *writer = arg;
    writer->asked++;
    if (writer->failing)
        return err_set(err, ERR_CLOSED, "conmon is gone");
    if (!writer->deaf)
        log_rig_add_raw(writer->path, "");
    return true;
}

static struct log_rotate rotation(struct writer *writer, uint32_t max_files)
{
    return (struct log_rotate){writer->path, 100, max_files, on_reopen, writer, 0};
}

static bool check(struct log_rotate *rotate, uint64_t now_ns)
{
    struct err err = {0};
    bool rotated = false;
    if (!log_rotate_check(rotate, now_ns, &rotated, &err))
        fail_msg("%s", err.text);
    return rotated;
}

static bool has(const char *name)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", log_rig_dir, name);
    return file_exists(path);
}

static void a_log_below_its_limit_is_left_alone(void **state)
{
    (void)state;
    struct writer writer = {log_rig_path("web"), 0, false, false};
    struct log_rotate rotate = rotation(&writer, 3);

    assert_false(check(&rotate, 1)); /* not there yet */
    log_rig_add_number(writer.path, 1);
    assert_false(check(&rotate, 2));
    rotate.max_bytes = 0;
    for (int i = 0; i < 100; i++)
        log_rig_add_number(writer.path, i);
    assert_false(check(&rotate, 3));
    assert_int_equal(writer.asked, 0);
}

static void files_and_bytes_stay_in_their_bounds(void **state)
{
    (void)state;
    struct writer writer = {log_rig_path("web"), 0, false, false};
    struct log_rotate rotate = rotation(&writer, 3);
    int rotations = 0;

    for (int i = 1; i <= 100; i++) {
        log_rig_add_number(writer.path, i);
        rotations += check(&rotate, (uint64_t)i);
        assert_false(has("web.3"));
    }
    assert_true(rotations > 20);
    assert_int_equal(writer.asked, rotations);
    assert_true(has("web") && has("web.1") && has("web.2"));

    struct err err;
    struct log_range range = {.tail = LOG_TAIL_ALL};
    AUTO(log_reader_close) struct log_reader *reader = log_reader_open(writer.path, &range, &err);
    uint64_t number = 0, last = 0;
    for (struct log_line line; log_reader_next(reader, &line); last = number) {
        assert_true(str_to_u64(line.text, 100, &number));
        assert_true(last == 0 || number == last + 1);
    }
    assert_int_equal(last, 100);
}

static void one_file_is_thrown_away_when_full(void **state)
{
    (void)state;
    struct writer writer = {log_rig_path("web"), 0, false, false};
    struct log_rotate rotate = rotation(&writer, 1);

    for (int i = 0; i < 3; i++)
        log_rig_add_number(writer.path, i);
    assert_true(check(&rotate, 1));
    assert_true(has("web"));
    assert_false(has("web.1"));
}

static void a_smaller_number_of_files_removes_the_surplus(void **state)
{
    (void)state;
    struct writer writer = {log_rig_path("web"), 0, false, false};
    struct log_rotate rotate = rotation(&writer, 6);

    for (int i = 1; i <= 60; i++) {
        log_rig_add_number(writer.path, i);
        (void)check(&rotate, 1);
    }
    assert_true(has("web.5"));
    rotate.max_files = 2;
    for (int i = 0; i < 3; i++)
        log_rig_add_number(writer.path, i);
    assert_true(check(&rotate, 2));
    assert_true(has("web.1"));
    assert_false(has("web.2") || has("web.3") || has("web.4") || has("web.5"));
}

static void a_deaf_writer_is_asked_again_but_not_all_the_time(void **state)
{
    (void)state;
    struct writer writer = {log_rig_path("web"), 0, true, false};
    struct log_rotate rotate = rotation(&writer, 3);
    uint64_t now_ns = 5 * NS_PER_SECOND;

    for (int i = 0; i < 3; i++)
        log_rig_add_number(writer.path, i);
    assert_true(check(&rotate, now_ns));
    assert_false(check(&rotate, now_ns + 9 * NS_PER_SECOND));
    assert_int_equal(writer.asked, 1);
    assert_false(check(&rotate, now_ns + 10 * NS_PER_SECOND));
    assert_int_equal(writer.asked, 2);
    writer.deaf = false;
    assert_false(check(&rotate, now_ns + 20 * NS_PER_SECOND));
    assert_int_equal(writer.asked, 3);
    assert_false(check(&rotate, now_ns + 90 * NS_PER_SECOND));
    assert_int_equal(writer.asked, 3);
}

static void a_failing_writer_is_reported_each_time_it_is_asked(void **state)
{
    (void)state;
    struct writer writer = {log_rig_path("web"), 0, false, true};
    struct log_rotate rotate = rotation(&writer, 3);
    struct err err = {0};
    bool rotated = false;

    for (int i = 0; i < 3; i++)
        log_rig_add_number(writer.path, i);
    assert_false(log_rotate_check(&rotate, 1, &rotated, &err));
    assert_non_null(strstr(err.text, "conmon is gone"));
    assert_true(has("web.1"));
    assert_false(check(&rotate, 2));
    assert_false(log_rotate_check(&rotate, 1 + 10 * NS_PER_SECOND, &rotated, &err));
    assert_int_equal(writer.asked, 2);
}

static void removal_takes_all_files_and_may_run_twice(void **state)
{
    (void)state;
    struct err err;
    const char *path = log_rig_path("web");

    log_rig_add_raw(path, "x");
    log_rig_add_raw(log_rig_path("web.1"), "x");
    log_rig_add_raw(log_rig_path("web.99"), "x");
    log_rig_add_raw(log_rig_path("web2"), "x");
    assert_true(log_remove(path, &err));
    assert_true(log_remove(path, &err));
    assert_false(has("web") || has("web.1") || has("web.99"));
    assert_true(has("web2"));
}

#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, log_rig_setup, log_rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIR(a_log_below_its_limit_is_left_alone),
        IN_DIR(files_and_bytes_stay_in_their_bounds),
        IN_DIR(one_file_is_thrown_away_when_full),
        IN_DIR(a_smaller_number_of_files_removes_the_surplus),
        IN_DIR(a_deaf_writer_is_asked_again_but_not_all_the_time),
        IN_DIR(a_failing_writer_is_reported_each_time_it_is_asked),
        IN_DIR(removal_takes_all_files_and_may_run_twice),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
