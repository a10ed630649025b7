/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "compose_fixture.h"

static void secrets_and_configs_are_files_with_a_place(void **state)
{
    (void)state;
    static char value[] = "TOKEN=t0p";
    fixture.environment[0] = value;
    fixture_load(
        "services:\n"
        "  s:\n"
        "    image: a\n"
        "    secrets: [one, {source: two, target: in/it, uid: \"5\", gid: \"6\", mode: 0440}]\n"
        "    configs: [c, {source: d, target: /etc/d.conf}]\n"
        "secrets: {one: {file: ./one.txt}, two: {environment: TOKEN}}\n"
        "configs: {c: {content: \"a: b\"}, d: {environment: TOKEN}}\n");
    const struct compose_service *s = fixture_service("s");
    assert_int_equal(s->secret_count, 2);
    assert_string_equal(s->secrets[0].target, "/run/secrets/one");
    assert_int_equal(s->secrets[0].mode, 0);
    assert_string_equal(s->secrets[1].target, "/run/secrets/in/it");
    assert_string_equal(s->secrets[1].uid, "5");
    assert_string_equal(s->secrets[1].gid, "6");
    assert_int_equal(s->secrets[1].mode, 0440);
    assert_string_equal(s->configs[0].target, "/c");
    assert_string_equal(s->configs[1].target, "/etc/d.conf");
    assert_string_equal(fixture.compose->secrets[0].file, fixture_path("one.txt"));
    assert_string_equal(fixture.compose->secrets[1].content, "t0p");
    assert_string_equal(fixture.compose->configs[0].content, "a: b");
    assert_string_equal(fixture.compose->configs[1].content, "t0p");
}

static void a_container_of_the_file_is_its_service(void **state)
{
    (void)state;
    fixture_load("services:\n"
                 "  side: {image: a, network_mode: \"container:the-db\", pid: \"container:the-db\","
                 " ipc: \"container:p-web-1\","
                 " volumes_from: [\"container:the-db:ro\", \"container:p-web-1\"]}\n"
                 "  web: {image: a, external_links: [far, \"far-db-1:mysql\"]}\n"
                 "  db: {image: a, container_name: the-db}\n");
    const struct compose_service *side = fixture_service("side");
    const struct compose_service *web = fixture_service("web");
    assert_string_equal(side->network_mode, "service:db");
    assert_string_equal(side->isolation.pid, "service:db");
    assert_string_equal(side->isolation.ipc, "service:web");
    assert_string_equal(side->volumes_from.items[0], "db:ro");
    assert_string_equal(side->volumes_from.items[1], "web");
    assert_int_equal(side->depends_on_count, 2); /* it starts after both */
    assert_int_equal(web->external_links.count, 2);
    assert_string_equal(web->external_links.items[0].key, "far");
    assert_string_equal(web->external_links.items[0].value, "far");
    assert_string_equal(web->external_links.items[1].key, "mysql");
    assert_string_equal(web->external_links.items[1].value, "far-db-1");
}

static void a_container_that_no_service_has_stays_as_it_is_written(void **state)
{
    (void)state;
    fixture_load("services:\n"
                 "  side: {image: a, network_mode: \"container:p-db-1\"}\n"
                 "  two: {image: a, network_mode: \"container:p-db-2\"}\n"
                 "  db: {image: a, container_name: the-db}\n");
    assert_string_equal(fixture_service("side")->network_mode, "container:p-db-1");
    assert_string_equal(fixture_service("two")->network_mode, "container:p-db-2");
}

