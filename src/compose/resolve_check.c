/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <arpa/inet.h>

#include "compose/resolve.h"

enum { NAMES_MAX = 127 };

static const char *suggest_key(const struct resolve *with, const char *word,
                               const struct yaml_node *map)
{
    const char *names[NAMES_MAX + 1];
    size_t count = 0;

    for (size_t i = 0; map != NULL && i < map->count && count < NAMES_MAX; i++)
        names[count++] = map->items[i].key;
    names[count] = NULL;
    return suggest(with->load->arena, word, names);
}

static void check_name(const struct resolve *with, const struct path *path,
                       const struct yaml_node *place, const char *name,
                       const struct yaml_node *root, const char *section)
{
    const struct yaml_node *map = yaml_find(root, section);

    if (yaml_find_item(map, name) != NULL)
        return;
    const char *hint = suggest_key(with, name, map);
    if (hint == NULL)
        hint = arena_printf(with->load->arena, "add it to the top-level '%s'", section);
    load_error(with->load, place, path, hint, "'%.80s' is not one of the %s", name, section);
}

/* The names are the keys of the map at <key>, or the sources of its entries. */
static void check_names(const struct resolve *with, const struct path *path,
                        const struct yaml_node *service, const struct yaml_node *root,
                        const char *key, const char *section)
{
    const struct yaml_node *node = yaml_find(service, key);
    const struct path list = {path, key, 0};

    for (size_t i = 0; node != NULL && i < node->count; i++) {
        const struct yaml_item *item = &node->items[i];
        const struct path here = {&list, item->key, i};
        const struct yaml_node *source = yaml_find(item->node, "source");
        const struct yaml_node *type = yaml_find(item->node, "type");

        if (item->key != NULL)
            check_name(with, &list, item->node, item->key, root, section);
        else if (!yaml_is_null(source) && (type == NULL || strcmp(type->text, "volume") == 0))
            check_name(with, &here, source, source->text, root, section);
    }
}

/* The key that says <name>, where `depends_on` was not written but follows from another key. */
static const char *dependency_key(const struct yaml_node *service, const struct yaml_node *place)
{
    static const char *const keys[] = {"network_mode", "ipc", "pid", "uts", "cgroup"};

    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        const struct yaml_node *node = yaml_find(service, keys[i]);
        if (!yaml_is_null(node) && node->line == place->line && node->column == place->column)
            return keys[i];
    }
    return "depends_on";
}

/* A dependency that is not required may be on a service whose profile is off. */
static void check_dependencies(const struct resolve *with, const struct path *path,
                               const struct yaml_node *service, const struct yaml_node *root)
{
    const struct yaml_node *depends_on = yaml_find(service, "depends_on");

    for (size_t i = 0; depends_on != NULL && i < depends_on->count; i++) {
        const struct yaml_item *item = &depends_on->items[i];
        const struct path here = {path, dependency_key(service, item->node), 0};
        const struct yaml_node *required = yaml_find(item->node, "required");
        bool may_be_off = required != NULL && strcmp(required->text, "false") == 0 &&
                          (with->off == NULL || map_find(with->off, str_of(item->key)) != NULL);

        if (!may_be_off)
            check_name(with, &here, item->node, item->key, root, "services");
    }
}

static void check_container_name(const struct resolve *with, const struct path *path,
                                 const struct yaml_node *service, struct map *seen)
{
    const struct yaml_node *name = yaml_find(service, "container_name");
    const struct path here = {path, "container_name", 0};

    if (yaml_is_null(name))
        return;
    if (strlen(name->text) < 2 || strchr("_.-", name->text[0]) != NULL ||
        name->text[strspn(name->text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                      "0123456789_.-")] != '\0')
        load_error(with->load, name, &here, NULL,
                   "'%.80s' must be two or more letters, digits, '_', '.' and '-'", name->text);
    const char *other =
        (const char *)map_set(seen, str_of(name->text), (void *)(uintptr_t)path->key);
    if (other != NULL)
        load_error(with->load, name, &here, NULL, "'%.80s' is the name of service '%s' already",
                   name->text, other);
}

static const char *text_at(const struct yaml_node *map, const char *key)
{
    const struct yaml_node *node = yaml_find(map, key);

    return node != NULL && node->kind == YAML_SCALAR && !yaml_is_null(node) ? node->text : "";
}

