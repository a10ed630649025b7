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

static void set_names(const struct resolve *with, struct yaml_node *root, const char *section)
{
    struct yaml_node *map = yaml_find(root, section);

    for (size_t i = 0; map != NULL && i < map->count; i++) {
        const char *key = map->items[i].key;
        if (strncmp(key, "x-", 2) == 0)
            continue;
        struct yaml_node *entry = member_map(with, map, key);
        if (is_missing(entry, "name"))
            set_text(with, entry, "name",
                     is_true(entry, "external")
                         ? key
                         : arena_printf(with->load->arena, "%s_%s", with->name, key));
    }
}

static void set_file_paths(const struct resolve *with, struct yaml_node *root, const char *section)
{
    const struct yaml_node *map = yaml_find(root, section);

    for (size_t i = 0; map != NULL && i < map->count; i++) {
        struct yaml_node *file = yaml_find(map->items[i].node, "file");
        if (!yaml_is_null(file))
            file->text = path_absolute(with->load, with->load->project_dir, file->text);
    }
}

static bool is_remote(const char *context)
{
    return strstr(context, "://") != NULL || strncmp(context, "git@", 4) == 0;
}

static void resolve_build(const struct resolve *with, struct yaml_node *service)
{
    struct yaml_node *build = yaml_find(service, "build");

    if (yaml_is_null(build))
        return;
    if (is_missing(build, "context"))
        set_text(with, build, "context", ".");
    struct yaml_node *context = yaml_find(build, "context");
    if (!is_remote(context->text))
        context->text = path_absolute(with->load, with->load->project_dir, context->text);
    if (is_missing(build, "dockerfile") && is_missing(build, "dockerfile_inline"))
        set_text(with, build, "dockerfile", "Dockerfile");
    resolve_open_values(with, yaml_find(build, "args"), true);
}

static void resolve_volume(const struct resolve *with, const struct path *path,
                           struct yaml_node *volume)
{
    struct yaml_node *target = yaml_find(volume, "target");
    struct yaml_node *source = yaml_find(volume, "source");
    const struct yaml_node *type = yaml_find(volume, "type");

    if (yaml_is_null(target) || yaml_is_null(type)) {
        load_error(with->load, volume, path, NULL, "a volume needs 'type' and 'target'");
        return;
    }
    if (target->text[0] != '/')
        load_error(with->load, target, path, NULL, "target '%.80s' must start with '/'",
                   target->text);
    else
        target->text = path_absolute(with->load, "/", target->text);
    if (strcmp(type->text, "bind") != 0)
        return;
    if (yaml_is_null(source))
        load_error(with->load, volume, path, NULL, "a bind mount needs a 'source'");
    else
        source->text = path_absolute(with->load, with->load->project_dir, source->text);
}

static void resolve_volumes(const struct resolve *with, const struct path *path,
                            struct yaml_node *service)
{
    const struct yaml_node *volumes = yaml_find(service, "volumes");
    const struct path list = {path, "volumes", 0};