static void limits_and_priorities_are_numbers(void **state)
{
    (void)state;
    fixture_load("services:\n"
                 "  s:\n"
                 "    image: a\n"
                 "    ulimits: {nofile: {soft: 10, hard: 20}, nproc: 5, core: -1}\n"
                 "    cpu_shares: 512\n"
                 "    cpu_quota: 50000\n"
                 "    cpu_period: 100000\n"
                 "    cpuset: 0-1,3\n"
                 "    mem_reservation: 1m\n"
                 "    memswap_limit: -1\n"
                 "    mem_swappiness: 60\n"
                 "    oom_score_adj: -500\n"
                 "    oom_kill_disable: true\n"
                 "    shm_size: 64m\n"
                 "    sysctls: {net.core.somaxconn: 1024}\n"
                 "    blkio_config: {weight: 300}\n"
                 "    pids_limit: -1\n");
    const struct compose_tuning *t = &fixture_service("s")->tuning;
    assert_int_equal(t->ulimit_count, 3);
    assert_string_equal(t->ulimits[0].name, "nofile");
    assert_int_equal(t->ulimits[0].soft, 10);
    assert_int_equal(t->ulimits[0].hard, 20);
    assert_int_equal(t->ulimits[1].soft, 5);
    assert_int_equal(t->ulimits[1].hard, 5);
    assert_int_equal(t->ulimits[2].hard, -1);
    assert_int_equal(t->cpu_shares, 512);
    assert_int_equal(t->cpu_quota_us, 50000);
    assert_int_equal(t->cpu_period_us, 100000);
    assert_string_equal(t->cpuset, "0-1,3");
    assert_int_equal(t->memory_reservation_bytes, 1 << 20);
    assert_int_equal(t->memory_swap_bytes, -1);
    assert_true(t->has_swappiness && t->swappiness == 60);
    assert_true(t->has_oom_score_adj && t->oom_score_adj == -500);
    assert_true(t->oom_kill_disable);
    assert_int_equal(t->shm_size_bytes, 64 << 20);
    assert_string_equal(t->sysctls.items[0].value, "1024");
    assert_int_equal(t->blkio_weight, 300);
    assert_int_equal(fixture_service("s")->limits.pids, 0);
}

static void rights_and_namespaces_are_as_written(void **state)
{
    (void)state;
    fixture_load("services:\n"
                 "  s:\n"
                 "    image: a\n"
                 "    cap_add: [NET_ADMIN, cap_sys_time, all]\n"
                 "    cap_drop: [CAP_CHOWN]\n"
                 "    security_opt: [no-new-privileges:true, seccomp=unconfined]\n"
                 "    group_add: [mail, 5]\n"
                 "    devices: [/dev/null, \"/dev/zero:/dev/x:r\", {source: /dev/full}]\n"
                 "    ipc: shareable\n"
                 "    pid: host\n"
                 "    uts: host\n"
                 "    umask: 022\n"
                 "    annotations: {a.b: c}\n");
    const struct compose_isolation *i = &fixture_service("s")->isolation;
    assert_string_equal(i->cap_add.items[0], "NET_ADMIN");
    assert_string_equal(i->cap_add.items[1], "SYS_TIME");
    assert_string_equal(i->cap_add.items[2], "ALL");
    assert_string_equal(i->cap_drop.items[0], "CHOWN");
    assert_int_equal(i->security_opt.count, 2);
    assert_string_equal(i->group_add.items[1], "5");
    assert_int_equal(i->device_count, 3);
    assert_string_equal(i->devices[0].target, "/dev/null");
    assert_string_equal(i->devices[0].permissions, "rwm");
    assert_string_equal(i->devices[1].target, "/dev/x");
    assert_string_equal(i->devices[1].permissions, "r");
    assert_string_equal(i->devices[2].target, "/dev/full");
    assert_string_equal(i->ipc, "shareable");
    assert_true(i->has_umask && i->umask == 022);
    assert_string_equal(fixture_service("s")->annotations.items[0].value, "c");
}

