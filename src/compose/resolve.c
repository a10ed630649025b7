/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "compose/resolve.h"

static struct yaml_node *plain(const struct resolve *with, const char *text,
                               const struct yaml_node *like)
{
    return yaml_new_plain(with->load->arena, text, like);
}

static void set_text(const struct resolve *with, struct yaml_node *map, const char *key,
                     const char *text)
{
    yaml_set(with->load->arena, map, key, yaml_new_text(with->load->arena, text, map));
}

static bool is_missing(const struct yaml_node *map, const char *key)
{
    return yaml_is_null(yaml_find(map, key));
}

static bool is_true(const struct yaml_node *map, const char *key)
{
    const struct yaml_node *node = yaml_find(map, key);

    return node != NULL && node->kind == YAML_SCALAR && strcmp(node->text, "true") == 0;
}

static struct yaml_node *member_map(const struct resolve *with, struct yaml_node *map,
                                    const char *key)
{
    struct yaml_node *node = yaml_find(map, key);

    if (yaml_is_null(node)) {
        node = yaml_new(with->load->arena, YAML_MAP, map);
        yaml_set(with->load->arena, map, key, node);
    }
    return node;
}

/* An empty one says as much as none; the JSON of Compose always has these. */
static void drop_if_empty(struct yaml_node *map, const char *key)
{
    struct yaml_item *item = yaml_find_item(map, key);

    if (item != NULL && item->node->kind == YAML_MAP && item->node->count == 0)
        yaml_remove(map, (size_t)(item - map->items));
}

/* No pause between two batches is what an update without a word about it does. */
static void drop_no_pause(const struct yaml_node *deploy, const char *key)
{
    struct yaml_node *update = yaml_find(deploy, key);

    for (size_t i = 0; !yaml_is_null(update) && i < update->count;) {
        const struct yaml_item *item = &update->items[i];
        bool is_pause = strcmp(item->key, "delay") == 0 || strcmp(item->key, "monitor") == 0;

        if (is_pause && item->node->kind == YAML_SCALAR && strcmp(item->node->text, "0s") == 0)
            yaml_remove(update, i);
        else
            i++;
    }
}

static void set_names(const struct resolve *with, struct yaml_node *root, const char *section)
{
    struct yaml_node *map = yaml_find(root, section);

    for (size_t i = 0; map != NULL && i < map->count; i++) {
        const char *key = map->items[i].key;
        struct yaml_node *entry = member_map(with, map, key);

        drop_if_empty(entry, "ipam");
        if ((with->load->skip & COMPOSE_SKIP_NORMALIZATION) == 0 && is_missing(entry, "name"))
            set_text(with, entry, "name",
                     is_true(entry, "external")
                         ? key
                         : arena_printf(with->load->arena, "%s_%s", with->name, key));
    }
}

static void resolve_build(const struct resolve *with, struct yaml_node *service)
{
    struct yaml_node *build = yaml_find(service, "build");

    if (yaml_is_null(build))
        return;
    if (is_missing(build, "dockerfile") && is_missing(build, "dockerfile_inline"))
        set_text(with, build, "dockerfile", "Dockerfile");
    resolve_open_values(with, yaml_find(build, "args"), true);
}

static void resolve_volume(const struct resolve *with, const struct path *path,
                           struct yaml_node *volume)
{
    struct yaml_node *target = yaml_find(volume, "target");
    const struct yaml_node *type = yaml_find(volume, "type");

    if (yaml_is_null(target) || yaml_is_null(type)) {
        load_error(with->load, volume, path, NULL, "a volume needs 'type' and 'target'");
        return;
    }
    if (target->text[0] != '/')
        load_unfit(with->load, target, path, NULL, "target '%.80s' must start with '/'",
                   target->text);
    else
        target->text = path_absolute(with->load, "/", target->text);
    if (strcmp(type->text, "bind") == 0 && yaml_is_null(yaml_find(volume, "source")))
        load_error(with->load, volume, path, NULL, "a bind mount needs a 'source'");
}

static void resolve_volumes(const struct resolve *with, const struct path *path,
                            struct yaml_node *service)
{
    const struct yaml_node *volumes = yaml_find(service, "volumes");
    const struct path list = {path, "volumes", 0};

    for (size_t i = 0; volumes != NULL && i < volumes->count; i++) {
        const struct path here = {&list, NULL, i};
        if (volumes->items[i].node->kind == YAML_MAP) /* else a variable in it was left alone */
            resolve_volume(with, &here, volumes->items[i].node);
    }
}

static void resolve_secrets(const struct resolve *with, const struct yaml_node *service)
{
    const struct yaml_node *secrets = yaml_find(service, "secrets");

    for (size_t i = 0; secrets != NULL && i < secrets->count; i++) {
        struct yaml_node *entry = secrets->items[i].node;
        if (is_missing(entry, "target") && !is_missing(entry, "source"))
            set_text(with, entry, "target",
                     arena_printf(with->load->arena, "/run/secrets/%s",
                                  yaml_find(entry, "source")->text));
    }
}

