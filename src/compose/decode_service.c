/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "compose/decode_service.h"
#include "compose/decode_value.h"
#include "compose/units.h"

enum { EXPOSE_MAX = 65535 };

static struct compose_port decode_port(struct load *load, const struct path *path,
                                       const struct yaml_node *node)
{
    const char *published = value_text(node, "published");
    const char *protocol = value_text(node, "protocol");
    struct compose_port port = {
        .host_ip = value_text(node, "host_ip"),
        .target = (uint16_t)value_u64(node, "target", 0),
        .protocol = protocol != NULL && strcmp(protocol, "udp") == 0 ? PORT_UDP : PORT_TCP,
        .app_protocol = value_text(node, "app_protocol"),
        .mode = value_text(node, "mode"),
        .place = value_place(node),
    };
    uint16_t last;
    struct err err;

    if (published == NULL || *published == '\0')
        return port;
    bool is_range = units_parse_port_range(str_of(published), &port.published, &last, &err);
    assert(is_range);
    if (last != port.published)
        load_warn(load, node, path, NULL, "published range %s: its first port is used", published);
    return port;
}

void decode_ports(struct load *load, const struct path *path, const struct yaml_node *node,
                  struct compose_service *ret)
{
    const struct yaml_node *list = yaml_find(node, "ports");
    const struct path ports = {path, "ports", 0};

    if (yaml_is_null(list) || list->count == 0)
        return;
    ret->ports = ARENA_ARRAY(load->arena, struct compose_port, list->count);
    for (size_t i = 0; i < list->count; i++) {
        const struct path here = {&ports, NULL, i};
        ret->ports[ret->port_count++] = decode_port(load, &here, list->items[i].node);
    }
}

static void add_exposed(struct load *load, const struct path *path, const struct yaml_node *entry,
                        struct compose_service *ret)
{
    struct str text = str_of(entry->text);
    uint16_t first;
    uint16_t last;
    struct err err;

    text = str_sub(text, 0, str_find(text, '/'));
    if (!units_parse_port_range(text, &first, &last, &err)) {
        load_error(load, entry, path, NULL, "%s", err.text);
        return;
    }
    size_t count = 1U + last - first;
    if (ret->expose_count + count > EXPOSE_MAX) {
        load_error(load, entry, path, NULL, "more than %d ports", EXPOSE_MAX);
        return;
    }
    uint16_t *all = ARENA_ARRAY(load->arena, uint16_t, ret->expose_count + count);
    if (ret->expose_count > 0)
        memcpy(all, ret->expose, ret->expose_count * sizeof *all);
    for (size_t i = 0; i < count; i++)
        all[ret->expose_count++] = (uint16_t)(first + i);
    ret->expose = all;
}

void decode_expose(struct load *load, const struct path *path, const struct yaml_node *node,
                   struct compose_service *ret)
{
    const struct yaml_node *list = yaml_find(node, "expose");
    const struct path expose = {path, "expose", 0};

    for (size_t i = 0; !yaml_is_null(list) && i < list->count; i++) {
        const struct path here = {&expose, NULL, i};
        add_exposed(load, &here, list->items[i].node, ret);
    }
}

static bool parse_mode(struct str text, uint32_t *ret)
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

static void decode_mode(struct load *load, const struct path *path, const struct yaml_node *place,
                        struct str text, struct compose_volume_mount *ret)
{
    if (!parse_mode(text, &ret->tmpfs_mode))
        load_error(load, place, path, NULL, "'" STR_FMT "' is no mode; write it as \"1777\"",
                   STR_ARG(str_sub(text, 0, 60)));
}

