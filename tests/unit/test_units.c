/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "compose/units.h"

static void durations_are_read_and_written_as_compose_does(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        uint64_t ns;
        const char *out;
    } rows[] = {
        {"0", 0, "0s"},
        {"1m30s", 90000000000, "1m30s"},
        {"90s", 90000000000, "1m30s"},
        {"1.5s", 1500000000, "1.5s"},
        {"500ms", 500000000, "500ms"},
        {"2h", 7200000000000, "2h0m0s"},
        {"1h0m0.25s", 3600250000000, "1h0m0.25s"},
        {"3us", 3000, "3\xc2\xb5s"},
        {"7ns", 7, "7ns"},
        {".5s", 500000000, "500ms"},
        {"1d", 86400000000000, "24h0m0s"},
        {"1w2d", 777600000000000, "216h0m0s"},
    };
    struct err err;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(buf_done) struct buf text = {0};
        uint64_t ns;
        assert_true(units_parse_duration(str_of(rows[i].in), &ns, &err));
        assert_true(ns == rows[i].ns);
        units_format_duration(ns, &text);
        assert_string_equal(buf_text(&text), rows[i].out);
    }
}

static void what_is_no_duration_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "10", "s", "-1s", "1x", "1s2", "1.s.", ".s", "1 s"};
    struct err err;
    uint64_t ns = 7;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_false(units_parse_duration(str_of(bad[i]), &ns, &err));
        assert_int_equal(err.code, ERR_INVALID);
    }
    assert_false(units_parse_duration(STR("900000000h"), &ns, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_false(units_parse_duration(STR("18446744073709551615h"), &ns, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_true(ns == 7);
}

static void sizes_are_powers_of_1024(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        uint64_t bytes;
    } rows[] = {{"1024", 1024},       {"1k", 1024},        {"64KB", 65536},
                {"512m", 536870912},  {"20MiB", 20971520}, {"1.5g", 1610612736},
                {"2 gb", 2147483648}, {"10b", 10},         {"1t", 1099511627776}};
    static const char *const bad[] = {"", "m", "-1", "1x", "1kk", "1bb", "1 k b", "0x10"};
    struct err err;
    uint64_t bytes = 7;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(units_parse_bytes(str_of(bad[i]), &bytes, &err));
    assert_true(bytes == 7);
    assert_false(units_parse_bytes(STR("1025p"), &bytes, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_true(units_parse_bytes(str_of(rows[i].in), &bytes, &err));
        assert_true(bytes == rows[i].bytes);
    }
}

static void ports_are_read_in_every_short_form(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        const char *ip;
        uint16_t published[2];
        uint16_t target[2];
        bool is_udp;
    } rows[] = {
        {"80", "", {0, 0}, {80, 80}, false},
        {"8080:80", "", {8080, 8080}, {80, 80}, false},
        {"127.0.0.1:53:53/udp", "127.0.0.1", {53, 53}, {53, 53}, true},
        {"[::1]:80:81/TCP", "::1", {80, 80}, {81, 81}, false},
        {"9000-9001:90-91", "", {9000, 9001}, {90, 91}, false},
        {"6000-6002:70", "", {6000, 6002}, {70, 70}, false},
        {"127.0.0.1::80", "127.0.0.1", {0, 0}, {80, 80}, false},
    };
    struct units_port port;
    struct err err;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_true(units_parse_port(str_of(rows[i].in), &port, &err));
        assert_true(str_is(port.host_ip, rows[i].ip));
        assert_int_equal(port.published_first, rows[i].published[0]);
        assert_int_equal(port.published_last, rows[i].published[1]);
        assert_int_equal(port.target_first, rows[i].target[0]);
        assert_int_equal(port.target_last, rows[i].target[1]);
        assert_int_equal(port.is_udp, rows[i].is_udp);
    }
}

static void bad_ports_say_what_is_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        const char *message;
    } rows[] = {
        {"70000:80", "port 70000 is above 65535"},
        {"80:70000", "port 70000 is above 65535"},
        {"0:80", "port 0 cannot be used; leave it out for any free port"},
        {"a:80", "'a' is no port number"},
        {"", "the port number is empty; is a variable of this line not set?"},
        {"80/abc", "protocol 'abc' is not known; use tcp or udp"},
        {"localhost:80:80", "'localhost' is no IP address; write 127.0.0.1:80:80"},
        {"90-80:1", "port range '90-80' runs backwards"},
        {"1-3:1-2", "port ranges of different length in '1-3:1-2'"},
    };
    struct units_port port;
    struct err err;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_false(units_parse_port(str_of(rows[i].in), &port, &err));
        assert_string_equal(err.text, rows[i].message);
    }
}

