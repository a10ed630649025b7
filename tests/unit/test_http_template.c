/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "http/http_template.h"

static void a_value_is_cut_into_text_and_variables(void **state)
{
    struct str rest = STR("a{client_ip}{\"b\":{host}}"), text;
    enum http_variable variable;

    (void)state;
    assert_int_equal(http_template_next(&rest, &variable, &text), HTTP_TEMPLATE_PIECE);
    assert_true(variable == HTTP_VARIABLE_TEXT && str_is(text, "a"));
    assert_int_equal(http_template_next(&rest, &variable, &text), HTTP_TEMPLATE_PIECE);
    assert_int_equal(variable, HTTP_VARIABLE_CLIENT_IP);
    assert_int_equal(http_template_next(&rest, &variable, &text), HTTP_TEMPLATE_PIECE);
    assert_true(variable == HTTP_VARIABLE_TEXT && str_is(text, "{\"b\":"));
    assert_int_equal(http_template_next(&rest, &variable, &text), HTTP_TEMPLATE_PIECE);
    assert_int_equal(variable, HTTP_VARIABLE_HOST);
    assert_int_equal(http_template_next(&rest, &variable, &text), HTTP_TEMPLATE_PIECE);
    assert_true(variable == HTTP_VARIABLE_TEXT && str_is(text, "}"));
    assert_int_equal(http_template_next(&rest, &variable, &text), HTTP_TEMPLATE_END);
    rest = STR("{nothing}");
    assert_int_equal(http_template_next(&rest, &variable, &text), HTTP_TEMPLATE_UNKNOWN);
    assert_true(str_is(text, "nothing"));
}

static void what_frames_a_message_cannot_be_ruled(void **state)
{
    static const char *const both[] = {"content-length", "Transfer-Encoding", "TE", "Connection",
                                       "Upgrade",        "Trailer",           "",   "a b"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(both); i++) {
        assert_non_null(http_rule_refusal(str_of(both[i]), true));
        assert_non_null(http_rule_refusal(str_of(both[i]), false));
    }
    assert_non_null(http_rule_refusal(STR("host"), true));
    assert_non_null(http_rule_refusal(STR("X-Forwarded-For"), true));
    assert_non_null(http_rule_refusal(STR("Date"), false));
    assert_null(http_rule_refusal(STR("X-Request-Id"), false));
    assert_null(http_rule_refusal(STR("Set-Cookie"), false));
}

static void origins_match_exactly_or_below_a_star(void **state)
{
    static const struct {
        const char *pattern, *origin;
        bool matches;
    } rows[] = {
        {"https://a.test", "https://a.test", true},
        {"https://a.test", "https://A.test", true},
        {"https://a.test", "http://a.test", false},
        {"https://a.test", "https://a.test:8443", false},
        {"https://a.test", "https://a.test.evil.test", false},
        {"https://*.a.test", "https://b.a.test", true},
        {"https://*.a.test", "https://c.b.a.test", true},
        {"https://*.a.test", "https://a.test", false},
        {"https://*.a.test", "https://.a.test", false},
        {"https://*.a.test", "https://evil.test/.a.test", false},
        {"https://*.a.test", "https://evil.test:1.a.test", false},
        {"https://*.a.test", "https://b c.a.test", false},
        {"https://*.a.test:8443", "https://b.a.test:8443", true},
        {"*", "https://any.test", true},
        {"null", "null", true},
        {"https://a.test", "null", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (http_origin_matches(str_of(rows[i].pattern), str_of(rows[i].origin)) != rows[i].matches)
            fail_msg("%s and %s", rows[i].pattern, rows[i].origin);
    assert_true(http_origin_is_sane(STR("http://[::1]:8080")));
    assert_false(http_origin_is_sane(STR("https://a.test/")));
    assert_false(http_origin_is_sane(STR("ftp://a.test")));
    assert_false(http_origin_is_sane(STR("https://a.*.test")));
    assert_false(http_origin_is_sane(STR("https://")));
    assert_false(http_origin_is_sane(STR("https://a\0b")));
}

#define TRACE  "0af7651916cd43dd8448eb211c80319c"
#define PARENT "b7ad6b7169203331"

static void traces_are_valid_by_the_rules_of_the_w3c(void **state)
{
    static const char *const good[] = {"00-" TRACE "-" PARENT "-00", "00-" TRACE "-" PARENT "-01",
                                       "cc-" TRACE "-" PARENT "-01-more"};
    static const char *const bad[] = {
        "",
        "00",
        "00-" TRACE "-" PARENT "-01-more",
        "ff-" TRACE "-" PARENT "-01",
        "00-" TRACE "-" PARENT "-0g",
        "00-" TRACE "-" PARENT "-0",
        "00-" TRACE "-0000000000000000-01",
        "00-00000000000000000000000000000000-" PARENT "-01",
        "00-0AF7651916CD43DD8448EB211C80319C-" PARENT "-01",
        "00_" TRACE "-" PARENT "-01",
        "cc-" TRACE "-" PARENT "-01more",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_true(http_traceparent_is_valid(str_of(good[i])));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (http_traceparent_is_valid(str_of(bad[i])))
            fail_msg("accepted: %s", bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_is_cut_into_text_and_variables),
        cmocka_unit_test(what_frames_a_message_cannot_be_ruled),
        cmocka_unit_test(origins_match_exactly_or_below_a_star),
        cmocka_unit_test(traces_are_valid_by_the_rules_of_the_w3c),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
