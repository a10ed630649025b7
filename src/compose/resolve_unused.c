/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/map.h"
#include "compose/resolve.h"

static void use(struct map *used, const char *name)
{
    (void)map_set(used, str_of(name), used);
}

/* Keys of a map, or sources of the entries of a list. */
static void use_all(struct map *used, const struct yaml_node *node)
{
    for (size_t i = 0; node != NULL && i < node->count; i++) {
        const struct yaml_item *item = &node->items[i];
        const struct yaml_node *source = yaml_find(item->node, "source");
        const struct yaml_node *type = yaml_find(item->node, "type");

        if (item->key != NULL)
            use(used, item->key);
        else if (!yaml_is_null(source) && (type == NULL || strcmp(type->text, "volume") == 0))
            use(used, source->text);
    }
}

static void keep_used(struct yaml_node *root, const char *section, const struct map *used)
{
    struct yaml_item *item = yaml_find_item(root, section);

    if (item == NULL)
        return;
    for (size_t i = item->node->count; i-- > 0;)
        if (map_find(used, str_of(item->node->items[i].key)) == NULL)
            yaml_remove(item->node, i);
    if (item->node->count == 0)
        yaml_remove(root, (size_t)(item - root->items));
}

void resolve_unused(struct yaml_node *root)
{
    static const char *const sections[] = {"networks", "volumes", "secrets", "configs", "models"};
    const struct yaml_node *services = yaml_find(root, "services");

    for (size_t i = 0; i < ARRAY_LEN(sections); i++) {
        AUTO(map_done) struct map used = {0};

        for (size_t k = 0; k < services->count; k++) {
            const struct yaml_node *service = services->items[k].node;
            use_all(&used, yaml_find(service, sections[i]));
            if (strcmp(sections[i], "secrets") == 0)
                use_all(&used, yaml_find(yaml_find(service, "build"), "secrets"));
        }
        keep_used(root, sections[i], &used);
    }
}
