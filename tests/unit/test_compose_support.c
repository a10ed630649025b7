/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "compose/schema.h"
#include "compose_fixture.h"

#define ONE(key) "services:\n  s: {image: a, " key "}\n"

static void what_the_host_runtime_refuses_is_an_error_of_up_and_a_warning_of_config(void **state)
{
    (void)state;
    fixture_load("services:\n  s:\n    image: a\n    privileged: true\n");
    assert_string_equal(
        fixture_messages(),
        "warning: compose.yaml:4:5: services.s.privileged: the host runtime refuses 'privileged'; "
        "it would end the isolation of the machine, which also runs the others; name what is "
        "needed in cap_add and devices\n");
    assert_string_equal(fixture_json("s", "privileged"), "true");
    fixture.options.refuse = true;
    assert_false(fixture_try());
    assert_int_equal(fixture.diags.error_count, 1);
}

static void support_depends_on_the_value_where_it_must(void **state)
{
    (void)state;
    static const char *const good[] = {
        ONE("privileged: false"),
        ONE("privileged: \"no\""),
        ONE("network_mode: none"),
        ONE("network_mode: \"service:t\"}\n  t: {image: a"),
        ONE("ipc: private, uts: host, pid: host, cgroup: private"),
        ONE("security_opt: [\"no-new-privileges:true\", \"seccomp=unconfined\", \"label=x\"]"),
        ONE("platform: linux"),
        ONE("isolation: default"),
        ONE("deploy: {mode: global-job}"),
        ONE("use_api_socket: false"),
        ONE("networks: {n: {use_service_name_alias: true}}}\nnetworks: {n: {driver: bridge, "
            "enable_ipv6: false}"),
        ONE("networks: [n]}\nnetworks: {n: {enable_ipv6: true}"),
        ONE("secrets: [k]}\nsecrets: {k: {external: true}"),
        ONE("network_mode: \"container:xy\", ipc: \"container:xy\", pid: \"container:xy\"}\n"
            "  t: {image: a, container_name: xy"),
    };
    static const char *const bad[] = {
        ONE("privileged: \"yes\""),
        ONE("network_mode: \"container:x\""),
        ONE("ipc: \"container:x\""),
        ONE("cgroup: host"),
        ONE("security_opt: [\"systempaths=unconfined\"]"),
        ONE("platform: windows/amd64"),
        ONE("isolation: hyperv"),
        ONE("deploy: {mode: fast}"),
        ONE("use_api_socket: true"),
        ONE("gpus: all"),
        ONE("volumes: [{type: npipe, source: x, target: /x}]"),
        ONE("volumes_from: [\"container:x\"]"),
        ONE("networks: [n]}\nnetworks: {n: {driver: macvlan}"),
        ONE("networks: [n]}\nnetworks: {n: {driver_opts: {com.docker.network.bridge.enable_icc: "
            "\"false\"}}"),
        ONE("volumes: [\"vol:/v\"]}\nvolumes: {vol: {driver: nfs}"),
        ONE("secrets: [k]}\nsecrets: {k: {driver: vault, file: k}"),
        ONE("models: [m]}\nmodels: {m: {model: x}"),
        ONE("provider: {type: x}"),
        ONE("expose: [1]}\njobs: {j: {image: a, triggers: {manual: true}}"),
    };

    fixture.options.refuse = true;
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        fixture_load(good[i]);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        fixture_write("compose.yaml", bad[i]);
        assert_false(fixture_try());
        if (strstr(fixture.err.text, "the host runtime refuses") == NULL)
            fail_msg("%s: %s", bad[i], fixture.err.text);
    }
}

static void a_container_of_the_file_is_listed_as_its_service(void **state)
{
    (void)state;
    struct compose_uses uses = {0};

    fixture.options.uses = &uses;
    fixture_load(ONE("network_mode: \"container:xy\", pid: \"container:gone\"}\n"
                     "  t: {image: a, container_name: xy"));
    for (size_t i = 0; i < uses.count; i++)
        if (strstr(uses.items[i].path, "_mode") != NULL)
            assert_int_equal(uses.items[i].support, SUPPORT_HONOURED);
        else if (strstr(uses.items[i].path, ".pid") != NULL)
            assert_int_equal(uses.items[i].support, SUPPORT_REFUSED);
}

