/* SPDX-License-Identifier: Apache-2.0
 *
 * A bundle in which everything is set, and looks into the configuration that
 * comes of it: for the tests of bundle*.c.
 */
#pragma once

#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/err.h"
#include "runtime/bundle.h"
#include "json/json.h"

#define WITH_RIG(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static const char *const entrypoint[] = {"/entry", "{version}"};
static const char *const command[] = {"serve"};
static const char *const paths[] = {"/usr/lib/thing/{version}/bin"};

static inline struct compose_texts texts(const char *const *items, size_t count)
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
    struct machine machine;
    struct bundle bundle;
    struct arena arena;
};

static inline int set_up(void **state)
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
    rig->machine = (struct machine){
        .has_memory = true,
        .has_cpu = true,
        .has_pids = true,
        .has_cpuset = true,
        .has_swap = true,
        .has_blkio_weight = true,
        .has_swappiness = true,
        .has_oom_switch = true,
        .cpus = 4,
    };
    for (size_t i = 0; i < ARRAY_LEN(rig->machine.limits_max); i++)
        rig->machine.limits_max[i] = UINT64_MAX;
    rig->bundle = (struct bundle){
        .spec = &rig->spec,
        .machine = &rig->machine,
        .recipe = &rig->recipe,
        .version = "9",
        .images_dir = "/images",
        .rootfs = "/run/x/rootfs",
        .netns = "/run/x/netns",
        .cgroup_path = "/ishizue/shop-db-1",
        .files_max = 20000,
    };
    *state = rig;
    return 0;
}

static inline int tear_down(void **state)
{
    struct rig *rig = *state;

    arena_done(&rig->arena);
    free(rig);
    return 0;
}

static inline json_t *config_of(struct rig *rig)
{
    json_t *config = NULL;
    struct err err;

    assert_true(bundle_config(&rig->bundle, &rig->arena, &config, &err));
    return config;
}

/* The member at "process.user.uid". */
static inline const json_t *at(const json_t *root, const char *path)
{
    struct str rest = str_of(path);

    while (rest.ptr != NULL) {
        struct str name = str_cut(&rest, '.');
        root = json_object_getn(root, name.ptr, name.len);
    }
    return root;
}

static inline void assert_texts(const json_t *list, const char *expected)
{
    AUTO(buf_done) struct buf all = {0};
    const json_t *value;
    size_t i;

    json_array_foreach(list, i, value)
        buf_addf(&all, "%s[%s]", i == 0 ? "" : " ", json_string_value(value));
    assert_string_equal(buf_text(&all), expected);
}

/* <type> at <target>, or NULL. */
static inline const json_t *mount_at(const json_t *config, const char *target)
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

static inline void assert_refused(struct rig *rig, const char *text)
{
    json_t *config = NULL;
    struct err err;

    assert_false(bundle_config(&rig->bundle, &rig->arena, &config, &err));
    assert_null(config);
    if (strstr(err.text, text) == NULL)
        fail_msg("'%s' is not in '%s'", text, err.text);
    assert_null(strchr(err.text, '\n'));
}
