/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "compose_fixture.h"

static void a_service_gets_every_key_that_counts(void **state)
{
    (void)state;
    fixture_load(
        "services:\n"
        "  s:\n"
        "    image: nginx\n"
        "    command: sh -c 'a b'\n"
        "    entrypoint: [/e]\n"
        "    ports: [\"127.0.0.1:8080:80/udp\", 3000]\n"
        "    expose: [5, \"7-9\"]\n"
        "    restart: on-failure:4\n"
        "    stop_grace_period: 1m\n"
        "    stop_signal: SIGINT\n"
        "    user: \"1000\"\n"
        "    read_only: true\n"
        "    init: \"yes\"\n"
        "    tmpfs: /run:size=1m,mode=700\n"
        "    mem_limit: 1g\n"
        "    deploy: {replicas: 3, resources: {limits: {cpus: '0.5', pids: 9, memory: 1g}}}\n"
        "    labels: [a=1, b]\n");
    const struct compose_service *s = fixture_service("s");

    assert_int_equal(s->command.count, 3);
    assert_string_equal(s->command.items[2], "a b");
    assert_string_equal(s->entrypoint.items[0], "/e");
    assert_string_equal(s->ports[0].host_ip, "127.0.0.1");
    assert_int_equal(s->ports[0].protocol, PORT_UDP);
    assert_int_equal(s->ports[0].place.line, 6);
    assert_int_equal(s->ports[1].published, 0);
    assert_int_equal(s->ports[1].target, 3000);
    assert_int_equal(s->expose_count, 4);
    assert_int_equal(s->expose[3], 9);
    assert_int_equal(s->restart, RESTART_ON_FAILURE);
    assert_int_equal(s->restart_max_retries, 4);
    assert_int_equal(s->stop_grace_period_ms, 60000);
    assert_true(s->read_only && s->init && !s->tty);
    assert_int_equal(s->volumes[0].type, VOLUME_TMPFS);
    assert_int_equal(s->volumes[0].tmpfs_size_bytes, 1 << 20);
    assert_int_equal(s->volumes[0].tmpfs_mode, 0700);
    assert_int_equal(s->limits.memory_bytes, 1 << 30);
    assert_true(s->limits.cpus > 0.49 && s->limits.cpus < 0.51);
    assert_int_equal(s->limits.pids, 9);
    assert_int_equal(s->replicas, 3);
    assert_string_equal(s->labels.items[1].value, "");
    assert_string_equal(s->networks[0].network, "default");
    assert_string_equal(fixture.compose->networks[0].name, "p_default");
}

static void what_is_not_given_has_its_default(void **state)
{
    (void)state;
    fixture_load("services: {s: {image: a}, t: {image: a, command: []}}\n");
    const struct compose_service *s = fixture_service("s");

    assert_false(s->has_command);
    assert_true(fixture_service("t")->has_command);
    assert_int_equal(fixture_service("t")->command.count, 0);
    assert_int_equal(s->replicas, 1);
    assert_int_equal(s->stop_grace_period_ms, 10000);
    assert_int_equal(s->restart, RESTART_NO);
    assert_int_equal(s->healthcheck.test.count, 0);
    assert_int_equal(s->healthcheck.interval_ms, 30000);
    assert_int_equal(s->healthcheck.retries, 3);
    assert_int_equal(s->logging.max_size_bytes, 10 << 20);
    assert_int_equal(s->logging.max_file, 3);
    assert_int_equal(s->x.health.interval_ms, 2000);
    assert_string_equal(s->x.host.workdir, "/app");
    assert_int_equal(fixture.compose->x.http_port, 80);
    assert_int_equal(fixture.compose->x.https_port, 443);
}

static void health_tests_become_argument_lists(void **state)
{
    (void)state;
    fixture_load("services:\n"
                 "  a: {image: a, healthcheck: {test: curl x}}\n"
                 "  b: {image: a, healthcheck: {test: [CMD, x, y]}}\n"
                 "  c: {image: a, healthcheck: {test: [CMD-SHELL, z]}}\n"
                 "  d: {image: a, healthcheck: {test: [NONE]}}\n"
                 "  e: {image: a, healthcheck: {disable: true}}\n");
    struct compose_texts test = fixture_service("a")->healthcheck.test;
    assert_int_equal(test.count, 3);
    assert_string_equal(test.items[0], "/bin/sh");
    assert_string_equal(test.items[2], "curl x");
    test = fixture_service("b")->healthcheck.test;
    assert_int_equal(test.count, 2);
    assert_string_equal(test.items[0], "x");
    assert_string_equal(fixture_service("c")->healthcheck.test.items[2], "z");
    assert_true(fixture_service("d")->healthcheck.disabled);
    assert_true(fixture_service("e")->healthcheck.disabled);
}

