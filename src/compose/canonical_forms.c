/* SPDX-License-Identifier: Apache-2.0
 *
 * The short forms, one function each, named in the schema tables. */
#include "base/base.h"

#include "compose/compose_priv.h"
#include "compose/schema_priv.h"
#include "compose/units.h"

static struct yaml_node *text_node(struct load *load, struct str text, const struct yaml_node *like)
{
    return yaml_new_text(load->arena, arena_str(load->arena, text), like);
}

static void set_text(struct load *load, struct yaml_node *map, const char *key, struct str text)
{
    yaml_set(load->arena, map, key, text_node(load, text, map));
}

struct yaml_node *canonical_text_list(struct load *load, const struct path *path,
                                      struct yaml_node *node)
{
    (void)path;
    if (node->kind != YAML_SCALAR)
        return node;
    struct yaml_node *list = yaml_new(load->arena, YAML_LIST, node);
    struct yaml_node *entry = yaml_copy(load->arena, node);
    entry->tag = NULL;
    yaml_push(load->arena, list, entry);
    return list;
}

struct yaml_node *canonical_build(struct load *load, const struct path *path,
                                  struct yaml_node *node)
{
    (void)path;
    if (node->kind != YAML_SCALAR)
        return node;
    struct yaml_node *map = yaml_new(load->arena, YAML_MAP, node);
    set_text(load, map, "context", str_of(node->text));
    return map;
}

static bool check_text(struct load *load, const struct path *path, const struct yaml_node *node)
{
    if (yaml_value(node).type == YAML_TEXT)
        return true;
    load_error(load, node, path,
               arena_printf(load->arena, "put quotes around it: \"%.40s\"", node->text),
               "must be a text or a list, and %.40s is neither", node->text);
    return false;
}

struct yaml_node *canonical_command(struct load *load, const struct path *path,
                                    struct yaml_node *node)
{
    const char **words;
    size_t count;
    struct err err;

    if (node->kind != YAML_SCALAR)
        return node;
    if (!check_text(load, path, node))
        return NULL;
    if (!units_split_words(str_of(node->text), load->arena, &words, &count, &err)) {
        load_error(load, node, path, NULL, "%s", err.text);
        return NULL;
    }
    struct yaml_node *list = yaml_new(load->arena, YAML_LIST, node);
    for (size_t i = 0; i < count; i++)
        yaml_push(load->arena, list, yaml_new_text(load->arena, words[i], node));
    return list;
}

struct yaml_node *canonical_test(struct load *load, const struct path *path, struct yaml_node *node)
{
    if (node->kind == YAML_SCALAR) {
        if (!check_text(load, path, node))
            return NULL;
        struct yaml_node *list = yaml_new(load->arena, YAML_LIST, node);
        yaml_push(load->arena, list, yaml_new_text(load->arena, "CMD-SHELL", node));
        yaml_push(load->arena, list, yaml_new_text(load->arena, node->text, node));
        return list;
    }
    const struct yaml_node *first =
        node->kind == YAML_LIST && node->count > 0 ? node->items[0].node : NULL;
    if (node->kind == YAML_LIST &&
        (first == NULL || first->kind != YAML_SCALAR ||
         (strcmp(first->text, "CMD") != 0 && strcmp(first->text, "CMD-SHELL") != 0 &&
          strcmp(first->text, "NONE") != 0))) {
        load_error(load, node, path, "or write the command as one text",
                   "the list must start with CMD, CMD-SHELL or NONE");
        return NULL;
    }
    return node;
}

struct yaml_node *canonical_name_map(struct load *load, const struct path *path,
                                     struct yaml_node *node)
{
    if (node->kind == YAML_SCALAR) {
        load_error(load, node, path, arena_printf(load->arena, "write [\"%.60s\"]", node->text),
                   "must be a list of names or a map, not a single value");
        return NULL;
    }
    if (node->kind != YAML_LIST)
        return node;
    struct yaml_node *map = yaml_new(load->arena, YAML_MAP, node);
    for (size_t i = 0; i < node->count; i++) {
        const struct yaml_node *entry = node->items[i].node;
        const struct path here = {path, NULL, i};

        if (entry->kind != YAML_SCALAR)
            load_error(load, entry, &here, NULL, "must be a name");
        else
            yaml_set(load->arena, map, entry->text, yaml_new_plain(load->arena, "null", entry));
    }
    return map;
}

