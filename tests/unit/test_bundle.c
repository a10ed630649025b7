/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "bundle_rig.h"
#include "runtime/conmon.h"

static void the_process_has_no_privilege_at_all(void **state)
{
    AUTO(json_unref) json_t *config = config_of(*state);

    assert_int_equal(json_integer_value(at(config, "process.user.uid")), 60001);
    assert_int_equal(json_integer_value(at(config, "process.user.gid")), 60001);
    assert_true(json_is_true(at(config, "process.noNewPrivileges")));
    assert_int_equal(json_object_size(at(config, "process.capabilities")), 0);
    assert_non_null(at(config, "process.capabilities"));
    assert_string_equal(json_string_value(at(config, "linux.seccomp.defaultAction")),
                        "SCMP_ACT_ALLOW");
    const json_t *limit = json_array_get(at(config, "process.rlimits"), 0);
    assert_int_equal(json_integer_value(at(limit, "hard")), 20000);
}

static void the_recipe_is_the_image(void **state)
{
    AUTO(json_unref) json_t *config = config_of(*state);

    assert_texts(at(config, "process.args"), "[/entry] [9] [serve]");
    assert_texts(at(config, "process.env"),
                 "[PATH=/usr/lib/thing/9/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:"
                 "/sbin:/bin] [HOME=/var/lib/thing] [HOSTNAME=db-1] [DATA=/data] [MODE=file] "
                 "[TEXT=a=b \"c\"]");
    const json_t *script = mount_at(config, "/usr/local/bin/thing.sh");
    assert_string_equal(json_find_text(script, "source", ""), "/images/thing.sh");
    assert_texts(at(script, "options"), "[bind] [ro] [nosuid]");
}

static void what_a_build_installs_is_found_by_its_name(void **state)
{
    struct rig *rig = *state;

    rig->bundle.recipe = NULL;
    rig->service.environment.count = 0;
    rig->service.x.host.present = true;
    struct compose_pairs pairs = bundle_environment(&rig->bundle, &rig->arena);
    assert_string_equal(pairs.items[0].value,
                        "/app/.venv/bin:/app/node_modules/.bin:/usr/local/sbin:/usr/local/bin:"
                        "/usr/sbin:/usr/bin:/sbin:/bin");
    rig->service.x.host.workdir = "/srv/code";
    pairs = bundle_environment(&rig->bundle, &rig->arena);
    assert_true(strncmp(pairs.items[0].value, "/srv/code/.venv/bin:", 20) == 0);

    rig->of_service[0] = (struct compose_pair){"PATH", "/only"}; /* the file has the last word */
    rig->service.environment.count = 1;
    pairs = bundle_environment(&rig->bundle, &rig->arena);
    assert_string_equal(pairs.items[0].value, "/only");
}

static void mounts_are_as_the_file_says(void **state)
{
    AUTO(json_unref) json_t *config = config_of(*state);

    assert_texts(at(mount_at(config, "/data"), "options"),
                 "[rbind] [rprivate] [nosuid] [nodev] [ro]");
    assert_texts(at(mount_at(config, "/scratch"), "options"),
                 "[nosuid] [nodev] [rw] [uid=60001] [gid=60001] [mode=700] [size=4096]");
    assert_texts(at(mount_at(config, "/sys"), "options"), "[nosuid] [noexec] [nodev] [ro]");
    assert_null(mount_at(config, "/sys/fs/cgroup"));
}

static void networks_are_joined_shared_or_none(void **state)
{
    struct rig *rig = *state;
    AUTO(json_unref) json_t *joined = config_of(rig);

    const json_t *network = json_array_get(at(joined, "linux.namespaces"), 4);
    assert_string_equal(json_find_text(network, "type", ""), "network");
    assert_string_equal(json_find_text(network, "path", ""), "/run/x/netns");
    rig->bundle.netns = NULL;
    AUTO(json_unref) json_t *shared = config_of(rig);
    assert_int_equal(json_array_size(at(shared, "linux.namespaces")), 4);
    rig->bundle.no_network = true;
    AUTO(json_unref) json_t *none = config_of(rig);
    assert_null(at(json_array_get(at(none, "linux.namespaces"), 4), "path"));
}

static void control_groups_of_version_2_get_their_own_view(void **state)
{
    struct rig *rig = *state;

    rig->machine.cgroup_v2 = true;
    AUTO(json_unref) json_t *config = config_of(rig);
    assert_non_null(mount_at(config, "/sys/fs/cgroup"));
    const json_t *last = json_array_get(at(config, "linux.namespaces"), 5);
    assert_string_equal(json_find_text(last, "type", ""), "cgroup");
}

