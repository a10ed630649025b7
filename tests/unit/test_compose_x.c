/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "compose_fixture.h"

static void x_ishizue_is_decoded(void **state)
{
    (void)state;
    fixture_write("static/a", "");
    fixture_load("x-ishizue:\n"
                 "  domain: shop.localhost\n"
                 "  tls: off\n"
                 "  listen: {http: 8080, https: 0}\n"
                 "  routes:\n"
                 "    - {path: /api/, to: \"s:8000\", cache_control: no-store}\n"
                 "    - {host: a.test, path: /static/, files: ./static}\n"
                 "    - {path: /old, redirect: \"https://b.test/\"}\n"
                 "    - {to: s}\n"
                 "services:\n"
                 "  web: {image: a, x-ishizue: {provided_by: edge}}\n"
                 "  s:\n"
                 "    image: a\n"
                 "    expose: [9000]\n"
                 "    x-ishizue:\n"
                 "      host: {workdir: /w, dependencies: get, cache_key: [a, b], build: make,\n"
                 "             command: run it}\n"
                 "      health: {path: /h, interval: 1500ms, retries: 9}\n"
                 "      migrate: up\n");
    const struct compose_x *x = &fixture.compose->x;
    const struct compose_service *s = fixture_service("s");

    assert_string_equal(x->runtime, "auto");
    assert_string_equal(x->domain, "shop.localhost");
    assert_int_equal(x->tls, TLS_OFF);
    assert_true(x->has_listen);
    assert_int_equal(x->http_port, 8080);
    assert_int_equal(x->https_port, 0);
    assert_int_equal(x->route_count, 4);
    assert_string_equal(x->routes[0].service, "s");
    assert_int_equal(x->routes[0].port, 8000);
    assert_int_equal(x->routes[0].place.line, 6);
    assert_string_equal(x->routes[1].files, fixture_path("static"));
    assert_string_equal(x->routes[2].redirect, "https://b.test/");
    assert_string_equal(x->routes[3].path, "/");
    assert_int_equal(x->routes[3].port, 9000);
    assert_true(fixture_service("web")->x.provided_by_edge);
    assert_true(s->x.host.present && s->x.health.present && !s->x.provided_by_edge);
    assert_string_equal(s->x.host.workdir, "/w");
    assert_string_equal(s->x.host.build.items[0], "make");
    assert_int_equal(s->x.host.cache_key.count, 2);
    assert_int_equal(s->x.host.dependencies.count, 1);
    assert_string_equal(s->x.host.dependencies.items[0], "get");
    assert_string_equal(s->x.host.command, "run it");
    assert_int_equal(s->x.health.interval_ms, 1500);
    assert_int_equal(s->x.health.timeout_ms, 5000);
    assert_int_equal(s->x.health.retries, 9);
    assert_string_equal(s->x.migrate, "up");
    assert_string_equal(fixture_messages(), "");
}

static void a_route_says_for_whom_it_is_and_how_long_it_waits(void **state)
{
    (void)state;
    fixture_load("services: {s: {image: a}}\n"
                 "x-ishizue:\n"
                 "  domain: a.test\n"
                 "  routes:\n"
                 "    - {to: \"s:1\", body_limit: 2m, connect_timeout: 1s, response_timeout: 5m,\n"
                 "       idle_timeout: 24h}\n"
                 "    - {host: \"*\", to: \"s:1\", body_limit: 0}\n"
                 "    - {host: \"*.a.test\", to: \"s:1\"}\n"
                 "    - {host: \"[::1]\", files: ./none}\n");
    const struct compose *compose = fixture.compose;
    const struct compose_route *routes = compose->x.routes;

    assert_true(routes[0].has_body_limit && routes[1].has_body_limit && !routes[2].has_body_limit);
    assert_int_equal(routes[0].body_limit_bytes, 2 << 20);
    assert_int_equal(routes[1].body_limit_bytes, 0);
    assert_int_equal(routes[0].connect_timeout_ms, 1000);
    assert_int_equal(routes[0].response_timeout_ms, 300000);
    assert_int_equal(routes[0].idle_timeout_ms, 86400000);
    assert_int_equal(routes[1].idle_timeout_ms, 0);
    assert_string_equal(compose_route_host(compose, &routes[0]), "a.test");
    assert_null(compose_route_host(compose, &routes[1]));
    assert_string_equal(compose_route_host(compose, &routes[2]), "*.a.test");
    assert_string_equal(fixture_messages(),
                        "warning: compose.yaml:9:30: x-ishizue.routes[3].files: there is no folder "
                        "'./none'; make it, or the route answers 404\n");
}