/* What a list says in short; a map gives the condition itself, perhaps in another file. */
struct yaml_node *canonical_depends_on(struct load *load, const struct path *path,
                                       struct yaml_node *node)
{
    bool is_list = node->kind == YAML_LIST;

    node = canonical_name_map(load, path, node);
    for (size_t i = 0; node != NULL && node->kind == YAML_MAP && i < node->count; i++) {
        struct yaml_node *entry = node->items[i].node;
        const struct path here = {path, node->items[i].key, 0};

        if (entry->tag != NULL && strcmp(entry->tag, "!reset") == 0)
            continue;
        if (yaml_is_null(entry) && !is_list)
            load_error(load, entry, &here, "write a list of names, or a map with 'condition'",
                       "must be a map");
        if (yaml_is_null(entry))
            entry = node->items[i].node = yaml_new(load->arena, YAML_MAP, entry);
        if (!is_list || entry->kind != YAML_MAP)
            continue;
        set_text(load, entry, "condition", STR("service_started"));
        yaml_set(load->arena, entry, "required", yaml_new_plain(load->arena, "true", entry));
    }
    return node;
}

struct yaml_node *canonical_env_file(struct load *load, const struct path *path,
                                     struct yaml_node *node)
{
    node = canonical_text_list(load, path, node);
    for (size_t i = 0; node->kind == YAML_LIST && i < node->count; i++) {
        struct yaml_node *entry = node->items[i].node;

        if (entry->kind == YAML_SCALAR && !yaml_is_null(entry)) {
            struct yaml_node *map = yaml_new(load->arena, YAML_MAP, entry);
            set_text(load, map, "path", str_of(entry->text));
            entry = node->items[i].node = map;
        }
        if (entry->kind == YAML_MAP && yaml_find(entry, "required") == NULL)
            yaml_set(load->arena, entry, "required", yaml_new_plain(load->arena, "true", entry));
    }
    return node;
}

static struct yaml_node *one_member(struct load *load, struct yaml_node *node, const char *key)
{
    if (node->kind != YAML_SCALAR)
        return node;
    struct yaml_node *map = yaml_new(load->arena, YAML_MAP, node);
    yaml_set(load->arena, map, key, yaml_copy(load->arena, node));
    return map;
}

static struct yaml_node *required(struct load *load, const struct path *path,
                                  struct yaml_node *node, const char *key)
{
    if (node->kind != YAML_MAP || !yaml_is_null(yaml_find(node, key)))
        return node;
    load_error(load, node, path, NULL, "needs '%s'", key);
    return NULL;
}

struct yaml_node *canonical_hook(struct load *load, const struct path *path, struct yaml_node *node)
{
    return node->kind == YAML_MAP && yaml_find_item(node, "command") == NULL
               ? required(load, path, node, "command")
               : node;
}

struct yaml_node *canonical_model(struct load *load, const struct path *path,
                                  struct yaml_node *node)
{
    return required(load, path, node, "model");
}

/* always, never, missing, ..., daily, weekly, every_1d12h */
struct yaml_node *canonical_pull_policy(struct load *load, const struct path *path,
                                        struct yaml_node *node)
{
    static const char *const words[] = {"always",         "never",   "build",
                                        "if_not_present", "missing", "refresh",
                                        "daily",          "weekly",  NULL};
    const char *text = node->kind == YAML_SCALAR ? node->text : "";
    const char *at = text + strlen("every_");
    bool good = strncmp(text, "every_", strlen("every_")) == 0 && *at != '\0';

    while (good && *at != '\0') {
        size_t digits = strspn(at, "0123456789");
        good = digits > 0 && at[digits] != '\0' && strchr("wdhms", at[digits]) != NULL;
        at += digits + good;
    }
    for (const char *const *word = words; !good && *word != NULL; word++)
        good = strcmp(text, *word) == 0;
    if (good)
        return node;
    load_error(
        load, node, path, suggest(load->arena, text, words),
        "'%.40s' is none of: always, never, build, missing, refresh, daily, weekly, every_1d",
        text);
    return NULL;
}

struct yaml_node *canonical_extends(struct load *load, const struct path *path,
                                    struct yaml_node *node)
{
    return required(load, path, one_member(load, node, "service"), "service");
}

struct yaml_node *canonical_include(struct load *load, const struct path *path,
                                    struct yaml_node *node)
{
    return required(load, path, one_member(load, node, "path"), "path");
}

