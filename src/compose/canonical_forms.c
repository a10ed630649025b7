/* SPDX-License-Identifier: Apache-2.0
 *
 * The short forms, one function each, named in the schema tables. */
#include "base/base.h"

#include "compose/compose_priv.h"
#include "compose/schema_priv.h"
#include "compose/units.h"

enum { PORT_RANGE_MAX = 1000 };

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

struct yaml_node *canonical_command(struct load *load, const struct path *path,
                                    struct yaml_node *node)
{
    const char **words;
    size_t count;
    struct err err;

    if (node->kind != YAML_SCALAR)
        return node;
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

struct yaml_node *canonical_depends_on(struct load *load, const struct path *path,
                                       struct yaml_node *node)
{
    node = canonical_name_map(load, path, node);
    for (size_t i = 0; node->kind == YAML_MAP && i < node->count; i++) {
        struct yaml_node *entry = node->items[i].node;

        if (yaml_is_null(entry))
            entry = node->items[i].node = yaml_new(load->arena, YAML_MAP, entry);
        if (entry->kind != YAML_MAP)
            continue;
        if (yaml_is_null(yaml_find(entry, "condition")))
            set_text(load, entry, "condition", STR("service_started"));
        if (yaml_is_null(yaml_find(entry, "required")))
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

static void push_port(struct load *load, const struct units_port *port, unsigned offset,
                      const struct yaml_node *like, struct yaml_node *ret)
{
    struct yaml_node *map = yaml_new(load->arena, YAML_MAP, like);
    bool one_target = port->target_first == port->target_last;
    const char *published = NULL;

    set_text(load, map, "mode", STR("ingress"));
    if (port->host_ip.len > 0)
        set_text(load, map, "host_ip", port->host_ip);
    yaml_set(load->arena, map, "target",
             yaml_new_plain(load->arena,
                            arena_printf(load->arena, "%u", port->target_first + offset), like));
    if (port->published_first != 0 && one_target && port->published_last != port->published_first)
        published = arena_printf(load->arena, "%u-%u", port->published_first, port->published_last);
    else if (port->published_first != 0)
        published = arena_printf(load->arena, "%u", port->published_first + offset);
    if (published != NULL)
        set_text(load, map, "published", str_of(published));
    set_text(load, map, "protocol", port->is_udp ? STR("udp") : STR("tcp"));
    yaml_push(load->arena, ret, map);
}

static void push_short_port(struct load *load, const struct path *path,
                            const struct yaml_node *entry, struct yaml_node *ret)
{
    struct units_port port;
    struct err err;

    if (!units_parse_port(str_of(entry->text), &port, &err)) {
        load_error(load, entry, path, NULL, "%s", err.text);
        return;
    }
    unsigned count = 1U + port.target_last - port.target_first;
    if (count > PORT_RANGE_MAX) {
        load_error(load, entry, path, NULL, "a range of %u ports; at most %d are accepted", count,
                   PORT_RANGE_MAX);
        return;
    }
    for (unsigned i = 0; i < count; i++)
        push_port(load, &port, i, entry, ret);
}

static void push_long_port(struct load *load, const struct path *path, struct yaml_node *entry,
                           struct yaml_node *ret)
{
    const struct yaml_node *target = yaml_find(entry, "target");
    uint64_t number;

    if (yaml_is_null(target)) {
        load_error(load, entry, path, NULL, "a port needs a 'target'");
        return;
    }
    if (target->kind != YAML_SCALAR || !str_to_u64(str_of(target->text), UINT32_MAX, &number) ||
        number == 0 || number > 65535)
        load_error(load, target, &(struct path){path, "target", 0}, NULL,
                   "'%.40s' is no port from 1 to 65535",
                   target->kind == YAML_SCALAR ? target->text : "");
    if (yaml_is_null(yaml_find(entry, "protocol")))
        set_text(load, entry, "protocol", STR("tcp"));
    if (yaml_is_null(yaml_find(entry, "mode")))
        set_text(load, entry, "mode", STR("ingress"));
    yaml_push(load->arena, ret, entry);
}

struct yaml_node *canonical_ports(struct load *load, const struct path *path,
                                  struct yaml_node *node)
{
    if (node->kind != YAML_LIST)
        return node;
    struct yaml_node *list = yaml_new(load->arena, YAML_LIST, node);
    for (size_t i = 0; i < node->count; i++) {
        struct yaml_node *entry = node->items[i].node;
        const struct path here = {path, NULL, i};

        if (entry->kind == YAML_MAP)
            push_long_port(load, &here, entry, list);
        else if (entry->kind == YAML_SCALAR)
            push_short_port(load, &here, entry, list);
        else
            load_error(load, entry, &here, NULL, "must be a port such as \"8080:80\"");
    }
    return list;
}

struct yaml_node *canonical_published(struct load *load, const struct path *path,
                                      struct yaml_node *node)
{
    uint16_t first;
    uint16_t last;
    struct err err;

    if (node->kind != YAML_SCALAR || *node->text == '\0' ||
        units_parse_port_range(str_of(node->text), &first, &last, &err))
        return node;
    load_error(load, node, path, NULL, "%s", err.text);
    return NULL;
}

static bool is_path(struct str source)
{
    return source.len > 0 && strchr("./~", source.ptr[0]) != NULL;
}

static struct yaml_node *member(struct load *load, struct yaml_node *map, const char *key)
{
    struct yaml_node *node = yaml_find(map, key);

    if (node == NULL) {
        node = yaml_new(load->arena, YAML_MAP, map);
        yaml_set(load->arena, map, key, node);
    }
    return node;
}

static void apply_volume_option(struct load *load, const struct path *path, struct yaml_node *map,
                                struct str option)
{
    static const char *const propagations[] = {"rprivate", "private", "rshared",
                                               "shared",   "rslave",  "slave"};

    if (str_is(option, "ro")) {
        yaml_set(load->arena, map, "read_only", yaml_new_plain(load->arena, "true", map));
        return;
    }
    if (str_is(option, "nocopy")) {
        yaml_set(load->arena, member(load, map, "volume"), "nocopy",
                 yaml_new_plain(load->arena, "true", map));
        return;
    }
    if (str_is(option, "z") || str_is(option, "Z")) {
        set_text(load, member(load, map, "bind"), "selinux", option);
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(propagations); i++)
        if (str_is(option, propagations[i])) {
            set_text(load, member(load, map, "bind"), "propagation", option);
            return;
        }
    if (!str_is(option, "rw") && !str_is(option, "cached") && !str_is(option, "delegated") &&
        !str_is(option, "consistent"))
        load_warn(load, map, path, "known are ro, rw, nocopy, z, Z and the mount propagations",
                  "unknown volume option '" STR_FMT "'", STR_ARG(str_sub(option, 0, 60)));
}

struct yaml_node *canonical_volume(struct load *load, const struct path *path,
                                   struct yaml_node *node)
{
    if (node->kind != YAML_SCALAR)
        return node;
    struct str parts[3] = {0};
    struct str rest = str_of(node->text);
    size_t count = 0;
    bool good = rest.len > 0;
    while (rest.ptr != NULL && count < ARRAY_LEN(parts)) {
        parts[count] = str_cut(&rest, ':');
        good = good && parts[count++].len > 0;
    }
    if (!good || rest.ptr != NULL) {
        load_error(load, node, path, "write source:target or source:target:ro",
                   "'%.80s' is no volume", node->text);
        return NULL;
    }
    struct yaml_node *map = yaml_new(load->arena, YAML_MAP, node);
    bool is_bind = count > 1 && is_path(parts[0]);
    set_text(load, map, "type", is_bind ? STR("bind") : STR("volume"));
    if (count > 1)
        set_text(load, map, "source", parts[0]);
    set_text(load, map, "target", parts[count > 1 ? 1 : 0]);
    (void)member(load, map, is_bind ? "bind" : "volume");
    for (struct str options = parts[2]; options.ptr != NULL;)
        apply_volume_option(load, path, map, str_cut(&options, ','));
    return map;
}

struct yaml_node *canonical_mount(struct load *load, const struct path *path,
                                  struct yaml_node *node)
{
    (void)path;
    if (node->kind != YAML_SCALAR)
        return node;
    struct yaml_node *map = yaml_new(load->arena, YAML_MAP, node);
    set_text(load, map, "source", str_of(node->text));
    return map;
}

static void push_hosts(struct load *load, const char *name, const struct yaml_node *addresses,
                       struct yaml_node *ret)
{
    if (addresses->kind == YAML_SCALAR) {
        yaml_push(load->arena, ret,
                  yaml_new_text(load->arena,
                                arena_printf(load->arena, "%s=%s", name, addresses->text),
                                addresses));
        return;
    }
    for (size_t i = 0; i < addresses->count; i++)
        if (addresses->items[i].node->kind == YAML_SCALAR)
            push_hosts(load, name, addresses->items[i].node, ret);
}

struct yaml_node *canonical_extra_hosts(struct load *load, const struct path *path,
                                        struct yaml_node *node)
{
    struct yaml_node *list = yaml_new(load->arena, YAML_LIST, node);

    if (node->kind == YAML_SCALAR)
        return node;
    for (size_t i = 0; i < node->count; i++) {
        const struct yaml_item *item = &node->items[i];
        const struct path here = {path, item->key, i};

        if (item->key != NULL) {
            push_hosts(load, item->key, item->node, list);
            continue;
        }
        const char *text = item->node->kind == YAML_SCALAR ? item->node->text : "";
        size_t at = strcspn(text, "=");
        if (text[at] == '\0')
            at = strcspn(text, ":");
        if (at == 0 || text[at] == '\0') {
            load_error(load, item->node, &here, NULL, "must be name=address");
            continue;
        }
        yaml_push(load->arena, list,
                  yaml_new_text(load->arena,
                                arena_printf(load->arena, "%.*s=%s", (int)at, text, text + at + 1),
                                item->node));
    }
    return list;
}

struct yaml_node *canonical_device(struct load *load, const struct path *path,
                                   struct yaml_node *node)
{
    (void)path;
    if (node->kind != YAML_SCALAR)
        return node;
    struct yaml_node *map = yaml_new(load->arena, YAML_MAP, node);
    struct str rest = str_of(node->text);
    struct str source = str_cut(&rest, ':');
    struct str target = rest.ptr == NULL ? source : str_cut(&rest, ':');
    set_text(load, map, "source", source);
    set_text(load, map, "target", target);
    set_text(load, map, "permissions", rest.ptr == NULL ? STR("rwm") : rest);
    return map;
}

/* `external: {name: x}` is an older way to write `external: true` and `name: x`. */
struct yaml_node *canonical_external(struct load *load, const struct path *path,
                                     struct yaml_node *node)
{
    struct yaml_node *external = yaml_find(node, "external");
    struct yaml_node *name = yaml_find(external, "name");

    (void)path;
    if (external == NULL || external->kind != YAML_MAP)
        return node;
    if (name != NULL)
        yaml_set(load->arena, node, "name", name);
    yaml_set(load->arena, node, "external", yaml_new_plain(load->arena, "true", external));
    return node;
}

/* tls: auto | off | {certificate, key}. YAML has no boolean `off`, but people write false. */
struct yaml_node *canonical_tls(struct load *load, const struct path *path, struct yaml_node *node)
{
    const struct yaml_node *certificate = yaml_find(node, "certificate");
    const struct yaml_node *key = yaml_find(node, "key");

    if (node->kind == YAML_SCALAR &&
        (strcmp(node->text, "auto") == 0 || strcmp(node->text, "off") == 0))
        return node;
    if (node->kind == YAML_SCALAR && strcmp(node->text, "false") == 0)
        return yaml_new_text(load->arena, "off", node);
    if (node->kind == YAML_MAP && node->count == 2 && certificate != NULL && key != NULL &&
        certificate->kind == YAML_SCALAR && key->kind == YAML_SCALAR)
        return node;
    load_error(load, node, path, NULL, "must be auto, off or {certificate: FILE, key: FILE}");
    return NULL;
}