    for (size_t i = 0; volumes != NULL && i < volumes->count; i++) {
        const struct path here = {&list, NULL, i};
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
                      const struct yaml_node *like, struct str name)
{
    struct yaml_node *map = member_map(with, service, "depends_on");
    const char *key = arena_str(with->load->arena, name);

    if (yaml_find(map, key) != NULL)
        return;
    struct yaml_node *entry = yaml_new(with->load->arena, YAML_MAP, like);
    set_text(with, entry, "condition", "service_started");
    yaml_set(with->load->arena, entry, "required", plain(with, "true", like));
    yaml_set(with->load->arena, entry, "restart", plain(with, "true", like));
    yaml_set(with->load->arena, map, key, entry);
}

/* Sharing another service's network, or a link to it, implies that it starts before. */
static void imply_dependencies(const struct resolve *with, struct yaml_node *service)
{
    static const char *const shared[] = {"network_mode", "ipc", "pid", "uts", "cgroup"};
    const struct yaml_node *links = yaml_find(service, "links");

    for (size_t i = 0; links != NULL && i < links->count; i++) {
        struct str rest = str_of(links->items[i].node->text);
        depend_on(with, service, links->items[i].node, str_cut(&rest, ':'));
    }
    for (size_t i = 0; i < ARRAY_LEN(shared); i++) {
        const struct yaml_node *mode = yaml_find(service, shared[i]);
        if (!yaml_is_null(mode) && str_starts(str_of(mode->text), STR("service:")))
            depend_on(with, service, mode, str_of(mode->text + strlen("service:")));
    }
}

static void resolve_service(const struct resolve *with, const struct path *path,
                            struct yaml_node *service)
{
    if (is_missing(service, "image") && is_missing(service, "build")) {
        load_error(with->load, service, path, NULL, "needs an 'image' or a 'build'");
        return;
    }
    if (is_missing(service, "network_mode")) {
        struct yaml_node *networks = member_map(with, service, "networks");
        if (networks->count == 0)
            yaml_set(with->load->arena, networks, "default", plain(with, "null", service));
    }
    resolve_build(with, service);
    resolve_open_values(with, yaml_find(service, "environment"), false);
    resolve_volumes(with, path, service);
    resolve_secrets(with, service);
    imply_dependencies(with, service);
}

static void resolve_services(const struct resolve *with, struct yaml_node *services)
{
    const struct path root = {NULL, "services", 0};

    for (size_t i = 0; i < services->count; i++) {
        const struct path here = {&root, services->items[i].key, 0};
        struct yaml_node *service = services->items[i].node;

        if (strncmp(services->items[i].key, "x-", 2) == 0)
            continue;
        if (yaml_is_null(service))
            load_error(with->load, service, &here, NULL, "needs an 'image' or a 'build'");
        else
            resolve_service(with, &here, service);
    }
}

static void add_default_network(const struct resolve *with, struct yaml_node *root,
                                const struct yaml_node *services)
{
    for (size_t i = 0; i < services->count; i++) {
        const struct yaml_node *networks = yaml_find(services->items[i].node, "networks");
        if (networks != NULL && yaml_find_item(networks, "default") != NULL) {
            (void)member_map(with, member_map(with, root, "networks"), "default");
            return;
        }
    }
}

/* x-* beside the services, networks, ... are no services. */
static void drop_extensions(struct yaml_node *map)
{
    for (size_t i = map == NULL ? 0 : map->count; i-- > 0;)
        if (strncmp(map->items[i].key, "x-", 2) == 0)
            yaml_remove(map, i);
}

void resolve_project(const struct resolve *with, struct yaml_node *root)
{
    static const char *const sections[] = {"networks", "volumes", "secrets", "configs"};
    struct yaml_node *services = yaml_find(root, "services");

    set_text(with, root, "name", with->name);
    if (yaml_is_null(services) || services->count == 0) {
        load_error(with->load, root, NULL, "add a 'services' section", "no service is defined");
        return;
    }
    struct yaml_item *version = yaml_find_item(root, "version");
    if (version != NULL)
        yaml_remove(root, (size_t)(version - root->items));
    drop_extensions(services);
    for (size_t i = 0; i < ARRAY_LEN(sections); i++)
        drop_extensions(yaml_find(root, sections[i]));
    resolve_services(with, services);
    if (with->load->diags->error_count > 0)
        return;
    add_default_network(with, root, services);
    for (size_t i = 0; i < ARRAY_LEN(sections); i++)
        set_names(with, root, sections[i]);
    set_file_paths(with, root, "secrets");
    set_file_paths(with, root, "configs");
    if (with->env != NULL)
        resolve_profiles(with, services);
    if (with->env != NULL)
        resolve_env_files(with, services);
    resolve_check(with, root);
}
