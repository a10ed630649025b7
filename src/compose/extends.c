/* SPDX-License-Identifier: Apache-2.0
 *
 * `extends`: a service starts from another one, of the same file or of another. */
#include "base/base.h"

#include "compose/canonical.h"
#include "compose/merge.h"
#include "compose/resolve.h"
#include "compose/schema_priv.h"
#include "compose/source.h"
#include "compose/support.h"

/* Services that may be extended. Those of another file are checked and brought to the long form
 * only when they are needed: the rest of that file may be meant for something else. */
struct scope {
    const char *path; /* of the file */
    struct yaml_node *services;
    const struct schema *schema;
    bool is_raw;
    const char *dir;  /* with is_raw: of its relative paths */
    struct map ready; /* with is_raw: names that are done */
};

struct extender {
    const struct source *source;
    struct map scopes; /* path -> struct scope * */
};

/* The way from the service that began to the one that is looked at, on the stack. */
struct step {
    const struct step *parent;
    const struct scope *scope;
    const char *service;
    size_t depth;
};

static void extender_done(struct extender *extender)
{
    const struct map_entry *entry;

    for (size_t i = 0; (entry = map_next(&extender->scopes, &i)) != NULL;)
        map_done(&((struct scope *)entry->value)->ready);
    map_done(&extender->scopes);
}
AUTO_VALUE(struct extender, extender_done)

static void add_steps(const struct load *load, const struct step *step, struct buf *ret)
{
    if (step->parent != NULL)
        add_steps(load, step->parent, ret);
    buf_addf(ret, "%s%s", step->parent == NULL ? "" : " -> ", step->service);
    if (step->parent != NULL && step->parent->scope != step->scope)
        buf_addf(ret, " (%s)", source_name(load, step->scope->path));
}

static bool check_step(struct load *load, const struct path *path, const struct yaml_node *place,
                       const struct step *step)
{
    AUTO(buf_done) struct buf chain = {0};

    if (step->depth > COMPOSE_EXTENDS_DEPTH) {
        load_error(load, place, path, NULL, "a chain of more than %d services",
                   COMPOSE_EXTENDS_DEPTH);
        return false;
    }
    for (const struct step *above = step->parent; above != NULL; above = above->parent)
        if (strcmp(above->service, step->service) == 0 &&
            strcmp(above->scope->path, step->scope->path) == 0) {
            add_steps(load, step, &chain);
            load_error(load, place, path, NULL, "services extend each other in a circle: %s",
                       buf_text(&chain));
            return false;
        }
    return true;
}

/* It is not in the long form: it only takes something out. */
static bool is_reset(const struct yaml_node *node)
{
    return node->tag != NULL && strcmp(node->tag, "!reset") == 0;
}

/* Tags are for what lies below in the file that has them. */
static void strip_tags(struct yaml_node *node)
{
    for (size_t i = node->count; i-- > 0;) {
        struct yaml_node *inner = node->items[i].node;

        if (is_reset(inner))
            yaml_remove(node, i);
        else
            strip_tags(inner);
    }
    if (node->tag != NULL && strcmp(node->tag, "!override") == 0)
        node->tag = NULL;
}

static struct scope *read_scope(struct extender *extender, const char *path, struct err *err)
{
    struct load *load = extender->source->load;
    struct scope *scope = (struct scope *)map_find(&extender->scopes, str_of(path));
    struct source_file file;

    if (scope != NULL)
        return scope;
    if (!source_read(load, path, &file, err))
        return NULL;
    scope = ARENA_NEW(load->arena, struct scope);
    *scope = (struct scope){.path = path, .schema = &schema_service, .is_raw = true};
    scope->dir = arena_str(load->arena, str_sub(str_of(path), 0, str_find_last(str_of(path), '/')));
    for (size_t i = 0; i < file.count; i++) {
        struct yaml_node *services;
        source_fill(extender->source, file.documents[i]);
        services = yaml_find(file.documents[i], "services");
        if (!yaml_is_null(services) && services->kind == YAML_MAP)
            scope->services = services; /* documents of one file: the last has the services */
    }
    if (scope->services == NULL) {
        (void)err_set(err, ERR_INVALID, "'%s' has no 'services'", source_name(load, path));
        return NULL;
    }
    (void)map_set(&extender->scopes, str_of(path), scope);
    return scope;
}