static struct compose_volume_mount decode_volume(struct load *load, const struct path *path,
                                                 const struct yaml_node *node)
{
    const char *type = value_text(node, "type");
    const struct yaml_node *tmpfs = yaml_find(node, "tmpfs");
    const char *mode = value_text(tmpfs, "mode");
    struct compose_volume_mount mount = {
        .source = value_text(node, "source"),
        .target = value_text(node, "target"),
        .read_only = value_bool(node, "read_only", false),
        .place = value_place(node),
    };

    if (strcmp(type, "bind") == 0) {
        mount.type = VOLUME_BIND;
        mount.create_host_path = value_bool(yaml_find(node, "bind"), "create_host_path", true);
    } else if (strcmp(type, "tmpfs") == 0) {
        mount.type = VOLUME_TMPFS;
        mount.source = NULL;
        mount.tmpfs_size_bytes = value_limit(tmpfs, "size");
        if (mode != NULL)
            decode_mode(load, path, yaml_find(tmpfs, "mode"), str_of(mode), &mount);
    } else if (strcmp(type, "volume") == 0) {
        mount.type = mount.source == NULL ? VOLUME_ANONYMOUS : VOLUME_NAMED;
    } else {
        load_error(load, node, path, "use bind, volume or tmpfs",
                   "volume type '%s' is not supported", type);
    }
    return mount;
}

/* "/run:size=64m,mode=1777"; other mount options are accepted and have no effect. */
static struct compose_volume_mount decode_tmpfs(struct load *load, const struct path *path,
                                                const struct yaml_node *entry)
{
    struct str rest = str_of(entry->text);
    struct str target = str_cut(&rest, ':');
    struct compose_volume_mount mount = {.type = VOLUME_TMPFS,
                                         .target = arena_str(load->arena, target),
                                         .place = value_place(entry)};
    struct err err;

    if (target.len == 0 || target.ptr[0] != '/')
        load_error(load, entry, path, NULL, "'%.80s' must start with '/'", entry->text);
    while (rest.ptr != NULL) {
        struct str value = str_cut(&rest, ',');
        struct str name = str_cut(&value, '=');

        if (str_is(name, "size") && !units_parse_bytes(value, &mount.tmpfs_size_bytes, &err))
            load_error(load, entry, path, NULL, "%s", err.text);
        else if (str_is(name, "mode"))
            decode_mode(load, path, entry, value, &mount);
    }
    return mount;
}

/* Entries of `volumes` are one per target already; `tmpfs` may name one of them again. */
static void check_target(struct load *load, const struct path *path,
                         const struct compose_service *service,
                         const struct compose_volume_mount *mount, const struct yaml_node *place)
{
    for (size_t i = 0; i < service->volume_count; i++)
        if (strcmp(service->volumes[i].target, mount->target) == 0)
            load_error(load, place, path, NULL, "'%.80s' is mounted already", mount->target);
}

void decode_volumes(struct load *load, const struct path *path, const struct yaml_node *node,
                    struct compose_service *ret)
{
    const struct yaml_node *volumes = yaml_find(node, "volumes");
    const struct yaml_node *tmpfs = yaml_find(node, "tmpfs");
    const struct path volumes_path = {path, "volumes", 0};
    const struct path tmpfs_path = {path, "tmpfs", 0};
    size_t volume_count = yaml_is_null(volumes) ? 0 : volumes->count;
    size_t tmpfs_count = yaml_is_null(tmpfs) ? 0 : tmpfs->count;

    ret->tmpfs_options = value_texts(load->arena, node, "tmpfs");
    if (volume_count + tmpfs_count == 0)
        return;
    ret->volumes =
        ARENA_ARRAY(load->arena, struct compose_volume_mount, volume_count + tmpfs_count);
    for (size_t i = 0; i < volume_count; i++) {
        const struct path here = {&volumes_path, NULL, i};
        ret->volumes[ret->volume_count++] = decode_volume(load, &here, volumes->items[i].node);
    }
    for (size_t i = 0; i < tmpfs_count; i++) {
        const struct path here = {&tmpfs_path, NULL, i};
        struct compose_volume_mount mount = decode_tmpfs(load, &here, tmpfs->items[i].node);
        check_target(load, &here, ret, &mount, tmpfs->items[i].node);
        ret->volumes[ret->volume_count++] = mount;
    }
}