static void a_command_is_split_as_compose_does(void **state)
{
    (void)state;
    AUTO(arena_done) struct arena arena = {0};
    static const struct {
        const char *in;
        const char *words[8]; /* ends with NULL */
    } rows[] = {
        {" sh -c 'a  $b' x\\ y '' a'b'c ", {"sh", "-c", "a  $b", "x y", "", "abc"}},
        {"\"q \\\" \\n\"", {"q \" n"}},
        {"'a\\b' a\\b", {"a\\b", "ab"}},
        {"echo `a b` $(c d) $X", {"echo", "`a b`", "$(c d)", "$X"}},
        {"\"\"", {""}},
        {"", {NULL}},
    };
    const char **words;
    size_t count;
    struct err err;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_true(units_split_words(str_of(rows[i].in), &arena, &words, &count, &err));
        size_t want = 0;
        for (; rows[i].words[want] != NULL && want < count; want++)
            assert_string_equal(words[want], rows[i].words[want]);
        assert_null(rows[i].words[want]);
        assert_int_equal(count, want);
    }
}

static void a_command_with_an_open_quote_or_a_bracket_is_refused(void **state)
{
    (void)state;
    AUTO(arena_done) struct arena arena = {0};
    static const char *const bad[] = {"a 'b", "a \"b", "a `b", "a $(b", "(a)", "a )", "a \\"};
    const char **words;
    size_t count;
    struct err err;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_false(units_split_words(str_of(bad[i]), &arena, &words, &count, &err));
        assert_int_equal(err.code, ERR_INVALID);
    }
}

static void a_command_ends_where_a_shell_would_join_another(void **state)
{
    (void)state;
    AUTO(arena_done) struct arena arena = {0};
    static const struct {
        const char *in;
        size_t count;
        const char *rest;
    } rows[] = {{"a b && c", 2, "&& c"}, {"a; b", 1, "; b"},   {"a 2>x b", 1, ">x b"},
                {"a x>y", 2, ">y"},      {"a 'b;c' d", 3, ""}, {"a | b", 1, "| b"}};
    const char **words;
    size_t count;
    struct str rest;
    struct err err;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_true(units_cut_words(str_of(rows[i].in), &arena, &words, &count, &rest, &err));
        assert_int_equal(count, rows[i].count);
        assert_true(str_is(rest, rows[i].rest));
    }
}

static void more_words_than_the_limit_are_refused(void **state)
{
    (void)state;
    AUTO(arena_done) struct arena arena = {0};
    AUTO(buf_done) struct buf text = {0};
    const char **words;
    size_t count;
    struct err err;

    for (int i = 0; i < UNITS_WORDS_MAX; i++)
        buf_add_text(&text, "w ");
    assert_true(units_split_words(buf_str(&text), &arena, &words, &count, &err));
    assert_int_equal(count, UNITS_WORDS_MAX);
    buf_add_text(&text, "w");
    assert_false(units_split_words(buf_str(&text), &arena, &words, &count, &err));
    assert_int_equal(err.code, ERR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_are_read_and_written_as_compose_does),
        cmocka_unit_test(what_is_no_duration_is_refused),
        cmocka_unit_test(sizes_are_powers_of_1024),
        cmocka_unit_test(ports_are_read_in_every_short_form),
        cmocka_unit_test(bad_ports_say_what_is_wrong),
        cmocka_unit_test(a_command_is_split_as_compose_does),
        cmocka_unit_test(a_command_with_an_open_quote_or_a_bracket_is_refused),
        cmocka_unit_test(a_command_ends_where_a_shell_would_join_another),
        cmocka_unit_test(more_words_than_the_limit_are_refused),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
