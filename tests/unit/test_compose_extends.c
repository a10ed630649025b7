/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "compose_fixture.h"

static void a_service_starts_from_another_one_of_its_file(void **state)
{
    (void)state;
    fixture_load("services:\n"
                 "  base: {image: a, command: x, environment: {A: 1, B: 2}, cap_add: [CHOWN]}\n"
                 "  web: {extends: base, command: [y], environment: [B=3], cap_add: [KILL]}\n");
    assert_string_equal(fixture_json("web", "image"), "\"a\"");
    assert_string_equal(fixture_json("web", "command"), "[\"y\"]");
    assert_string_equal(fixture_json("web", "environment"), "{\"A\":\"1\",\"B\":\"3\"}");
    assert_string_equal(fixture_json("web", "cap_add"), "[\"CHOWN\",\"KILL\"]");
    assert_string_equal(fixture_json("web", "extends"), "missing");
    assert_string_equal(fixture_json("base", "environment"), "{\"A\":\"1\",\"B\":\"2\"}");
}

static void a_chain_is_followed_to_its_end_whatever_the_order(void **state)
{
    (void)state;
    fixture_load("services:\n"
                 "  c: {extends: {service: b}, user: c}\n"
                 "  b: {extends: a, hostname: b}\n"
                 "  a: {image: i, hostname: a, user: a}\n");
    assert_string_equal(fixture_json("c", "image"), "\"i\"");
    assert_string_equal(fixture_json("c", "hostname"), "\"b\"");
    assert_string_equal(fixture_json("c", "user"), "\"c\"");
    assert_string_equal(fixture_json("b", "user"), "\"a\"");
}

static void paths_of_another_file_are_relative_to_it(void **state)
{
    (void)state;
    fixture_write("sub/more/common.yaml", "services:\n"
                                          "  base:\n"
                                          "    build: ./ctx\n"
                                          "    env_file: vars\n"
                                          "    volumes: [\"./d:/data\", \"named:/named\"]\n"
                                          "  unused: {nonsense: 1}\n");
    fixture_write("sub/more/vars", "FROM_FILE=1\n");
    fixture_write(
        "sub/middle.yaml",
        "services: {base: {extends: {file: more/common.yaml, service: base}, user: m}}\n");
    fixture_load("services:\n"
                 "  web: {extends: {file: sub/middle.yaml, service: base}, build: {target: t}}\n"
                 "volumes: {named: }\n");
    const struct compose_service *web = fixture_service("web");
    assert_string_equal(web->build.context, fixture_path("sub/more/ctx"));
    assert_string_equal(web->build.target, "t");
    assert_string_equal(web->volumes[0].source, fixture_path("sub/more/d"));
    assert_string_equal(web->volumes[1].source, "named");
    assert_string_equal(web->environment.items[0].key, "FROM_FILE");
    assert_string_equal(web->user, "m");
    assert_int_equal(fixture.compose->service_count, 1);
}

static void tags_act_on_the_service_that_is_extended(void **state)
{
    (void)state;
    fixture_load(
        "services:\n"
        "  base: {image: a, ports: [\"80:80\"], user: x, expose: [1], hostname: !reset h}\n"
        "  web: {extends: base, ports: !override [\"81:81\"], user: !reset null, "
        "expose: !reset []}\n");
    assert_int_equal(fixture_service("web")->port_count, 1);
    assert_int_equal(fixture_service("web")->ports[0].published, 81);
    assert_string_equal(fixture_json("web", "user"), "missing");
    assert_string_equal(fixture_json("web", "expose"), "missing");
    assert_string_equal(fixture_json("base", "user"), "\"x\"");
    assert_string_equal(fixture_json("base", "hostname"), "missing");
}

static void a_later_file_extends_its_own_services_only(void **state)
{
    (void)state;
    static const char *const files[] = {"a.yaml", "b.yaml"};
    fixture_write("a.yaml", "services: {base: {image: a}}\n");
    fixture_write("b.yaml", "services: {web: {extends: base}}\n");
    fixture.options.files = files;
    fixture.options.file_count = 2;
    assert_false(fixture_try());
    assert_string_equal(fixture.err.text, "b.yaml:1:27: services.web.extends: there is no service "
                                          "'base' in 'b.yaml'");
    fixture_write("b.yaml", "services: {web: {extends: {file: a.yaml, service: base}}}\n");
    assert_true(fixture_try());
    assert_string_equal(fixture_json("web", "image"), "\"a\"");
}

