/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "log_rig.h"
#include "watch/log_read.h"

static const struct log_range all = {.tail = LOG_TAIL_ALL};

static struct log_reader *open_log(const char *path, const struct log_range *range)
{
    struct err err = {0};
    struct log_reader *reader = log_reader_open(path, range, &err);
    if (reader == NULL)
        fail_msg("%s", err.text);
    return reader;
}

/* The texts that are left, joined by commas. */
static const char *rest_of(struct log_reader *reader)
{
    static char text[4096];
    struct log_line line;
    size_t len = 0;

    text[0] = '\0';
    while (log_reader_next(reader, &line) && len < sizeof text - 100)
        len += (size_t)snprintf(text + len, 100, "%s" STR_FMT "%s", len == 0 ? "" : ",",
                                STR_ARG(line.text), line.partial ? "~" : "");
    return text;
}

static const char *read_log(const char *path, struct log_range range)
{
    AUTO(log_reader_close) struct log_reader *reader = open_log(path, &range);
    return rest_of(reader);
}

static void a_log_that_is_not_there_is_empty_until_it_is(void **state)
{
    (void)state;
    const char *path = log_rig_path("web");
    AUTO(log_reader_close) struct log_reader *reader = open_log(path, &all);

    assert_string_equal(rest_of(reader), "");
    log_rig_add_number(path, 1);
    assert_string_equal(rest_of(reader), "1");
    assert_string_equal(rest_of(reader), "");
}

static void rotated_files_are_read_oldest_first(void **state)
{
    (void)state;
    const char *path = log_rig_path("web");

    for (int i = 1; i <= 9; i++) {
        log_rig_add_number(path, i);
        if (i % 3 == 0)
            log_rig_rename(path);
    }
    assert_string_equal(read_log(path, all), "1,2,3,4,5,6,7,8,9");
    log_rig_add_number(path, 10);
    assert_string_equal(read_log(path, all), "1,2,3,4,5,6,7,8,9,10");
}

/* Every count from none to more than all, with rotation at every place. */
static void the_last_lines_are_exactly_as_many_as_asked_for(void **state)
{
    (void)state;
    enum { LINES = 12 };

    for (int cut = 1; cut < LINES; cut++) {
        const char *path = log_rig_path("web");
        for (int i = 1; i <= LINES; i++) {
            log_rig_add_number(path, i);
            if (i % cut == 0)
                log_rig_rename(path);
        }
        for (int tail = 0; tail <= LINES + 2; tail++) {
            if (LINES / cut > 9 && tail > 9)
                continue; /* log_rig_rename() keeps nine */
            char expected[64] = "";
            size_t len = 0;
            for (int i = MAX(LINES - tail, 0) + 1; i <= LINES; i++)
                len += (size_t)snprintf(expected + len, 8, "%s%d", len == 0 ? "" : ",", i);
            assert_string_equal(read_log(path, (struct log_range){.tail = (size_t)tail}), expected);
        }
        assert_int_equal(log_rig_teardown(NULL) || log_rig_setup(NULL), 0);
    }
}

/* Lines of every length, so that heads lie across the blocks that are read backwards. */
static void the_last_lines_are_found_across_blocks(void **state)
{
    (void)state;
    enum { LINES = 600, LONGEST = 7919 };
    const char *path = log_rig_path("web");
    static char text[LONGEST + 16];

    for (int i = 0; i < LINES; i++) {
        memset(text, 'x', sizeof text);
        int len = snprintf(text, 8, "%d:", i);
        text[len] = 'x';
        text[len + (i * 131) % LONGEST] = '\0';
        log_rig_add(path, i, "stdout F", text);
        if (i == 200)
            log_rig_rename(path);
    }
    for (size_t tail = 1; tail <= LINES; tail += 7) {
        struct log_range range = {.tail = tail};
        AUTO(log_reader_close) struct log_reader *reader = open_log(path, &range);
        struct log_line line;
        for (size_t i = LINES - tail; i < LINES; i++) {
            uint64_t number;
            assert_true(log_reader_next(reader, &line));
            assert_true(
                str_to_u64(str_sub(line.text, 0, str_find(line.text, ':')), LINES, &number));
            assert_int_equal(number, i);
            assert_int_equal(line.wall_ns, LOG_RIG_WALL_NS + (int64_t)i * 1000000);
        }
        assert_false(log_reader_next(reader, &line));
        assert_int_equal(log_reader_skipped(reader), 0);
    }
}

static void parts_are_joined_for_each_stream(void **state)
{
    (void)state;
    const char *path = log_rig_path("web");

    log_rig_add(path, 1, "stdout P", "one ");
    log_rig_add(path, 2, "stderr P", "red ");
    log_rig_add(path, 3, "stdout P", "and ");
    log_rig_add(path, 4, "stdout F", "two");
    log_rig_rename(path);
    log_rig_add(path, 5, "stderr F", "");
    log_rig_add(path, 6, "stdout F", "three");
    AUTO(log_reader_close) struct log_reader *reader = open_log(path, &all);
    struct log_line line;
    assert_true(log_reader_next(reader, &line));
    assert_true(str_is(line.text, "one and two"));
    assert_int_equal(line.wall_ns, LOG_RIG_WALL_NS + 1000000);
    assert_int_equal(line.stream, LOG_STDOUT);
    assert_true(log_reader_next(reader, &line));
    assert_true(str_is(line.text, "red "));
    assert_int_equal(line.stream, LOG_STDERR);
    assert_string_equal(rest_of(reader), "three");
}

