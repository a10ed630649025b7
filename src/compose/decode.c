/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <math.h>

#include "compose/decode.h"
#include "compose/decode_service.h"
#include "compose/decode_value.h"
#include "compose/units.h"

enum { REPLICAS_MAX = 1000, LOG_SIZE_BYTES = 10 << 20, LOG_FILES = 3 };

static struct compose_build decode_build(struct load *load, const struct yaml_node *node)
{
    struct compose_build build = {0};

    if (yaml_is_null(node))
        return build;
    build.present = true;
    build.context = value_text(node, "context");
    build.dockerfile = value_text(node, "dockerfile");
    build.target = value_text(node, "target");
    build.args = value_pairs(load->arena, node, "args");
    return build;
}

static void decode_depends_on(struct load *load, const struct yaml_node *node,
                              struct compose_service *ret)
{
    const struct yaml_node *map = yaml_find(node, "depends_on");

    if (yaml_is_null(map) || map->count == 0)
        return;
    ret->depends_on = ARENA_ARRAY(load->arena, struct compose_dependency, map->count);
    for (size_t i = 0; i < map->count; i++) {
        const struct yaml_node *entry = map->items[i].node;
        const char *condition = value_text(entry, "condition");
        ret->depends_on[ret->depends_on_count++] = (struct compose_dependency){
            .service = map->items[i].key,
            .condition = strcmp(condition, "service_healthy") == 0 ? CONDITION_HEALTHY
                         : strcmp(condition, "service_completed_successfully") == 0
                             ? CONDITION_COMPLETED
                             : CONDITION_STARTED,
            .required = value_bool(entry, "required", true),
            .restart = value_bool(entry, "restart", false),
        };
    }
}

static void decode_test(struct load *load, const struct yaml_node *node,
                        struct compose_healthcheck *ret)
{
    struct compose_texts test = value_texts(load->arena, node, "test");

    if (test.count == 0)
        return;
    if (strcmp(test.items[0], "NONE") == 0) {
        ret->disabled = true;
    } else if (strcmp(test.items[0], "CMD") == 0) {
        ret->test = (struct compose_texts){test.items + 1, test.count - 1};
    } else if (test.count > 1) {
        ret->test.items = ARENA_ARRAY(load->arena, const char *, 3);
        ret->test.count = 3;
        ret->test.items[0] = "/bin/sh";
        ret->test.items[1] = "-c";
        ret->test.items[2] = test.items[1];
    }
}

static struct compose_healthcheck decode_healthcheck(struct load *load,
                                                     const struct yaml_node *node)
{
    struct compose_healthcheck check = {
        .disabled = value_bool(node, "disable", false),
        .interval_ms = value_ms(node, "interval", 30000),
        .timeout_ms = value_ms(node, "timeout", 30000),
        .start_period_ms = value_ms(node, "start_period", 0),
        .start_interval_ms = value_ms(node, "start_interval", 5000),
        .retries = (uint32_t)MIN(value_u64(node, "retries", 3), UINT32_MAX),
    };

    decode_test(load, node, &check);
    return check;
}

static void decode_restart(struct load *load, const struct path *path, const struct yaml_node *node,
                           struct compose_service *ret)
{
    static const char *const words[] = {"no", "always", "on-failure", "unless-stopped", NULL};
    const struct path here = {path, "restart", 0};
    const char *text = value_text(node, "restart");
    struct str rest = str_of(text);
    struct str policy = str_cut(&rest, ':');
    uint64_t retries = 0;

    if (text == NULL || *text == '\0')
        return;
    for (size_t i = 0; words[i] != NULL; i++)
        if (str_is(policy, words[i]))
            ret->restart = (enum compose_restart)i;
    bool is_known = ret->restart != RESTART_NO || str_is(policy, "no");
    bool has_good_count = rest.ptr == NULL || (ret->restart == RESTART_ON_FAILURE &&
                                               str_to_u64(rest, UINT32_MAX, &retries));
    ret->restart_max_retries = (uint32_t)retries;
    if (!is_known || !has_good_count)
        load_error(load, yaml_find(node, "restart"), &here, suggest(load->arena, text, words),
                   "'%.80s' is none of: no, always, on-failure[:N], unless-stopped", text);
}

static void decode_networks(struct load *load, const struct yaml_node *node,
                            struct compose_service *ret)
{
    const struct yaml_node *map = yaml_find(node, "networks");