struct yaml_node *canonical_schedule(struct load *load, const struct path *path,
                                     struct yaml_node *node)
{
    return required(load, path, one_member(load, node, "cron"), "cron");
}

/* <from> is how <to> was written before the specification had it. */
static void rename_key(struct yaml_node *map, const char *from, const char *to)
{
    struct yaml_item *item = yaml_find_item(map, from);

    if (item == NULL)
        return;
    if (yaml_is_null(yaml_find(map, to)))
        item->key = to;
    else
        yaml_remove(map, (size_t)(item - map->items));
}

struct yaml_node *canonical_service(struct load *load, const struct path *path,
                                    struct yaml_node *node)
{
    (void)load;
    (void)path;
    rename_key(node, "x-develop", "develop");
    return node;
}

struct yaml_node *canonical_watch(struct load *load, const struct path *path,
                                  struct yaml_node *node)
{
    rename_key(node, "x-initialSync", "initial_sync");
    if (required(load, path, node, "path") == NULL)
        return NULL;
    return required(load, path, node, "action");
}

/* The entries of a list need a value, but for <alone>. */
static struct yaml_node *check_values(struct load *load, const struct path *path,
                                      struct yaml_node *node, const char *alone)
{
    for (size_t i = 0; node->kind == YAML_LIST && i < node->count; i++) {
        const struct yaml_node *entry = node->items[i].node;
        const struct path here = {path, NULL, i};

        if (entry->kind == YAML_SCALAR && strchr(entry->text, '=') == NULL &&
            (alone == NULL || strcmp(entry->text, alone) != 0))
            load_error(load, entry, &here, NULL, "'%.80s' must be name=value", entry->text);
    }
    return node;
}

struct yaml_node *canonical_contexts(struct load *load, const struct path *path,
                                     struct yaml_node *node)
{
    return check_values(load, path, node, NULL);
}

struct yaml_node *canonical_ssh(struct load *load, const struct path *path, struct yaml_node *node)
{
    return check_values(load, path, node, "default");
}

/* `external: {name: x}` is an older way to write `external: true` and `name: x`. */
struct yaml_node *canonical_resource(struct load *load, const struct path *path,
                                     struct yaml_node *node)
{
    struct yaml_node *external = yaml_find(node, "external");
    const struct yaml_node *own_name = yaml_find(node, "name");
    struct yaml_node *name = yaml_find(external, "name");

    if (external == NULL || external->kind != YAML_MAP)
        return node;
    if (name != NULL && own_name != NULL && !yaml_equal(name, own_name))
        load_error(load, name, path, "keep 'name'", "'name' and 'external.name' differ");
    if (name != NULL && own_name == NULL)
        yaml_set(load->arena, node, "name", name);
    yaml_set(load->arena, node, "external", yaml_new_plain(load->arena, "true", external));
    return node;
}

/* <ret_files> counts the known ones. */
static bool has_files_only(const struct yaml_node *map, size_t *ret_files)
{
    static const char *const keys[] = {"certificate", "key", "ocsp", "client_ca"};

    *ret_files = 0;
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        const struct yaml_node *file = yaml_find(map, keys[i]);
        if (file != NULL && (file->kind != YAML_SCALAR || yaml_is_null(file)))
            return false;
        *ret_files += file != NULL;
    }
    return *ret_files == map->count;
}

/* tls: auto | off | {certificate, key, ocsp, client_ca}: ocsp goes with the two before it,
 * client_ca stands alone too. YAML has no boolean `off`, but people write false. */
struct yaml_node *canonical_tls(struct load *load, const struct path *path, struct yaml_node *node)
{
    const struct yaml_node *certificate = yaml_find(node, "certificate");
    const struct yaml_node *key = yaml_find(node, "key");
    size_t files;

    if (node->kind == YAML_SCALAR &&
        (strcmp(node->text, "auto") == 0 || strcmp(node->text, "off") == 0))
        return node;
    if (node->kind == YAML_SCALAR && strcmp(node->text, "false") == 0)
        return yaml_new_text(load->arena, "off", node);
    if (node->kind == YAML_MAP && has_files_only(node, &files) && files > 0 &&
        (certificate != NULL) == (key != NULL) &&
        (certificate != NULL || yaml_find(node, "ocsp") == NULL))
        return node;
    load_error(load, node, path, "ocsp: FILE and client_ca: FILE may stand beside them",
               "must be auto, off or {certificate: FILE, key: FILE}");
    return NULL;
}