static void depend_on(const struct resolve *with, struct yaml_node *service,
                      const struct yaml_node *like, struct str name, const char *restart)
{
    struct yaml_node *map = member_map(with, service, "depends_on");
    const char *key = arena_str(with->load->arena, name);

    if (yaml_find(map, key) != NULL)
        return;
    struct yaml_node *entry = yaml_new(with->load->arena, YAML_MAP, like);
    set_text(with, entry, "condition", "service_started");
    yaml_set(with->load->arena, entry, "required", plain(with, "true", like));
    yaml_set(with->load->arena, entry, "restart", plain(with, restart, like));
    yaml_set(with->load->arena, map, key, entry);
}

/* A map names the condition, in one of its files. */
static void resolve_depends_on(const struct resolve *with, const struct path *path,
                               const struct yaml_node *service)
{
    const struct yaml_node *map = yaml_find(service, "depends_on");
    const struct path owner = {path, "depends_on", 0};

    for (size_t i = 0; !yaml_is_null(map) && i < map->count; i++) {
        const struct path here = {&owner, map->items[i].key, 0};
        struct yaml_node *entry = map->items[i].node;

        if (is_missing(entry, "required"))
            yaml_set(with->load->arena, entry, "required", plain(with, "true", entry));
        if (is_missing(entry, "condition"))
            load_error(with->load, entry, &here,
                       "service_started, service_healthy or service_completed_successfully",
                       "needs 'condition'");
    }
}

/* Sharing another service's network or volumes, or a link to it, implies that it starts before. */
static void imply_dependencies(const struct resolve *with, struct yaml_node *service)
{
    static const char *const shared[] = {"network_mode", "ipc", "pid", "uts", "cgroup"};
    const struct yaml_node *links = yaml_find(service, "links");
    const struct yaml_node *volumes = yaml_find(service, "volumes_from");

    for (size_t i = 0; links != NULL && i < links->count; i++) {
        struct str rest = str_of(links->items[i].node->text);
        depend_on(with, service, links->items[i].node, str_cut(&rest, ':'), "true");
    }
    for (size_t i = 0; i < ARRAY_LEN(shared); i++) {
        const struct yaml_node *mode = yaml_find(service, shared[i]);
        if (!yaml_is_null(mode) && str_starts(str_of(mode->text), STR("service:")))
            depend_on(with, service, mode, str_of(mode->text + strlen("service:")), "true");
    }
    for (size_t i = 0; volumes != NULL && i < volumes->count; i++) {
        struct str rest = str_of(volumes->items[i].node->text);
        if (!str_starts(rest, STR("container:")))
            depend_on(with, service, volumes->items[i].node, str_cut(&rest, ':'), "false");
    }
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(((const struct yaml_item *)a)->node->text,
                  ((const struct yaml_item *)b)->node->text);
}

static void sort_hosts(struct yaml_node *service)
{
    const struct yaml_node *hosts = yaml_find(service, "extra_hosts");

    if (!yaml_is_null(hosts) && hosts->count > 1)
        qsort(hosts->items, hosts->count, sizeof *hosts->items, compare_texts);
}

static void resolve_service(const struct resolve *with, const struct path *path,
                            struct yaml_node *service)
{
    bool is_normal = (with->load->skip & COMPOSE_SKIP_NORMALIZATION) == 0;
    bool has_provider = !is_missing(service, "provider");

    if (is_normal && is_missing(service, "network_mode") && !has_provider) {
        struct yaml_node *networks = member_map(with, service, "networks");
        if (networks->count == 0)
            yaml_set(with->load->arena, networks, "default", plain(with, "null", service));
    }
    if (!is_missing(service, "pull_policy") &&
        strcmp(yaml_find(service, "pull_policy")->text, "if_not_present") == 0)
        set_text(with, service, "pull_policy", "missing");
    struct yaml_node *deploy = yaml_find(service, "deploy");
    if (!yaml_is_null(deploy) && !is_missing(service, "scale") && is_missing(deploy, "replicas"))
        yaml_set(with->load->arena, deploy, "replicas",
                 yaml_copy(with->load->arena, yaml_find(service, "scale")));
    drop_no_pause(deploy, "update_config");
    drop_no_pause(deploy, "rollback_config");
    drop_if_empty(deploy, "placement");
    drop_if_empty(deploy, "resources");
    if (is_normal)
        resolve_build(with, service);
    resolve_open_values(with, yaml_find(service, "environment"), false);
    resolve_volumes(with, path, service);
    resolve_depends_on(with, path, service);
    resolve_secrets(with, service);
    if (is_normal)
        imply_dependencies(with, service);
    sort_hosts(service);
    resolve_hooks(with->load, path, service);
}

/* "services" or "jobs" */
static void resolve_section(const struct resolve *with, const char *section,
                            struct yaml_node *services)
{
    const struct path root = {NULL, section, 0};

