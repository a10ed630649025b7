/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <math.h>

#include "compose/canonical.h"
#include "compose/misplaced.h"
#include "compose/schema_priv.h"
#include "compose/units.h"

enum { KEYS_TOLD_MAX = 12 }; /* where none is like the unknown one */

static const char *kind_name(const struct yaml_node *node)
{
    static const char *const names[] = {
        [YAML_SCALAR] = "a single value", [YAML_LIST] = "a list", [YAML_MAP] = "a map"};

    return names[node->kind];
}

static struct yaml_node *wrong_kind(struct load *load, const struct path *path,
                                    const struct yaml_node *node, enum yaml_kind wanted,
                                    const char *name)
{
    load_error(load, node, path, misplaced_value(load, path, node, wanted), "must be %s, not %s",
               name, kind_name(node));
    return NULL;
}

static const char *if_empty(const struct yaml_node *node)
{
    return *node->text == '\0' ? "is a variable of this line not set?" : NULL;
}

static struct yaml_node *wrong_value(struct load *load, const struct path *path,
                                     const struct yaml_node *node, const char *wanted)
{
    load_error(load, node, path, if_empty(node), "'%.80s' is not %s", node->text, wanted);
    return NULL;
}

static bool is_word(const char *text, const char *const *words)
{
    for (; *words != NULL; words++)
        if (strcmp(*words, text) == 0)
            return true;
    return false;
}

static struct yaml_node *canonical_words(struct load *load, const struct path *path,
                                         const struct schema *schema, struct yaml_node *node)
{
    AUTO(buf_done) struct buf list = {0};

    if (schema->words == NULL || is_word(node->text, schema->words))
        return node;
    for (size_t i = 0; schema->words[i] != NULL; i++)
        buf_addf(&list, "%s%s", i == 0 ? "" : ", ", schema->words[i]);
    load_error(load, node, path, suggest(load->arena, node->text, schema->words),
               "'%.80s' is none of: %s", node->text, buf_text(&list));
    return NULL;
}

static struct yaml_node *canonical_scalar_text(struct load *load, const struct path *path,
                                               const struct schema *schema, struct yaml_node *node)
{
    enum yaml_type type = yaml_value(node).type;

    if (type == YAML_INT && (schema->flags & SCHEMA_OCTAL) != 0 && yaml_value(node).integer >= 0) {
        node->text =
            arena_printf(load->arena, "0%llo", (unsigned long long)yaml_value(node).integer);
        node->quoted = true;
    } else if (type != YAML_TEXT && (schema->flags & SCHEMA_LOOSE) == 0) {
        bool is_restart = type == YAML_BOOL && path != NULL && path->key != NULL &&
                          strcmp(path->key, "restart") == 0;
        load_error(load, node, path,
                   is_restart
                       ? "write \"no\" or \"always\""
                       : arena_printf(load->arena, "put quotes around it: \"%.40s\"", node->text),
                   "must be a text, and %.40s is %s", node->text,
                   type == YAML_BOOL ? "true or false" : "a number");
        return NULL;
    }
    node->text = yaml_value_text(load->arena, node);
    node->quoted = true;
    if ((schema->flags & SCHEMA_OCTAL) != 0 &&
        (*node->text == '\0' || node->text[strspn(node->text, "01234567")] != '\0'))
        return wrong_value(load, path, node, "a mode in octal digits, such as 0440");
    return canonical_words(load, path, schema, node);
}

static struct yaml_node *canonical_bool(struct load *load, const struct path *path,
                                        struct yaml_node *node)
{
    static const char *const yes[] = {"true", "True", "TRUE", "yes", "Yes", "YES",
                                      "y",    "Y",    "on",   "On",  "ON",  NULL};
    static const char *const no[] = {"false", "False", "FALSE", "no",  "No",  "NO",
                                     "n",     "N",     "off",   "Off", "OFF", NULL};

    bool is_true = is_word(node->text, yes);
    if (!is_true && !is_word(node->text, no))
        return wrong_value(load, path, node, "true or false");
    node->text = is_true ? "true" : "false";
    node->quoted = false;
    return node;
}

