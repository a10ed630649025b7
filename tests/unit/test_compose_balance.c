/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "compose/model_balance.h"
#include "compose/model_limits.h"
#include "compose/model_ports.h"
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

static void what_is_said_of_a_tcp_port_is_read(void **state)
{
    (void)state;
    fixture_load("services:\n"
                 "  db:\n"
                 "    image: a\n"
                 "    ports: [\"5432:5432\", \"80:8000\"]\n"
                 "    x-ishizue:\n"
                 "      health: {path: /h, port: 8000, status: \"204\"}\n"
                 "      ports:\n"
                 "        - {target: 5432, allow: [10.0.0.0/8], rate_limit: 5/s, connections: 9,\n"
                 "           connections_per_ip: 0, idle_timeout: 30m, connect_timeout: 2s,\n"
                 "           balance: hash, queue: {limit: 3}}\n"
                 "        - {target: 8000}\n");
    const struct compose_x_service *x = &fixture.compose->services[0].x;

    assert_int_equal(x->health.status_from, 204);
    assert_int_equal(x->health.status_to, 204);
    assert_int_equal(x->port_count, 2);
    assert_int_equal(x->ports[0].target, 5432);
    assert_int_equal(x->ports[0].limits->allow.count, 1);
    assert_int_equal(x->ports[0].limits->rate_count, 1);
    assert_int_equal(x->ports[0].connections, 9);
    assert_true(x->ports[0].has_connections_per_ip);
    assert_int_equal(x->ports[0].connections_per_ip, 0);
    assert_int_equal(x->ports[0].idle_timeout_ms, 1800000);
    assert_int_equal(x->ports[0].connect_timeout_ms, 2000);
    assert_string_equal(x->ports[0].balance->kind, "hash");
    assert_int_equal(x->ports[0].balance->queue_limit, 3);
    assert_null(x->ports[1].balance);
    assert_null(x->ports[1].limits);
}

static void what_is_wrong_with_a_port_or_a_check_is_refused_where_it_stands(void **state)
{
    static const struct {
        const char *keys;
        const char *message;
    } rows[] = {
        {"ports: [{sticky: cookie, target: 5}]",
         "compose.yaml:1:118: services.s.x-ishizue.ports[0].sticky: a TCP connection has no "
         "cookies; write balance: hash, which keeps an address at one instance"},
        {"ports: [{target: 6}]", "compose.yaml:1:118: services.s.x-ishizue.ports[0].target: the "
                                 "service publishes no TCP port 6; write one that 'ports' of the "
                                 "service has"},
        {"ports: [{target: 7}]", "compose.yaml:1:118: services.s.x-ishizue.ports[0].target: port 7 "
                                 "speaks HTTP; write a route with the same keys"},
        {"ports: [{deny: [::1]}]",
         "compose.yaml:1:109: services.s.x-ishizue.ports[0]: it does not say which port it is "
         "about; write target: and the port of the container"},
        {"ports: [{hash_by: uri, target: 5}]",
         "compose.yaml:1:119: services.s.x-ishizue.ports[0].hash_by: 'uri' is none of: ip"},
        {"ports: [{connections: 0, target: 5}]",
         "compose.yaml:1:123: services.s.x-ishizue.ports[0].connections: must be 1 to 10000000"},
        {"ports: [{idle_timeout: 25h, target: 5}]",
         "compose.yaml:1:124: services.s.x-ishizue.ports[0].idle_timeout: must be 1ms to 24h"},
        {"health: {path: /, status: 99}",
         "compose.yaml:1:127: services.s.x-ishizue.health.status: '99' is no status of HTTP; write "
         "204, or 200-299"},
        {"health: {status: 200-299}",
         "compose.yaml:1:118: services.s.x-ishizue.health.status: without a path nothing is asked "
         "that could be answered; add a path"},
        {"health: {retries: 1001}",
         "compose.yaml:1:119: services.s.x-ishizue.health.retries: must be at most 1000"},
        {"health: {interval: 0s}",
         "compose.yaml:1:120: services.s.x-ishizue.health.interval: must be above 0"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        fixture_refused(arena_printf(&fixture.arena,
                                     "services: {s: {image: a, ports: [\"1:5\", {target: 7, "
                                     "published: 2, app_protocol: http}], x-ishizue: {%s}}}\n",
                                     rows[i].keys),
                        rows[i].message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(a_route_says_how_instances_are_chosen),
        FIXTURE_TEST(what_is_wrong_is_refused_where_it_stands),
        FIXTURE_TEST(what_is_said_of_a_tcp_port_is_read),
        FIXTURE_TEST(what_is_wrong_with_a_port_or_a_check_is_refused_where_it_stands),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