static void a_tail_counts_a_line_of_parts_as_one(void **state)
{
    (void)state;
    const char *path = log_rig_path("web");

    log_rig_add(path, 1, "stdout F", "first");
    log_rig_add(path, 2, "stdout P", "a");
    log_rig_add(path, 3, "stdout P", "b");
    log_rig_add(path, 4, "stdout F", "c");
    log_rig_add(path, 5, "stdout F", "last");
    assert_string_equal(read_log(path, (struct log_range){.tail = 2}), "abc,last");
    assert_string_equal(read_log(path, (struct log_range){.tail = 3}), "first,abc,last");
}

static void an_unfinished_line_is_kept_for_later_or_given_as_the_rest(void **state)
{
    (void)state;
    const char *path = log_rig_path("web");
    AUTO(log_reader_close) struct log_reader *reader = open_log(path, &all);
    struct log_line line;

    log_rig_add(path, 1, "stdout P", "login: ");
    assert_string_equal(rest_of(reader), "");
    log_rig_add(path, 2, "stdout F", "root");
    assert_string_equal(rest_of(reader), "login: root");
    log_rig_add(path, 3, "stderr P", "password: ");
    assert_string_equal(rest_of(reader), "");
    assert_true(log_reader_rest(reader, &line));
    assert_true(str_is(line.text, "password: ") && line.partial && line.stream == LOG_STDERR);
    assert_false(log_reader_rest(reader, &line));
}

static void a_line_without_end_comes_in_pieces_of_bounded_size(void **state)
{
    (void)state;
    const char *path = log_rig_path("web");
    static char part[8001];
    size_t total = 0, pieces = 0;
    struct log_line line;

    memset(part, 'x', sizeof part - 1);
    for (int i = 0; i < 100; i++)
        log_rig_add(path, i, "stdout P", part);
    log_rig_add(path, 100, "stdout F", "end");
    AUTO(log_reader_close) struct log_reader *reader = open_log(path, &all);
    bool partial = true;
    while (log_reader_next(reader, &line)) {
        assert_true(partial); /* only the last one is not */
        assert_true(line.text.len <= LOG_TEXT_MAX);
        partial = line.partial;
        total += line.text.len;
        pieces++;
    }
    assert_false(partial);
    assert_int_equal(total, 100 * 8000 + 3);
    assert_true(pieces > 10);
}

static void lines_that_are_not_in_the_format_are_left_out_and_counted(void **state)
{
    (void)state;
    const char *path = log_rig_path("web");
    AUTO(buf_done) struct buf huge = {0};

    log_rig_add_number(path, 1);
    log_rig_add_raw(path, "rubbish\n\n");
    log_rig_add_number(path, 2);
    while (huge.len < 5 * LOG_LINE_MAX)
        buf_add_text(&huge, "2026-11-21T00:00:00Z stdout F ");
    log_rig_add_raw(path, buf_text(&huge));
    log_rig_add_raw(path, "\n");
    log_rig_add_number(path, 3);
    log_rig_add_raw(path, "2026-11-21T00:00:00Z stdout F torn");
    log_rig_rename(path);
    log_rig_add_number(path, 4);
    AUTO(log_reader_close) struct log_reader *reader = open_log(path, &all);
    assert_string_equal(rest_of(reader), "1,2,3,4");
    assert_int_equal(log_reader_skipped(reader), 4);
    assert_string_equal(read_log(path, (struct log_range){.tail = 1}), "4");
    assert_string_equal(read_log(path, (struct log_range){.tail = 2}), "3,4");
}

static void since_and_until_cut_by_time(void **state)
{
    (void)state;
    const char *path = log_rig_path("web");

    for (int i = 1; i <= 6; i++)
        log_rig_add_number(path, i);
    struct log_range range = {LOG_TAIL_ALL, LOG_RIG_WALL_NS + 3000000, LOG_RIG_WALL_NS + 6000000};
    assert_string_equal(read_log(path, range), "3,4,5");
    range.tail = 2;
    assert_string_equal(read_log(path, range), "5");
    range.until_wall_ns = 0;
    assert_string_equal(read_log(path, range), "5,6");
}