/* Numbers may come quoted, as interpolation leaves them. */
static struct yaml_value number_of(const struct yaml_node *node)
{
    struct yaml_node plain = *node;

    plain.quoted = false;
    return yaml_value(&plain);
}

static struct yaml_node *canonical_int(struct load *load, const struct path *path,
                                       const struct schema *schema, struct yaml_node *node)
{
    struct yaml_value value = number_of(node);

    if (value.type == YAML_FLOAT && fabs(value.number) < 1e15 &&
        value.number == (double)(int64_t)value.number) {
        value.type = YAML_INT;
        value.integer = (int64_t)value.number;
    }
    if (value.type != YAML_INT)
        return wrong_value(load, path, node, "a whole number");
    bool minus_one = value.integer == -1 && (schema->flags & SCHEMA_MINUS_ONE) != 0;
    if (value.integer < 0 && !minus_one && (schema->flags & SCHEMA_SIGNED) == 0) {
        load_error(load, node, path, NULL, "%s must not be below 0", node->text);
        return NULL;
    }
    node->text = arena_printf(load->arena, "%lld", (long long)value.integer);
    node->quoted = false;
    return node;
}

static struct yaml_node *canonical_number(struct load *load, const struct path *path,
                                          struct yaml_node *node)
{
    struct yaml_value value = number_of(node);
    char text[YAML_NUMBER_BYTES];

    if (value.type != YAML_INT && value.type != YAML_FLOAT)
        return wrong_value(load, path, node, "a number, such as 0.5");
    if (!(value.number >= 0) || value.number > 1e12) {
        load_error(load, node, path, NULL, "%s is out of range; it must be 0 or more", node->text);
        return NULL;
    }
    yaml_format_number(value.number, text);
    node->text = arena_text(load->arena, text);
    node->quoted = false;
    return node;
}

static struct yaml_node *canonical_duration(struct load *load, const struct path *path,
                                            struct yaml_node *node)
{
    AUTO(buf_done) struct buf text = {0};
    struct err err;
    uint64_t ns;

    if (!units_parse_duration(str_of(node->text), &ns, &err)) {
        load_error(load, node, path, if_empty(node), "%s", err.text);
        return NULL;
    }
    units_format_duration(ns, &text);
    node->text = arena_str(load->arena, buf_str(&text));
    node->quoted = true;
    return node;
}

static struct yaml_node *canonical_bytes(struct load *load, const struct path *path,
                                         const struct schema *schema, struct yaml_node *node)
{
    struct err err;
    uint64_t bytes;

    if ((schema->flags & SCHEMA_MINUS_ONE) != 0 && strcmp(node->text, "-1") == 0) {
        node->quoted = true;
        return node;
    }
    if (!units_parse_bytes(str_of(node->text), &bytes, &err)) {
        load_error(load, node, path, if_empty(node), "%s", err.text);
        return NULL;
    }
    node->text = arena_printf(load->arena, "%llu", (unsigned long long)bytes);
    node->quoted = true;
    return node;
}

static struct yaml_node *canonical_scalar(struct load *load, const struct path *path,
                                          const struct schema *schema, struct yaml_node *node)
{
    if (node->kind != YAML_SCALAR)
        return wrong_kind(load, path, node, YAML_SCALAR, "a single value");
    switch (schema->type) {
    case SCHEMA_TEXT:
        return canonical_scalar_text(load, path, schema, node);
    case SCHEMA_BOOL:
        return canonical_bool(load, path, node);
    case SCHEMA_INT:
        return canonical_int(load, path, schema, node);
    case SCHEMA_NUMBER:
        return canonical_number(load, path, node);
    case SCHEMA_DURATION:
        return canonical_duration(load, path, node);
    case SCHEMA_BYTES:
        return canonical_bytes(load, path, schema, node);
    case SCHEMA_ANY:
    case SCHEMA_PAIRS:
    case SCHEMA_LIST:
    case SCHEMA_MAP:
    case SCHEMA_OBJECT:
        break;
    }
    return node;
}