static void a_certificate_of_ones_own_is_found_beside_the_file(void **state)
{
    (void)state;
    fixture_load("x-ishizue: {tls: {certificate: c.pem, key: ./k.pem}}\n"
                 "services: {s: {image: a}}\n");
    assert_int_equal(fixture.compose->x.tls, TLS_FILES);
    assert_string_equal(fixture.compose->x.tls_certificate, fixture_path("c.pem"));
    assert_string_equal(fixture.compose->x.tls_key, fixture_path("k.pem"));
}

static void keys_that_nothing_acts_on_are_refused(void **state)
{
    (void)state;
    fixture_load("x-ishizue:\n"
                 "  promises: {rpo: 15m}\n"
                 "  routes: [{path: /, to: \"s:1\", waf: on}]\n"
                 "services:\n"
                 "  s: {image: a, x-ishizue: {backup: {keep: 7d}, scale: {max: 3}}}\n");
    const char *messages = fixture_messages();
    static const char *const want[] = {
        "warning: compose.yaml:2:3: x-ishizue.promises: the host runtime refuses 'promises'",
        "x-ishizue.routes[0].waf: the host runtime refuses 'waf'",
        "compose.yaml:5:29: services.s.x-ishizue.backup: the host runtime refuses 'backup'",
        "services.s.x-ishizue.scale: the host runtime refuses 'scale'",
    };
    assert_int_equal(fixture.diags.count, ARRAY_LEN(want));
    for (size_t i = 0; i < ARRAY_LEN(want); i++)
        assert_non_null(strstr(messages, want[i]));
}

