/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "compose_fixture.h"

static const char *const two_files[] = {"a.yaml", "b.yaml"};

static void load_two(const char *base, const char *over)
{
    fixture_write("a.yaml", base);
    fixture_write("b.yaml", over);
    fixture.options.files = two_files;
    fixture.options.file_count = 2;
    if (!fixture_try())
        fail_msg("%s", fixture.err.text);
}

static void maps_merge_lists_append_and_values_replace(void **state)
{
    (void)state;
    load_two("services: {s: {image: a, environment: {A: 1, B: 2}, expose: [1, 2], user: x}}\n",
             "services: {s: {image: b, environment: [B=3, C=4], expose: [2, 3]}, t: {image: t}}\n");
    assert_string_equal(fixture_json("s", "image"), "\"b\"");
    assert_string_equal(fixture_json("s", "user"), "\"x\"");
    assert_string_equal(fixture_json("s", "environment"), "{\"A\":\"1\",\"B\":\"3\",\"C\":\"4\"}");
    assert_string_equal(fixture_json("s", "expose"), "[\"1\",\"2\",\"3\"]");
    assert_string_equal(fixture_json("t", "image"), "\"t\"");
}

static void commands_and_tests_replace(void **state)
{
    (void)state;
    load_two("services: {s: {image: a, command: [a, b], entrypoint: /x, "
             "healthcheck: {test: [CMD, x, y], interval: 5s}}}\n",
             "services: {s: {command: c, entrypoint: [], healthcheck: {test: z}}}\n");
    assert_string_equal(fixture_json("s", "command"), "[\"c\"]");
    assert_string_equal(fixture_json("s", "entrypoint"), "[]");
    assert_string_equal(fixture_json("s", "healthcheck"),
                        "{\"interval\":\"5s\",\"test\":[\"CMD-SHELL\",\"z\"]}");
}

static void ports_add_up_but_the_same_port_stays_single(void **state)
{
    (void)state;
    load_two("services: {s: {image: a, ports: [\"80:80\", \"443:443\"]}}\n",
             "services: {s: {ports: [\"80:80\", \"8443:443\", {target: 443, published: 443}]}}\n");
    const struct compose_service *service = fixture_service("s");
    assert_int_equal(service->port_count, 3);
    assert_int_equal(service->ports[0].published, 80);
    assert_int_equal(service->ports[1].published, 443);
    assert_int_equal(service->ports[2].published, 8443);
}

static void a_volume_is_one_per_target(void **state)
{
    (void)state;
    load_two("services: {s: {image: a, volumes: [\"./a:/a\", \"./b:/b\"]}}\n",
             "services: {s: {volumes: [\"./c:/a:ro\"]}}\n");
    const struct compose_service *service = fixture_service("s");
    assert_int_equal(service->volume_count, 2);
    assert_string_equal(service->volumes[0].source, fixture_path("c"));
    assert_true(service->volumes[0].read_only);
    assert_string_equal(service->volumes[1].target, "/b");
}

static void short_and_long_forms_merge(void **state)
{
    (void)state;
    load_two(
        "services: {s: {image: a, build: ./x, depends_on: [t], networks: [n]}, t: {image: t}}\n"
        "networks: {n: , m: }\n",
        "services: {s: {build: {target: z}, depends_on: {t: {condition: service_healthy}}, "
        "networks: {m: {aliases: [q]}}}}\n");
    const struct compose_service *service = fixture_service("s");
    assert_string_equal(service->build.context, fixture_path("x"));
    assert_string_equal(service->build.target, "z");
    assert_int_equal(service->depends_on[0].condition, CONDITION_HEALTHY);
    assert_int_equal(service->network_count, 2);
    assert_string_equal(service->networks[1].aliases.items[0], "q");
}

static void logging_options_merge_only_for_the_same_driver(void **state)
{
    (void)state;
    load_two("services:\n"
             "  s: {image: a, logging: {driver: json-file, options: {max-size: 5m}}}\n"
             "  t: {image: a, logging: {driver: json-file, options: {max-size: 5m}}}\n",
             "services:\n"
             "  s: {logging: {options: {max-file: 9}}}\n"
             "  t: {logging: {driver: syslog, options: {max-file: 9}}}\n");
    assert_int_equal(fixture_service("s")->logging.max_size_bytes, 5 << 20);
    assert_int_equal(fixture_service("s")->logging.max_file, 9);
    assert_int_equal(fixture_service("t")->logging.max_size_bytes, 10 << 20);
    assert_string_equal(fixture_service("t")->logging.driver, "syslog");
}

