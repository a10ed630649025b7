/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/err.h"
#include "edge/rules.h"
#include "edge/table.h"

static bool read_route(const char *members, struct table **ret, struct err *err)
{
    AUTO(buf_done) struct buf json = {0};

    buf_addf(&json,
             "{\"generation\": 1, \"upstreams\": [{\"name\": \"u\", \"targets\": []}],"
             " \"routes\": [{\"path\": \"/\", \"upstream\": 0, %s}]}",
             members);
    return table_read(buf_str(&json), NULL, 0, ret, err);
}

static void refused(const char *members, const char *text)
{
    struct table *table;
    struct err err = {0};

    if (read_route(members, &table, &err))
        fail_msg("accepted: %.200s", members);
    if (strstr(err.text, text) == NULL)
        fail_msg("'%s' does not say '%s'", err.text, text);
}

static void a_route_without_rules_has_none(void **state)
{
    AUTO(table_unref) struct table *table = NULL;
    struct err err;

    (void)state;
    assert_true(read_route("\"hsts\": true", &table, &err));
    assert_null(table->routes[0].rules);
}

static void rules_are_read_with_their_defaults(void **state)
{
    AUTO(table_unref) struct table *table = NULL;
    struct err err;

    (void)state;
    assert_true(read_route("\"rules\": {\"compress\": [\"gzip\", \"br\"], \"rewrite\":"
                           " {\"from\": \"/%61/./b\", \"to\": \"/\"}, \"response_headers\":"
                           " [{\"op\": \"set\", \"name\": \"X-A\", \"value\": \"a{host}\"}]},"
                           " \"maintenance\": {\"allow\": [\"10.0.0.0/8\"]}",
                           &table, &err));
    const struct route_rules *rules = table->routes[0].rules;
    assert_int_equal(rules->coding_count, 2);
    assert_int_equal(rules->codings[0], HTTP_CODING_GZIP);
    assert_true(str_is(rules->rewrite_from, "/a/b")); /* in the form that paths are compared in */
    assert_int_equal(rules->index_count, 1);
    assert_int_equal(rules->response.items[0].piece_count, 2);
    assert_int_equal(rules->maintenance->retry_after, 60);
    assert_false(rules->traces || rules->samples_log);
    assert_null(rules->cors);
}

/* <count> times <item>, with commas. */
static const char *repeat(struct buf *buf, const char *before, const char *item, size_t count,
                          const char *after)
{
    buf_clear(buf);
    buf_add_text(buf, before);
    for (size_t i = 0; i < count; i++)
        buf_addf(buf, "%s%s", i == 0 ? "" : ", ", item);
    buf_add_text(buf, after);
    return buf_text(buf);
}

static void what_is_too_much_is_refused(void **state)
{
    AUTO(buf_done) struct buf buf = {0};

    (void)state;
    refused(repeat(&buf, "\"rules\": {\"cors\": {\"methods\": \"GET\", \"origins\": [",
                   "\"https://a.test\"", RULES_MAX_ORIGINS + 1, "]}}"),
            "'origins' has more than 64 items");
    refused(repeat(&buf, "\"rules\": {\"auth\": {\"realm\": \"r\", \"users\": [",
                   "{\"name\": \"a\", \"hash\": \"b\"}", RULES_MAX_USERS + 1, "]}}"),
            "'users' is not a list of 1 to 256");
    refused(
        repeat(&buf, "\"maintenance\": {\"allow\": [", "\"10.0.0.1\"", RULES_MAX_NETS + 1, "]}"),
        "'allow' has more than 64 items");
    refused(repeat(&buf, "\"rules\": {\"index\": [", "\"a\"", RULES_MAX_FILES + 1, "]}"),
            "'index' has more than 8 items");
    refused(repeat(&buf, "\"rules\": {\"compress\": [", "\"br\"", 4, "]}"),
            "'compress' has more than 3 items");
    refused("\"rules\": {\"response_headers\": [{\"op\": \"set\", \"name\": \"X\", \"value\":"
            " \"{host}{host}{host}{host}{host}{host}{host}{host}{host}{host}{host}{host}{host}"
            "{host}{host}{host}{host}\"}]}",
            "a value has more than 16 parts");
    refused("\"rules\": {\"trace\": 1001}", "trace");
    refused("\"rules\": {\"log\": {\"sample\": 1001}}", "sample");
    refused("\"maintenance\": {\"retry_after\": 86401}", "retry_after");
}

static void what_makes_no_sense_is_refused(void **state)
{
    (void)state;
    refused("\"rules\": []", "'rules' is not an object");
    refused("\"rules\": {\"compress\": [\"deflate\"]}", "unknown coding 'deflate'");
    refused("\"rules\": {\"try_files\": [\"{path}{path}\"]}", "try_files[0] is not a path");
    refused("\"rules\": {\"index\": [\"a/b\"]}", "index[0] is not a name");
    refused("\"rules\": {\"rewrite\": {\"from\": \"a\", \"to\": \"/\"}}", "path 'a'");
    refused("\"rules\": {\"rewrite\": {\"from\": \"/a\", \"to\": \"/../b\"}}", "'to'");
    refused("\"rules\": {\"auth\": {\"realm\": \"a\\\"b\", \"users\": [{\"name\": \"a\","
            " \"hash\": \"b\"}]}}",
            "'realm' holds a quote");
    refused("\"rules\": {\"request_headers\": [{\"op\": \"drop\", \"name\": \"X\"}]}",
            "unknown op 'drop'");
    refused("\"rules\": {\"request_headers\": [{\"op\": \"set\", \"name\": \"X\", \"value\":"
            " \"a\\r\\nY: b\"}]}",
            "holds a control character");
    refused("\"maintenance\": {\"allow\": [\"10.0.0.1/8\"]}", "maintenance.allow[0]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_route_without_rules_has_none),
        cmocka_unit_test(rules_are_read_with_their_defaults),
        cmocka_unit_test(what_is_too_much_is_refused),
        cmocka_unit_test(what_makes_no_sense_is_refused),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
