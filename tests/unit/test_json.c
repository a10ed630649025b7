/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/err.h"
#include "json/json.h"

static void what_was_parsed_is_written_the_same_with_sorted_keys(void **state)
{
    (void)state;
    AUTO(json_unref) json_t *value = NULL;
    AUTO(buf_done) struct buf out = {0};
    struct err err;

    assert_true(json_parse(STR("{\"b\": [1, true, null], \"a\": \"x\"}"), 100, &value, &err));
    json_format(value, false, &out);
    assert_string_equal(buf_text(&out), "{\"a\":\"x\",\"b\":[1,true,null]}");
    buf_clear(&out);
    json_format(json_object_get(value, "b"), true, &out);
    assert_string_equal(buf_text(&out), "[\n  1,\n  true,\n  null\n]");
}

static void a_fraction_is_written_as_it_was_read(void **state)
{
    (void)state;
    AUTO(json_unref) json_t *value = NULL;
    AUTO(buf_done) struct buf out = {0};
    struct err err;

    assert_true(json_parse(STR("[0.1,99.9,0.25]"), 100, &value, &err));
    json_format(value, false, &out);
    assert_string_equal(buf_text(&out), "[0.1,99.9,0.25]");
}

/* Counts on, so that all of it is the same in each run. */
static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

static json_t *some_text(uint32_t *seed)
{
    static const char *const parts[] = {
        "a",        "\"",       "\\", "\n", "\x01", "\x1f", "\x7f", "/",
        " ",        "\xc3\xa9", "\t", "\b", "\f",   "\r",   "",     "\xf0\x9f\x8d\xa3",
        "long run", "z"};
    AUTO(buf_done) struct buf text = {0};

    for (uint32_t i = next_random(seed) % 8; i > 0; i--)
        buf_add_text(&text, parts[next_random(seed) % ARRAY_LEN(parts)]);
    return json_stringn(buf_text(&text), text.len);
}

static json_t *some_value(uint32_t *seed, unsigned depth)
{
    static const json_int_t integers[] = {0, 1, -1, 10, 12345, INT64_MAX, INT64_MIN};
    static const double fractions[] = {0.1, 1.0, -2.5, 1e300, 1e-9, 123456789.25};
    json_t *value;

    switch (next_random(seed) % (depth == 0 ? 6 : 8)) {
    case 0:
        return json_null();
    case 1:
        return json_boolean(next_random(seed) % 2 == 0);
    case 2:
        return json_integer(integers[next_random(seed) % ARRAY_LEN(integers)]);
    case 3:
        return json_real(fractions[next_random(seed) % ARRAY_LEN(fractions)]);
    case 4:
    case 5:
        return some_text(seed);
    case 6:
        value = json_array();
        for (uint32_t i = next_random(seed) % 5; i > 0; i--)
            assert_int_equal(json_array_append_new(value, some_value(seed, depth - 1)), 0);
        return value;
    default:
        value = json_object();
        for (uint32_t i = next_random(seed) % 60; i > 0; i--) {
            AUTO(json_unref) json_t *key = some_text(seed);
            (void)json_object_set_new(value, json_string_value(key), some_value(seed, depth - 1));
        }
        return value;
    }
}

static void what_is_written_is_what_jansson_writes(void **state)
{
    (void)state;
    const size_t flags = JSON_ENCODE_ANY | JSON_SORT_KEYS | JSON_REAL_PRECISION(15);
    uint32_t seed = 1;

    for (int i = 0; i < 400; i++) {
        AUTO(json_unref) json_t *value = some_value(&seed, (unsigned)i % 4);
        for (int indented = 0; indented < 2; indented++) {
            AUTO(buf_done) struct buf out = {0};
            char *wanted = json_dumps(value, flags | (indented ? JSON_INDENT(2) : JSON_COMPACT));
            json_format(value, indented != 0, &out);
            assert_string_equal(buf_text(&out), wanted);
            free(wanted);
        }
    }
}

static void what_is_nested_deeply_is_indented_all_the_way(void **state)
{
    (void)state;
    json_t *value = json_integer(1);
    AUTO(buf_done) struct buf out = {0};

    for (int i = 0; i < 100; i++) {
        json_t *outer = json_array();
        assert_int_equal(json_array_append_new(outer, value), 0);
        value = outer;
    }
    char *wanted = json_dumps(value, JSON_INDENT(2));
    json_format(value, true, &out);
    assert_string_equal(buf_text(&out), wanted);
    free(wanted);
    json_decref(value);
}

static void an_error_names_line_and_column(void **state)
{
    (void)state;
    json_t *value = NULL;
    struct err err = {0};

    assert_false(json_parse(STR("{\n  \"a\": }"), 100, &value, &err));
    assert_int_equal(err.code, ERR_INVALID);
    assert_non_null(strstr(err.text, "line 2, column 8"));
    assert_false(json_parse(STR(""), 100, &value, &err));
    assert_false(json_parse(STR("{\"a\":1,\"a\":2}"), 100, &value, &err));
    assert_non_null(strstr(err.text, "duplicate"));
    assert_null(value);
}

