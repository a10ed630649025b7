/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/err.h"
#include "yaml/yaml.h"
#include "yaml/yaml_priv.h"

struct yaml_node *yaml_new(struct arena *arena, enum yaml_kind kind, const struct yaml_node *like)
{
    struct yaml_node *node = ARENA_NEW(arena, struct yaml_node);

    node->kind = kind;
    if (like != NULL) {
        node->file = like->file;
        node->line = like->line;
        node->column = like->column;
    }
    return node;
}

struct yaml_node *yaml_new_plain(struct arena *arena, const char *text,
                                 const struct yaml_node *like)
{
    struct yaml_node *node = yaml_new(arena, YAML_SCALAR, like);

    node->text = text;
    return node;
}

struct yaml_node *yaml_new_text(struct arena *arena, const char *text, const struct yaml_node *like)
{
    struct yaml_node *node = yaml_new_plain(arena, text, like);

    node->quoted = true;
    return node;
}

size_t yaml_count(const struct yaml_node *node)
{
    size_t count = 1;

    for (size_t i = 0; i < node->count; i++)
        count += yaml_count(node->items[i].node);
    return count;
}

struct yaml_node *yaml_copy(struct arena *arena, const struct yaml_node *node)
{
    struct yaml_node *copy = ARENA_NEW(arena, struct yaml_node);

    *copy = *node;
    if (node->count == 0)
        return copy;
    copy->cap = node->count;
    copy->items = ARENA_ARRAY(arena, struct yaml_item, node->count);
    for (size_t i = 0; i < node->count; i++) {
        copy->items[i] = node->items[i];
        copy->items[i].node = yaml_copy(arena, node->items[i].node);
    }
    return copy;
}

struct yaml_item *yaml_find_item(const struct yaml_node *map, const char *key)
{
    if (map == NULL || map->kind != YAML_MAP)
        return NULL;
    for (size_t i = 0; i < map->count; i++)
        if (text_eq(map->items[i].key, key))
            return &map->items[i];
    return NULL;
}

struct yaml_node *yaml_find(const struct yaml_node *map, const char *key)
{
    const struct yaml_item *item = yaml_find_item(map, key);

    return item == NULL ? NULL : item->node;
}

struct yaml_item *yaml_add_item(struct arena *arena, struct yaml_node *node, struct yaml_item item)
{
    if (node->count == node->cap) {
        size_t cap = node->cap == 0 ? 4 : node->cap * 2;
        struct yaml_item *items = ARENA_ARRAY(arena, struct yaml_item, cap);

        if (node->count > 0)
            memcpy(items, node->items, node->count * sizeof *items);
        node->items = items;
        node->cap = cap;
    }
    node->items[node->count] = item;
    return &node->items[node->count++];
}

void yaml_set(struct arena *arena, struct yaml_node *map, const char *key, struct yaml_node *node)
{
    struct yaml_item *item = yaml_find_item(map, key);

    assert(map->kind == YAML_MAP);
    if (item != NULL)
        item->node = node;
    else
        yaml_add_item(arena, map, (struct yaml_item){key, node->line, node->column, node});
}

void yaml_push(struct arena *arena, struct yaml_node *list, struct yaml_node *node)
{
    assert(list->kind == YAML_LIST);
    yaml_add_item(arena, list, (struct yaml_item){NULL, node->line, node->column, node});
}

void yaml_remove(struct yaml_node *node, size_t i)
{
    assert(i < node->count);
    memmove(node->items + i, node->items + i + 1, (node->count - i - 1) * sizeof *node->items);
    node->count--;
}

static bool scalars_equal(const struct yaml_node *a, const struct yaml_node *b)
{
    return strcmp(a->text, b->text) == 0 && yaml_value(a).type == yaml_value(b).type;
}

bool yaml_equal(const struct yaml_node *a, const struct yaml_node *b)
{
    if (a->kind != b->kind)
        return false;
    if (a->kind == YAML_SCALAR)
        return scalars_equal(a, b);
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        const struct yaml_node *other =
            a->kind == YAML_MAP ? yaml_find(b, a->items[i].key) : b->items[i].node;
        if (other == NULL || !yaml_equal(a->items[i].node, other))
            return false;
    }
    return true;
}

static struct yaml_node *scalar_from_json(const json_t *value, struct arena *arena)
{
    char number[YAML_NUMBER_BYTES];

    switch (json_typeof(value)) {
    case JSON_STRING:
        return yaml_new_text(arena, arena_text(arena, json_string_value(value)), NULL);
    case JSON_INTEGER:
        return yaml_new_plain(
            arena, arena_printf(arena, "%lld", (long long)json_integer_value(value)), NULL);
    case JSON_REAL:
        yaml_format_number(json_real_value(value), number);
        return yaml_new_plain(arena, arena_text(arena, number), NULL);
    case JSON_TRUE:
        return yaml_new_plain(arena, "true", NULL);
    case JSON_FALSE:
        return yaml_new_plain(arena, "false", NULL);
    case JSON_NULL:
    case JSON_OBJECT:
    case JSON_ARRAY:
        break;
    }
    return yaml_new_plain(arena, "null", NULL);
}

struct json_source {
    struct yaml_limits limits;
    struct arena *arena;
    size_t nodes;
};

static bool from_json(struct json_source *source, const json_t *value, size_t depth,
                      struct yaml_node **ret, struct err *err)
{
    if (depth > source->limits.depth)
        return err_set(err, ERR_LIMIT, "nested deeper than %zu levels", source->limits.depth);
    if (++source->nodes > source->limits.nodes)
        return err_set(err, ERR_LIMIT, "more than %zu values", source->limits.nodes);
    if (!json_is_object(value) && !json_is_array(value)) {
        *ret = scalar_from_json(value, source->arena);
        return true;
    }
    struct yaml_node *node =
        yaml_new(source->arena, json_is_object(value) ? YAML_MAP : YAML_LIST, NULL);
    size_t count = json_is_object(value) ? json_object_size(value) : json_array_size(value);
    void *at = json_is_object(value) ? json_object_iter((json_t *)(uintptr_t)value) : NULL;

    if (json_is_object(value) && count > source->limits.keys)
        return err_set(err, ERR_LIMIT, "a map with more than %zu keys", source->limits.keys);
    for (size_t i = 0; i < count; i++) {
        struct yaml_item item = {0};
        const json_t *member = json_array_get(value, i);

        if (at != NULL) {
            item.key = arena_text(source->arena, json_object_iter_key(at));
            member = json_object_iter_value(at);
            at = json_object_iter_next((json_t *)(uintptr_t)value, at);
        }
        if (!from_json(source, member, depth + 1, &item.node, err))
            return false;
        yaml_add_item(source->arena, node, item);
    }
    *ret = node;
    return true;
}

struct yaml_limits yaml_limits_or_default(const struct yaml_limits *limits)
{
    struct yaml_limits used = limits == NULL ? (struct yaml_limits){0} : *limits;

    used.bytes = used.bytes == 0 ? YAML_BYTES_MAX : used.bytes;
    used.depth = used.depth == 0 ? YAML_DEPTH_MAX : used.depth;
    used.nodes = used.nodes == 0 ? YAML_NODES_MAX : used.nodes;
    used.keys = used.keys == 0 ? YAML_KEYS_MAX : used.keys;
    return used;
}

bool yaml_from_json(const json_t *value, const struct yaml_limits *limits, struct arena *arena,
                    struct yaml_node **ret, struct err *err)
{
    struct json_source source = {yaml_limits_or_default(limits), arena, 0};

    return from_json(&source, value, 1, ret, err);
}
