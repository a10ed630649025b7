/* SPDX-License-Identifier: Apache-2.0
 *
 * Short forms of what a service is given from outside: ports, volumes, secrets, devices, hosts. */
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
    set_text(load, map, "protocol",
             port->is_sctp  ? STR("sctp")
             : port->is_udp ? STR("udp")
                            : STR("tcp"));
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
    if (!good) {
        load_error(load, node, path, "is a variable of this line not set?",
                   "'%.80s' has an empty part", node->text);
        return NULL;
    }
    if (rest.ptr != NULL) {
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
    if (strlen(node->text) > 2)
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

/* "[::1]" is "::1"; several addresses may stand in one text. */
static bool push_addresses(struct load *load, struct str name, struct str addresses,
                           const struct yaml_node *like, struct yaml_node *ret)
{
    bool has_name = name.len > 0 && memchr(name.ptr, ':', name.len) == NULL &&
                    memchr(name.ptr, '=', name.len) == NULL;

    do {
        struct str address = str_cut(&addresses, ',');
        if (address.len > 2 && address.ptr[0] == '[' && address.ptr[address.len - 1] == ']')
            address = str_sub(address, 1, address.len - 2);
        yaml_push(load->arena, ret,
                  yaml_new_text(load->arena,
                                arena_printf(load->arena, STR_FMT "=" STR_FMT, STR_ARG(name),
                                             STR_ARG(address)),
                                like));
    } while (addresses.ptr != NULL);
    return has_name;
}

static bool push_hosts(struct load *load, const char *name, const struct yaml_node *addresses,
                       struct yaml_node *ret)
{
    bool done = true;

    if (addresses->kind == YAML_SCALAR)
        return push_addresses(load, str_of(name),
                              yaml_is_null(addresses) ? STR("") : str_of(addresses->text),
                              addresses, ret);
    for (size_t i = 0; i < addresses->count; i++)
        done = done && addresses->items[i].node->kind == YAML_SCALAR &&
               push_hosts(load, name, addresses->items[i].node, ret);
    return done;
}

/* "name=address", or with ':' when there is no '='. */
static bool push_host_text(struct load *load, const struct yaml_node *entry, struct yaml_node *ret)
{
    const char *text = entry->kind == YAML_SCALAR ? entry->text : "";
    struct str address = str_of(text);
    struct str name = str_cut(&address, strchr(text, '=') != NULL ? '=' : ':');

    return address.ptr != NULL && push_addresses(load, name, address, entry, ret);
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
        bool done = item->key != NULL ? push_hosts(load, item->key, item->node, list)
                                      : push_host_text(load, item->node, list);
        if (!done)
            load_error(load, item->node, &here, NULL, "must be name=address");
    }
    return list;
}

struct yaml_node *canonical_device(struct load *load, const struct path *path,
                                   struct yaml_node *node)
{
    if (node->kind != YAML_SCALAR)
        return node;
    struct yaml_node *map = yaml_new(load->arena, YAML_MAP, node);
    struct str rest = str_of(node->text);
    struct str source = str_cut(&rest, ':');
    struct str target = rest.ptr == NULL ? source : str_cut(&rest, ':');
    struct str permissions = rest.ptr == NULL ? STR("rwm") : str_cut(&rest, ':');
    if (rest.ptr != NULL) {
        load_error(load, node, path, "write source:target:permissions", "'%.80s' is no device",
                   node->text);
        return NULL;
    }
    set_text(load, map, "source", source);
    set_text(load, map, "target", target.len == 0 ? source : target);
    set_text(load, map, "permissions", permissions);
    return map;
}

struct yaml_node *canonical_device_count(struct load *load, const struct path *path,
                                         struct yaml_node *node)
{
    (void)path;
    return node->kind == YAML_SCALAR && str_eq_nocase(str_of(node->text), STR("all"))
               ? yaml_new_plain(load->arena, "-1", node)
               : node;
}

struct yaml_node *canonical_device_request(struct load *load, const struct path *path,
                                           struct yaml_node *node)
{
    bool has_count = yaml_find_item(node, "count") != NULL;
    bool has_ids = yaml_find_item(node, "device_ids") != NULL;

    if (node->kind == YAML_MAP && has_count && has_ids)
        load_error(load, node, path, "keep one of them", "has both 'count' and 'device_ids'");
    if (node->kind == YAML_MAP && !has_count && !has_ids)
        yaml_set(load->arena, node, "count", yaml_new_plain(load->arena, "-1", node));
    return node;
}

struct yaml_node *canonical_reserved_device(struct load *load, const struct path *path,
                                            struct yaml_node *node)
{
    if (node->kind == YAML_MAP && yaml_find_item(node, "capabilities") == NULL)
        load_error(load, node, path, "for example [gpu]", "needs 'capabilities'");
    return canonical_device_request(load, path, node);
}

struct yaml_node *canonical_gpus(struct load *load, const struct path *path, struct yaml_node *node)
{
    if (node->kind != YAML_SCALAR)
        return node;
    if (strcmp(node->text, "all") != 0) {
        load_error(load, node, path, NULL, "'%.80s' must be \"all\" or a list", node->text);
        return NULL;
    }
    struct yaml_node *list = yaml_new(load->arena, YAML_LIST, node);
    yaml_push(load->arena, list, yaml_new(load->arena, YAML_MAP, node));
    return list;
}
