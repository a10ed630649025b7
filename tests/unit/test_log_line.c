/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/err.h"
#include "watch/log_line.h"

static struct log_line accept(const char *text)
{
    struct log_line line = {0};
    struct err err = {0};
    if (!log_line_parse(str_of(text), &line, &err))
        fail_msg("'%s': %s", text, err.text);
    return line;
}

static void refuse(struct str text, enum err_code code)
{
    struct log_line line = {.wall_ns = 7};
    struct err err = {0};
    if (log_line_parse(text, &line, &err))
        fail_msg("accepted '" STR_FMT "'", STR_ARG(text));
    assert_int_equal(err.code, code);
    assert_int_equal(line.wall_ns, 7);
}

static void a_line_of_conmon_is_read(void **state)
{
    (void)state;
    struct log_line line = accept("2026-11-21T02:14:07.123456789+00:00 stdout F hello  world ");
    assert_int_equal(line.wall_ns, INT64_C(1795227247123456789));
    assert_int_equal(line.stream, LOG_STDOUT);
    assert_false(line.partial);
    assert_true(str_is(line.text, "hello  world "));
    line = accept("2026-11-21T02:14:07.123456789+00:00 stderr P ");
    assert_int_equal(line.stream, LOG_STDERR);
    assert_true(line.partial);
    assert_int_equal(line.text.len, 0);
}

static void offsets_and_fractions_give_the_same_moment(void **state)
{
    (void)state;
    static const char *const same[] = {
        "2026-11-21T02:14:07.5+00:00 stdout F x",  "2026-11-21T02:14:07.500000000Z stdout F x",
        "2026-11-21T11:14:07.50+09:00 stdout F x", "2026-11-20T22:44:07.500-03:30 stdout F x",
        "2026-11-21T02:14:07.5-00:00 stdout F x",
    };
    for (size_t i = 0; i < ARRAY_LEN(same); i++)
        assert_int_equal(accept(same[i]).wall_ns, INT64_C(1795227247500000000));
    assert_int_equal(accept("1970-01-01T00:00:00Z stdout F x").wall_ns, 0);
    assert_int_equal(accept("2016-12-31T23:59:60Z stdout F x").wall_ns,
                     accept("2017-01-01T00:00:00Z stdout F x").wall_ns);
}

static void the_days_of_february_are_known(void **state)
{
    (void)state;
    accept("2024-02-29T00:00:00Z stdout F x");
    accept("2000-02-29T00:00:00Z stdout F x");
    refuse(STR("2023-02-29T00:00:00Z stdout F x"), ERR_INVALID);
    refuse(STR("2100-02-29T00:00:00Z stdout F x"), ERR_INVALID);
}

static void anything_else_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        " ",
        "2026-11-21",
        "2026-11-21T02:14:07.123456789+00:00",
        "2026-11-21T02:14:07Z stdout",
        "2026-11-21T02:14:07Z stdout F",
        "2026-11-21T02:14:07Z  stdout F x",
        "2026-11-21T02:14:07Z stdout  F x",
        "2026-11-21T02:14:07Z stdin F x",
        "2026-11-21T02:14:07Z STDOUT F x",
        "2026-11-21T02:14:07Z stdout f x",
        "2026-11-21T02:14:07Z stdout FP x",
        "2026-11-21T02:14:07. stdout F x",
        "2026-11-21T02:14:07.Z stdout F x",
        "2026-11-21T02:14:07.1234567890Z stdout F x",
        "2026-11-21 02:14:07Z stdout F x",
        "2026-11-21t02:14:07Z stdout F x",
        "2026-11-21T02:14:07 stdout F x",
        "2026-11-21T02:14:07+0000 stdout F x",
        "2026-11-21T02:14:07+24:00 stdout F x",
        "2026-11-21T02:14:07+00:60 stdout F x",
        "2026-13-01T02:14:07Z stdout F x",
        "2026-00-01T02:14:07Z stdout F x",
        "2026-04-31T02:14:07Z stdout F x",
        "2026-01-00T02:14:07Z stdout F x",
        "2026-11-21T24:00:00Z stdout F x",
        "2026-11-21T02:60:07Z stdout F x",
        "2026-11-21T02:14:61Z stdout F x",
        "1969-11-21T02:14:07Z stdout F x",
        "2200-11-21T02:14:07Z stdout F x",
        "+026-11-21T02:14:07Z stdout F x",
        "2026-+1-21T02:14:07Z stdout F x",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        refuse(str_of(bad[i]), ERR_INVALID);
}

static void every_cut_of_a_good_line_is_harmless(void **state)
{
    (void)state;
    static const char good[] = "2026-11-21T02:14:07.123456789+00:00 stdout F x";
    for (size_t len = 0; len < sizeof good - 2; len++) {
        char *exact = mem_new(MAX(len, 1)); /* the sanitizer sees a byte too many */
        memcpy(exact, good, len);
        struct log_line line;
        struct err err;
        assert_int_equal(log_line_parse(str_from(exact, len), &line, &err), len == 45 - 1 + 1);
        free(exact);
    }
}

static void any_byte_may_stand_in_the_text(void **state)
{
    (void)state;
    char bytes[300] = "2026-11-21T02:14:07Z stdout F ";
    size_t start = strlen(bytes);
    struct log_line line;
    struct err err;

    for (size_t i = 0; i < 256; i++)
        bytes[start + i] = (char)i;
    assert_true(log_line_parse(str_from(bytes, start + 256), &line, &err));
    assert_int_equal(line.text.len, 256);
    assert_ptr_equal(line.text.ptr, bytes + start);
}

static void a_line_above_the_limit_is_refused(void **state)
{
    (void)state;
    char *text = mem_new(LOG_LINE_MAX + 2);
    struct log_line line;
    struct err err;

    memset(text, 'x', LOG_LINE_MAX + 1);
    memcpy(text, "2026-11-21T02:14:07Z stdout F ", 30);
    assert_true(log_line_parse(str_from(text, LOG_LINE_MAX), &line, &err));
    refuse(str_from(text, LOG_LINE_MAX + 1), ERR_LIMIT);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_of_conmon_is_read),
        cmocka_unit_test(offsets_and_fractions_give_the_same_moment),
        cmocka_unit_test(the_days_of_february_are_known),
        cmocka_unit_test(anything_else_is_refused),
        cmocka_unit_test(every_cut_of_a_good_line_is_harmless),
        cmocka_unit_test(any_byte_may_stand_in_the_text),
        cmocka_unit_test(a_line_above_the_limit_is_refused),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