static void assert_argv(struct rig *rig, const char *expected)
{
    AUTO(buf_done) struct buf all = {0};
    struct compose_texts argv;
    struct err err;

    assert_true(bundle_argv(&rig->bundle, &rig->arena, &argv, &err));
    for (size_t i = 0; i < argv.count; i++)
        buf_addf(&all, "%s[%s]", i == 0 ? "" : " ", argv.items[i]);
    assert_string_equal(buf_text(&all), expected);
}

static void entry_point_and_command_follow_docker(void **state)
{
    static const char *const own[] = {"own", "args"};
    struct rig *rig = *state;
    struct compose_texts once = texts(own, 2);

    rig->service.command = texts(own, 2);
    assert_argv(rig, "[/entry] [9] [own] [args]");
    rig->service.command = (struct compose_texts){0};
    rig->service.has_command = true;
    assert_argv(rig, "[/entry] [9]");
    rig->service.has_command = false;
    rig->service.entrypoint = texts(own, 1);
    rig->service.has_entrypoint = true;
    assert_argv(rig, "[own]");
    rig->service.has_entrypoint = false;
    rig->service.entrypoint = (struct compose_texts){0};
    rig->spec.argv = &once;
    assert_argv(rig, "[/entry] [9] [own] [args]");
    rig->bundle.recipe = NULL;
    rig->bundle.init_program = "/usr/bin/tini";
    assert_argv(rig, "[/usr/bin/tini] [--] [own] [args]");
    rig->service.isolation.pid = "host";
    assert_argv(rig, "[/usr/bin/tini] [-s] [--] [own] [args]");
    rig->service.isolation.pid = NULL;
    rig->spec.argv = NULL;
    rig->service.x.host.command = "cd x && run";
    assert_argv(rig, "[/usr/bin/tini] [--] [/bin/bash] [--posix] [-c] [cd x && run]");
}

static void nothing_to_run_is_an_error(void **state)
{
    struct rig *rig = *state;
    struct compose_texts argv;
    struct err err;

    rig->bundle.recipe = NULL;
    assert_false(bundle_argv(&rig->bundle, &rig->arena, &argv, &err));
    assert_int_equal(err.code, ERR_INVALID);
    assert_non_null(strstr(err.text, "service 'db' has no command"));
}

static bool has_namespace(const json_t *config, const char *type, const char *path)
{
    const json_t *entry;
    size_t i;

    json_array_foreach(at(config, "linux.namespaces"), i, entry)
    {
        if (strcmp(json_find_text(entry, "type", ""), type) == 0)
            return strcmp(json_find_text(entry, "path", ""), path) == 0;
    }
    return false;
}

static void namespaces_are_shared_as_the_file_says(void **state)
{
    struct rig *rig = *state;
    struct compose_isolation *isolation = &rig->service.isolation;

    *isolation = (struct compose_isolation){.pid = "host", .ipc = "host", .uts = "host"};
    AUTO(json_unref) json_t *of_machine = config_of(rig);
    assert_false(has_namespace(of_machine, "pid", ""));
    assert_false(has_namespace(of_machine, "ipc", ""));
    assert_false(has_namespace(of_machine, "uts", ""));
    assert_true(has_namespace(of_machine, "mount", ""));
    assert_null(at(of_machine, "hostname"));
    assert_string_equal(json_find_text(mount_at(of_machine, "/dev/shm"), "source", ""), "/dev/shm");
    rig->service.hostname = "mine";
    assert_refused(rig, "hostname: with 'uts: host' it would change the machine's");
    rig->service.hostname = NULL;
    *isolation = (struct compose_isolation){.pid = "service:a", .ipc = "service:a"};
    assert_refused(rig, "pid: 'service:a' has no running instance to share with");
    rig->bundle.pid_namespace = "/proc/7/ns/pid";
    rig->bundle.ipc_namespace = "/proc/7/ns/ipc";
    AUTO(json_unref) json_t *joined = config_of(rig);
    assert_true(has_namespace(joined, "pid", "/proc/7/ns/pid"));
    assert_true(has_namespace(joined, "ipc", "/proc/7/ns/ipc"));
    isolation->uts = "service:a";
    assert_refused(rig, "uts: 'service:a' ");
    *isolation = (struct compose_isolation){.cgroup = "private", .ipc = "none"};
    AUTO(json_unref) json_t *private = config_of(rig);
    assert_true(has_namespace(private, "cgroup", ""));
    assert_null(mount_at(private, "/dev/shm"));
    rig->machine.cgroup_v2 = true;
    isolation->cgroup = "host";
    AUTO(json_unref) json_t *host = config_of(rig);
    assert_false(has_namespace(host, "cgroup", ""));
    isolation->cgroup = "other";
    assert_refused(rig, "cgroup: 'other' is not possible here; private, host and nothing else");
}