    if (yaml_is_null(map) || map->count == 0)
        return;
    ret->networks = ARENA_ARRAY(load->arena, struct compose_service_network, map->count);
    for (size_t i = 0; i < map->count; i++)
        ret->networks[ret->network_count++] = (struct compose_service_network){
            .network = map->items[i].key,
            .aliases = value_texts(load->arena, map->items[i].node, "aliases"),
            .ipv4_address = value_text(map->items[i].node, "ipv4_address"),
        };
}

static struct compose_logging decode_logging(struct load *load, const struct path *path,
                                             const struct yaml_node *node)
{
    const struct path logging_path = {path, "logging", 0};
    const struct path here = {&logging_path, "options", 0};
    const struct yaml_node *options = yaml_find(node, "options");
    const char *size = value_text(options, "max-size");
    const char *files = value_text(options, "max-file");
    struct compose_logging logging = {
        .driver = value_text(node, "driver"),
        .max_size_bytes = LOG_SIZE_BYTES,
        .max_file = LOG_FILES,
        .options = value_pairs(load->arena, node, "options"),
    };
    uint64_t count = LOG_FILES;
    struct err err;

    /* -1 is how Docker spells "no limit"; a log without one fills the disk. */
    if (size != NULL && strcmp(size, "-1") != 0 &&
        !units_parse_bytes(str_of(size), &logging.max_size_bytes, &err))
        load_error(load, yaml_find(options, "max-size"), &here, NULL, "max-size: %s", err.text);
    if (files != NULL && (!str_to_u64(str_of(files), 1000, &count) || count == 0))
        load_error(load, yaml_find(options, "max-file"), &here, NULL,
                   "max-file '%.40s' must be 1 to 1000", files);
    logging.max_file = (uint32_t)count;
    return logging;
}

/* The same limit may be given in two places; then both must say the same. */
static void check_same(struct load *load, const struct path *path, const struct yaml_node *node,
                       const char *name, const char *other, double a, double b)
{
    if (a > 0 && b > 0 && fabs(a - b) > 1e-9)
        load_error(load, yaml_find(node, name), path, "keep one of them", "'%s' and '%s' differ",
                   name, other);
}

static void decode_deploy(struct load *load, const struct path *path, const struct yaml_node *node,
                          struct compose_service *ret)
{
    const struct yaml_node *deploy = yaml_find(node, "deploy");
    const struct yaml_node *limits = yaml_find(yaml_find(deploy, "resources"), "limits");
    const double cpus = value_double(node, "cpus");
    const uint64_t memory = value_limit(node, "mem_limit");
    const uint64_t pids = value_limit(node, "pids_limit");
    uint64_t replicas = value_u64(deploy, "replicas", value_u64(node, "scale", 1));

    ret->limits.cpus = value_double(limits, "cpus");
    ret->limits.memory_bytes = value_limit(limits, "memory");
    ret->limits.pids = (uint32_t)MIN(value_limit(limits, "pids"), UINT32_MAX);
    check_same(load, path, node, "cpus", "deploy.resources.limits.cpus", cpus, ret->limits.cpus);
    check_same(load, path, node, "mem_limit", "deploy.resources.limits.memory", (double)memory,
               (double)ret->limits.memory_bytes);
    check_same(load, path, node, "pids_limit", "deploy.resources.limits.pids", (double)pids,
               ret->limits.pids);
    check_same(load, path, node, "scale", "deploy.replicas",
               (double)value_u64(node, "scale", replicas), (double)replicas);
    if (ret->limits.cpus <= 0)
        ret->limits.cpus = cpus;
    if (ret->limits.memory_bytes == 0)
        ret->limits.memory_bytes = memory;
    if (ret->limits.pids == 0)
        ret->limits.pids = (uint32_t)MIN(pids, UINT32_MAX);
    if (replicas > REPLICAS_MAX)
        load_error(load, node, path, NULL, "%llu instances; at most %d are accepted",
                   (unsigned long long)replicas, REPLICAS_MAX);
    ret->replicas = (uint32_t)MIN(replicas, REPLICAS_MAX);
}

