/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <unistd.h>

#include "compose/htpasswd.h"
#include "compose/model_limits.h"
#include "compose/model_rules.h"
#include "compose_fixture.h"

#define SERVICE "services:\n  s: {image: a}\n"

static const struct compose_rules *load_rules(const char *route)
{
    fixture_load(arena_printf(&fixture.arena,
                              "x-ishizue:\n  routes:\n    - {path: /a/, %s}\n" SERVICE, route));
    return fixture.compose->x.routes[0].rules;
}

static void a_route_without_rules_has_none(void **state)
{
    (void)state;
    assert_null(load_rules("to: \"s:80\""));
}

static void header_rules_keep_their_order(void **state)
{
    (void)state;
    const struct compose_rules *rules =
        load_rules("to: \"s:80\", headers: {request: {set: {X-A: \"{host}\", X-B: 1},"
                   " remove: [X-C]}, response: {default: {X-D: d}}}");

    assert_int_equal(rules->request.count, 3);
    assert_string_equal(rules->request.items[0].op, "set");
    assert_string_equal(rules->request.items[0].value, "{host}");
    assert_string_equal(rules->request.items[1].value, "1");
    assert_string_equal(rules->request.items[2].op, "remove");
    assert_null(rules->request.items[2].value);
    assert_int_equal(rules->response.count, 1);
    assert_false(rules->own_security_headers);
}

static void security_headers_that_are_off_leave_none(void **state)
{
    (void)state;
    const struct compose_rules *rules = load_rules("to: \"s:80\", security_headers: false");

    assert_true(rules->own_security_headers);
    assert_int_equal(rules->response.count, 0);
    rules = load_rules("to: \"s:80\", security_headers: {frame_options: SAMEORIGIN, hsts: off}");
    assert_int_equal(rules->response.count, 3);
    assert_string_equal(rules->response.items[0].value, "SAMEORIGIN");
}

static void short_and_long_forms_mean_the_same(void **state)
{
    (void)state;
    const struct compose_rules *rules = load_rules("to: \"s:80\", cors: \"https://b.test\"");
    assert_int_equal(rules->cors->origins.count, 1);
    assert_int_equal(rules->cors->max_age_s, 600);
    rules = load_rules("to: \"s:80\", compress: true");
    assert_int_equal(rules->compress.count, 3);
    assert_string_equal(rules->compress.items[0], "zstd");
    rules = load_rules("redirect: {to: \"https://b.test/\", status: 301, keep_path: true}");
    assert_string_equal(fixture.compose->x.routes[0].redirect, "https://b.test/");
    assert_int_equal(rules->redirect_status, 301);
    assert_true(rules->keep_path);
    rules = load_rules("files: ., spa: true");
    assert_int_equal(rules->try_files.count, 2);
    assert_string_equal(rules->try_files.items[1], "/index.html");
    rules = load_rules("to: \"s:80\", trace: 2.5%");
    assert_true(rules->traces);
    assert_int_equal(rules->trace_permille, 25);
}

