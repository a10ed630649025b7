/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/err.h"
#include "runtime/bundle.h"
#include "runtime/conmon.h"
#include "json/json.h"

static const char *const entrypoint[] = {"/entry", "{version}"};
static const char *const command[] = {"serve"};
static const char *const paths[] = {"/usr/lib/thing/{version}/bin"};

static struct compose_texts texts(const char *const *items, size_t count)
{
    return (struct compose_texts){(const char **)(uintptr_t)items, count};
}

/* Everything set, so that a golden text sees everything. */
struct rig {
    struct compose_service service;
    struct instance_spec spec;
    struct recipe recipe;
    struct compose_pair of_service[2];
    struct compose_pair of_recipe[2];
    struct runtime_mount mounts[2];
    struct bundle bundle;
    struct arena arena;
};

static int set_up(void **state)
{
    struct rig *rig = NEW(struct rig);

    rig->of_recipe[0] = (struct compose_pair){"DATA", "/data"};
    rig->of_recipe[1] = (struct compose_pair){"MODE", "image"};
    rig->of_service[0] = (struct compose_pair){"MODE", "file"};
    rig->of_service[1] = (struct compose_pair){"TEXT", "a=b \"c\""};
    rig->mounts[0] =
        (struct runtime_mount){.source = "/var/lib/x", .target = "/data", .read_only = true};
    rig->mounts[1] =
        (struct runtime_mount){.target = "/scratch", .tmpfs_size_bytes = 4096, .tmpfs_mode = 0700};
    rig->recipe = (struct recipe){
        .name = "Thing",
        .user = "thing",
        .home = "/var/lib/thing",
        .script = "thing.sh",
        .script_target = "/usr/local/bin/thing.sh",
        .path = texts(paths, 1),
        .entrypoint = texts(entrypoint, 2),
        .command = texts(command, 1),
        .environment = {rig->of_recipe, 2},
    };
    rig->service = (struct compose_service){
        .name = "db",
        .image = "thing:9",
        .environment = {rig->of_service, 2},
        .limits = {.cpus = 0.5, .memory_bytes = 64 << 20},
    };
    rig->spec = (struct instance_spec){
        .id = "shop-db-1",
        .service = &rig->service,
        .hostname = "db-1",
        .address = "10.213.4.7",
        .uid = 60001,
        .mounts = rig->mounts,
        .mount_count = 2,
    };
    rig->bundle = (struct bundle){
        .spec = &rig->spec,
        .recipe = &rig->recipe,
        .version = "9",
        .images_dir = "/images",
        .rootfs = "/run/x/rootfs",
        .netns = "/run/x/netns",
        .cgroup_path = "/ishizue/shop-db-1",
        .has_memory = true,
        .has_cpu = true,
        .has_pids = true,
        .files_max = 20000,
    };
    *state = rig;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;

    arena_done(&rig->arena);
    free(rig);
    return 0;
}

static json_t *config_of(struct rig *rig)
{
    json_t *config = NULL;
    struct err err;

    assert_true(bundle_config(&rig->bundle, &rig->arena, &config, &err));
    return config;
}

/* The member at "process.user.uid". */
static const json_t *at(const json_t *root, const char *path)
{
    struct str rest = str_of(path);

    while (rest.ptr != NULL) {
        struct str name = str_cut(&rest, '.');
        root = json_object_getn(root, name.ptr, name.len);
    }
    return root;
}

static void assert_texts(const json_t *list, const char *expected)
{
    AUTO(buf_done) struct buf all = {0};
    const json_t *value;
    size_t i;

    json_array_foreach(list, i, value)
        buf_addf(&all, "%s[%s]", i == 0 ? "" : " ", json_string_value(value));
    assert_string_equal(buf_text(&all), expected);
}

/* <type> at <target>, or NULL. */
static const json_t *mount_at(const json_t *config, const char *target)
{
    const json_t *mount;
    size_t i;

    json_array_foreach(json_object_get(config, "mounts"), i, mount)
    {
        if (strcmp(json_find_text(mount, "destination", ""), target) == 0)
            return mount;
    }
    return NULL;
}

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

static void limits_are_those_of_the_service(void **state)
{
    struct rig *rig = *state;
    AUTO(json_unref) json_t *config = config_of(rig);

    assert_int_equal(json_integer_value(at(config, "linux.resources.memory.limit")), 64 << 20);
    assert_int_equal(json_integer_value(at(config, "linux.resources.cpu.quota")), 50000);
    assert_int_equal(json_integer_value(at(config, "linux.resources.pids.limit")),
                     BUNDLE_PIDS_DEFAULT);
    rig->bundle.has_memory = rig->bundle.has_cpu = rig->bundle.has_pids = false;
    AUTO(json_unref) json_t *without = config_of(rig);
    assert_null(at(without, "linux.resources.memory"));
    assert_null(at(without, "linux.resources.cpu"));
    assert_null(at(without, "linux.resources.pids"));
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

    rig->bundle.cgroup_v2 = true;
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

#define WITH_RIG(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_RIG(the_process_has_no_privilege_at_all),
        WITH_RIG(the_recipe_is_the_image),
        WITH_RIG(mounts_are_as_the_file_says),
        WITH_RIG(limits_are_those_of_the_service),
        WITH_RIG(networks_are_joined_shared_or_none),
        WITH_RIG(control_groups_of_version_2_get_their_own_view),
        WITH_RIG(entry_point_and_command_follow_docker),
        WITH_RIG(nothing_to_run_is_an_error),
        cmocka_unit_test(conmon_reports_a_process_or_a_reason),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
