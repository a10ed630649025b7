/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/err.h"
#include "runtime/recipe_decode.h"

enum { ITEMS_MAX = 200 };

static bool bad(const struct yaml_node *node, struct err *err, const char *what)
{
    return err_set(err, ERR_INVALID, "%s:%u:%u: %s", node->file, node->line, node->column, what);
}

typedef bool read_fn(const struct yaml_node *node, struct arena *arena, void *ret, struct err *err);

static bool read_text(const struct yaml_node *node, struct arena *arena, void *ret, struct err *err)
{
    const char *text = node->kind == YAML_SCALAR ? yaml_value_text(arena, node) : NULL;

    if (text == NULL || text[0] == '\0')
        return bad(node, err, "a text is expected");
    *(const char **)ret = text;
    return true;
}

static bool read_texts(const struct yaml_node *node, struct arena *arena, void *ret,
                       struct err *err)
{
    struct compose_texts *texts = ret;

    if (node->kind != YAML_LIST || node->count > ITEMS_MAX)
        return bad(node, err, "a list of texts is expected");
    texts->items = ARENA_ARRAY(arena, const char *, node->count);
    for (texts->count = 0; texts->count < node->count; texts->count++)
        if (!read_text(node->items[texts->count].node, arena, &texts->items[texts->count], err))
            return false;
    return true;
}

static bool read_pairs(const struct yaml_node *node, struct arena *arena, void *ret,
                       struct err *err)
{
    struct compose_pairs *pairs = ret;

    if (node->kind != YAML_MAP || node->count > ITEMS_MAX)
        return bad(node, err, "a map of texts is expected");
    pairs->items = ARENA_ARRAY(arena, struct compose_pair, node->count);
    for (pairs->count = 0; pairs->count < node->count; pairs->count++) {
        struct compose_pair *pair = &pairs->items[pairs->count];
        pair->key = node->items[pairs->count].key;
        if (!read_text(node->items[pairs->count].node, arena, &pair->value, err))
            return false;
    }
    return true;
}

static bool read_bool(const struct yaml_node *node, struct arena *arena, void *ret, struct err *err)
{
    (void)arena;
    if (node->kind != YAML_SCALAR || yaml_value(node).type != YAML_BOOL)
        return bad(node, err, "true or false is expected");
    *(bool *)ret = yaml_value(node).is_true;
    return true;
}

static bool read_port(const struct yaml_node *node, struct arena *arena, void *ret, struct err *err)
{
    struct yaml_value value = node->kind == YAML_SCALAR ? yaml_value(node) : (struct yaml_value){0};

    (void)arena;
    if (value.type != YAML_INT || value.integer < 1 || value.integer > 65535)
        return bad(node, err, "a port from 1 to 65535 is expected");
    *(uint16_t *)ret = (uint16_t)value.integer;
    return true;
}

/* Whole seconds into milliseconds. */
static bool read_seconds(const struct yaml_node *node, struct arena *arena, void *ret,
                         struct err *err)
{
    struct yaml_value value = node->kind == YAML_SCALAR ? yaml_value(node) : (struct yaml_value){0};

    (void)arena;
    if (value.type != YAML_INT || value.integer < 1 || value.integer > 86400)
        return bad(node, err, "seconds from 1 to 86400 are expected");
    *(uint64_t *)ret = (uint64_t)value.integer * 1000;
    return true;
}

static bool read_retries(const struct yaml_node *node, struct arena *arena, void *ret,
                         struct err *err)
{
    struct yaml_value value = node->kind == YAML_SCALAR ? yaml_value(node) : (struct yaml_value){0};

    (void)arena;
    if (value.type != YAML_INT || value.integer < 1 || value.integer > 1000)
        return bad(node, err, "a number from 1 to 1000 is expected");
    *(uint32_t *)ret = (uint32_t)value.integer;
    return true;
}

struct key {
    const char *name;
    read_fn *read;
    size_t offset;
    bool required;
};