static void volumes_are_told_apart(void **state)
{
    (void)state;
    fixture.environment[0] = (char[]){"HOME=/home/me"};
    fixture_load("services:\n"
                 "  s:\n"
                 "    image: a\n"
                 "    volumes: [\"./d:/d:ro\", \"v:/v\", /anon, \"~/x:/x/../y\",\n"
                 "      {type: bind, source: ../z, target: /z, bind: {create_host_path: false}}]\n"
                 "volumes: {v: {name: other}}\n");
    const struct compose_service *s = fixture_service("s");
    assert_int_equal(s->volume_count, 5);
    assert_int_equal(s->volumes[0].type, VOLUME_BIND);
    assert_string_equal(s->volumes[0].source, fixture_path("d"));
    assert_true(s->volumes[0].create_host_path && s->volumes[0].read_only);
    assert_int_equal(s->volumes[1].type, VOLUME_NAMED);
    assert_string_equal(s->volumes[1].source, "v");
    assert_int_equal(s->volumes[2].type, VOLUME_ANONYMOUS);
    assert_null(s->volumes[2].source);
    assert_string_equal(s->volumes[3].source, "/home/me/x");
    assert_string_equal(s->volumes[3].target, "/y");
    assert_string_equal(s->volumes[4].source, "/tmp/z");
    assert_false(s->volumes[4].create_host_path);
    assert_string_equal(fixture.compose->volumes[0].name, "other");
}