static void values_that_cannot_run_are_an_error_of_up_and_a_warning_of_config(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *message;
    } rows[] = {
        {ONE("cap_add: [NET_ADMN]"),
         "services.s.cap_add[0]: there is no capability 'NET_ADMN'; did "
         "you mean 'NET_ADMIN'?"},
        {ONE("restart: alway"), "'alway' is none of: no, always, on-failure[:N], unless-stopped; "
                                "did you mean 'always'?"},
        {ONE("cpuset: 3-1"), "'3-1' is no list of processors; write it as \"0-2,4\""},
        {ONE("cpuset: \"0,\""), "'0,' is no list of processors"},
        {ONE("sysctls: {kernel.panic: 1}"), "'kernel.panic' would change the whole machine"},
        {ONE("sysctls: {net/../kernel: 1}"), "would change the whole machine"},
        {ONE("ulimits: {nofiles: 1}"), "there is no limit 'nofiles'; did you mean 'nofile'?"},
        {ONE("ulimits: {nofile: {soft: 3, hard: 2}}"), "the soft limit is above the hard one"},
        {ONE("devices: [vendor.com/gpu=0]"), "is no device file of the machine"},
        {ONE("devices: [\"/dev/null:/dev/null:rx\"]"), "is no place and permissions of a device"},
        {ONE("extra_hosts: [\"a=b\"]"), "'b' is no address; use an IP address or host-gateway"},
        {ONE("dns: a.test"), "'a.test' is no IP address"},
        {ONE("mac_address: \"02:42\""), "is no address of an interface"},
        {ONE("mac_address: \"01:00:5e:00:00:01\""), "is no address of an interface"},
        {ONE("oom_score_adj: 1001"), "1001 is not from -1000 to 1000"},
        {ONE("mem_swappiness: 101"), "101 is not from 0 to 100"},
        {ONE("cpu_period: 10"), "10 is not from 1000 to 1000000"},
        {ONE("blkio_config: {weight: 5}"), "5 is not from 10 to 1000"},
        {ONE("umask: 01000"), "is no set of permissions"},
        {ONE("secrets: [{source: k, mode: \"77777\"}]}\nsecrets: {k: {file: k}"),
         "'77777' is no mode"},
        {ONE("secrets: [k]}\nsecrets: {k: {environment: GONE_42}"),
         "variable 'GONE_42' is not set"},
        {ONE("volumes: [{type: volume, source: v1, target: /v, volume: {subpath: a/../b}}]}\n"
             "volumes: {v1: "),
         "must be a folder within the volume, without '..'"},
        {ONE("volumes: [{type: bind, source: /x, target: /v, bind: {propagation: shard}}]"),
         "'shard' is no mount propagation; did you mean 'shared'?"},
        {ONE("volumes_from: [\"t:rx\"]}\n  t: {image: a"), "with :ro or :rw if need be"},
        {ONE("ports: [{target: 1, protocol: quic}]"), "protocol 'quic' is not tcp or udp"},
        {ONE("deploy: {replicas: 1001}"), "1001 instances; at most 1000 are accepted"},
        {ONE("deploy: {restart_policy: {condition: always}}"), "is none of: none, on-failure, any"},
        {ONE("profiles: [x]"), "no service is defined"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        bool has_services = i + 1 < ARRAY_LEN(rows);
        const char *text = has_services ? rows[i].text : "services: {}\n";

        fixture.options.refuse = false;
        fixture_load(text);
        if (strstr(fixture_messages(), rows[i].message) == NULL)
            fail_msg("%s: %s", text, fixture_messages());
        fixture.options.refuse = true;
        assert_false(fixture_try());
        assert_non_null(strstr(fixture.err.text, rows[i].message));
    }
}

static const struct compose_use *find_use(const struct compose_uses *uses, const char *path)
{
    for (size_t i = 0; i < uses->count; i++)
        if (strcmp(uses->items[i].path, path) == 0)
            return &uses->items[i];
    return NULL;
}