static void exclusive(const struct resolve *with, const struct path *path,
                      const struct yaml_node *map, const char *a, const char *b)
{
    const struct yaml_node *second = yaml_find(map, b);

    if (!yaml_is_null(yaml_find(map, a)) && !yaml_is_null(second) &&
        (second->kind == YAML_SCALAR || second->count > 0))
        load_error(with->load, second, path, "keep one of them", "has both '%s' and '%s'", a, b);
}

static void check_contexts(const struct resolve *with, const struct path *path,
                           const struct yaml_node *build, const struct yaml_node *services)
{
    const struct yaml_node *contexts = yaml_find(build, "additional_contexts");
    const struct path here = {path, "additional_contexts", 0};

    for (size_t i = 0; !yaml_is_null(contexts) && i < contexts->count; i++) {
        const struct yaml_node *entry = contexts->items[i].node;
        const char *name = entry->text + strlen("service:");

        if (!str_starts(str_of(entry->text), STR("service:")))
            continue;
        const struct yaml_node *other = yaml_find(services, name);
        if (other == NULL)
            load_error(with->load, entry, &here, suggest_key(with, name, services),
                       "'%.80s' is not one of the services", name);
        else if (yaml_is_null(yaml_find(other, "build")))
            load_error(with->load, entry, &here, NULL, "service '%.80s' has no 'build'", name);
    }
}

static void check_build(const struct resolve *with, const struct path *path,
                        const struct yaml_node *service, const struct yaml_node *root)
{
    const struct yaml_node *build = yaml_find(service, "build");
    const struct yaml_node *platforms = yaml_find(build, "platforms");
    const char *platform = text_at(service, "platform");
    const struct path here = {path, "build", 0};
    bool found = yaml_is_null(platforms) || platforms->count == 0 || *platform == '\0';

    if (yaml_is_null(build))
        return;
    exclusive(with, &here, build, "dockerfile_inline", "dockerfile");
    check_names(with, &here, build, root, "secrets", "secrets");
    check_contexts(with, &here, build, yaml_find(root, "services"));
    for (size_t i = 0; !found && i < platforms->count; i++)
        found = strcmp(platforms->items[i].node->text, platform) == 0;
    if (!found)
        load_error(with->load, platforms, &here, NULL,
                   "'platforms' does not have the service's platform '%.80s'", platform);
}

static void check_single_name(const struct resolve *with, const struct path *path,
                              const struct yaml_node *service)
{
    const char *count = text_at(service, "scale");
    const char *other = text_at(yaml_find(service, "deploy"), "replicas");
    uint64_t number = 1;

    if (*count == '\0')
        count = other;
    if (*text_at(service, "container_name") != '\0' &&
        str_to_u64(str_of(count), UINT64_MAX, &number) && number > 1)
        load_error(with->load, yaml_find(service, "container_name"), path, "remove it",
                   "%s instances cannot share a 'container_name'", count);
}

static void check_watches(const struct resolve *with, const struct path *path,
                          const struct yaml_node *service)
{
    const struct yaml_node *list = yaml_find(yaml_find(service, "develop"), "watch");
    const struct path develop = {path, "develop", 0};
    const struct path watch = {&develop, "watch", 0};

    for (size_t i = 0; !yaml_is_null(list) && i < list->count; i++) {
        const struct yaml_node *entry = list->items[i].node;
        const struct path here = {&watch, NULL, i};
        const char *action = text_at(entry, "action");

        if (*text_at(entry, "path") == '\0')
            load_error(with->load, entry, &here, NULL, "needs a 'path'");
        if (*text_at(entry, "target") == '\0' && strcmp(action, "rebuild") != 0 &&
            strcmp(action, "restart") != 0)
            load_error(with->load, entry, &here, NULL, "action '%s' needs a 'target'", action);
    }
}

static void check_host_ips(const struct resolve *with, const struct path *path,
                           const struct yaml_node *service)
{
    const struct yaml_node *ports = yaml_find(service, "ports");
    const struct path list = {path, "ports", 0};
    struct in6_addr address;

    for (size_t i = 0; !yaml_is_null(ports) && i < ports->count; i++) {
        const struct yaml_node *ip = yaml_find(ports->items[i].node, "host_ip");
        const struct path here = {&list, NULL, i};

        if (!yaml_is_null(ip) && inet_pton(AF_INET, ip->text, &address) != 1 &&
            inet_pton(AF_INET6, ip->text, &address) != 1)
            load_error(with->load, ip, &here, NULL, "'%.80s' is no IP address", ip->text);
    }
}

static void check_service(const struct resolve *with, const struct path *path,
                          struct yaml_node *service, const struct yaml_node *root)
{
    static const char *const sections[] = {"networks", "volumes", "secrets", "configs", "models"};