static void what_is_wrong_in_x_ishizue_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *x;
        const char *message;
    } rows[] = {
        {"{domian: a}",
         "compose.yaml:2:13: x-ishizue: unknown key 'domian'; did you mean 'domain'?"},
        {"{runtime: dokcer}", "compose.yaml:2:22: x-ishizue.runtime: 'dokcer' is none of: auto, "
                              "host, docker, podman, swarm; did you mean 'docker'?"},
        {"{tls: maybe}",
         "compose.yaml:2:18: x-ishizue.tls: must be auto, off or {certificate: FILE, key: FILE}; "
         "ocsp: FILE and client_ca: FILE may stand beside them"},
        {"{edge: {trusted_proxies: [10.0.0.1/8]}}",
         "compose.yaml:2:38: x-ishizue.edge.trusted_proxies[0]: '10.0.0.1/8' has bits behind its "
         "prefix, write the first address of the range"},
        {"{edge: {header_limit: 17k}}",
         "compose.yaml:2:34: x-ishizue.edge.header_limit: must be 1 to 16384 bytes"},
        {"{routes: [{to: \"s:1\", rate_limit: 5/d}]}",
         "compose.yaml:2:46: x-ishizue.routes[0].rate_limit[0]: '5/d' is no rate; write RATE/s, "
         "RATE/m or RATE/h, with :BURST if need be, and per ip, header:NAME, cookie:NAME or route: "
         "\"20/s:40 per ip\""},
        {"{routes: [{to: \"s:1\", client_certificate: required}]}",
         "compose.yaml:2:54: x-ishizue.routes[0]: client_certificate needs the authority that "
         "signs them; write x-ishizue.tls: {client_ca: FILE}"},
        {"{listen: {http: 70000}}",
         "compose.yaml:2:28: x-ishizue.listen.http: port 70000 is above 65535"},
        {"{routes: [{path: /}]}", "compose.yaml:2:22: x-ishizue.routes[0]: needs exactly one of "
                                  "'to', 'files' and 'redirect'"},
        {"{routes: [{path: x, to: \"s:1\"}]}",
         "compose.yaml:2:29: x-ishizue.routes[0]: path 'x' must start with '/'"},
        {"{routes: [{path: /a?b, to: \"s:1\"}]}", "compose.yaml:2:29: x-ishizue.routes[0].path: "
                                                  "'/a?b' is not a path; write the start of the "
                                                  "paths that are meant, such as /api/"},
        {"{routes: [{path: /api/*, to: \"s:1\"}]}",
         "compose.yaml:2:29: x-ishizue.routes[0].path: '/api/*' is not a path; write the start of "
         "the "
         "paths that are meant, such as /api/"},
        {"{routes: [{path: /a/../.., to: \"s:1\"}]}",
         "compose.yaml:2:29: x-ishizue.routes[0].path: '/a/../..': path leads above the root"},
        {"{routes: [{host: \"https://a.test\", to: \"s:1\"}]}",
         "compose.yaml:2:29: x-ishizue.routes[0].host: 'https://a.test' is not the name of a host; "
         "write shop.example.com or \"*.example.com\", without http:// and without a port"},
        {"{domain: \"a.test:80\"}",
         "compose.yaml:2:21: x-ishizue.domain: 'a.test:80' is not the name of a host; write "
         "shop.example.com or \"*.example.com\", without http:// and without a port"},
        {"{routes: [{redirect: a.test}]}",
         "compose.yaml:2:33: x-ishizue.routes[0].redirect.to: 'a.test' is not an address; write "
         "https://shop.example.com/, or /path on the same host"},
        {"{routes: [{redirect: {to: \"/a?b\", keep_path: true}}]}",
         "compose.yaml:2:38: x-ishizue.routes[0].redirect.to: '/a?b' is not an address that a path "
         "can "
         "be appended to; leave out what begins with ? or #"},
        {"{routes: [{redirect: {status: 301}}]}",
         "compose.yaml:2:33: x-ishizue.routes[0].redirect: needs 'to'"},
        {"{routes: [{files: compose.yaml}]}",
         "compose.yaml:2:30: x-ishizue.routes[0].files: 'compose.yaml' is not a folder"},
        {"{domain: a.test, routes: [{to: \"s:1\"}, {host: A.test, path: /, to: \"s:2\"}]}",
         "compose.yaml:2:51: x-ishizue.routes[1]: routes[0] is for '/' of the same host already; "
         "give "
         "it another path or another host, or remove it"},
        {"{routes: [{to: \"s:1\", cache_control: \"a\\nb\"}]}",
         "compose.yaml:2:49: x-ishizue.routes[0].cache_control: has a control character or is "
         "longer "
         "than 2048 bytes"},
        {"{routes: [{to: \"s:1\", idle_timeout: 0s}]}",
         "compose.yaml:2:48: x-ishizue.routes[0].idle_timeout: must be 1ms to 24h"},
        {"{routes: [{redirect: /a, body_limit: 1m}]}",
         "compose.yaml:2:49: x-ishizue.routes[0].body_limit: is only for routes with 'to'"},
        {"{routes: [{to: \"t:1\"}]}", "compose.yaml:2:27: x-ishizue.routes[0].to: there is no "
                                      "service 't'; name a service that is active"},
        {"{routes: [{to: s}]}", "compose.yaml:2:27: x-ishizue.routes[0].to: 's' needs a port from "
                                "1 to 65535; write \"s:8000\""},
        {"{routes: [{to: \"s:99999\"}]}",
         "compose.yaml:2:27: x-ishizue.routes[0].to: 's:99999' needs a port from 1 to 65535; write "
         "\"s:8000\""},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        fixture_refused(
            arena_printf(&fixture.arena, "services: {s: {image: a}}\nx-ishizue: %s\n", rows[i].x),
            rows[i].message);
}

static void a_cache_key_without_dependencies_is_warned_about(void **state)
{
    (void)state;
    fixture_load("services: {s: {image: a, x-ishizue: {host: {cache_key: [a]}}}}\n");
    assert_non_null(strstr(fixture_messages(),
                           "warning: compose.yaml:1:56: services.s.x-ishizue: host.cache_key means "
                           "nothing without host.dependencies"));
}

