/* SPDX-License-Identifier: Apache-2.0
 *
 * What a tired person reads: each common mistake has one line that names the place and says what to
 * do. */
#include "base/base.h"

#include "compose_fixture.h"

struct row {
    const char *text;
    const char *message;
};

static void refuse_all(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        fixture_refused(rows[i].text, rows[i].message);
}

static void text_that_is_no_yaml_says_what_to_do(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"services:\n\tweb:\n", "compose.yaml:2:1: not YAML: a tab cannot indent; use spaces"},
        {"services:\n  web:\n    image: a\n   ports:\n",
         "compose.yaml:4:4: not YAML: this line is indented unlike the keys above it; line it up "
         "with them"},
        {"services:\n  web:\n    image: a\n      tty: true\n",
         "compose.yaml:3:12: not YAML: the line after this value is indented under it and has a "
         "':'; indent that line less, or put quotes around the value"},
        {"services:\n  web:\n    command: echo a: b\n",
         "compose.yaml:3:20: not YAML: a second ': ' on one line; put quotes around the value"},
        {"services:\n  web:\n    image: \"a\n    tty: true\n",
         "compose.yaml:3:12: not YAML: the quote that opens here is not closed where its "
         "indentation ends; close it"},
        {"services:\n  web:\n    command: [\"a\", \"b\"\n    ports: [\"80\"]\n",
         "compose.yaml:4:5: not YAML: a '[' or '{' above is not closed before this line; close it"},
        {"services:\n  web:\n    command: %h\n",
         "compose.yaml:3:14: not YAML: a value cannot start with '%'; put quotes around it"},
        {"services:\n  web:\n    user: *\n",
         "compose.yaml:3:12: not YAML: '*' stands before the name of an anchor; put quotes around "
         "a value that starts with it"},
        {"services:\n  web:\n    ports:\n      - a\n     - b\n",
         "compose.yaml:5:6: not YAML: this '-' is indented unlike those above it; line it up with "
         "them"},
        {"services:\n  web:\n    labels:\n      a: b\n      - c\n",
         "compose.yaml:5:7: not YAML: this does not belong to the map above it; take out a '-' "
         "among keys, or correct the indentation"},
        {"services: {web: {<<: *a}}\n",
         "compose.yaml:1:22: unknown anchor 'a'; '&a' must stand above this line"},
        {"x-a: &a\nservices:\n  web:\n    <<: *a\n",
         "compose.yaml:4:5: '<<' takes a map or a list of maps, and this is empty"},
        {"x-a: &a {init: true}\nservices:\n  web:\n    <<: *a\n    <<: *a\n",
         "compose.yaml:5:5: key '<<' is there twice, first at line 4; write one: <<: [*a, *b]"},
    };

    refuse_all(rows, ARRAY_LEN(rows));
}

#define S(key) "services: {web: {image: a, " key "}}\n"

static void a_key_at_the_wrong_place_says_where_it_belongs(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"web: {image: a}\n", "compose.yaml:1:1: unknown key 'web'; put it under 'services'"},
        {"services: {web: {image: a}}\nports: []\n",
         "compose.yaml:2:1: unknown key 'ports'; it is a key of a service; indent it further"},
        {"services:\n  web:\n    image: a\n  ports:\n    - a\n",
         "compose.yaml:5:5: services.ports: must be a map, not a list; 'ports' is a key of a "
         "service; indent it further"},
        {"services:\n  web:\n    image: a\n  volumes:\n    data: {}\n",
         "compose.yaml:5:5: services.volumes: unknown key 'data'; if 'volumes' is no service, "
         "indent it less"},
        {"services:\n  web:\n    image: a\n  environment:\n    MODE: b\n",
         "compose.yaml:5:5: services.environment: unknown key 'MODE'; 'environment' is a key of a "
         "service; indent it further"},
        {S("dockerfile: b"),
         "compose.yaml:1:28: services.web: unknown key 'dockerfile'; it belongs under 'build'"},
        {S("memory: 5m"), "compose.yaml:1:28: services.web: unknown key 'memory'; it belongs under "
                          "'deploy.resources.limits'"},
        {S("reservations: {}"), "compose.yaml:1:28: services.web: unknown key 'reservations'; it "
                                "belongs under 'deploy.resources'"},
        {S("health: {path: /}"),
         "compose.yaml:1:28: services.web: unknown key 'health'; it belongs under 'x-ishizue'"},
        {S("deploy: {restart: always}"), "compose.yaml:1:37: services.web.deploy: unknown key "
                                         "'restart'; it is a key of the service; indent it less"},
        {S("port: [80]"), "compose.yaml:1:28: services.web: unknown key 'port'; did you mean "
                          "'ports'?"},
    };

    refuse_all(rows, ARRAY_LEN(rows));
}

