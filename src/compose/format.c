/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <math.h>

#include "compose/format.h"
#include "compose/schema.h"
#include "json/json.h"

/* Printed also when empty or false, for that differs from not being there. */
static bool is_kept(const char *key)
{
    static const char *const kept[] = {"command", "entrypoint", "required",    "create_host_path",
                                       "attach",  "init",       "enable_ipv4", "enable_ipv6",
                                       "test",    "manual",     "services"};

    for (size_t i = 0; i < ARRAY_LEN(kept); i++)
        if (strcmp(key, kept[i]) == 0)
            return true;
    return false;
}

static bool is_droppable(const struct schema_key *key, const struct yaml_node *node)
{
    if (yaml_is_null(node))
        return true;
    if (is_kept(key->name))
        return false;
    switch (key->schema.type) {
    case SCHEMA_BOOL:
        return strcmp(node->text, "false") == 0;
    case SCHEMA_LIST:
    case SCHEMA_PAIRS:
    case SCHEMA_MAP:
        return node->count == 0;
    case SCHEMA_TEXT:
    case SCHEMA_DURATION:
        return node->text[0] == '\0';
    case SCHEMA_ANY:
    case SCHEMA_INT:
    case SCHEMA_NUMBER:
    case SCHEMA_BYTES:
    case SCHEMA_OBJECT:
        break;
    }
    return false;
}

static void prune(const struct schema *schema, struct yaml_node *node)
{
    for (size_t i = node->count; i-- > 0;) {
        const struct yaml_item *item = &node->items[i];
        const struct schema *inner = schema->items;

        if (schema->type == SCHEMA_OBJECT && node->kind == YAML_MAP) {
            const struct schema_key *key = schema_find_key(schema, item->key);
            if (key == NULL)
                continue;
            if (is_droppable(key, item->node)) {
                yaml_remove(node, i);
                continue;
            }
            inner = &key->schema;
        }
        if (inner != NULL)
            prune(inner, item->node);
    }
}

void format_prune(struct yaml_node *root)
{
    prune(&schema_compose, root);
}

/* To the 15 digits that json_format() writes: what is printed reads back as the same number. */
static double rounded(double number)
{
    char text[48];

    (void)snprintf(text, sizeof text, "%.15g", number);
    return strtod(text, NULL);
}

static json_t *scalar_json(const struct yaml_node *node)
{
    struct yaml_value value = yaml_value(node);

    switch (value.type) {
    case YAML_NULL:
        return json_null();
    case YAML_BOOL:
        return json_boolean(value.is_true);
    case YAML_INT:
        return json_integer(value.integer);
    case YAML_FLOAT:
        if (isnan(value.number) || isinf(value.number))
            return json_from_bytes(str_of(node->text));
        if (fabs(value.number) < 1e15 && value.number == trunc(value.number))
            return json_integer((json_int_t)value.number);
        return json_real(rounded(value.number));
    case YAML_TEXT:
        break;
    }
    return json_from_bytes(str_of(node->text));
}

static json_t *node_json(const struct yaml_node *node)
{
    if (node->kind == YAML_SCALAR)
        return scalar_json(node);
    json_t *json = node->kind == YAML_MAP ? json_object() : json_array();
    for (size_t i = 0; i < node->count; i++) {
        json_t *member = node_json(node->items[i].node);
        int failed = node->kind == YAML_MAP /* keys are UTF-8: the parser checked */
                         ? json_object_set_new_nocheck(json, node->items[i].key, member)
                         : json_array_append_new(json, member);
        assert(failed == 0);
    }
    return json;
}

json_t *format_json(const struct yaml_node *root)
{
    return node_json(root);
}