static void what_is_wrong_with_extends_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *message;
    } rows[] = {
        {"services: {a: {extends: b}, b: {extends: c}, c: {extends: a}}\n",
         "compose.yaml:1:59: services.c.extends: services extend each other in a circle: a -> b -> "
         "c -> a"},
        {"services: {a: {extends: a}}\n",
         "compose.yaml:1:25: services.a.extends: services extend each other in a circle: a -> a"},
        {"services: {web: {extends: {service: bse}}, base: {image: a}}\n",
         "compose.yaml:1:37: services.web.extends: there is no service 'bse' in 'compose.yaml'; "
         "did "
         "you mean 'base'?"},
        {"services: {web: {extends: {file: x.yaml}}}\n",
         "compose.yaml:1:27: services.web.extends: needs 'service'"},
        {"services: {web: {extends: {service: a, fiel: x}}, a: {image: a}}\n",
         "compose.yaml:1:40: services.web.extends: unknown key 'fiel'; did you mean 'file'?"},
        {"services: {web: {extends: {file: empty.yaml, service: a}}}\n",
         "compose.yaml:1:34: services.web.extends: 'empty.yaml' has no 'services'"},
        {"services: {web: {extends: {file: wrong.yaml, service: a}}}\n",
         "wrong.yaml:1:26: services.a: unknown key 'imgae'; did you mean 'image'?"},
        {"services: {web: {extends: {file: circle.yaml, service: a}}}\n",
         "circle.yaml:1:25: services.a.extends: services extend each other in a circle: web -> a "
         "(circle.yaml) -> web (compose.yaml)"},
    };

    fixture_write("empty.yaml", "name: x\n");
    fixture_write("wrong.yaml", "services: {a: {image: i, imgae: x}}\n");
    fixture_write("circle.yaml", "services: {a: {extends: {file: compose.yaml, service: web}}}\n");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        fixture_refused(rows[i].text, rows[i].message);
    fixture_write("compose.yaml", "services: {web: {extends: {file: gone.yaml, service: a}}}\n");
    assert_false(fixture_try());
    assert_non_null(strstr(fixture.err.text, "compose.yaml:1:34: services.web.extends: "));
}

static void a_large_service_that_many_extend_is_refused(void **state)
{
    (void)state;
    AUTO(buf_done) struct buf text = {0};

    buf_add_text(&text, "services:\n  base:\n    image: a\n    environment:\n");
    for (int i = 0; i < 1000; i++)
        buf_addf(&text, "      V%d: x\n", i);
    for (int i = 0; i < 250; i++)
        buf_addf(&text, "  s%d: {extends: base}\n", i);
    fixture_write("compose.yaml", buf_text(&text));
    assert_false(fixture_try());
    assert_non_null(strstr(fixture.err.text, "take over more than 200000 values"));
}

static void a_chain_that_is_too_long_is_refused(void **state)
{
    (void)state;
    AUTO(buf_done) struct buf text = {0};

    buf_add_text(&text, "services:\n  s0: {image: a}\n");
    for (int i = 1; i <= COMPOSE_EXTENDS_DEPTH; i++)
        buf_addf(&text, "  s%d: {extends: s%d}\n", i, i - 1);
    fixture_load(buf_text(&text));
    buf_clear(&text);
    buf_add_text(&text, "services:\n");
    for (int i = COMPOSE_EXTENDS_DEPTH + 2; i > 0; i--)
        buf_addf(&text, "  s%d: {extends: s%d}\n", i, i - 1);
    buf_add_text(&text, "  s0: {image: a}\n");
    fixture_write("compose.yaml", buf_text(&text));
    assert_false(fixture_try());
    assert_non_null(strstr(fixture.err.text, "a chain of more than 32 services"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(a_service_starts_from_another_one_of_its_file),
        FIXTURE_TEST(a_chain_is_followed_to_its_end_whatever_the_order),
        FIXTURE_TEST(paths_of_another_file_are_relative_to_it),
        FIXTURE_TEST(tags_act_on_the_service_that_is_extended),
        FIXTURE_TEST(a_later_file_extends_its_own_services_only),
        FIXTURE_TEST(what_is_wrong_with_extends_is_refused),
        FIXTURE_TEST(a_large_service_that_many_extend_is_refused),
        FIXTURE_TEST(a_chain_that_is_too_long_is_refused),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
