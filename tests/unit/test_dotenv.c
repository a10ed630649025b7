/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/buf.h"
#include "compose/dotenv.h"

static const char *find_outer(void *context, struct str name)
{
    (void)context;
    return str_is(name, "OUTER") ? "outside" : NULL;
}

static const struct dotenv_source plain = {"x.env", false, find_outer, NULL};

static const char *value_in(const struct dotenv_source *source, struct arena *arena,
                            const char *text, const char *name)
{
    AUTO(map_done) struct map vars = {0};
    struct err err;

    if (!dotenv_parse(str_of(text), source, arena, &vars, &err))
        fail_msg("%s", err.text);
    return (const char *)map_find(&vars, str_of(name));
}

static void every_way_to_write_a_value_is_read(void **state)
{
    (void)state;
    AUTO(arena_done) struct arena arena = {0};
    static const struct {
        const char *in;
        const char *out;
    } rows[] = {
        {"A=plain", "plain"},
        {"A = spaced ", "spaced"},
        {"A=value # comment", "value"},
        {"A=value# no comment", "value# no comment"},
        {"A=", ""},
        {"A: yaml", "yaml"},
        {"export A=x", "x"},
        {"A='as $B # it is'", "as $B # it is"},
        {"A='it\\'s'", "it's"},
        {"A=\"two\\nlines\"", "two\nlines"},
        {"A=\"real\nlines\"", "real\nlines"},
        {"A=\"q\\\"q\\$x\"", "q\"q$x"},
        {"A=\"x\" # comment", "x"},
        {"B=1\nA=$B${B}", "11"},
        {"A=${OUTER}", "outside"},
        {"OUTER=mine\nA=$OUTER", "outside"},
        {"A=$$x", "$x"},
        {"A=1\r\nB=2\r\n", "1"},
        {"\xef\xbb\xbf"
         "A=bom",
         "bom"},
        {"# A=0\n\nA=1\nA=2", "2"},
        {"A.b-c=1\nA=2", "2"},
        {"A=\"\\0101\\x\\\\\"", "A\\x\\"},
        {"A=\"\\060\\0400\\0351\"", "\\60\\400\xc3\xa9"},
        {"A='a\\\\'", "a\\\\"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_string_equal(value_in(&plain, &arena, rows[i].in, "A"), rows[i].out);
}

static void a_name_alone_takes_the_callers_value_or_stays_unset(void **state)
{
    (void)state;
    AUTO(arena_done) struct arena arena = {0};

    assert_string_equal(value_in(&plain, &arena, "OUTER\nB=1", "OUTER"), "outside");
    assert_null(value_in(&plain, &arena, "GONE\nB=1", "GONE"));
    assert_string_equal(value_in(&plain, &arena, "GONE\nB=1", "B"), "1");
}

static void a_raw_file_is_taken_as_it_is(void **state)
{
    (void)state;
    AUTO(arena_done) struct arena arena = {0};
    static const struct dotenv_source raw = {"x.env", true, NULL, NULL};

    assert_string_equal(value_in(&raw, &arena, "A=\"$B\" # x", "A"), "\"$B\" # x");
    assert_string_equal(value_in(&raw, &arena, "  A=x  \r\n# B=1\n", "A"), "x  ");
    assert_string_equal(value_in(&raw, &arena, "a!b=c=d", "a!b"), "c=d");
}

static void an_error_names_file_and_line(void **state)
{
    (void)state;
    AUTO(arena_done) struct arena arena = {0};
    static const struct {
        const char *in;
        const char *message;
    } rows[] = {
        {"A=1\nB C=2", "x.env:2: 'B C' is no variable name; write NAME=value"},
        {"A=1\n\n=2", "x.env:3: '' is no variable name; write NAME=value"},
        {"A='x\ny", "x.env:1: the quote of 'A' is not closed"},
        {"A=\"x\ny\"\nB=\"z", "x.env:3: the quote of 'B' is not closed"},
        {"A=1\nB=${X:?please}", "x.env:2: required variable 'X' has no value: please"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(map_done) struct map vars = {0};
        struct err err;
        assert_false(dotenv_parse(str_of(rows[i].in), &plain, &arena, &vars, &err));
        assert_string_equal(err.text, rows[i].message);
    }
}

static void sizes_are_limited(void **state)
{
    (void)state;
    AUTO(arena_done) struct arena arena = {0};
    AUTO(map_done) struct map vars = {0};
    AUTO(buf_done) struct buf text = {0};
    struct err err;

    for (int i = 0; i <= DOTENV_NAMES_MAX; i++)
        buf_addf(&text, "N%d=1\n", i);
    assert_false(dotenv_parse(buf_str(&text), &plain, &arena, &vars, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_int_equal(vars.live, DOTENV_NAMES_MAX);
    while (text.len <= DOTENV_BYTES_MAX)
        buf_add_text(&text, "# and on and on\n");
    assert_false(dotenv_parse(buf_str(&text), &plain, &arena, &vars, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_false(dotenv_parse(str_from("A=\0", 3), &plain, &arena, &vars, &err));
    assert_non_null(strstr(err.text, "zero byte"));
}

static void values_that_double_each_other_stop_at_a_limit(void **state)
{
    (void)state;
    AUTO(arena_done) struct arena arena = {0};
    AUTO(map_done) struct map vars = {0};
    AUTO(buf_done) struct buf text = {0};
    struct err err;

    buf_add_text(&text, "V0=0123456789abcdef0123456789abcdef\n");
    for (int i = 1; i < 13; i++)
        buf_addf(&text, "V%d=$V%d$V%d\n", i, i - 1, i - 1);
    for (int i = 0; i < 200; i++)
        buf_addf(&text, "W%d=$V12\n", i);
    assert_false(dotenv_parse(buf_str(&text), &plain, &arena, &vars, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_true(arena.total_bytes < 3U * DOTENV_VALUES_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_way_to_write_a_value_is_read),
        cmocka_unit_test(a_name_alone_takes_the_callers_value_or_stays_unset),
        cmocka_unit_test(a_raw_file_is_taken_as_it_is),
        cmocka_unit_test(an_error_names_file_and_line),
        cmocka_unit_test(sizes_are_limited),
        cmocka_unit_test(values_that_double_each_other_stop_at_a_limit),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
