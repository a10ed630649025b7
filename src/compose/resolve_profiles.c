/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "compose/resolve.h"

static bool is_target(const struct resolve *with, const char *name)
{
    for (size_t i = 0; i < with->target_count; i++)
        if (strcmp(with->targets[i], name) == 0)
            return true;
    return false;
}

static bool is_active(const struct resolve *with, const struct map *by_target,
                      const struct yaml_node *service)
{
    const struct yaml_node *profiles = yaml_find(service, "profiles");

    if (profiles == NULL || profiles->count == 0 || map_find(with->profiles, STR("*")) != NULL)
        return true;
    for (size_t i = 0; i < profiles->count; i++) {
        struct str name = str_of(profiles->items[i].node->text);
        if (map_find(with->profiles, name) != NULL || map_find(by_target, name) != NULL)
            return true;
    }
    return false;
}

static void add_profiles(struct map *ret, const struct yaml_node *service)
{
    const struct yaml_node *profiles = yaml_find(service, "profiles");

    for (size_t i = 0; profiles != NULL && i < profiles->count; i++)
        (void)map_set(ret, str_of(profiles->items[i].node->text), ret);
}

static bool is_required(const struct yaml_node *dependency)
{
    const struct yaml_node *required = yaml_find(dependency, "required");

    return required == NULL || strcmp(required->text, "false") != 0;
}

/* <off> has the services that were dropped. */
static void check_dependencies(const struct resolve *with, const char *name,
                               const struct yaml_node *service)
{
    const struct yaml_node *depends_on = yaml_find(service, "depends_on");
    const struct path root = {NULL, "services", 0};
    const struct path owner = {&root, name, 0};
    const struct path path = {&owner, "depends_on", 0};

    for (size_t i = depends_on == NULL ? 0 : depends_on->count; i-- > 0;) {
        const struct yaml_item *item = &depends_on->items[i];
        if (map_find(with->off, str_of(item->key)) == NULL)
            continue;
        if (is_required(item->node))
            load_error(with->load, item->node, &path,
                       "activate one of them with --profile, or say 'required: false'",
                       "service '%s' is off: none of its profiles is active", item->key);
    }
}

void resolve_profiles(const struct resolve *with, struct yaml_node *services)
{
    AUTO(map_done) struct map by_target = {0};

    for (size_t i = 0; i < services->count; i++)
        if (is_target(with, services->items[i].key))
            add_profiles(&by_target, services->items[i].node);
    for (size_t i = services->count; i-- > 0;)
        if (!is_active(with, &by_target, services->items[i].node)) {
            (void)map_set(with->off, str_of(services->items[i].key), with->off);
            yaml_remove(services, i);
        }
    for (size_t i = 0; i < services->count; i++)
        check_dependencies(with, services->items[i].key, services->items[i].node);
}
