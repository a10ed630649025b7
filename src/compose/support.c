/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "compose/schema.h"
#include "compose/support.h"

struct found {
    const struct schema_key *key;
    const struct yaml_item *item;
    enum compose_support support;
    const char *note;
};

/* Returns whether what is inside the key is to be looked at. */
typedef bool (*found_fn)(struct load *load, const struct path *path, const struct found *found);

const char *compose_support_name(enum compose_support support)
{
    static const char *const names[] = {[SUPPORT_HONOURED] = "honoured",
                                        [SUPPORT_EMULATED] = "emulated",
                                        [SUPPORT_OBSOLETE] = "obsolete",
                                        [SUPPORT_REFUSED] = "refused"};

    return names[support];
}

static void walk(struct load *load, const struct path *path, const struct schema *schema,
                 const struct yaml_node *node, found_fn on_found);

/* What a short form implies stands at the place of its value; a key that was written does not. */
static bool is_implied(const struct yaml_item *item)
{
    return item->line == item->node->line && item->column == item->node->column;
}

static bool is_reset(const struct yaml_node *node)
{
    return node->tag != NULL && strcmp(node->tag, "!reset") == 0;
}

static void walk_key(struct load *load, const struct path *path, const struct schema_key *key,
                     const struct yaml_item *item, found_fn on_found)
{
    struct found found = {key, item, key->support, key->note};

    if (yaml_is_null(item->node) || is_reset(item->node))
        return;
    if (key->schema.judge != NULL)
        key->schema.judge(item->node, &found.support, &found.note);
    if (is_implied(item) || on_found(load, path, &found))
        walk(load, path, &key->schema, item->node, on_found);
}

/* x-ishizue is no row of the tables: it may stand at the top and in a service. */
static const struct schema *extension(const struct path *path)
{
    if (path->parent == NULL)
        return &schema_x_top;
    return path->parent->parent != NULL && path->parent->parent->parent == NULL &&
                   strcmp(path->parent->parent->key, "services") == 0
               ? &schema_x_service
               : NULL;
}

static void walk_member(struct load *load, const struct path *path, const struct schema *schema,
                        const struct yaml_item *item, found_fn on_found)
{
    const struct schema_key *key = schema_find_key(schema, item->key);

    if (key != NULL)
        walk_key(load, path, key, item, on_found);
    else if (strcmp(item->key, "x-ishizue") == 0 && extension(path) != NULL)
        walk(load, path, extension(path), item->node, on_found);
}

static void walk(struct load *load, const struct path *path, const struct schema *schema,
                 const struct yaml_node *node, found_fn on_found)
{
    for (size_t i = 0; i < node->count; i++) {
        const struct yaml_item *item = &node->items[i];
        const struct path here = {path, item->key, i};

        if (schema->type == SCHEMA_OBJECT && node->kind == YAML_MAP)
            walk_member(load, &here, schema, item, on_found);
        else if (schema->type == SCHEMA_MAP && node->kind == YAML_MAP)
            walk(load, &here, schema_member(schema, item->key), item->node, on_found);
        else if (schema->type == SCHEMA_LIST && node->kind == YAML_LIST)
            walk(load, &here, schema->items, item->node, on_found);
    }
}

static bool add_use(struct load *load, const struct path *path, const struct found *found)
{
    struct compose_uses *uses = load->uses;

    if (uses->count == uses->cap) {
        size_t cap = uses->cap == 0 ? 64 : uses->cap * 2;
        struct compose_use *items = ARENA_ARRAY(load->arena, struct compose_use, cap);

        if (uses->count > 0)
            memcpy(items, uses->items, uses->count * sizeof *items);
        uses->items = items;
        uses->cap = cap;
    }
    uses->items[uses->count++] = (struct compose_use){
        .place = {found->item->node->file, found->item->line, found->item->column},
        .path = path_format(path, load->arena),
        .support = found->support,
        .how = found->support == SUPPORT_HONOURED ? NULL : found->note,
    };
    return true;
}

void support_list(struct load *load, const struct yaml_node *root)
{
    if (load->uses != NULL)
        walk(load, NULL, &schema_compose, root, add_use);
}

void support_list_service(struct load *load, const char *name, const struct yaml_node *service)
{
    const struct path top = {NULL, "services", 0};
    const struct path path = {&top, name, 0};
    const struct schema *services = schema_member(&schema_compose, "services");

    if (load->uses != NULL)
        walk(load, &path, services->items, service, add_use);
}

/* A value that was refused as it is written may have come to mean something else. */
static bool settle(struct load *load, const struct path *path, const struct found *found)
{
    const char *text = NULL;

    for (size_t i = 0; i < load->uses->count; i++) {
        struct compose_use *use = &load->uses->items[i];
        if (use->support != SUPPORT_REFUSED || found->support == SUPPORT_REFUSED)
            continue;
        if (text == NULL)
            text = path_format(path, load->arena);
        if (strcmp(use->path, text) == 0) {
            use->support = found->support;
            use->how = found->support == SUPPORT_HONOURED ? NULL : found->note;
        }
    }
    return true;
}

void support_settle(struct load *load, const struct yaml_node *root)
{
    bool any = false;

    for (size_t i = 0; load->uses != NULL && i < load->uses->count; i++)
        any |= load->uses->items[i].support == SUPPORT_REFUSED;
    if (any)
        walk(load, NULL, &schema_compose, root, settle);
}

static bool tell_refused(struct load *load, const struct path *path, const struct found *found)
{
    struct yaml_node place = *found->item->node;

    if (found->support != SUPPORT_REFUSED)
        return true;
    place.line = found->item->line;
    place.column = found->item->column;
    load_unfit(load, &place, path, found->note, "the host runtime refuses '%s'", found->key->name);
    return false;
}

void support_check(struct load *load, const struct yaml_node *root)
{
    walk(load, NULL, &schema_compose, root, tell_refused);
}
