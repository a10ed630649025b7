/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "compose/misplaced.h"
#include "compose/schema_priv.h"

enum { NESTED_MAX = 3 };

/* "deploy.resources" for "limits": the objects in <schema> that lead to <key>; NULL: none. */
static const char *place_below(struct load *load, const struct schema *schema, const char *key,
                               int depth)
{
    for (const struct schema *part = schema; part != NULL; part = part->base)
        for (const struct schema_key *at = part->keys; at != NULL && at->name != NULL; at++)
            if (at->schema.type == SCHEMA_OBJECT && schema_find_key(&at->schema, key) != NULL)
                return at->name;
    for (const struct schema *part = schema; part != NULL; part = part->base)
        for (const struct schema_key *at = part->keys; at != NULL && at->name != NULL; at++) {
            const char *below = at->schema.type != SCHEMA_OBJECT || depth == NESTED_MAX
                                    ? NULL
                                    : place_below(load, &at->schema, key, depth + 1);
            if (below != NULL)
                return arena_printf(load->arena, "%s.%s", at->name, below);
        }
    return NULL;
}

static bool is_below_services(const struct path *path)
{
    while (path != NULL && path->parent != NULL)
        path = path->parent;
    return path != NULL && path->key != NULL && strcmp(path->key, "services") == 0;
}

static bool looks_like_a_service(const struct yaml_node *node)
{
    return node->kind == YAML_MAP &&
           (yaml_find_item(node, "image") != NULL || yaml_find_item(node, "build") != NULL);
}

static bool is_section(const struct path *path)
{
    return path->key != NULL && path->parent != NULL && path->parent->parent == NULL &&
           strcmp(path->key, "services") != 0 &&
           schema_find_key(&schema_compose, path->key) != NULL;
}

const char *misplaced_key(struct load *load, const struct path *path, const struct schema *schema,
                          const struct yaml_item *item)
{
    const char *below = place_below(load, schema, item->key, 0);

    if (schema == &schema_compose && looks_like_a_service(item->node))
        return "put it under 'services'";
    if (schema == &schema_compose && schema_find_key(&schema_service, item->key) != NULL)
        return "it is a key of a service; indent it further";
    if (below != NULL)
        return arena_printf(load->arena, "it belongs under '%s'", below);
    if (schema == &schema_service && is_section(path))
        return arena_printf(load->arena, "if '%s' is no service, indent it less", path->key);
    if (schema == &schema_service && schema_find_key(&schema_x_service, item->key) != NULL)
        return "it belongs under 'x-ishizue'";
    if (schema != &schema_service && is_below_services(path) &&
        schema_find_key(&schema_service, item->key) != NULL)
        return "it is a key of the service; indent it less";
    return NULL;
}

const char *misplaced_owner(struct load *load, const struct path *path)
{
    if (path == NULL || path->parent == NULL || path->parent->parent != NULL || path->key == NULL ||
        !is_below_services(path) || schema_find_key(&schema_service, path->key) == NULL)
        return NULL;
    return arena_printf(load->arena, "'%s' is a key of a service; indent it further", path->key);
}

const char *misplaced_value(struct load *load, const struct path *path,
                            const struct yaml_node *node, enum yaml_kind wanted)
{
    const char *text = node->kind == YAML_SCALAR ? node->text : "";
    const char *owner = wanted == YAML_MAP ? misplaced_owner(load, path) : NULL;

    if (owner != NULL)
        return owner;
    if (wanted == YAML_LIST && node->kind == YAML_MAP)
        return "begin each entry with '- '";
    if (wanted == YAML_LIST && text[0] == '-')
        return "write a space after the '-'";
    if (wanted == YAML_LIST && node->kind == YAML_SCALAR)
        return arena_printf(load->arena, "write [\"%.60s\"]", text);
    if (wanted == YAML_MAP && node->kind == YAML_LIST)
        return "leave out the '-'";
    if (wanted == YAML_MAP && strchr(text, ':') != NULL)
        return "write a space after the ':'";
    if (wanted == YAML_SCALAR && node->kind == YAML_MAP && path != NULL && path->key == NULL)
        return "put quotes around it, or leave out the '-'";
    return NULL;
}