static struct yaml_node *pair_value(struct load *load, const struct path *path,
                                    const struct schema *schema, const struct yaml_node *node)
{
    struct yaml_value value = yaml_value(node);
    const char *text = yaml_value_text(load->arena, node);

    if (value.type == YAML_FLOAT && (isnan(value.number) || isinf(value.number)))
        load_error(load, node, path, "put quotes around it", "%s is no number here", node->text);
    if (text == NULL && (schema->flags & SCHEMA_EMPTY_VALUE) != 0)
        text = "";
    return text == NULL ? yaml_new_plain(load->arena, "null", node)
                        : yaml_new_text(load->arena, text, node);
}

/* "K=v" or "K", the latter without a value. */
static void add_pair(struct load *load, const struct path *path, const struct schema *schema,
                     const struct yaml_node *entry, struct yaml_node *ret)
{
    struct str value = str_of(entry->text);
    struct str key = str_cut(&value, '=');

    if (yaml_value(entry).type != YAML_TEXT)
        load_error(load, entry, path, "write NAME=value", "must be a text, not %.40s", entry->text);
    if (path->parent != NULL && path->parent->key != NULL && key.len > 0 &&
        strcmp(path->parent->key, "environment") == 0 && str_trim(key).len != key.len)
        load_error(load, entry, path, "write NAME=value",
                   "a space beside the name in '" STR_FMT "='", STR_ARG(str_sub(key, 0, 60)));
    struct yaml_node *node = value.ptr == NULL
                                 ? yaml_new_plain(load->arena, "null", entry)
                                 : yaml_new_text(load->arena, arena_str(load->arena, value), entry);

    yaml_set(load->arena, ret, arena_str(load->arena, key), pair_value(load, path, schema, node));
}

static void wrong_pair(struct load *load, const struct path *path, const struct yaml_node *node)
{
    load_error(load, node, path,
               path->key == NULL ? "write NAME=value, or leave out the '-' of all entries" : NULL,
               "must be a single value, not %s", kind_name(node));
}

static struct yaml_node *canonical_pairs(struct load *load, const struct path *path,
                                         const struct schema *schema, struct yaml_node *node)
{
    if (node->kind == YAML_SCALAR || (node->kind == YAML_LIST && schema->flags & SCHEMA_NO_LIST))
        return wrong_kind(load, path, node, YAML_MAP,
                          schema->flags & SCHEMA_NO_LIST ? "a map"
                                                         : "a list of NAME=value or a map");
    struct yaml_node *pairs = yaml_new(load->arena, YAML_MAP, node);
    pairs->tag = node->tag;
    for (size_t i = 0; i < node->count; i++) {
        struct yaml_item *item = &node->items[i];
        struct path here = {path, item->key, i};

        if (item->node->tag != NULL && strcmp(item->node->tag, "!reset") == 0 && item->key != NULL)
            yaml_set(load->arena, pairs, item->key, item->node);
        else if (item->node->kind != YAML_SCALAR)
            wrong_pair(load, &here, item->node);
        else if (item->key == NULL)
            add_pair(load, &here, schema, item->node, pairs);
        else
            yaml_set(load->arena, pairs, item->key, pair_value(load, &here, schema, item->node));
    }
    return pairs;
}

static struct yaml_node *canonical_list(struct load *load, const struct path *path,
                                        const struct schema *schema, struct yaml_node *node)
{
    if (node->kind != YAML_LIST)
        return wrong_kind(load, path, node, YAML_LIST, "a list");
    for (size_t i = 0; i < node->count; i++) {
        struct path here = {path, NULL, i};
        struct yaml_node *entry = node->items[i].node;

        if (yaml_is_null(entry)) {
            load_error(load, entry, &here, "remove the '-' or write something behind it",
                       "the entry is empty");
            continue;
        }
        entry = canonical(load, &here, schema->items, entry);
        if (entry != NULL)
            node->items[i].node = entry;
    }
    return node;
}