static void a_value_of_the_wrong_kind_says_how_to_write_it(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {S("ports: \"80:80\""), "compose.yaml:1:35: services.web.ports: must be a list, not a "
                                "single value; write [\"80:80\"]"},
        {S("volumes: {a: /b}"), "compose.yaml:1:37: services.web.volumes: must be a list, not a "
                                "map; begin each entry with '- '"},
        {S("ports: -80"), "compose.yaml:1:35: services.web.ports: must be a list, not a single "
                          "value; write a space after the '-'"},
        {S("environment: [{A: b}]"),
         "compose.yaml:1:42: services.web.environment[0]: must be a single value, not a map; write "
         "NAME=value, or leave out the '-' of all entries"},
        {S("networks: front"), "compose.yaml:1:38: services.web.networks: must be a list of names "
                               "or a map, not a single value; write [\"front\"]"},
        {S("depends_on: db"), "compose.yaml:1:40: services.web.depends_on: must be a list of names "
                              "or a map, not a single value; write [\"db\"]"},
        {"services:\n  web:\n    image:a\n", "compose.yaml:3:5: services.web: must be a map, not a "
                                             "single value; write a space after the ':'"},
        {"services: {web: {image: a}}\nvolumes:\n  - data\n",
         "compose.yaml:3:3: volumes: must be a map, not a list; leave out the '-'"},
        {S("command: [{a: b}]"), "compose.yaml:1:38: services.web.command[0]: must be a single "
                                 "value, not a map; put quotes around it, or leave out the '-'"},
        {S("stop_grace_period: 30"),
         "compose.yaml:1:47: services.web.stop_grace_period: '30' has no unit; write 30s"},
        {S("cpus: 500m"),
         "compose.yaml:1:34: services.web.cpus: '500m' is not a number, such as 0.5"},
        {S("restart: false"), "compose.yaml:1:37: services.web.restart: must be a text, and false "
                              "is true or false; write \"no\" or \"always\""},
        {S("environment: [\"A = b\"]"), "compose.yaml:1:42: services.web.environment[0]: a space "
                                        "beside the name in 'A ='; write NAME=value"},
        {S("network_mode: \"service:vpn\""),
         "compose.yaml:1:42: services.web.network_mode: 'vpn' is not one of the services; add it "
         "to the top-level 'services'"},
        {S("depends_on: {db: {condition: healthy}}"),
         "compose.yaml:1:57: services.web.depends_on.db.condition: 'healthy' is none of: "
         "service_started, service_healthy, service_completed_successfully; did you mean "
         "'service_healthy'?"},
    };

    refuse_all(rows, ARRAY_LEN(rows));
}

static void what_is_empty_for_want_of_a_variable_says_so(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {S("ports: [\"${GONE}:80\", \"${GONE}\"]"),
         "compose.yaml:1:50: services.web.ports[1]: the port number is empty; is a variable of "
         "this line not set?"},
        {S("volumes: [\"$GONE:/data\"]"), "compose.yaml:1:38: services.web.volumes[0]: ':/data' "
                                          "has an empty part; is a variable of this line not set?"},
        {S("stop_grace_period: $GONE"), "compose.yaml:1:47: services.web.stop_grace_period: '' is "
                                        "no duration; write it as 1m30s; is a variable of this "
                                        "line not set?"},
        {S("cpu_shares: $GONE"), "compose.yaml:1:40: services.web.cpu_shares: '' is not a whole "
                                 "number; is a variable of this line not set?"},
    };

    refuse_all(rows, ARRAY_LEN(rows));
    fixture.options.refuse = true;
    fixture_refused("services: {web: {image: \"$GONE\"}}\n",
                    "compose.yaml:1:17: services.web.image: the name is empty; is a variable of "
                    "this line not set?");
    fixture.options.project_name = NULL;
    fixture_refused("name: $GONE\nservices: {web: {image: a}}\n",
                    "project name '' has no letter and no digit; set what 'name' in the file or -p "
                    "takes it from");
}

static void a_value_that_is_not_written_has_the_place_of_its_key(void **state)
{
    (void)state;
    fixture_refused("services:\n  web:\n", "compose.yaml:2:3: services.web: needs an 'image' or a "
                                           "'build'");
    fixture_refused("services:\n  web:\n    image: a\n    networks:\n      front:\n",
                    "compose.yaml:5:7: services.web.networks: 'front' is not one of the networks; "
                    "add it to the top-level 'networks'");
}

