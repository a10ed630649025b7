/* SPDX-License-Identifier: Apache-2.0
 *
 * A pre_start hook is a container of its own with the attributes of its service: what the hook
 * says is merged over them. Volumes are not among them: the hook sees the service's when it runs.
 */
#include "base/base.h"

#include "compose/merge.h"
#include "compose/resolve.h"
#include "compose/schema.h"

static const struct schema *hook_schema(void)
{
    const struct schema *services = schema_member(&schema_compose, "services");

    return schema_member(services->items, "pre_start")->items;
}

static struct yaml_node *container_of(struct load *load, const struct yaml_node *service)
{
    struct yaml_node *base = yaml_new(load->arena, YAML_MAP, service);

    for (size_t i = 0; i < service->count; i++) {
        const struct yaml_item *item = &service->items[i];
        if (strcmp(item->key, "volumes") != 0 && schema_find_key(hook_schema(), item->key) != NULL)
            yaml_set(load->arena, base, item->key, yaml_copy(load->arena, item->node));
    }
    return base;
}

void resolve_hooks(struct load *load, const struct path *path, struct yaml_node *service)
{
    const struct yaml_node *hooks = yaml_find(service, "pre_start");
    const struct path list = {path, "pre_start", 0};

    for (size_t i = 0; !yaml_is_null(hooks) && i < hooks->count; i++) {
        const struct path here = {&list, NULL, i};
        if (!load_copy(load, hooks->items[i].node, &here, yaml_count(service)))
            return;
        struct yaml_node *merged =
            merge(load, &here, hook_schema(), container_of(load, service), hooks->items[i].node);
        merge_finish(load, hook_schema(), merged);
        hooks->items[i].node = merged;
    }
}