static void decode_process(struct load *load, const struct yaml_node *node,
                           struct compose_service *ret)
{
    ret->command = value_texts(load->arena, node, "command");
    ret->has_command = !yaml_is_null(yaml_find(node, "command"));
    ret->entrypoint = value_texts(load->arena, node, "entrypoint");
    ret->has_entrypoint = !yaml_is_null(yaml_find(node, "entrypoint"));
    ret->environment = value_pairs(load->arena, node, "environment");
    ret->user = value_text(node, "user");
    ret->working_dir = value_text(node, "working_dir");
    ret->hostname = value_text(node, "hostname");
    ret->stop_grace_period_ms = value_ms(node, "stop_grace_period", 10000);
    ret->stop_signal = value_text(node, "stop_signal");
    ret->read_only = value_bool(node, "read_only", false);
    ret->init = value_bool(node, "init", false);
    ret->tty = value_bool(node, "tty", false);
    ret->stdin_open = value_bool(node, "stdin_open", false);
}

static void decode_service(struct load *load, const char *name, const struct yaml_node *node,
                           struct compose_service *ret)
{
    const struct path top = {NULL, "services", 0};
    const struct path path = {&top, name, 0};
    const struct path x_path = {&path, "x-ishizue", 0};

    ret->name = name;
    ret->place = value_place(node);
    ret->image = value_text(node, "image");
    ret->build = decode_build(load, yaml_find(node, "build"));
    decode_process(load, node, ret);
    decode_volumes(load, &path, node, ret);
    decode_ports(load, &path, node, ret);
    decode_expose(load, &path, node, ret);
    decode_depends_on(load, node, ret);
    ret->healthcheck = decode_healthcheck(load, yaml_find(node, "healthcheck"));
    decode_restart(load, &path, node, ret);
    decode_networks(load, node, ret);
    ret->network_mode = value_text(node, "network_mode");
    ret->container_name = value_text(node, "container_name");
    ret->profiles = value_texts(load->arena, node, "profiles");
    decode_deploy(load, &path, node, ret);
    ret->labels = value_pairs(load->arena, node, "labels");
    ret->logging = decode_logging(load, &path, yaml_find(node, "logging"));
    ret->pull_policy = value_text(node, "pull_policy");
    ret->platform = value_text(node, "platform");
    ret->x = decode_x_service(load, &x_path, yaml_find(node, "x-ishizue"));
}

static void decode_services(struct load *load, const struct yaml_node *root, struct compose *ret)
{
    const struct yaml_node *map = yaml_find(root, "services");

    ret->services = ARENA_ARRAY(load->arena, struct compose_service, map->count);
    for (size_t i = 0; i < map->count; i++)
        decode_service(load, map->items[i].key, map->items[i].node,
                       &ret->services[ret->service_count++]);
}

static void decode_top_networks(struct load *load, const struct yaml_node *root,
                                struct compose *ret)
{
    const struct yaml_node *map = yaml_find(root, "networks");

    if (yaml_is_null(map) || map->count == 0)
        return;
    ret->networks = ARENA_ARRAY(load->arena, struct compose_network, map->count);
    for (size_t i = 0; i < map->count; i++)
        ret->networks[ret->network_count++] = (struct compose_network){
            .key = map->items[i].key,
            .name = value_text(map->items[i].node, "name"),
            .external = value_bool(map->items[i].node, "external", false),
            .internal = value_bool(map->items[i].node, "internal", false),
        };
}

static void decode_top_volumes(struct load *load, const struct yaml_node *root, struct compose *ret)
{
    const struct yaml_node *map = yaml_find(root, "volumes");

    if (yaml_is_null(map) || map->count == 0)
        return;
    ret->volumes = ARENA_ARRAY(load->arena, struct compose_volume, map->count);
    for (size_t i = 0; i < map->count; i++)
        ret->volumes[ret->volume_count++] = (struct compose_volume){
            .key = map->items[i].key,
            .name = value_text(map->items[i].node, "name"),
            .external = value_bool(map->items[i].node, "external", false),
            .driver = value_text(map->items[i].node, "driver"),
            .driver_opts = value_pairs(load->arena, map->items[i].node, "driver_opts"),
        };
}

struct compose *decode(struct load *load, const struct yaml_node *root)
{
    struct compose *compose = ARENA_NEW(load->arena, struct compose);

    compose->name = value_text(root, "name");
    compose->working_dir = load->project_dir;
    decode_services(load, root, compose);
    decode_top_networks(load, root, compose);
    decode_top_volumes(load, root, compose);
    compose->x = decode_x_top(load, compose, yaml_find(root, "x-ishizue"));
    return compose;
}

const struct compose_service *compose_find_service(const struct compose *compose, const char *name)
{
    for (size_t i = 0; i < compose->service_count; i++)
        if (strcmp(compose->services[i].name, name) == 0)
            return &compose->services[i];
    return NULL;
}