static void every_key_that_is_written_is_listed_once(void **state)
{
    (void)state;
    struct compose_uses uses = {0};

    fixture.options.uses = &uses;
    fixture_load("version: \"3\"\n"
                 "services:\n"
                 "  s:\n"
                 "    image: a\n"
                 "    build: .\n"
                 "    ports: [\"80:80\", {target: 1, mode: host}]\n"
                 "    environment: {FREE: 1}\n"
                 "    privileged: true\n"
                 "    x-other: {a: 1}\n"
                 "    x-ishizue: {health: {path: /}}\n"
                 "x-ishizue: {routes: [{to: \"s:1\", waf: x}]}\n");
    static const struct {
        const char *path;
        enum compose_support support;
        uint32_t line, column;
    } want[] = {
        {"version", SUPPORT_OBSOLETE, 1, 1},
        {"services", SUPPORT_HONOURED, 2, 1},
        {"services.s.image", SUPPORT_HONOURED, 4, 5},
        {"services.s.build", SUPPORT_HONOURED, 5, 5},
        {"services.s.ports", SUPPORT_HONOURED, 6, 5},
        {"services.s.ports[1].target", SUPPORT_HONOURED, 6, 23},
        {"services.s.ports[1].mode", SUPPORT_EMULATED, 6, 34},
        {"services.s.environment", SUPPORT_HONOURED, 7, 5},
        {"services.s.privileged", SUPPORT_REFUSED, 8, 5},
        {"services.s.x-ishizue.health", SUPPORT_HONOURED, 10, 17},
        {"services.s.x-ishizue.health.path", SUPPORT_HONOURED, 10, 26},
        {"x-ishizue.routes", SUPPORT_HONOURED, 11, 13},
        {"x-ishizue.routes[0].to", SUPPORT_HONOURED, 11, 23},
        {"x-ishizue.routes[0].waf", SUPPORT_REFUSED, 11, 34},
    };
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        const struct compose_use *use = find_use(&uses, want[i].path);
        if (use == NULL) {
            fail_msg("'%s' is not listed", want[i].path);
            return;
        }
        assert_int_equal(use->support, want[i].support);
        assert_int_equal(use->place.line, want[i].line);
        assert_int_equal(use->place.column, want[i].column);
        assert_true((use->how == NULL) == (use->support == SUPPORT_HONOURED));
    }
    assert_int_equal(uses.count, ARRAY_LEN(want));
    assert_string_equal(compose_support_name(SUPPORT_HONOURED), "honoured");
    assert_string_equal(compose_support_name(SUPPORT_REFUSED), "refused");
}

/* Every row of the tables that is not simply honoured says how, or why not. */
static void check_rows(const struct schema *schema, int depth)
{
    for (; schema != NULL; schema = schema->base) {
        for (const struct schema_key *key = schema->keys; key != NULL && key->name != NULL; key++) {
            assert_non_null(key->doc);
            if (key->support != SUPPORT_HONOURED && (key->note == NULL || *key->note == '\0'))
                fail_msg("'%s' has no note", key->name);
            if (depth < 12)
                check_rows(&key->schema, depth + 1);
        }
        if (schema->items != NULL && depth < 12)
            check_rows(schema->items, depth + 1);
    }
}

static void every_row_says_how_or_why_not(void **state)
{
    (void)state;
    check_rows(&schema_compose, 0);
    check_rows(&schema_x_top, 0);
    check_rows(&schema_x_service, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(what_the_host_runtime_refuses_is_an_error_of_up_and_a_warning_of_config),
        FIXTURE_TEST(a_container_of_the_file_is_listed_as_its_service),
        FIXTURE_TEST(support_depends_on_the_value_where_it_must),
        FIXTURE_TEST(values_that_cannot_run_are_an_error_of_up_and_a_warning_of_config),
        FIXTURE_TEST(every_key_that_is_written_is_listed_once),
        cmocka_unit_test(every_row_says_how_or_why_not),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
