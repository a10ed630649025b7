/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "compose/clash.h"
#include "compose/decode.h"
#include "compose/decode_deploy.h"
#include "compose/decode_service.h"
#include "compose/decode_value.h"

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

/* Without those on services that are not there, which are not required. */
static void decode_depends_on(struct load *load, const struct yaml_node *node,
                              const struct yaml_node *services, struct compose_service *ret)
{
    const struct yaml_node *map = yaml_find(node, "depends_on");

    if (yaml_is_null(map) || map->count == 0)
        return;
    ret->depends_on = ARENA_ARRAY(load->arena, struct compose_dependency, map->count);
    for (size_t i = 0; i < map->count; i++) {
        const struct yaml_node *entry = map->items[i].node;
        const char *condition = value_text(entry, "condition");

        if (yaml_find_item(services, map->items[i].key) == NULL)
            continue;
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

static void decode_process(struct load *load, const struct path *path, const struct yaml_node *node,
                           struct compose_service *ret)
{
    decode_check_process(load, path, node);
    ret->command = value_texts(load->arena, node, "command");
    ret->has_command = !yaml_is_null(yaml_find(node, "command"));
    ret->entrypoint = value_texts(load->arena, node, "entrypoint");
    ret->has_entrypoint = !yaml_is_null(yaml_find(node, "entrypoint"));
    ret->environment = value_pairs(load->arena, node, "environment");
    ret->user = value_text(node, "user");
    ret->working_dir = value_text(node, "working_dir");
    ret->stop_grace_period_ms = value_ms(node, "stop_grace_period", 10000);
    ret->stop_signal = value_text(node, "stop_signal");
    ret->read_only = value_bool(node, "read_only", false);
    ret->init = value_bool(node, "init", false);
    ret->tty = value_bool(node, "tty", false);
    ret->stdin_open = value_bool(node, "stdin_open", false);
}

/* One that was written, or the file was refused: what is left out of the resolved file is empty. */
static void check_image(struct load *load, const struct path *path, const struct yaml_node *node,
                        const struct compose_service *service)
{
    const struct path here = {path, "image", 0};

    if (service->image == NULL && !service->build.present &&
        yaml_is_null(yaml_find(node, "provider")))
        load_unfit(load, node, &here, "is a variable of this line not set?", "the name is empty");
}

/* The keys of a container: of a service and of a pre_start hook. */
static void decode_container(struct load *load, const struct path *path,
                             const struct yaml_node *node, const struct yaml_node *services,
                             struct compose_service *ret)
{
    ret->place = value_place(node);
    ret->image = value_text(node, "image");
    ret->build = decode_build(load, yaml_find(node, "build"));
    decode_process(load, path, node, ret);
    decode_volumes(load, path, node, ret);
    decode_ports(load, path, node, ret);
    decode_expose(load, path, node, ret);
    decode_depends_on(load, node, services, ret);
    ret->healthcheck = decode_healthcheck(load, yaml_find(node, "healthcheck"));
    decode_restart(load, path, node, ret);
    ret->restart_policy = decode_restart_policy(load, path, yaml_find(node, "deploy"));
    ret->update = decode_update(load, path, yaml_find(node, "deploy"), "update_config");
    ret->rollback = decode_update(load, path, yaml_find(node, "deploy"), "rollback_config");
    decode_names(load, path, node, ret);
    ret->profiles = value_texts(load->arena, node, "profiles");
    decode_limits(load, path, node, ret);
    ret->tuning = decode_tuning(load, path, node);
    ret->isolation = decode_isolation(load, path, node);
    ret->labels = value_pairs(load->arena, node, "labels");
    ret->annotations = value_pairs(load->arena, node, "annotations");
    ret->logging = decode_logging(load, path, yaml_find(node, "logging"));
    ret->pull_policy = value_text(node, "pull_policy");
    ret->platform = value_text(node, "platform");
    ret->secrets =
        decode_file_mounts(load, path, node, "secrets", "/run/secrets", &ret->secret_count);
    ret->configs = decode_file_mounts(load, path, node, "configs", "/", &ret->config_count);
}

/* A hook without an image of its own is a run of the service's. */
static void decode_pre_start(struct load *load, const struct path *path,
                             const struct yaml_node *node, struct compose_service *ret)
{
    const struct yaml_node *list = yaml_find(node, "pre_start");
    const struct path hooks = {path, "pre_start", 0};

    if (yaml_is_null(list) || list->count == 0)
        return;
    ret->pre_start = ARENA_ARRAY(load->arena, struct compose_service, list->count);
    for (size_t i = 0; i < list->count; i++) {
        const struct path here = {&hooks, NULL, i};
        struct compose_service *hook = &ret->pre_start[ret->pre_start_count++];

        hook->name = arena_printf(load->arena, "%s-pre_start-%zu", ret->name, i + 1);
        decode_container(load, &here, list->items[i].node, NULL, hook);
        hook->per_replica = value_bool(list->items[i].node, "per_replica", false);
        hook->replicas = 1;
    }
}

static void decode_service(struct load *load, const char *name, const struct yaml_node *node,
                           const struct yaml_node *services, struct compose_service *ret)
{
    const struct path top = {NULL, "services", 0};
    const struct path path = {&top, name, 0};
    const struct path x_path = {&path, "x-ishizue", 0};

    ret->name = name;
    decode_container(load, &path, node, services, ret);
    check_image(load, &path, node, ret);
    ret->post_start = decode_hooks(load, &path, node, "post_start", &ret->post_start_count);
    ret->pre_stop = decode_hooks(load, &path, node, "pre_stop", &ret->pre_stop_count);
    decode_pre_start(load, &path, node, ret);
    ret->x = decode_x_service(load, &x_path, yaml_find(node, "x-ishizue"), ret);
}

static void decode_services(struct load *load, const struct yaml_node *root, struct compose *ret)
{
    const struct yaml_node *map = yaml_find(root, "services");

    if (yaml_is_null(map))
        return;
    ret->services = ARENA_ARRAY(load->arena, struct compose_service, map->count);
    for (size_t i = 0; i < map->count; i++)
        decode_service(load, map->items[i].key, map->items[i].node, map,
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
    compose->secrets = decode_file_sources(load, root, "secrets", &compose->secret_count);
    compose->configs = decode_file_sources(load, root, "configs", &compose->config_count);
    compose->x = decode_x_top(load, compose, yaml_find(root, "x-ishizue"));
    for (size_t i = 0; i < compose->service_count; i++)
        decode_inherit_deploy(&compose->services[i].x.deploy, &compose->x.deploy);
    decode_share_builds(compose);
    clash_check(load, compose);
    return compose;
}

const struct compose_service *compose_find_service(const struct compose *compose, const char *name)
{
    for (size_t i = 0; i < compose->service_count; i++)
        if (strcmp(compose->services[i].name, name) == 0)
            return &compose->services[i];
    return NULL;
}

const char *compose_route_host(const struct compose *compose, const struct compose_route *route)
{
    if (route->is_any_host)
        return NULL;
    return route->host != NULL ? route->host : compose->x.domain;
}