static void names_and_addresses_are_told_apart(void **state)
{
    (void)state;
    fixture_load("services:\n"
                 "  s:\n"
                 "    image: a\n"
                 "    extra_hosts: [\"b=10.0.0.1\", \"a:host-gateway\", \"c=[::1]\", \"d:::2\"]\n"
                 "    dns: 1.1.1.1\n"
                 "    dns_search: [x.test]\n"
                 "    dns_opt: [ndots:2]\n"
                 "    domainname: d.test\n"
                 "    links: [\"db:other\", db]\n"
                 "    mac_address: 02:42:ac:11:00:02\n"
                 "    networks: {n: {aliases: [q], interface_name: eth7, mac_address: "
                 "06:00:00:00:00:01}}\n"
                 "  m: {image: a, extra_hosts: {h: [1.2.3.4, 5.6.7.8]}}\n"
                 "  db: {image: a, networks: [n]}\n"
                 "networks: {n: {internal: true}}\n");
    const struct compose_service *s = fixture_service("s");
    static const char *const hosts[][2] = {
        {"a", "host-gateway"}, {"b", "10.0.0.1"}, {"c", "::1"}, {"d", "::2"}};
    assert_int_equal(s->extra_host_count, 4);
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
        assert_string_equal(s->extra_hosts[i].name, hosts[i][0]);
        assert_string_equal(s->extra_hosts[i].address, hosts[i][1]);
    }
    assert_int_equal(fixture_service("m")->extra_host_count, 2);
    assert_string_equal(s->dns.items[0], "1.1.1.1");
    assert_string_equal(s->dns_search.items[0], "x.test");
    assert_string_equal(s->dns_options.items[0], "ndots:2");
    assert_string_equal(s->domainname, "d.test");
    assert_string_equal(s->links.items[0].key, "other");
    assert_string_equal(s->links.items[0].value, "db");
    assert_string_equal(s->links.items[1].key, "db");
    assert_string_equal(s->depends_on[0].service, "db");
    assert_string_equal(s->mac_address, "02:42:ac:11:00:02");
    assert_string_equal(s->networks[0].interface_name, "eth7");
    assert_string_equal(s->networks[0].mac_address, "06:00:00:00:00:01");
    assert_true(fixture.compose->networks[0].internal);
}

static void volumes_keep_their_options(void **state)
{
    (void)state;
    fixture_load(
        "services:\n"
        "  s:\n"
        "    image: a\n"
        "    volumes:\n"
        "      - {type: volume, source: v, target: /v, volume: {subpath: in/it, nocopy: "
        "true}}\n"
        "      - \"/x:/x:rslave\"\n"
        "      - {type: tmpfs, target: /t, tmpfs: {size: 1m, mode: 0700}}\n"
        "    volumes_from: [\"t:ro\"]\n"
        "  t: {image: a}\n"
        "volumes: {v: {driver: local, driver_opts: {type: none, o: bind, device: ./d}}}\n");
    const struct compose_service *s = fixture_service("s");
    assert_string_equal(s->volumes[0].subpath, "in/it");
    assert_true(s->volumes[0].no_copy);
    assert_string_equal(s->volumes[1].propagation, "rslave");
    assert_int_equal(s->volumes[2].tmpfs_mode, 0700);
    assert_string_equal(s->volumes_from.items[0], "t:ro");
    assert_string_equal(s->depends_on[0].service, "t");
    assert_string_equal(fixture.compose->volumes[0].driver_opts.items[2].value, fixture_path("d"));
}

static void restart_policy_and_job_modes_decide(void **state)
{
    (void)state;
    fixture_load("services:\n"
                 "  s: {image: a, deploy: {restart_policy: {condition: on-failure, delay: 1s, "
                 "max_attempts: 4, window: 2m}}}\n"
                 "  d: {image: a, deploy: {restart_policy: {}}}\n"
                 "  j: {image: a, restart: always, deploy: {mode: replicated-job}}\n"
                 "  g: {image: a, deploy: {mode: global, replicas: 4}}\n");
    const struct compose_restart_policy *p = &fixture_service("s")->restart_policy;
    assert_true(p->present);
    assert_int_equal(p->when, RESTART_ON_FAILURE);
    assert_int_equal(p->delay_ms, 1000);
    assert_int_equal(p->max_attempts, 4);
    assert_int_equal(p->window_ms, 120000);
    assert_int_equal(fixture_service("d")->restart_policy.when, RESTART_ALWAYS);
    assert_int_equal(fixture_service("d")->restart_policy.delay_ms, 5000);
    assert_true(fixture_service("j")->restart_policy.present);
    assert_int_equal(fixture_service("j")->restart_policy.when, RESTART_NO);
    assert_int_equal(fixture_service("g")->replicas, 1);
}