static void the_access_log_is_written_in_three_ways(void **state)
{
    static const struct {
        const char *text;
        uint32_t permille;
        bool errors;
    } rows[] = {
        {"off", 0, false},
        {"10%", 100, true},
        {"{sample: 0.5%, errors: sample}", 5, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        fixture_load(arena_printf(&fixture.arena, "x-ishizue: {edge: {access_log: %s}}\n" SERVICE,
                                  rows[i].text));
        const struct compose_access_log *log = fixture.compose->x.edge->access_log;
        assert_int_equal(log->permille, rows[i].permille);
        assert_int_equal(log->errors, rows[i].errors);
    }
}

static void mistakes_are_named_with_their_place(void **state)
{
    static const struct {
        const char *route, *message;
    } rows[] = {
        {"to: \"s:80\", headers: {request: {set: {Content-Length: 1}}}",
         "'Content-Length' says where a message ends or how it is coded"},
        {"to: \"s:80\", headers: {response: {remove: [Connection]}}",
         "'Connection' is for one connection only"},
        {"to: \"s:80\", headers: {request: {set: {X-Real-IP: x}}}",
         "'X-Real-IP' is written by the edge itself"},
        {"to: \"s:80\", headers: {request: {set: {X-A: \"{what}\"}}}", "unknown variable '{what}'"},
        {"to: \"s:80\", headers: {request: {set: {X-A: \"a\\nb\"}}}", "has a control character"},
        {"to: \"s:80\", cors: \"b.test\"", "'b.test' is not an origin"},
        {"to: \"s:80\", cors: {origins: \"*\", credentials: true}",
         "every site may not come with credentials"},
        {"to: \"s:80\", cors: {origins: \"*\", methods: [\"GET PUT\"]}", "'GET PUT' is not a name"},
        {"to: \"s:80\", auth: {users: {ann: $$argon2id$$v=19$$m=1}}", "is Argon2"},
        {"to: \"s:80\", auth: {users: {ann: plain}}", "is not a hash of a known kind"},
        {"to: \"s:80\", auth: {realm: x}", "needs exactly one of 'users' and 'users_file'"},
        {"to: \"s:80\", auth: {users_file: ./none}", "users_file"},
        {"to: \"s:80\", spa: true", "is only for routes with 'files'"},
        {"files: ., strip_prefix: true", "is only for routes with 'to'"},
        {"files: ., try_files: [index.html]", "'index.html' is not a path"},
        {"files: ., try_files: [\"{path}/{path}\"]", "'{path}/{path}' is not a path"},
        {"files: ., index: [a/b]", "index 'a/b' is not a name"},
        {"to: \"s:80\", rewrite: {from: a, to: /}", "must start with '/'"},
        {"to: \"s:80\", error_pages: {\"200\": ./a}", "'200' is not a status from 400 to 599"},
        {"to: \"s:80\", compress: [lzma]", "unknown coding 'lzma'"},
        {"to: \"s:80\", trace: 200%", "'200%' is not a share"},
        {"redirect: {to: /, status: 200}", "status must be 301, 302, 303, 307 or 308"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        fixture_write("compose.yaml",
                      arena_printf(&fixture.arena,
                                   "x-ishizue:\n  routes:\n    - {path: /a/, %s}\n" SERVICE,
                                   rows[i].route));
        if (fixture_try())
            fail_msg("accepted: %s", rows[i].route);
        if (strstr(fixture.err.text, rows[i].message) == NULL ||
            strncmp(fixture.err.text, "compose.yaml:3:", 15) != 0)
            fail_msg("'%s' does not say '%s'", fixture.err.text, rows[i].message);
    }
}

static void more_header_rules_than_24_are_refused(void **state)
{
    AUTO(buf_done) struct buf text = {0};

    (void)state;
    buf_add_text(&text, "to: \"s:80\", headers: {request: {set: {X: 1");
    for (int i = 0; i < 24; i++)
        buf_addf(&text, ", X-%d: 1", i);
    buf_add_text(&text, "}}}");
    fixture_write("compose.yaml",
                  arena_printf(&fixture.arena,
                               "x-ishizue:\n  routes:\n    - {path: /a/, %s}\n" SERVICE,
                               buf_text(&text)));
    assert_false(fixture_try());
    assert_non_null(strstr(fixture.err.text, "more than 24 header rules"));
}

static void files_that_are_named_are_read_at_once(void **state)
{
    (void)state;
    fixture_write("people", "ann:$2y$05$0000000000000000000000\nbob:nonsense\n");
    fixture_write("compose.yaml", "x-ishizue:\n  routes:\n"
                                  "    - {to: \"s:80\", auth: {users_file: ./people}}\n" SERVICE);
    assert_false(fixture_try());
    assert_non_null(strstr(fixture.err.text, "line 2: the hash of 'bob' is not a hash"));
    fixture_write("large.html", "x");
    assert_int_equal(truncate(fixture_path("large.html"), 65537), 0);
    fixture_write("compose.yaml",
                  "x-ishizue:\n  routes:\n"
                  "    - {to: \"s:80\", error_pages: {\"502\": large.html}}\n" SERVICE);
    assert_false(fixture_try());
    assert_non_null(strstr(fixture.err.text, "large.html"));
}

static void a_password_file_has_limits(void **state)
{
    AUTO(buf_done) struct buf text = {0};
    struct htpasswd_user *users;
    size_t count;
    struct err err;

    (void)state;
    buf_add_text(&text, "# names\n\n");
    for (int i = 0; i < HTPASSWD_USERS; i++)
        buf_addf(&text, "u%d:$apr1$salt$0123456789\r\n", i);
    assert_true(htpasswd_parse(buf_str(&text), &fixture.arena, &users, &count, &err));
    assert_int_equal(count, HTPASSWD_USERS);
    assert_string_equal(users[1].name, "u1");
    assert_string_equal(users[1].hash, "$apr1$salt$0123456789");
    buf_add_text(&text, "one:$apr1$salt$0123456789\n");
    assert_false(htpasswd_parse(buf_str(&text), &fixture.arena, &users, &count, &err));
    assert_non_null(strstr(err.text, "more than 256 names"));
    assert_false(htpasswd_parse(STR("# nobody\n"), &fixture.arena, &users, &count, &err));
    assert_non_null(strstr(err.text, "there is no name in it"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(a_route_without_rules_has_none),
        FIXTURE_TEST(header_rules_keep_their_order),
        FIXTURE_TEST(security_headers_that_are_off_leave_none),
        FIXTURE_TEST(short_and_long_forms_mean_the_same),
        FIXTURE_TEST(the_access_log_is_written_in_three_ways),
        FIXTURE_TEST(mistakes_are_named_with_their_place),
        FIXTURE_TEST(more_header_rules_than_24_are_refused),
        FIXTURE_TEST(files_that_are_named_are_read_at_once),
        FIXTURE_TEST(a_password_file_has_limits),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