static void rights_are_what_the_bundle_was_given(void **state)
{
    static const char *const names[] = {"CAP_NET_RAW"};
    struct rig *rig = *state;
    struct device device = {"/dev/x", 'c', 10, 229, 44, 0660, "rw"};

    rig->bundle.capabilities = texts(names, 1);
    rig->bundle.groups.items[0].gid = 44;
    rig->bundle.groups.count = 1;
    rig->bundle.devices = (struct devices){&device, 1};
    rig->service.domainname = "shop.test";
    AUTO(json_unref) json_t *config = config_of(rig);
    assert_texts(at(config, "process.capabilities.ambient"), "[CAP_NET_RAW]");
    assert_texts(at(config, "process.capabilities.bounding"), "[CAP_NET_RAW]");
    assert_int_equal(
        json_integer_value(json_array_get(at(config, "process.user.additionalGids"), 0)), 44);
    const json_t *node = json_array_get(at(config, "linux.devices"), 0);
    assert_int_equal(json_integer_value(at(node, "uid")), 60001);
    assert_int_equal(json_integer_value(at(node, "fileMode")), 0660);
    const json_t *rules = at(config, "linux.resources.devices");
    assert_true(json_is_false(at(json_array_get(rules, 0), "allow")));
    assert_string_equal(json_find_text(json_array_get(rules, 1), "access", ""), "rw");
    assert_string_equal(json_find_text(at(config, "linux.sysctl"), "kernel.domainname", ""),
                        "shop.test");
    rig->bundle.security.unconfined = true;
    AUTO(json_unref) json_t *unconfined = config_of(rig);
    assert_null(at(unconfined, "linux.seccomp"));
    rig->service.isolation.privileged = true;
    assert_refused(rig, "services.db: privileged: ");
}

static void a_build_step_has_none_of_the_services_rights(void **state)
{
    struct compose_ulimit limit = {"nofile", 1, 1};
    struct rig *rig = *state;

    rig->bundle.machine = NULL;
    rig->service.read_only = true;
    rig->service.isolation = (struct compose_isolation){
        .privileged = true, .pid = "host", .ipc = "service:x", .uts = "host"};
    rig->service.tuning = (struct compose_tuning){
        .ulimits = &limit, .ulimit_count = 1, .cpuset = "99", .shm_size_bytes = 1};
    AUTO(json_unref) json_t *config = config_of(rig);
    assert_true(json_is_false(at(config, "root.readonly")));
    assert_true(has_namespace(config, "pid", ""));
    assert_true(has_namespace(config, "ipc", ""));
    const json_t *files = json_array_get(at(config, "process.rlimits"), 0);
    assert_int_equal(json_integer_value(at(files, "hard")), 20000);
    assert_null(at(config, "linux.resources.memory"));
    assert_null(at(config, "linux.resources.pids"));
    assert_non_null(at(config, "linux.seccomp"));
}

static void deeper_mounts_come_later_and_files_last(void **state)
{
    static const char *const wanted[] = {"/a/b/c", "/z", "/a", "/run/secrets/x"};
    struct rig *rig = *state;
    struct runtime_mount mounts[] = {{.source = "/1", .target = wanted[0], .propagation = "rslave"},
                                     {.source = "/2", .target = wanted[1], .subpath = "s"},
                                     {.source = "/3", .target = wanted[2]}};
    struct runtime_file file = {.source = "/s", .target = wanted[3]};
    const char *pinned_mounts[] = {NULL, "/pinned/mount1", NULL};
    const char *pinned_files[] = {"/pinned/file0"};

    rig->spec.mounts = mounts;
    rig->spec.mount_count = 3;
    rig->spec.files = &file;
    rig->spec.file_count = 1;
    rig->bundle.pinned = (struct pinned){.files = pinned_files, .mounts = pinned_mounts};
    AUTO(json_unref) json_t *config = config_of(rig);
    const json_t *all = at(config, "mounts");
    size_t count = json_array_size(all);
    static const size_t order[] = {1, 2, 0, 3};
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(json_find_text(json_array_get(all, count - 4 + i), "destination", ""),
                            wanted[order[i]]);
    assert_string_equal(json_find_text(mount_at(config, "/z"), "source", ""), "/pinned/mount1");
    assert_texts(at(mount_at(config, "/a/b/c"), "options"),
                 "[rbind] [rslave] [nosuid] [nodev] [rw]");
    assert_texts(at(mount_at(config, "/run/secrets/x"), "options"), "[bind] [ro] [nosuid] [nodev]");
    mounts[0].propagation = "upwards";
    assert_refused(rig, "volumes: 'upwards' is no propagation");
}