static void hooks_have_a_command_and_what_their_service_has(void **state)
{
    (void)state;
    fixture_write("vars", "F=file\n");
    fixture_load("services:\n"
                 "  s:\n"
                 "    image: a\n"
                 "    user: u\n"
                 "    env_file: vars\n"
                 "    environment: {A: 1, B: 1}\n"
                 "    volumes: [/data]\n"
                 "    post_start: [{command: echo hi, user: root, working_dir: /w, environment: "
                 "[X=1]}]\n"
                 "    pre_stop: [{command: [a, b]}]\n"
                 "    pre_start:\n"
                 "      - {command: migrate, environment: {B: 2}}\n"
                 "      - {image: other, command: [x], per_replica: true}\n");
    const struct compose_service *s = fixture_service("s");
    assert_int_equal(s->post_start_count, 1);
    assert_string_equal(s->post_start[0].command.items[1], "hi");
    assert_string_equal(s->post_start[0].user, "root");
    assert_string_equal(s->post_start[0].working_dir, "/w");
    assert_string_equal(s->post_start[0].environment.items[0].key, "X");
    assert_string_equal(s->pre_stop[0].command.items[1], "b");
    assert_int_equal(s->pre_start_count, 2);
    assert_string_equal(s->pre_start[0].image, "a");
    assert_string_equal(s->pre_start[0].user, "u");
    assert_string_equal(s->pre_start[0].environment.items[1].value, "2");
    assert_int_equal(s->pre_start[0].environment.count, 3);
    assert_int_equal(s->pre_start[0].volume_count, 0);
    assert_false(s->pre_start[0].per_replica);
    assert_string_equal(s->pre_start[1].image, "other");
    assert_true(s->pre_start[1].per_replica);
}

static void labels_of_a_file_stand_below_those_of_the_service(void **state)
{
    (void)state;
    fixture_write("l", "a=file\nb=file\n");
    fixture_load("services: {s: {image: a, label_file: l, labels: {a: own}}}\n");
    assert_string_equal(fixture_json("s", "labels"), "{\"a\":\"own\",\"b\":\"file\"}");
    fixture_write("compose.yaml", "services: {s: {image: a, label_file: [gone]}}\n");
    assert_false(fixture_try());
    assert_non_null(strstr(fixture.err.text, "compose.yaml:1:39: services.s.label_file[0]: "));
}

static void what_nothing_uses_is_left_out(void **state)
{
    (void)state;
    fixture_load("services: {s: {image: a, volumes: [\"vol:/v\"], networks: [n]}, "
                 "off: {image: a, profiles: [x], volumes: [\"w:/w\"]}}\n"
                 "volumes: {vol: , w: , u: }\nnetworks: {n: , m: }\n"
                 "secrets: {k: {file: k}}\nconfigs: {c: {file: c}}\n");
    assert_int_equal(fixture.compose->volume_count, 1);
    assert_int_equal(fixture.compose->network_count, 1);
    assert_int_equal(fixture.compose->secret_count, 0);
    assert_int_equal(fixture.compose->config_count, 0);
}

static void a_project_of_which_no_service_is_active_is_read(void **state)
{
    (void)state;
    fixture_load("services: {a: {image: a, profiles: [one]}}\n");
    assert_int_equal(fixture.compose->service_count, 0);
}