static void a_port_of_the_machine_is_published_once(void **state)
{
    (void)state;
    static const char *const good[] = {
        "[\"80:80\"]}, b: {image: a, ports: [\"81:80\"]",
        "[\"80:80\"]}, b: {image: a, ports: [\"80:80/udp\"]",
        "[\"127.0.0.1:80:80\"]}, b: {image: a, ports: [\"127.0.0.2:80:80\"]",
        "[\"80\"]}, b: {image: a, ports: [\"80\"]",
        "[\"80:80\"]}, b: {image: a, ports: [\"80:80\"], x-ishizue: {provided_by: edge}",
    };

    fixture.options.refuse = true;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        fixture_write(
            "compose.yaml",
            arena_printf(&fixture.arena, "services: {a: {image: a, ports: %s}}\n", good[i]));
        assert_true(fixture_try());
        json_unref(TAKE(fixture.resolved));
    }
    fixture_refused("services:\n"
                    "  a: {image: a, ports: [\"127.0.0.1:80:80\"]}\n"
                    "  b: {image: a, ports: [\"81:80\", \"80:8080\"]}\n",
                    "compose.yaml:3:34: services.b.ports[1]: port 80 is published by service 'a' "
                    "already; give one of them another port");
}

/* What would only come to light when an instance starts, without a line of the file. */
static void what_no_instance_can_have_is_refused_at_its_place(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {S("working_dir: app"),
         "compose.yaml:1:41: services.web.working_dir: 'app' must start with '/'"},
        {S("stop_signal: SIGFOO"),
         "compose.yaml:1:41: services.web.stop_signal: 'SIGFOO' is no signal; write a name such as "
         "SIGTERM, or a number from 1 to 64"},
        {S("environment: {\"\": b}"),
         "compose.yaml:1:46: services.web.environment: a variable has no name; write NAME=value"},
        {S("volumes: [\"./b:/\"]"), "compose.yaml:1:38: services.web.volumes[0]: nothing can be "
                                    "mounted at '/' of an instance; name another place"},
        {S("tmpfs: /proc"), "compose.yaml:1:35: services.web.tmpfs[0]: nothing can be mounted at "
                            "'/proc' of an instance; name another place"},
        {"services: {web: {image: a, configs: [{source: c, target: /}]}}\n"
         "configs: {c: {content: b}}\n",
         "compose.yaml:1:38: services.web.configs[0]: nothing can be mounted at '/' of an "
         "instance; name another place"},
        {"services: {web: {image: a, configs: [{source: c, uid: root}]}}\n"
         "configs: {c: {content: b}}\n",
         "compose.yaml:1:55: services.web.configs[0].uid: 'root' must be a number"},
        {S("mem_limit: 5m"), "compose.yaml:1:17: services.web: a memory limit of 5242880 bytes; at "
                             "least 6291456 are needed"},
        {S("pids_limit: 4194305"), "compose.yaml:1:17: services.web: a limit of 4194305 processes; "
                                   "at most 4194304 are accepted"},
    };
    static const char *const good[] = {S("working_dir: \"\""),   S("stop_signal: SIGRTMIN+3"),
                                       S("stop_signal: \"9\""),  S("mem_limit: 6m"),
                                       S("pids_limit: 4194304"), S("volumes: [\"./b:/process\"]")};

    fixture.options.refuse = true;
    refuse_all(rows, ARRAY_LEN(rows));
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        fixture_write("compose.yaml", good[i]);
        assert_true(fixture_try());
        json_unref(TAKE(fixture.resolved));
    }
}

static void a_file_with_a_zero_byte_says_how_to_save_it(void **state)
{
    static const char utf16[] = "s\0e\0r\0v\0i\0c\0e\0s\0:\0\n";
    struct err err;

    (void)state;
    assert_true(
        file_write(fixture_path("compose.yaml"), (struct str){utf16, sizeof utf16}, 0644, &err));
    assert_false(fixture_try());
    assert_string_equal(fixture.err.text,
                        "compose.yaml: holds a zero byte; save the file as UTF-8");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(text_that_is_no_yaml_says_what_to_do),
        FIXTURE_TEST(a_key_at_the_wrong_place_says_where_it_belongs),
        FIXTURE_TEST(a_value_of_the_wrong_kind_says_how_to_write_it),
        FIXTURE_TEST(what_is_empty_for_want_of_a_variable_says_so),
        FIXTURE_TEST(a_value_that_is_not_written_has_the_place_of_its_key),
        FIXTURE_TEST(a_port_of_the_machine_is_published_once),
        FIXTURE_TEST(what_no_instance_can_have_is_refused_at_its_place),
        FIXTURE_TEST(a_file_with_a_zero_byte_says_how_to_save_it),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