static bool read_keys(const struct yaml_node *node, const struct key *keys, size_t count,
                      struct arena *arena, char *ret, struct err *err)
{
    if (node->kind != YAML_MAP)
        return bad(node, err, "a map is expected");
    for (size_t i = 0; i < node->count; i++) {
        const struct yaml_item *item = &node->items[i];
        size_t k = 0;
        while (k < count && strcmp(keys[k].name, item->key) != 0)
            k++;
        if (k == count)
            return err_set(err, ERR_INVALID, "%s:%u:%u: unknown key '%s'", node->file, item->line,
                           item->column, item->key);
        if (!keys[k].read(item->node, arena, ret + keys[k].offset, err))
            return false;
    }
    for (size_t k = 0; k < count; k++)
        if (keys[k].required && yaml_find(node, keys[k].name) == NULL)
            return err_set(err, ERR_INVALID, "%s: '%s' is missing", node->file, keys[k].name);
    return true;
}

#define CHECK_KEY(name, read, field, required)                                                     \
    {                                                                                              \
        name, read, offsetof(struct compose_healthcheck, field), required                          \
    }
static const struct key healthcheck_keys[] = {
    CHECK_KEY("test", read_texts, test, true),
    CHECK_KEY("interval", read_seconds, interval_ms, true),
    CHECK_KEY("timeout", read_seconds, timeout_ms, true),
    CHECK_KEY("start_period", read_seconds, start_period_ms, true),
    CHECK_KEY("start_interval", read_seconds, start_interval_ms, true),
    CHECK_KEY("retries", read_retries, retries, true),
};

static bool read_healthcheck(const struct yaml_node *node, struct arena *arena, void *ret,
                             struct err *err)
{
    return read_keys(node, healthcheck_keys, ARRAY_LEN(healthcheck_keys), arena, ret, err);
}

#define RECIPE_KEY(name, read, field, required)                                                    \
    {                                                                                              \
        name, read, offsetof(struct recipe, field), required                                       \
    }
static const struct key recipe_keys[] = {
    RECIPE_KEY("name", read_text, name, true),
    RECIPE_KEY("note", read_text, image.note, false),
    RECIPE_KEY("match", read_texts, match, true),
    RECIPE_KEY("package", read_text, package, true),
    RECIPE_KEY("find", read_text, find, true),
    RECIPE_KEY("versions", read_texts, versions, false),
    RECIPE_KEY("user", read_text, user, true),
    RECIPE_KEY("uids", read_texts, uids, false),
    RECIPE_KEY("home", read_text, home, false),
    RECIPE_KEY("working_dir", read_text, working_dir, false),
    RECIPE_KEY("script", read_text, script, false),
    RECIPE_KEY("script_target", read_text, script_target, false),
    RECIPE_KEY("library", read_text, library, false),
    RECIPE_KEY("path", read_texts, path, false),
    RECIPE_KEY("entrypoint", read_texts, entrypoint, false),
    RECIPE_KEY("command", read_texts, command, false),
    RECIPE_KEY("environment", read_pairs, environment, false),
    RECIPE_KEY("folders", read_texts, folders, false),
    RECIPE_KEY("links", read_pairs, links, false),
    RECIPE_KEY("volumes", read_texts, image.volumes, false),
    RECIPE_KEY("stop_signal", read_text, image.stop_signal, false),
    RECIPE_KEY("exclusive", read_bool, image.exclusive, false),
    RECIPE_KEY("port", read_port, image.port, false),
    RECIPE_KEY("healthcheck", read_healthcheck, image.healthcheck, false),
};

bool recipe_decode(const struct yaml_node *root, struct arena *arena, struct recipe *ret,
                   struct err *err)
{
    struct recipe recipe = {0};

    if (!read_keys(root, recipe_keys, ARRAY_LEN(recipe_keys), arena, (char *)&recipe, err))
        return false;
    if ((recipe.script == NULL) != (recipe.script_target == NULL) ||
        (recipe.script != NULL && strchr(recipe.script, '/') != NULL))
        return bad(root, err, "script, a plain file name, and script_target go together");
    if (recipe.library != NULL && (recipe.script == NULL || strchr(recipe.library, '/') != NULL))
        return bad(root, err, "library is a plain file name, and goes with script");
    *ret = recipe;
    return true;
}