static void options_of_a_tmpfs_are_the_files(void **state)
{
    static const char *text[] = {"/scratch:size=64m,noexec,uid=5"};
    static const char *const bad[] = {"/scratch:suid", "/scratch:size=", "/scratch:mpol=bind:0",
                                      "/scratch:dev", "/scratch:size"};
    struct rig *rig = *state;

    rig->service.tmpfs_options = (struct compose_texts){text, 1};
    AUTO(json_unref) json_t *config = config_of(rig);
    assert_texts(at(mount_at(config, "/scratch"), "options"),
                 "[nosuid] [nodev] [rw] [uid=60001] [gid=60001] [mode=700] [size=4096] [size=64m] "
                 "[noexec] [uid=5]");
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        text[0] = bad[i];
        assert_refused(rig, "of '/scratch' is no option here");
    }
    text[0] = "/scratch";
}

static void a_name_of_user_is_the_users_name(void **state)
{
    static const char *const others[] = {"1000",
                                         "root",
                                         "1000:1000",
                                         "",
                                         "a b",
                                         "A",
                                         "-x",
                                         "nobody",
                                         "a:b\nroot:x:0",
                                         "abcdefghijklmnopqrstuvwxyz0123456"};
    struct rig *rig = *state;

    rig->recipe.script = NULL;
    rig->service.user = "node:node";
    assert_string_equal(bundle_user(&rig->bundle, &rig->arena), "node");
    for (size_t i = 0; i < ARRAY_LEN(others) - 2; i++) {
        rig->service.user = others[i];
        assert_string_equal(bundle_user(&rig->bundle, &rig->arena), "thing");
    }
    rig->service.user = others[8];
    assert_string_equal(bundle_user(&rig->bundle, &rig->arena), "a");
    rig->service.user = others[9];
    assert_string_equal(bundle_user(&rig->bundle, &rig->arena), "thing");
    rig->recipe.script = "thing.sh";
    rig->service.user = "node";
    assert_string_equal(bundle_user(&rig->bundle, &rig->arena), "thing");
    rig->bundle.recipe = NULL;
    assert_string_equal(bundle_user(&rig->bundle, &rig->arena), "node");
    rig->service.user = NULL;
    assert_string_equal(bundle_user(&rig->bundle, &rig->arena), "app");
}

static void annotations_give_no_orders(void **state)
{
    struct compose_pair pairs[] = {{"com.example.a", "b"}, {"run.oci.hooks.stdout", "/x"}};
    struct rig *rig = *state;

    rig->service.annotations = (struct compose_pairs){pairs, 1};
    AUTO(json_unref) json_t *config = config_of(rig);
    assert_string_equal(json_find_text(at(config, "annotations"), "com.example.a", ""), "b");
    rig->service.annotations.count = 2;
    assert_refused(rig, "annotations: 'run.oci.hooks.stdout' gives orders");
}

static void conmon_reports_a_process_or_a_reason(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "{", "{\"pid\": 0}", "{\"pid\": 99999999999}", "[]"};
    pid_t pid = 0;
    struct err err;

    assert_true(conmon_parse_report("{\"pid\": 812}\n", 13, &pid, &err));
    assert_int_equal(pid, 812);
    static const char report[] = "{\"pid\": -1, \"message\": \"first\\nthe last one\\n\"}";
    assert_false(conmon_parse_report(report, strlen(report), &pid, &err));
    assert_string_equal(err.text, "the OCI runtime cannot create the instance: the last one");
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(conmon_parse_report(bad[i], strlen(bad[i]), &pid, &err));
    assert_int_equal(pid, 812);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_RIG(the_process_has_no_privilege_at_all),
        WITH_RIG(the_recipe_is_the_image),
        WITH_RIG(what_a_build_installs_is_found_by_its_name),
        WITH_RIG(mounts_are_as_the_file_says),
        WITH_RIG(networks_are_joined_shared_or_none),
        WITH_RIG(control_groups_of_version_2_get_their_own_view),
        WITH_RIG(entry_point_and_command_follow_docker),
        WITH_RIG(nothing_to_run_is_an_error),
        WITH_RIG(namespaces_are_shared_as_the_file_says),
        WITH_RIG(rights_are_what_the_bundle_was_given),
        WITH_RIG(a_build_step_has_none_of_the_services_rights),
        WITH_RIG(deeper_mounts_come_later_and_files_last),
        WITH_RIG(options_of_a_tmpfs_are_the_files),
        WITH_RIG(a_name_of_user_is_the_users_name),
        WITH_RIG(annotations_give_no_orders),
        cmocka_unit_test(conmon_reports_a_process_or_a_reason),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