static bool is_good_name(const char *name)
{
    if (*name == '\0' || strlen(name) > 128)
        return false;
    return name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                             "0123456789._-")] == '\0';
}

static void check_name(struct load *load, const struct path *path, const struct yaml_item *item)
{
    struct yaml_node place = *item->node;

    if (is_good_name(item->key))
        return;
    place.line = item->line;
    place.column = item->column;
    load_error(load, &place, path, NULL,
               "name '%.80s' must be letters, digits, '.', '_' and '-' (at most 128)", item->key);
}

static struct yaml_node *canonical_map(struct load *load, const struct path *path,
                                       const struct schema *schema, struct yaml_node *node)
{
    if (node->kind != YAML_MAP)
        return wrong_kind(load, path, node, YAML_MAP, "a map");
    for (size_t i = 0; i < node->count; i++) {
        struct yaml_item *item = &node->items[i];
        struct path here = {path, item->key, 0};

        if ((schema->flags & SCHEMA_NAMES) != 0 &&
            ((schema->flags & SCHEMA_X_NAMES) != 0 || strncmp(item->key, "x-", 2) != 0))
            check_name(load, path, item);
        struct yaml_node *value =
            canonical(load, &here, schema_member(schema, item->key), item->node);
        if (value != NULL)
            item->node = value;
    }
    return node;
}

/* "there are: limit, timeout" */
static const char *list_keys(struct arena *arena, const char *const *names)
{
    AUTO(buf_done) struct buf text = {0};

    for (size_t i = 0; names[i] != NULL; i++)
        buf_addf(&text, "%s%s", i == 0 ? "there are: " : ", ", names[i]);
    return arena_str(arena, buf_str(&text));
}

static void unknown_key(struct load *load, const struct path *path, const struct schema *schema,
                        const struct yaml_item *item)
{
    const char *names[160];
    size_t count = 0;
    struct yaml_node place = *item->node;
    const char *hint = misplaced_key(load, path, schema, item);

    for (; schema != NULL; schema = schema->base)
        for (const struct schema_key *key = schema->keys; key != NULL && key->name != NULL; key++) {
            assert(count + 1 < ARRAY_LEN(names));
            names[count++] = key->name;
        }
    names[count] = NULL;
    place.line = item->line;
    place.column = item->column;
    if (hint == NULL)
        hint = suggest(load->arena, item->key, names);
    if (hint == NULL)
        hint = misplaced_owner(load, path);
    if (hint == NULL && count > 0 && count <= KEYS_TOLD_MAX)
        hint = list_keys(load->arena, names);
    load_error(load, &place, path, hint != NULL ? hint : "a key of your own must start with 'x-'",
               "unknown key '%.80s'", item->key);
}

static void tell_obsolete(struct load *load, const struct path *path, const struct schema_key *key,
                          const struct yaml_item *item)
{
    struct yaml_node place = *item->node;

    place.line = item->line;
    place.column = item->column;
    load_warn(load, &place, path, key->note, "'%s' is obsolete", key->name);
}

static struct yaml_node *canonical_object(struct load *load, const struct path *path,
                                          const struct schema *schema, struct yaml_node *node)
{
    if (node->kind == YAML_SCALAR && (schema->flags & SCHEMA_OR_INT) != 0)
        return canonical_int(load, path, &(struct schema){.flags = SCHEMA_MINUS_ONE}, node);
    if (node->kind != YAML_MAP)
        return wrong_kind(load, path, node, YAML_MAP, "a map");
    for (size_t i = 0; i < node->count; i++) {
        struct yaml_item *item = &node->items[i];
        struct path here = {path, item->key, 0};
        const struct schema_key *key = schema_find_key(schema, item->key);

        if (strncmp(item->key, "x-", 2) == 0)
            continue;
        if (key == NULL) {
            unknown_key(load, path, schema, item);
            continue;
        }
        if (key->support == SUPPORT_OBSOLETE && !yaml_is_null(item->node))
            tell_obsolete(load, &here, key, item);
        struct yaml_node *value = canonical(load, &here, &key->schema, item->node);
        if (value != NULL)
            item->node = value;
    }
    return node;
}