static void reset_takes_out_and_override_replaces(void **state)
{
    (void)state;
    load_two("services: {s: {image: a, build: ., ports: [\"80:80\"], environment: {A: 1, B: 2}, "
             "expose: [1], user: x}}\n",
             "services: {s: {image: !reset null, ports: !override [\"81:81\"], "
             "environment: {A: !reset null}, expose: !reset [], user: !reset }}\n");
    assert_string_equal(fixture_json("s", "image"), "missing");
    assert_string_equal(fixture_json("s", "user"), "missing");
    assert_string_equal(fixture_json("s", "expose"), "missing");
    assert_string_equal(fixture_json("s", "environment"), "{\"B\":\"2\"}");
    assert_int_equal(fixture_service("s")->port_count, 1);
    assert_int_equal(fixture_service("s")->ports[0].published, 81);
}

static void reset_in_the_first_file_takes_out_too(void **state)
{
    (void)state;
    fixture_load("services: {s: {image: a, ports: !reset [\"80:80\"], user: !override x}}\n");
    assert_int_equal(fixture_service("s")->port_count, 0);
    assert_string_equal(fixture_service("s")->user, "x");
}

static void an_empty_value_changes_nothing(void **state)
{
    (void)state;
    load_two("services: {s: {image: a, ports: [\"80:80\"], command: x}}\n",
             "services: {s: {image: , ports: }, }\n");
    assert_string_equal(fixture_json("s", "image"), "\"a\"");
    assert_int_equal(fixture_service("s")->port_count, 1);
}

static void x_keys_merge_by_their_shape(void **state)
{
    (void)state;
    load_two("services: {s: {image: a, x-k: {a: 1, l: [1]}}}\nx-t: {v: 1}\n",
             "services: {s: {x-k: {b: 2, l: [2]}}}\nx-t: {w: 2}\n");
    assert_string_equal(fixture_json("s", "x-k"), "{\"a\":1,\"b\":2,\"l\":[1,2]}");
}

static void shapes_that_do_not_fit_name_both_places(void **state)
{
    (void)state;
    fixture_write("a.yaml", "services: {s: {image: a, x-k: {a: 1}}}\n");
    fixture_write("b.yaml", "services:\n  s: {x-k: [1]}\n");
    fixture.options.files = two_files;
    fixture.options.file_count = 2;
    assert_false(fixture_try());
    assert_string_equal(fixture.err.text,
                        "b.yaml:2:12: services.s.x-k: cannot be merged with what a.yaml:1 has; "
                        "use the same form, or !override to replace it");
}

static void each_file_is_interpolated_before_it_is_merged(void **state)
{
    (void)state;
    fixture_write("a.yaml", "services: {s: {image: \"${NEEDED:?say which}\"}}\n");
    fixture_write("b.yaml", "services: {s: {image: b}}\n");
    fixture.options.files = two_files;
    fixture.options.file_count = 2;
    assert_false(fixture_try());
    assert_string_equal(fixture.err.text, "a.yaml:1:23: services.s.image: required variable "
                                          "'NEEDED' has no value: say which");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(maps_merge_lists_append_and_values_replace),
        FIXTURE_TEST(commands_and_tests_replace),
        FIXTURE_TEST(ports_add_up_but_the_same_port_stays_single),
        FIXTURE_TEST(a_volume_is_one_per_target),
        FIXTURE_TEST(short_and_long_forms_merge),
        FIXTURE_TEST(logging_options_merge_only_for_the_same_driver),
        FIXTURE_TEST(reset_takes_out_and_override_replaces),
        FIXTURE_TEST(reset_in_the_first_file_takes_out_too),
        FIXTURE_TEST(an_empty_value_changes_nothing),
        FIXTURE_TEST(x_keys_merge_by_their_shape),
        FIXTURE_TEST(shapes_that_do_not_fit_name_both_places),
        FIXTURE_TEST(each_file_is_interpolated_before_it_is_merged),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
