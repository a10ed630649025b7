/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "compose/model_balance.h"
#include "compose_fixture.h"

static void a_route_says_how_instances_are_chosen(void **state)
{
    (void)state;
    fixture_load("services: {s: {image: a}}\n"
                 "x-ishizue:\n"
                 "  routes:\n"
                 "    - {to: \"s:80\", balance: hash, hash_by: \"cookie:user\", sticky: cookie,\n"
                 "       slow_start: 10s, max_connections: 7, max_fails: 3, fail_timeout: 1m,\n"
                 "       queue: {limit: 0, timeout: 300ms}}\n"
                 "    - {path: /b, to: \"s:80\", sticky: \"cookie:place\", queue: {}}\n"
                 "    - {path: /c, to: \"s:80\"}\n");
    const struct compose_route *routes = fixture.compose->x.routes;
    const struct compose_balance *first = routes[0].balance, *second = routes[1].balance;

    assert_string_equal(first->kind, "hash");
    assert_string_equal(first->hash_by, "cookie:user");
    assert_string_equal(first->sticky_cookie, "ishizue-sticky");
    assert_int_equal(first->slow_start_ms, 10000);
    assert_int_equal(first->max_connections, 7);
    assert_int_equal(first->max_fails, 3);
    assert_int_equal(first->fail_timeout_ms, 60000);
    assert_true(first->has_queue);
    assert_int_equal(first->queue_limit, 0);
    assert_int_equal(first->queue_timeout_ms, 300);
    assert_string_equal(second->sticky_cookie, "place");
    assert_int_equal(second->queue_limit, 1000);
    assert_int_equal(second->queue_timeout_ms, 5000);
    assert_null(routes[2].balance);
}

static void what_is_wrong_is_refused_where_it_stands(void **state)
{
    static const struct {
        const char *keys;
        const char *message;
    } rows[] = {
        {"to: \"s:1\", balance: fair",
         "compose.yaml:4:28: x-ishizue.routes[0].balance: 'fair' is none of: round-robin, "
         "least-connections, two-choices, hash"},
        {"to: \"s:1\", balance: hash, hash_by: moon",
         "compose.yaml:4:43: x-ishizue.routes[0].hash_by: 'moon' is nothing to hash by; write ip, "
         "uri, header:NAME or cookie:NAME"},
        {"to: \"s:1\", balance: hash, hash_by: \"header:\"",
         "compose.yaml:4:43: x-ishizue.routes[0].hash_by: 'header:' is nothing to hash by; write "
         "ip, uri, header:NAME or cookie:NAME"},
        {"to: \"s:1\", hash_by: ip",
         "compose.yaml:4:28: x-ishizue.routes[0].hash_by: it needs balance: hash; add balance: "
         "hash"},
        {"to: \"s:1\", sticky: ip",
         "compose.yaml:4:27: x-ishizue.routes[0].sticky: 'ip' is no way to be sticky; write "
         "cookie, or cookie:NAME"},
        {"to: \"s:1\", sticky: \"cookie:a b\"",
         "compose.yaml:4:27: x-ishizue.routes[0].sticky: 'cookie:a b' is no way to be sticky; "
         "write cookie, or cookie:NAME"},
        {"to: \"s:1\", max_connections: 0",
         "compose.yaml:4:36: x-ishizue.routes[0].max_connections: must be 1 to 1000000"},
        {"to: \"s:1\", max_fails: 1001",
         "compose.yaml:4:30: x-ishizue.routes[0].max_fails: must be 1 to 1000"},
        {"to: \"s:1\", slow_start: 2h",
         "compose.yaml:4:31: x-ishizue.routes[0].slow_start: must be 1ms to 1h"},
        {"to: \"s:1\", queue: {limit: 100001}",
         "compose.yaml:4:34: x-ishizue.routes[0].queue.limit: must be 0 to 100000"},
        {"to: \"s:1\", queue: {timeout: 0s}",
         "compose.yaml:4:36: x-ishizue.routes[0].queue.timeout: must be 1ms to 1h"},
        {"redirect: \"https://a.test/\", sticky: cookie",
         "compose.yaml:4:7: x-ishizue.routes[0].balance: there is no service to balance; it is "
         "for routes with 'to'"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        fixture_refused(arena_printf(&fixture.arena,
                                     "services: {s: {image: a}}\nx-ishizue:\n  routes:\n"
                                     "    - {%s}\n",
                                     rows[i].keys),
                        rows[i].message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(a_route_says_how_instances_are_chosen),
        FIXTURE_TEST(what_is_wrong_is_refused_where_it_stands),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