static void errors_name_file_line_column_and_path(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *message;
    } rows[] = {
        {"services:\n  web:\n    image: a\n    ports:\n      - \"70000:80\"\n",
         "compose.yaml:5:9: services.web.ports[0]: port 70000 is above 65535"},
        {"services:\n  web:\n    image: a\n    enviroment: {}\n",
         "compose.yaml:4:5: services.web: unknown key 'enviroment'; did you mean 'environment'?"},
        {"servces: {}\n", "compose.yaml:1:1: unknown key 'servces'; did you mean 'services'?"},
        {"services: {s: {image: a, zzzzzzzz: 1}}\n",
         "compose.yaml:1:26: services.s: unknown key 'zzzzzzzz'; a key of your own must start "
         "with 'x-'"},
        {"services: {s: {image: 5}}\n",
         "compose.yaml:1:23: services.s.image: must be a text, and 5 is a number; put quotes "
         "around it: \"5\""},
        {"services: {s: {image: a, tty: maybe}}\n",
         "compose.yaml:1:31: services.s.tty: 'maybe' is not true or false"},
        {"services: {s: {image: a, ports: 80}}\n",
         "compose.yaml:1:33: services.s.ports: must be a list, not a single value; write "
         "[\"80\"]"},
        {"services: {s: {image: a, stop_grace_period: 10}}\n",
         "compose.yaml:1:45: services.s.stop_grace_period: '10' has no unit; write 10s"},
        {"services: {s: {image: a, volumes: [\"v:/v\"]}}\n",
         "compose.yaml:1:36: services.s.volumes[0]: 'v' is not one of the volumes; add it to the "
         "top-level 'volumes'"},
        {"services: {s: {image: a, depends_on: [db]}, bd: {image: a}}\n",
         "compose.yaml:1:39: services.s.depends_on: 'db' is not one of the services; did you mean "
         "'bd'?"},
        {"services: {s: {command: a}}\n",
         "compose.yaml:1:15: services.s: needs an 'image' or a 'build'"},
        {"services: {\"a b\": {image: a}}\n",
         "compose.yaml:1:12: services: name 'a b' must be letters, digits, '.', '_' and '-' (at "
         "most 128)"},
        {"a: [\n", "compose.yaml:2:1: not YAML: a '[' or '{' is never closed; close it"},
        {"", "compose.yaml: the file is empty; it needs 'services'"},
        {"services: {s: {image: \"${a!}\"}}\n",
         "compose.yaml:1:23: services.s.image: '${a!}' is no variable; write ${NAME}, or $$ for a "
         "dollar sign"},
        {"services: {s: {image: a, cpus: 1, deploy: {resources: {limits: {cpus: 2}}}}}\n",
         "compose.yaml:1:32: services.s: 'cpus' and 'deploy.resources.limits.cpus' differ; keep "
         "one of them"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        fixture_refused(rows[i].text, rows[i].message);
}

static void up_to_twenty_errors_are_kept_and_the_rest_counted(void **state)
{
    (void)state;
    AUTO(buf_done) struct buf text = {0};

    buf_add_text(&text, "version: \"3\"\nservices:\n  s:\n    image: a\n");
    for (int i = 0; i < 30; i++)
        buf_addf(&text, "    wrong_%d: 1\n", i);
    fixture_write("compose.yaml", buf_text(&text));
    assert_false(fixture_try());
    assert_int_equal(fixture.diags.count, COMPOSE_DIAGS_MAX);
    assert_int_equal(fixture.diags.error_count, 30);
    assert_int_equal(fixture.diags.dropped, 11); /* ten errors and the warning they displaced */
    for (size_t i = 0; i < fixture.diags.count; i++)
        assert_int_equal(fixture.diags.items[i].severity, COMPOSE_ERROR);
}

static void an_unset_variable_warns_once(void **state)
{
    (void)state;
    fixture_load("services:\n  s: {image: \"a$GONE\", user: \"${GONE}\", hostname: \"${H-h}\"}\n");
    assert_string_equal(fixture_messages(),
                        "warning: compose.yaml:2:14: services.s.image: variable 'GONE' is not "
                        "set; an empty text takes its place\n");
}

static void dependencies_come_first_and_circles_are_named(void **state)
{
    (void)state;
    fixture_load("services:\n"
                 "  a: {image: a, depends_on: [b, c]}\n"
                 "  b: {image: a, depends_on: {c: {condition: service_completed_successfully}}}\n"
                 "  c: {image: a}\n"
                 "  d: {image: a, network_mode: \"service:a\"}\n");
    static const char *const want[] = {"c", "b", "a", "d"};
    for (size_t i = 0; i < ARRAY_LEN(want); i++)
        assert_string_equal(fixture.compose->services[i].name, want[i]);
    assert_int_equal(fixture_service("b")->depends_on[0].condition, CONDITION_COMPLETED);
    assert_int_equal(fixture_service("d")->network_count, 0);
    json_unref(TAKE(fixture.resolved));
    fixture_refused("services:\n"
                    "  x: {image: a, depends_on: [a]}\n"
                    "  a: {image: a, depends_on: [b]}\n"
                    "  b: {image: a, depends_on: [c]}\n"
                    "  c: {image: a, depends_on: [a]}\n",
                    "compose.yaml:3:29: services.a.depends_on: services depend on each other in a "
                    "circle: a -> b -> c -> a");
}

static void profiles_choose_services(void **state)
{
    (void)state;
    static const char *const debug[] = {"debug"};
    static const char *const target[] = {"tool"};
    const char *text = "services:\n"
                       "  a: {image: a, depends_on: {tool: {condition: service_started, required: "
                       "false}}}\n"
                       "  tool: {image: a, profiles: [debug]}\n";

    fixture_load(text);
    assert_int_equal(fixture.compose->service_count, 1);
    assert_int_equal(fixture_service("a")->depends_on_count, 0);
    fixture.options.profiles = debug;
    fixture.options.profile_count = 1;
    fixture_load(text);
    assert_int_equal(fixture.compose->service_count, 2);
    assert_int_equal(fixture_service("a")->depends_on_count, 1);
    fixture.options.profile_count = 0;
    fixture.options.targets = target;
    fixture.options.target_count = 1;
    fixture_load(text);
    assert_int_equal(fixture.compose->service_count, 2);
    fixture.options.target_count = 0;
    json_unref(TAKE(fixture.resolved));
    fixture_refused("services:\n"
                    "  a: {image: a, depends_on: [tool]}\n"
                    "  tool: {image: a, profiles: [debug]}\n",
                    "compose.yaml:2:30: services.a.depends_on: service 'tool' is off: none of its "
                    "profiles is active; activate one of them with --profile, or say 'required: "
                    "false'");
}

static const char *variable(const struct compose_service *service, const char *name)
{
    for (size_t i = 0; i < service->environment.count; i++)
        if (strcmp(service->environment.items[i].key, name) == 0)
            return service->environment.items[i].value;
    return NULL;
}

static void environment_beats_env_file_and_empty_names_take_the_callers_value(void **state)
{
    (void)state;
    static char caller[] = "CALLER=c";
    fixture.environment[0] = caller;
    fixture_write("one.env", "A=file\nB=file\nC=$B-$A\n");
    fixture_write("two.env", "B=later\nD=\"x y\"\n");
    fixture_load("services:\n"
                 "  s:\n"
                 "    image: a\n"
                 "    env_file: [one.env, {path: two.env}, {path: gone.env, required: false}]\n"
                 "    environment: {A: \"\", CALLER: , GONE: , N: 1.10, Y: true}\n");
    const struct compose_service *s = fixture_service("s");
    assert_string_equal(variable(s, "A"), "");
    assert_string_equal(variable(s, "B"), "later");
    assert_string_equal(variable(s, "C"), "file-");
    assert_string_equal(variable(s, "D"), "x y");
    assert_string_equal(variable(s, "CALLER"), "c");
    assert_null(variable(s, "GONE"));
    assert_string_equal(variable(s, "N"), "1.1");
    assert_string_equal(variable(s, "Y"), "true");
    json_unref(TAKE(fixture.resolved));
    fixture_write("compose.yaml", "services:\n  s: {image: a, env_file: gone.env}\n");
    assert_false(fixture_try());
    assert_non_null(strstr(fixture.err.text, "compose.yaml:2:27: services.s.env_file[0]: "));
    assert_non_null(strstr(fixture.err.text, "gone.env"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(a_service_gets_every_key_that_counts),
        FIXTURE_TEST(what_is_not_given_has_its_default),
        FIXTURE_TEST(health_tests_become_argument_lists),
        FIXTURE_TEST(volumes_are_told_apart),
        FIXTURE_TEST(errors_name_file_line_column_and_path),
        FIXTURE_TEST(up_to_twenty_errors_are_kept_and_the_rest_counted),
        FIXTURE_TEST(an_unset_variable_warns_once),
        FIXTURE_TEST(dependencies_come_first_and_circles_are_named),
        FIXTURE_TEST(profiles_choose_services),
        FIXTURE_TEST(environment_beats_env_file_and_empty_names_take_the_callers_value),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