    for (size_t i = 0; services != NULL && i < services->count; i++) {
        const struct path here = {&root, services->items[i].key, 0};
        struct yaml_node *service = services->items[i].node;

        if (yaml_is_null(service))
            load_error(with->load, service, &here, NULL, "needs an 'image' or a 'build'");
        else
            resolve_service(with, &here, service);
    }
}

void resolve_file_values(struct load *load, struct env *env, struct yaml_node *root)
{
    static const char *const sections[] = {"secrets", "configs"};

    for (size_t i = 0; i < ARRAY_LEN(sections); i++) {
        const struct yaml_node *map = yaml_find(root, sections[i]);
        for (size_t k = 0; map != NULL && k < map->count; k++) {
            struct yaml_node *entry = map->items[k].node;
            const struct yaml_node *name = yaml_find(entry, "environment");
            const char *value = yaml_is_null(name) ? NULL : env_find(env, str_of(name->text));
            if (value != NULL)
                yaml_set(load->arena, entry, VALUE_OF_ENVIRONMENT,
                         yaml_new_text(load->arena, value, name));
        }
    }
}

static void set_contexts(struct load *load, struct yaml_node *root, const char *section)
{
    const struct yaml_node *map = yaml_find(root, section);

    for (size_t i = 0; map != NULL && i < map->count; i++) {
        struct yaml_node *build = yaml_find(map->items[i].node, "build");
        if (!yaml_is_null(build) && yaml_is_null(yaml_find(build, "context")))
            yaml_set(load->arena, build, "context", yaml_new_text(load->arena, ".", build));
    }
}

void resolve_included(struct load *load, struct env *env, const char *dir, struct yaml_node *root)
{
    set_contexts(load, root, "services");
    set_contexts(load, root, "jobs");
    resolve_paths(load, dir, root);
    resolve_file_values(load, env, root);
}

static bool uses_default_network(const struct yaml_node *services)
{
    for (size_t i = 0; services != NULL && i < services->count; i++) {
        const struct yaml_node *networks = yaml_find(services->items[i].node, "networks");
        if (networks != NULL && yaml_find_item(networks, "default") != NULL)
            return true;
    }
    return false;
}

/* x-* beside the jobs and models; other names may start so. */
static void drop_extensions(struct yaml_node *map)
{
    for (size_t i = map == NULL ? 0 : map->count; i-- > 0;)
        if (strncmp(map->items[i].key, "x-", 2) == 0)
            yaml_remove(map, i);
}

static void drop_all_extensions(struct yaml_node *root)
{
    drop_extensions(yaml_find(root, "jobs"));
    drop_extensions(yaml_find(root, "models"));
}

/* What only the files and the caller know. */
static void resolve_outside(const struct resolve *with, struct yaml_node *root)
{
    struct yaml_node *services = yaml_find(root, "services");

    if ((with->load->skip & COMPOSE_SKIP_INTERPOLATION) != 0)
        return;
    resolve_file_values(with->load, with->env, root);
    resolve_profiles(with, services);
    if (yaml_find(root, "jobs") != NULL)
        resolve_profiles(with, yaml_find(root, "jobs"));
    resolve_env_files(with, services);
    resolve_label_files(with, services);
}

void resolve_project(const struct resolve *with, struct yaml_node *root)
{
    static const char *const sections[] = {"networks", "volumes", "secrets", "configs"};
    struct yaml_node *services;

    set_text(with, root, "name", with->name);
    services = member_map(with, root, "services");
    if (services->count == 0)
        load_unfit(with->load, root, NULL, "add a 'services' section", "no service is defined");
    struct yaml_item *version = yaml_find_item(root, "version");
    if (version != NULL)
        yaml_remove(root, (size_t)(version - root->items));
    drop_all_extensions(root);
    set_contexts(with->load, root, "services");
    set_contexts(with->load, root, "jobs");
    if ((with->load->skip & COMPOSE_SKIP_PATHS) == 0)
        resolve_paths(with->load, with->load->project_dir, root);
    if ((with->load->skip & COMPOSE_SKIP_NORMALIZATION) == 0)
        resolve_containers(with, services);
    resolve_section(with, "services", services);
    resolve_section(with, "jobs", yaml_find(root, "jobs"));
    if (with->load->diags->error_count > 0)
        return;
    if (uses_default_network(services) || uses_default_network(yaml_find(root, "jobs")))
        (void)member_map(with, member_map(with, root, "networks"), "default");
    for (size_t i = 0; i < ARRAY_LEN(sections); i++)
        set_names(with, root, sections[i]);
    if (with->env != NULL)
        resolve_outside(with, root);
    if ((with->load->skip & (COMPOSE_SKIP_CONSISTENCY | COMPOSE_SKIP_INTERPOLATION)) == 0)
        resolve_check(with, root);
    if (with->select && with->target_count > 0)
        resolve_selected(with, services);
    if (with->env != NULL && (with->load->skip & COMPOSE_SKIP_INTERPOLATION) == 0)
        resolve_unused(root);
}
