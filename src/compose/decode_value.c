/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "compose/decode_value.h"
#include "compose/units.h"

struct compose_place value_place(const struct yaml_node *node)
{
    return (struct compose_place){node->file, node->line, node->column};
}

const char *value_text(const struct yaml_node *map, const char *key)
{
    const struct yaml_node *node = yaml_find(map, key);

    if (yaml_is_null(node))
        return NULL;
    assert(node->kind == YAML_SCALAR);
    return node->text;
}

bool value_bool(const struct yaml_node *map, const char *key, bool otherwise)
{
    const char *text = value_text(map, key);

    return text == NULL ? otherwise : strcmp(text, "true") == 0;
}

uint64_t value_u64(const struct yaml_node *map, const char *key, uint64_t otherwise)
{
    const char *text = value_text(map, key);
    uint64_t value;

    if (text == NULL)
        return otherwise;
    return str_to_u64(str_of(text), UINT64_MAX, &value) ? value : 0;
}

uint64_t value_limit(const struct yaml_node *map, const char *key)
{
    return value_u64(map, key, 0);
}

int64_t value_i64(const struct yaml_node *map, const char *key)
{
    const struct yaml_node *node = yaml_find(map, key);

    return yaml_is_null(node) ? 0 : yaml_value(node).integer;
}

double value_double(const struct yaml_node *map, const char *key)
{
    const struct yaml_node *node = yaml_find(map, key);

    return yaml_is_null(node) ? 0 : yaml_value(node).number;
}

uint64_t value_ms(const struct yaml_node *map, const char *key, uint64_t otherwise)
{
    const char *text = value_text(map, key);
    uint64_t ns;
    struct err err;

    if (text == NULL)
        return otherwise;
    bool is_duration = units_parse_duration(str_of(text), &ns, &err);
    assert(is_duration);
    return ns > 0 && ns < 1000000 ? 1 : ns / 1000000; /* shorter than a millisecond is not 0 */
}

struct compose_texts value_texts(struct arena *arena, const struct yaml_node *map, const char *key)
{
    const struct yaml_node *list = yaml_find(map, key);
    struct compose_texts texts = {0};

    if (yaml_is_null(list) || list->count == 0)
        return texts;
    texts.items = ARENA_ARRAY(arena, const char *, list->count);
    for (size_t i = 0; i < list->count; i++)
        texts.items[texts.count++] = list->items[i].node->text;
    return texts;
}

struct compose_pairs value_pairs(struct arena *arena, const struct yaml_node *map, const char *key)
{
    const struct yaml_node *node = yaml_find(map, key);
    struct compose_pairs pairs = {0};

    if (yaml_is_null(node) || node->count == 0)
        return pairs;
    pairs.items = ARENA_ARRAY(arena, struct compose_pair, node->count);
    for (size_t i = 0; i < node->count; i++)
        if (!yaml_is_null(node->items[i].node))
            pairs.items[pairs.count++] =
                (struct compose_pair){node->items[i].key, node->items[i].node->text};
    return pairs;
}

bool is_one_of(const char *text, const char *const *words)
{
    for (; *words != NULL; words++)
        if (strcmp(text, *words) == 0)
            return true;
    return false;
}

bool value_parse_mode(struct str text, uint32_t *ret)
{
    uint32_t mode = 0;

    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '7' || mode > 0777)
            return false;
        mode = mode * 8 + (uint32_t)(text.ptr[i] - '0');
    }
    *ret = mode;
    return text.len > 0;
}
