/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/map.h"
#include "compose/merge.h"

static bool has_tag(const struct yaml_node *node, const char *tag)
{
    return node->tag != NULL && strcmp(node->tag, tag) == 0;
}

static bool has_other_driver(const struct yaml_node *base, const struct yaml_node *over)
{
    const struct yaml_node *a = yaml_find(base, "driver");
    const struct yaml_node *b = yaml_find(over, "driver");

    return a != NULL && b != NULL && !yaml_equal(a, b);
}

static void merge_maps(struct load *load, const struct path *path, const struct schema *schema,
                       struct yaml_node *base, struct yaml_node *over)
{
    for (size_t i = 0; i < over->count; i++) {
        const struct yaml_item *item = &over->items[i];
        struct path here = {path, item->key, 0};
        struct yaml_item *old = yaml_find_item(base, item->key);

        if (old == NULL) {
            yaml_set(load->arena, base, item->key, item->node);
            continue;
        }
        struct yaml_node *merged =
            merge(load, &here, schema_member(schema, item->key), old->node, item->node);
        if (merged == NULL)
            yaml_remove(base, (size_t)(old - base->items));
        else
            old->node = merged;
    }
}

static bool contains(const struct yaml_node *list, size_t count, const struct yaml_node *entry)
{
    for (size_t i = 0; i < count; i++)
        if (yaml_equal(list->items[i].node, entry))
            return true;
    return false;
}

/* Where entries have an identity, merge_finish() makes them single. */
static void append_list(struct load *load, const struct schema *schema, struct yaml_node *base,
                        const struct yaml_node *over)
{
    size_t before = base->count;
    bool has_identity = schema->type == SCHEMA_LIST && schema->identity != NULL;

    for (size_t i = 0; i < over->count; i++)
        if (has_identity || !contains(base, before, over->items[i].node))
            yaml_push(load->arena, base, over->items[i].node);
}

static void merge_same(struct load *load, const struct path *path, const struct schema *schema,
                       const struct yaml_node *base, struct yaml_node *over)
{
    for (size_t i = 0; i < over->count; i++) {
        const struct path here = {path, NULL, i};
        const char *own = schema->identity(load, over->items[i].node);

        for (size_t k = 0; own != NULL && k < base->count; k++) {
            const char *other = schema->identity(load, base->items[k].node);
            if (other != NULL && strcmp(own, other) == 0)
                over->items[i].node =
                    merge(load, &here, schema->items, base->items[k].node, over->items[i].node);
        }
    }
}

struct yaml_node *merge(struct load *load, const struct path *path, const struct schema *schema,
                        struct yaml_node *base, struct yaml_node *over)
{
    if (has_tag(over, "!reset"))
        return load->keep_tags ? over : NULL;
    if (base == NULL || has_tag(over, "!override") || has_tag(base, "!reset") ||
        schema->merge == SCHEMA_REPLACE)
        return over;
    if (yaml_is_null(over))
        return base;
    if (yaml_is_null(base) || (base->kind == YAML_SCALAR && over->kind == YAML_SCALAR) ||
        (schema->merge == SCHEMA_REPLACE_OTHER_DRIVER && has_other_driver(base, over)))
        return over;
    if (base->kind != over->kind && (schema->flags & SCHEMA_OR_INT) != 0)
        return over;
    if (base->kind != over->kind) {
        load_error(load, over, path, "use the same form, or !override to replace it",
                   "cannot be merged with what %s:%u has", base->file, base->line);
        return base;
    }
    if (schema->merge == SCHEMA_MERGE_SAME) {
        merge_same(load, path, schema, base, over);
        return over;
    }
    if (base->kind == YAML_MAP)
        merge_maps(load, path, schema, base, over);
    else
        append_list(load, schema, base, over);
    return base;
}

/* The last entry of an identity stays, at the place of the first. */
static void keep_single(struct load *load, const struct schema *schema, struct yaml_node *list)
{
    AUTO(map_done) struct map seen = {0};
    size_t kept = 0;

    for (size_t i = 0; i < list->count; i++) {
        const char *identity = schema->identity(load, list->items[i].node);
        const void *first = identity == NULL ? NULL : map_find(&seen, str_of(identity));

        if (first != NULL) {
            list->items[(uintptr_t)first - 1] = list->items[i];
            continue;
        }
        list->items[kept++] = list->items[i];
        if (identity != NULL)
            (void)map_set(&seen, str_of(identity), (void *)(uintptr_t)kept);
    }
    list->count = kept;
}

void merge_finish(struct load *load, const struct schema *schema, struct yaml_node *node)
{
    static const struct schema any = {.type = SCHEMA_ANY};

    for (size_t i = node->count; i-- > 0;)
        if (has_tag(node->items[i].node, "!reset"))
            yaml_remove(node, i);
    if (node->kind == YAML_LIST && schema->type == SCHEMA_LIST && schema->identity != NULL)
        keep_single(load, schema, node);
    for (size_t i = 0; i < node->count; i++) {
        const struct schema *inner = node->kind == YAML_MAP
                                         ? schema_member(schema, node->items[i].key)
                                     : schema->type == SCHEMA_LIST ? schema->items
                                                                   : &any;
        merge_finish(load, inner, node->items[i].node);
    }
}