static void what_is_written_around_rotations_is_neither_lost_nor_repeated(void **state)
{
    (void)state;
    const char *path = log_rig_path("web");
    int number = 0, expected = 0;

    log_rig_add_number(path, ++number);
    AUTO(log_reader_close) struct log_reader *reader = open_log(path, &all);
    for (int round = 0; round < 60; round++) {
        char rotated[140];
        if (round % 3 != 0) /* sometimes nothing is read between two rotations */
            for (struct log_line line; log_reader_next(reader, &line);) {
                uint64_t got;
                assert_true(str_to_u64(line.text, 100000, &got));
                assert_int_equal(got, ++expected);
            }
        log_rig_add_number(path, ++number);
        log_rig_rename(path);
        (void)snprintf(rotated, sizeof rotated, "%s.1", path);
        log_rig_add_number(rotated, ++number); /* the writer still has the old file */
        if (round % 2 == 0)
            log_rig_add_number(path, ++number);
    }
    for (struct log_line line; log_reader_next(reader, &line);)
        expected++;
    log_rig_add_number(path, ++number);
    assert_true(expected == number - 1 || expected == number - 2);
    for (struct log_line line; log_reader_next(reader, &line);)
        expected++;
    assert_int_equal(expected, number);
    assert_int_equal(log_reader_skipped(reader), 0);
}

static void a_file_that_was_replaced_does_not_bring_old_lines_back(void **state)
{
    (void)state;
    const char *path = log_rig_path("web");

    log_rig_add_number(path, 1);
    log_rig_rename(path);
    log_rig_add_number(path, 2);
    AUTO(log_reader_close) struct log_reader *reader = open_log(path, &all);
    assert_string_equal(rest_of(reader), "1,2");
    assert_int_equal(unlink(path), 0);
    log_rig_add_number(path, 3);
    assert_string_equal(rest_of(reader), "3");
    assert_int_equal(truncate(path, 0), 0);
    assert_string_equal(rest_of(reader), "");
    log_rig_add_number(path, 4);
    assert_string_equal(rest_of(reader), "4");
}

static void pinned_files_may_be_removed_and_are_still_read(void **state)
{
    (void)state;
    const char *path = log_rig_path("web");
    struct err err;

    log_rig_add_number(path, 1);
    AUTO(log_reader_close) struct log_reader *reader = open_log(path, &all);
    log_rig_rename(path);
    log_rig_add_number(path, 2);
    log_reader_pin(reader);
    assert_true(file_remove_tree(path, &err));
    assert_string_equal(rest_of(reader), "1,2");
}

static void something_else_than_a_file_is_refused(void **state)
{
    (void)state;
    struct err err;
    const char *path = log_rig_path("folder");

    assert_true(file_make_dirs(path, 0700, &err));
    assert_null(log_reader_open(path, &all, &err));
    assert_int_equal(err.code, ERR_INVALID);
    path = log_rig_path("link");
    assert_int_equal(symlink("/etc/shadow", path), 0);
    assert_null(log_reader_open(path, &all, &err));
    assert_int_equal(err.code, ERR_SYSTEM);
}

static void the_last_lines_as_text_keep_their_limit(void **state)
{
    (void)state;
    const char *path = log_rig_path("web");
    AUTO(buf_done) struct buf text = {0};

    log_read_last(path, 5, 100, &text);
    assert_string_equal(buf_text(&text), "");
    for (int i = 1; i <= 2000; i++)
        log_rig_add_number(path, i);
    log_rig_add(path, 2001, "stderr P", "oops");
    buf_add_text(&text, "it said:\n");
    log_read_last(path, 3, 100, &text);
    assert_string_equal(buf_text(&text), "it said:\n1998\n1999\n2000\noops\n");
    buf_clear(&text);
    log_read_last(path, 2000, 16, &text);
    assert_string_equal(buf_text(&text), "1999\n2000\noops\n");
    buf_clear(&text);
    log_read_last(path, 2000, 15, &text);
    assert_string_equal(buf_text(&text), "1999\n2000\noops\n");
    buf_clear(&text);
    log_read_last(path, 2000, 14, &text);
    assert_string_equal(buf_text(&text), "2000\noops\n");
    buf_clear(&text);
    log_read_last(path, 2000, 2, &text);
    assert_string_equal(buf_text(&text), "");
}

#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, log_rig_setup, log_rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIR(a_log_that_is_not_there_is_empty_until_it_is),
        IN_DIR(rotated_files_are_read_oldest_first),
        IN_DIR(the_last_lines_are_exactly_as_many_as_asked_for),
        IN_DIR(the_last_lines_are_found_across_blocks),
        IN_DIR(parts_are_joined_for_each_stream),
        IN_DIR(a_tail_counts_a_line_of_parts_as_one),
        IN_DIR(an_unfinished_line_is_kept_for_later_or_given_as_the_rest),
        IN_DIR(a_line_without_end_comes_in_pieces_of_bounded_size),
        IN_DIR(lines_that_are_not_in_the_format_are_left_out_and_counted),
        IN_DIR(since_and_until_cut_by_time),
        IN_DIR(what_is_written_around_rotations_is_neither_lost_nor_repeated),
        IN_DIR(a_file_that_was_replaced_does_not_bring_old_lines_back),
        IN_DIR(pinned_files_may_be_removed_and_are_still_read),
        IN_DIR(something_else_than_a_file_is_refused),
        IN_DIR(the_last_lines_as_text_keep_their_limit),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
