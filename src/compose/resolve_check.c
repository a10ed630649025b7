/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

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

static void check_optional_dependencies(struct yaml_node *service, const struct yaml_node *services)
{
    struct yaml_node *depends_on = yaml_find(service, "depends_on");

    for (size_t i = depends_on == NULL ? 0 : depends_on->count; i-- > 0;) {
        const struct yaml_node *required = yaml_find(depends_on->items[i].node, "required");
        if (required != NULL && strcmp(required->text, "false") == 0 &&
            yaml_find_item(services, depends_on->items[i].key) == NULL)
            yaml_remove(depends_on, i);
    }
}

static void check_container_name(const struct resolve *with, const struct path *path,
                                 const struct yaml_node *service, struct map *seen)
{
    const struct yaml_node *name = yaml_find(service, "container_name");
    const struct path here = {path, "container_name", 0};

    if (yaml_is_null(name))
        return;
    const char *other =
        (const char *)map_set(seen, str_of(name->text), (void *)(uintptr_t)path->key);
    if (other != NULL)
        load_error(with->load, name, &here, NULL, "'%.80s' is the name of service '%s' already",
                   name->text, other);
}

void resolve_check(const struct resolve *with, const struct yaml_node *root)
{
    AUTO(map_done) struct map names = {0};
    const struct yaml_node *services = yaml_find(root, "services");
    const struct path top = {NULL, "services", 0};

    for (size_t i = 0; i < services->count; i++) {
        struct yaml_node *service = services->items[i].node;
        const struct path here = {&top, services->items[i].key, 0};

        check_optional_dependencies(service, services);
        check_names(with, &here, service, root, "networks", "networks");
        check_names(with, &here, service, root, "volumes", "volumes");
        check_names(with, &here, service, root, "secrets", "secrets");
        check_names(with, &here, service, root, "configs", "configs");
        check_names(with, &here, service, root, "depends_on", "services");
        check_container_name(with, &here, service, &names);
    }
}