static void too_long_and_too_deep_are_refused(void **state)
{
    (void)state;
    AUTO(buf_done) struct buf deep = {0};
    AUTO(json_unref) json_t *value = NULL;
    json_t *none = NULL;
    struct err err;

    assert_false(json_parse(STR("[1,2]"), 4, &none, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    for (int i = 0; i < JSON_DEPTH_MAX; i++)
        buf_add_char(&deep, '[');
    for (int i = 0; i < JSON_DEPTH_MAX; i++)
        buf_add_char(&deep, ']');
    assert_true(json_parse(buf_str(&deep), 1000, &value, &err));
    buf_clear(&deep);
    for (int i = 0; i <= JSON_DEPTH_MAX; i++)
        buf_add_char(&deep, '[');
    assert_false(json_parse(buf_str(&deep), 1000, &none, &err));
    assert_int_equal(err.code, ERR_LIMIT);
}

static void brackets_inside_text_do_not_count_as_depth(void **state)
{
    (void)state;
    AUTO(buf_done) struct buf text = {0};
    AUTO(json_unref) json_t *value = NULL;
    struct err err;

    buf_add_text(&text, "\"\\\"");
    for (int i = 0; i < 1000; i++)
        buf_add_char(&text, '[');
    buf_add_char(&text, '"');
    assert_true(json_parse(buf_str(&text), 2000, &value, &err));
}

static void a_getter_says_what_is_wrong(void **state)
{
    (void)state;
    AUTO(json_unref) json_t *value = NULL;
    struct err err;
    const char *text = NULL;
    uint64_t number = 0;
    const json_t *list = NULL;

    assert_true(json_parse(STR("{\"t\":\"x\",\"n\":70000,\"m\":-1,\"y\":true,\"l\":[]}"), 100,
                           &value, &err));
    assert_true(json_get_text(value, "t", &text, &err));
    assert_string_equal(text, "x");
    assert_true(json_get_array(value, "l", &list, &err));
    assert_false(json_get_object(value, "l", &list, &err));
    assert_string_equal(err.text, "'l' is an array; it must be an object");
    assert_false(json_get_text(value, "gone", &text, &err));
    assert_string_equal(err.text, "'gone' is missing; it must be a string");
    assert_false(json_get_u64(value, "n", 65535, &number, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_false(json_get_u64(value, "m", 65535, &number, &err));
    assert_int_equal(err.code, ERR_INVALID);
    assert_int_equal(number, 0);
    assert_string_equal(json_find_text(value, "n", "other"), "other");
    assert_int_equal(json_find_u64(value, "m", 5), 5);
    assert_true(json_find_bool(value, "gone", true));
}

static void bytes_that_are_not_utf8_become_replacement_characters(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        const char *out;
    } rows[] = {
        {"plain", "plain"},
        {"\xe7\xa4\x8e", "\xe7\xa4\x8e"},
        {"a\xff"
         "b",
         "a\xef\xbf\xbd"
         "b"},
        {"\xc0\x80", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xe7\xa4", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(json_unref) json_t *value = json_from_bytes(str_of(rows[i].in));
        assert_string_equal(json_string_value(value), rows[i].out);
    }
}

static void a_nul_in_bytes_becomes_a_character_that_can_be_parsed_again(void **state)
{
    (void)state;
    AUTO(json_unref) json_t *value = json_from_bytes(STR("a\0b"));
    AUTO(json_unref) json_t *again = NULL;
    AUTO(buf_done) struct buf out = {0};
    struct err err;

    assert_string_equal(json_string_value(value), "a\xef\xbf\xbd"
                                                  "b");
    json_format(value, false, &out);
    assert_true(json_parse(buf_str(&out), 100, &again, &err));
    assert_true(json_equal(value, again));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_parsed_is_written_the_same_with_sorted_keys),
        cmocka_unit_test(a_fraction_is_written_as_it_was_read),
        cmocka_unit_test(what_is_written_is_what_jansson_writes),
        cmocka_unit_test(what_is_nested_deeply_is_indented_all_the_way),
        cmocka_unit_test(an_error_names_line_and_column),
        cmocka_unit_test(too_long_and_too_deep_are_refused),
        cmocka_unit_test(brackets_inside_text_do_not_count_as_depth),
        cmocka_unit_test(a_getter_says_what_is_wrong),
        cmocka_unit_test(bytes_that_are_not_utf8_become_replacement_characters),
        cmocka_unit_test(a_nul_in_bytes_becomes_a_character_that_can_be_parsed_again),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