static void what_contradicts_itself_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *message;
    } rows[] = {
        {"services: {s: {image: a, network_mode: host, networks: [n]}}\nnetworks: {n: }\n",
         "compose.yaml:1:56: services.s: has both 'network_mode' and 'networks'; keep one of them"},
        {"services: {s: {build: {dockerfile: x, dockerfile_inline: y}}}\n",
         "compose.yaml:1:36: services.s.build: has both 'dockerfile_inline' and 'dockerfile'; keep "
         "one of them"},
        {"services: {s: {image: a, container_name: one, scale: 2}}\n",
         "compose.yaml:1:42: services.s: 2 instances cannot share a 'container_name'; remove it"},
        {"services: {s: {image: a, scale: 2, deploy: {replicas: 3}}}\n",
         "compose.yaml:1:33: services.s: 'scale' and 'deploy.replicas' differ; keep one of them"},
        {"services: {s: {image: a, secrets: [k]}}\nsecrets: {k: {file: a, environment: b}}\n",
         "compose.yaml:2:14: secrets.k: has both 'file' and 'environment'; keep one of them"},
        {"services: {s: {image: a, configs: [k]}}\nconfigs: {k: {name: x}}\n",
         "compose.yaml:2:14: configs.k: needs one of 'file', 'environment', 'content'"},
        {"services: {s: {image: a, volumes: [\"vol:/v\"]}}\nvolumes: {vol: {external: true, "
         "driver: x}}\n",
         "compose.yaml:2:41: volumes.vol: has both 'external' and 'driver'; an external volume is "
         "as it is"},
        {"services: {s: {image: a, tmpfs: /a, volumes: [\"/b:/a\"]}}\n",
         "compose.yaml:1:33: services.s.tmpfs[0]: '/a' is mounted already"},
        {"services: {s: {image: a, develop: {watch: [{path: ., action: sync}]}}}\n",
         "compose.yaml:1:44: services.s.develop.watch[0]: action 'sync' needs a 'target'"},
        {"services: {s: {image: a, ports: }}\n",
         "compose.yaml:1:26: services.s.ports: needs a list; write one, or remove the line"},
        {"services: {s: {image: a, gpus: [{count: 1, device_ids: [x]}]}}\n",
         "compose.yaml:1:33: services.s.gpus[0]: has both 'count' and 'device_ids'; keep one of "
         "them"},
        {"services: {s: {image: a, post_start: [{user: x}]}}\n",
         "compose.yaml:1:39: services.s.post_start[0]: needs 'command'"},
        {"services: {s: {image: a, pull_policy: alway}}\n",
         "compose.yaml:1:39: services.s.pull_policy: 'alway' is none of: always, never, build, "
         "missing, refresh, daily, weekly, every_1d; did you mean 'always'?"},
        {"services: {s: {image: a, build: {additional_contexts: {x: \"service:t\"}}}, t: {image: "
         "a}}\n",
         "compose.yaml:1:59: services.s.build.additional_contexts: service 't' has no 'build'"},
        {"services: {s: {image: a, models: [m]}}\n",
         "compose.yaml:1:35: services.s.models: 'm' is not one of the models; add it to the "
         "top-level 'models'"},
        {"services: {s: {image: a}}\njobs: {s: {image: a, triggers: {manual: true}}}\n",
         "compose.yaml:2:11: jobs.s: 's' is a service and a job; rename one of them"},
        {"services: {1: {image: a}}\n",
         "compose.yaml:1:12: key '1' is no text; put quotes around it"},
        {"services: {s: {image: a, environment: {A: .inf}}}\n",
         "compose.yaml:1:43: services.s.environment.A: .inf is no number here; put quotes around "
         "it"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        fixture_refused(rows[i].text, rows[i].message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(secrets_and_configs_are_files_with_a_place),
        FIXTURE_TEST(a_container_of_the_file_is_its_service),
        FIXTURE_TEST(a_container_that_no_service_has_stays_as_it_is_written),
        FIXTURE_TEST(limits_and_priorities_are_numbers),
        FIXTURE_TEST(rights_and_namespaces_are_as_written),
        FIXTURE_TEST(names_and_addresses_are_told_apart),
        FIXTURE_TEST(volumes_keep_their_options),
        FIXTURE_TEST(restart_policy_and_job_modes_decide),
        FIXTURE_TEST(hooks_have_a_command_and_what_their_service_has),
        FIXTURE_TEST(labels_of_a_file_stand_below_those_of_the_service),
        FIXTURE_TEST(what_nothing_uses_is_left_out),
        FIXTURE_TEST(a_project_of_which_no_service_is_active_is_read),
        FIXTURE_TEST(what_contradicts_itself_is_refused),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