static bool has_tag(const struct yaml_node *node, const char *tag)
{
    return node->tag != NULL && strcmp(node->tag, tag) == 0;
}

static bool holds_variable(const struct yaml_node *node)
{
    if (node->kind == YAML_SCALAR)
        return strchr(node->text, '$') != NULL;
    for (size_t i = 0; i < node->count; i++)
        if (node->items[i].node->kind == YAML_SCALAR && holds_variable(node->items[i].node))
            return true;
    return false;
}

/* Without interpolation a value that may hold a variable, and a command, stays as it is written. */
static bool is_left(const struct load *load, const struct schema *schema,
                    const struct yaml_node *node)
{
    if ((load->skip & COMPOSE_SKIP_INTERPOLATION) == 0)
        return false;
    if (schema->canonical == canonical_ports)
        return holds_variable(node);
    return node->kind == YAML_SCALAR &&
           (holds_variable(node) || schema->canonical == canonical_command ||
            schema->canonical == canonical_test || schema->canonical == NULL);
}

struct yaml_node *canonical(struct load *load, const struct path *path, const struct schema *schema,
                            struct yaml_node *node)
{
    const char *tag = node->tag;

    if (has_tag(node, "!reset") || is_left(load, schema, node))
        return node;
    if (schema->canonical != NULL && !yaml_is_null(node)) {
        node = schema->canonical(load, path, node);
        if (node == NULL)
            return NULL;
        node->tag = tag;
    }
    if (schema->type == SCHEMA_ANY || yaml_is_null(node))
        return node;
    switch (schema->type) {
    case SCHEMA_PAIRS:
        return canonical_pairs(load, path, schema, node);
    case SCHEMA_LIST:
        return canonical_list(load, path, schema, node);
    case SCHEMA_MAP:
        return canonical_map(load, path, schema, node);
    case SCHEMA_OBJECT:
        return canonical_object(load, path, schema, node);
    case SCHEMA_ANY:
    case SCHEMA_TEXT:
    case SCHEMA_BOOL:
    case SCHEMA_INT:
    case SCHEMA_NUMBER:
    case SCHEMA_DURATION:
    case SCHEMA_BYTES:
        break;
    }
    return canonical_scalar(load, path, schema, node);
}

static const char *wanted(const struct schema *schema)
{
    switch (schema->type) {
    case SCHEMA_LIST:
        return "a list";
    case SCHEMA_MAP:
    case SCHEMA_OBJECT:
        return "a map";
    case SCHEMA_PAIRS:
        return "a map or a list";
    case SCHEMA_ANY:
    case SCHEMA_TEXT:
    case SCHEMA_BOOL:
    case SCHEMA_INT:
    case SCHEMA_NUMBER:
    case SCHEMA_DURATION:
    case SCHEMA_BYTES:
        break;
    }
    return "a value";
}

void canonical_check_empty(struct load *load, const struct path *path, const struct schema *schema,
                           const struct yaml_node *node)
{
    for (size_t i = 0; i < node->count; i++) {
        const struct yaml_item *item = &node->items[i];
        const struct path here = {path, item->key, i};
        const struct schema *inner = schema->items;
        struct yaml_node place = *item->node;

        if (schema->type == SCHEMA_OBJECT || (inner == NULL && item->key != NULL))
            inner = schema_member(schema, item->key);
        if (inner == NULL || inner->type == SCHEMA_ANY)
            continue;
        place.line = item->line;
        place.column = item->column;
        if (!yaml_is_null(item->node))
            canonical_check_empty(load, &here, inner, item->node);
        else if (schema->type == SCHEMA_OBJECT && (inner->flags & SCHEMA_NULLABLE) == 0)
            load_error(load, &place, &here, "write one, or remove the line", "needs %s",
                       wanted(inner));
    }
}