    if (yaml_is_null(yaml_find(service, "image")) && yaml_is_null(yaml_find(service, "build")) &&
        yaml_is_null(yaml_find(service, "provider")))
        load_error(with->load, service, path, NULL, "needs an 'image' or a 'build'");
    for (size_t i = 0; i < ARRAY_LEN(sections); i++)
        check_names(with, path, service, root, sections[i], sections[i]);
    check_dependencies(with, path, service, root);
    exclusive(with, path, service, "network_mode", "networks");
    check_build(with, path, service, root);
    check_single_name(with, path, service);
    check_watches(with, path, service);
    check_host_ips(with, path, service);
}

/* Where a secret or config comes from: exactly one of <keys>, unless it is external. */
static void check_sources(const struct resolve *with, const struct yaml_node *root,
                          const char *section, const char *const *keys)
{
    const struct yaml_node *map = yaml_find(root, section);
    const struct path top = {NULL, section, 0};

    for (size_t i = 0; map != NULL && i < map->count; i++) {
        const struct yaml_node *entry = map->items[i].node;
        const struct path here = {&top, map->items[i].key, 0};
        const char *first = NULL;

        for (const char *const *key = keys; *key != NULL; key++) {
            if (yaml_find_item(entry, *key) == NULL)
                continue;
            if (first != NULL)
                load_error(with->load, entry, &here, "keep one of them", "has both '%s' and '%s'",
                           first, *key);
            first = *key;
        }
        if (first == NULL && yaml_find_item(entry, "external") == NULL &&
            yaml_find_item(entry, "driver") == NULL)
            load_error(with->load, entry, &here, NULL, "needs one of 'file', 'environment'%s",
                       keys[2] != NULL ? ", 'content'" : "");
    }
}

static void check_external_volumes(const struct resolve *with, const struct yaml_node *root)
{
    const struct yaml_node *map = yaml_find(root, "volumes");
    const struct path top = {NULL, "volumes", 0};

    for (size_t i = 0; map != NULL && i < map->count; i++) {
        const struct yaml_node *entry = map->items[i].node;
        const struct path here = {&top, map->items[i].key, 0};

        for (size_t k = 0; strcmp(text_at(entry, "external"), "true") == 0 && k < entry->count; k++)
            if (strcmp(entry->items[k].key, "external") != 0 &&
                strcmp(entry->items[k].key, "name") != 0 &&
                !str_starts(str_of(entry->items[k].key), STR("x-")))
                load_error(with->load, entry->items[k].node, &here,
                           "an external volume is as it is", "has both 'external' and '%s'",
                           entry->items[k].key);
    }
}

static void check_jobs(const struct resolve *with, const struct yaml_node *root)
{
    const struct yaml_node *services = yaml_find(root, "services");
    const struct yaml_node *jobs = yaml_find(root, "jobs");
    const struct path top = {NULL, "jobs", 0};

    for (size_t i = 0; jobs != NULL && i < jobs->count; i++) {
        const char *name = jobs->items[i].key;
        const struct yaml_node *job = jobs->items[i].node;
        const struct yaml_node *depends_on = yaml_find(job, "depends_on");
        const struct path here = {&top, name, 0};

        if (yaml_find_item(services, name) != NULL)
            load_error(with->load, job, &here, "rename one of them",
                       "'%.80s' is a service and a job", name);
        if (yaml_is_null(yaml_find(job, "triggers")))
            load_error(with->load, job, &here, NULL, "a job needs 'triggers'");
        for (size_t k = 0; !yaml_is_null(depends_on) && k < depends_on->count; k++)
            if (yaml_find_item(jobs, depends_on->items[k].key) == NULL)
                check_name(with, &here, depends_on->items[k].node, depends_on->items[k].key, root,
                           "services");
    }
}

void resolve_check(const struct resolve *with, const struct yaml_node *root)
{
    static const char *const secret_keys[] = {"file", "environment", NULL, NULL};
    static const char *const config_keys[] = {"file", "environment", "content", NULL};
    AUTO(map_done) struct map names = {0};
    const struct yaml_node *services = yaml_find(root, "services");
    const struct path top = {NULL, "services", 0};

    for (size_t i = 0; i < services->count; i++) {
        const struct path here = {&top, services->items[i].key, 0};

        check_service(with, &here, services->items[i].node, root);
        check_container_name(with, &here, services->items[i].node, &names);
    }
    check_sources(with, root, "secrets", secret_keys);
    check_sources(with, root, "configs", config_keys);
    check_external_volumes(with, root);
    check_jobs(with, root);
}