static void more_routes_than_the_limit_are_refused(void **state)
{
    (void)state;
    AUTO(buf_done) struct buf text = {0};

    buf_add_text(&text, "services: {s: {image: a}}\nx-ishizue:\n  routes:\n");
    for (int i = 0; i <= 1000; i++)
        buf_addf(&text, "  - {path: /%d, to: \"s:1\"}\n", i);
    fixture_refused(buf_text(&text), "compose.yaml:4:3: x-ishizue.routes: more than 1000 routes");
}

static void services_of_one_image_share_its_steps(void **state)
{
    (void)state;
    fixture_load("services:\n"
                 "  worker: {build: ./app, command: work}\n"
                 "  beat: {image: acme/app, entrypoint: [beat]}\n"
                 "  web:\n"
                 "    build: ./app\n"
                 "    image: acme/app\n"
                 "    x-ishizue: {host: {workdir: /code, build: [make], command: serve}}\n"
                 "  own: {build: ./app, x-ishizue: {host: {build: [other]}}}\n"
                 "  stage: {build: {context: ./app, target: test}}\n"
                 "  other: {image: acme/other}\n");
    const struct compose_service *worker = fixture_service("worker");
    const struct compose_service *beat = fixture_service("beat");
    assert_string_equal(worker->x.host.workdir, "/code");
    assert_string_equal(worker->x.host.build.items[0], "make");
    assert_string_equal(worker->x.host.command, "serve"); /* below its own command */
    assert_true(beat->build.present);
    assert_string_equal(beat->build.context, fixture_path("app"));
    assert_string_equal(beat->x.host.build.items[0], "make");
    assert_null(beat->x.host.command);
    assert_string_equal(fixture_service("own")->x.host.build.items[0], "other");
    assert_false(fixture_service("stage")->x.host.present);
    assert_false(fixture_service("other")->x.host.present);
}

static void refused_with_repeated(const char *before, const char *piece, size_t count,
                                  const char *after, const char *message)
{
    AUTO(buf_done) struct buf text = {0};

    buf_add_text(&text, "services: {s: {image: a}}\nx-ishizue: ");
    buf_add_text(&text, before);
    for (size_t i = 0; i < count; i++)
        buf_add_text(&text, piece);
    buf_add_text(&text, after);
    fixture_write("compose.yaml", buf_text(&text));
    assert_false(fixture_try());
    assert_non_null(strstr(fixture.err.text, message));
}

static void names_and_lists_of_routes_have_an_end(void **state)
{
    (void)state;
    refused_with_repeated("{certificates: [", "{hosts: [a], certificate: a, key: b},", 101, "]}\n",
                          "x-ishizue.certificates: more than 100 of them");
    refused_with_repeated("{domain: \"", "a", 254, "\"}\n", "is not the name of a host");
    refused_with_repeated("{routes: [{to: \"s:1\", path: \"/", "a", 1024, "\"}]}\n", "is too long");
    refused_with_repeated("{routes: [{redirect: \"/", "a", 2048, "\"}]}\n", "is not an address");
    refused_with_repeated("{edge: {cache_size: \"1", "0", 13, "b\"}}\n",
                          "must be 1 to 1099511627776 bytes");
    refused_with_repeated("{routes: [{to: \"s:1\", cache: {max_object: \"1", "0", 13, "b\"}}]}\n",
                          "must be 1 to 1099511627776 bytes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(services_of_one_image_share_its_steps),
        FIXTURE_TEST(x_ishizue_is_decoded),
        FIXTURE_TEST(a_route_says_for_whom_it_is_and_how_long_it_waits),
        FIXTURE_TEST(a_certificate_of_ones_own_is_found_beside_the_file),
        FIXTURE_TEST(keys_that_nothing_acts_on_are_refused),
        FIXTURE_TEST(what_is_wrong_in_x_ishizue_is_refused),
        FIXTURE_TEST(a_cache_key_without_dependencies_is_warned_about),
        FIXTURE_TEST(more_routes_than_the_limit_are_refused),
        FIXTURE_TEST(names_and_lists_of_routes_have_an_end),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