/* The service of another file: long form, with absolute paths, once. */
static bool prepare(struct load *load, struct scope *scope, struct yaml_item *item)
{
    const struct path top = {NULL, "services", 0};
    const struct path path = {&top, item->key, 0};

    if (!scope->is_raw || map_set(&scope->ready, str_of(item->key), scope) != NULL)
        return true;
    struct yaml_node *node = canonical(load, &path, scope->schema, item->node);
    if (node == NULL || load->diags->error_count > 0)
        return false;
    item->node = node;
    support_list_service(load, item->key, node);
    struct yaml_node *services = yaml_new(load->arena, YAML_MAP, node);
    struct yaml_node *root = yaml_new(load->arena, YAML_MAP, node);
    yaml_set(load->arena, services, item->key, node);
    yaml_set(load->arena, root, "services", services);
    strip_tags(node);
    resolve_paths(load, scope->dir, root);
    return true;
}

/* Where the service that <extends> names is found. */
static struct scope *base_scope(struct extender *extender, const struct path *path,
                                struct scope *scope, const struct yaml_node *extends)
{
    const struct source *source = extender->source;
    const struct yaml_node *file = yaml_find(extends, "file");
    struct err err;

    if (yaml_is_null(file))
        return scope;
    const char *name = path_absolute(source->load, source->dir, file->text);
    struct scope *base = read_scope(extender, name, &err);
    if (base == NULL)
        load_error(source->load, file, path, NULL, "%s", err.text);
    return base;
}

static void drop_key(struct yaml_node *map, const char *key)
{
    struct yaml_item *item = yaml_find_item(map, key);

    if (item != NULL)
        yaml_remove(map, (size_t)(item - map->items));
}

static bool extend(struct extender *extender, struct scope *scope, const struct step *parent,
                   struct yaml_item *item);

/* Brings the base itself to its end and returns it, or NULL. */
static struct yaml_item *find_base(struct extender *extender, struct scope *scope,
                                   const struct step *step, const struct path *path,
                                   const struct yaml_node *extends)
{
    struct load *load = extender->source->load;
    const struct yaml_node *name = yaml_find(extends, "service");
    struct scope *base = base_scope(extender, path, scope, extends);
    const char *names[64];
    size_t count = 0;

    if (base == NULL)
        return NULL;
    struct yaml_item *item = yaml_find_item(base->services, name->text);
    if (item == NULL) {
        for (size_t i = 0; i < base->services->count && count + 1 < ARRAY_LEN(names); i++)
            names[count++] = base->services->items[i].key;
        names[count] = NULL;
        load_error(load, name, path, suggest(load->arena, name->text, names),
                   "there is no service '%.80s' in '%s'", name->text,
                   source_name(load, base->path));
        return NULL;
    }
    const struct step here = {step, base, item->key, step->depth + 1};
    if (!check_step(load, path, extends, &here) || !prepare(load, base, item))
        return NULL;
    return extend(extender, base, step, item) ? item : NULL;
}

static bool extend(struct extender *extender, struct scope *scope, const struct step *parent,
                   struct yaml_item *item)
{
    struct load *load = extender->source->load;
    const struct path top = {NULL, "services", 0};
    const struct path owner = {&top, item->key, 0};
    const struct path path = {&owner, "extends", 0};
    const struct step step = {parent, scope, item->key, parent == NULL ? 0 : parent->depth + 1};
    const struct yaml_node *extends = yaml_find(item->node, "extends");

    if (item->node->kind != YAML_MAP || is_reset(item->node) || extends == NULL)
        return true;
    if (!yaml_is_null(extends) && !is_reset(extends)) {
        const struct yaml_item *base = find_base(extender, scope, &step, &path, extends);
        if (base == NULL)
            return false;
        if (!yaml_is_null(base->node) && !is_reset(base->node)) {
            if (!load_copy(load, extends, &path, yaml_count(base->node)))
                return false;
            struct yaml_node *copy = yaml_copy(load->arena, base->node);
            strip_tags(copy);
            load->keep_tags = true;
            item->node = merge(load, &owner, scope->schema, copy, item->node);
            load->keep_tags = false;
        }
    }
    drop_key(item->node, "extends");
    return true;
}

static void extend_section(struct extender *extender, struct yaml_node *root, const char *section,
                           const struct schema *schema)
{
    struct scope scope = {
        .path = extender->source->file, .services = yaml_find(root, section), .schema = schema};

    if (yaml_is_null(scope.services) || scope.services->kind != YAML_MAP ||
        is_reset(scope.services))
        return;
    for (size_t i = 0; i < scope.services->count; i++)
        if (!extend(extender, &scope, NULL, &scope.services->items[i]))
            return;
}

void extends_apply(const struct source *source, struct yaml_node *root)
{
    AUTO(extender_done) struct extender extender = {.source = source};

    extend_section(&extender, root, "services", &schema_service);
    extend_section(&extender, root, "jobs", &schema_job);
}
