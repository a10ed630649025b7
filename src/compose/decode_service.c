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
    const struct path here = {path, "published", 0};
    struct err err;

    if (protocol != NULL && strcmp(protocol, "tcp") != 0 && strcmp(protocol, "udp") != 0)
        load_unfit(load, yaml_find(node, "protocol"), path, NULL,
                   "protocol '%.40s' is not tcp or udp", protocol);
    if (published != NULL && *published != '\0' &&
        !units_parse_port_range(str_of(published), &port.published, &port.published_last, &err))
        load_unfit(load, yaml_find(node, "published"), &here, NULL, "%s", err.text);
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
        load_unfit(load, entry, path, NULL, "%s", err.text);
        return;
    }
    size_t count = 1U + last - first;
    if (ret->expose_count + count > EXPOSE_MAX) {
        load_unfit(load, entry, path, NULL, "more than %d ports", EXPOSE_MAX);
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

static void decode_mode(struct load *load, const struct path *path, const struct yaml_node *place,
                        struct str text, struct compose_volume_mount *ret)
{
    if (!value_parse_mode(text, &ret->tmpfs_mode))
        load_unfit(load, place, path, NULL, "'" STR_FMT "' is no mode; write it as \"1777\"",
                   STR_ARG(str_sub(text, 0, 60)));
}

static const char *decode_propagation(struct load *load, const struct path *path,
                                      const struct yaml_node *bind)
{
    static const char *const words[] = {"rprivate", "private", "rshared", "shared",
                                        "rslave",   "slave",   NULL};
    const char *text = value_text(bind, "propagation");
    const struct path bind_path = {path, "bind", 0};
    const struct path here = {&bind_path, "propagation", 0};

    if (text == NULL || *text == '\0' || is_one_of(text, words))
        return text != NULL && *text == '\0' ? NULL : text;
    load_unfit(load, yaml_find(bind, "propagation"), &here, suggest(load->arena, text, words),
               "'%.40s' is no mount propagation", text);
    return NULL;
}

/* A folder within the volume, that cannot lead out of it. */
static const char *decode_subpath(struct load *load, const struct path *path,
                                  const struct yaml_node *volume)
{
    const char *text = value_text(volume, "subpath");
    const struct path volume_path = {path, "volume", 0};
    const struct path here = {&volume_path, "subpath", 0};
    bool leads_out = text != NULL && text[0] == '/';

    for (struct str rest = str_of(text); rest.ptr != NULL;)
        leads_out = str_is(str_cut(&rest, '/'), "..") || leads_out;
    if (!leads_out)
        return text != NULL && *text == '\0' ? NULL : text;
    load_unfit(load, yaml_find(volume, "subpath"), &here, NULL,
               "'%.80s' must be a folder within the volume, without '..'", text);
    return NULL;
}

static struct compose_volume_mount decode_volume(struct load *load, const struct path *path,
                                                 const struct yaml_node *node)
{
    const char *type = value_text(node, "type");
    const struct yaml_node *tmpfs = yaml_find(node, "tmpfs");
    const struct yaml_node *bind = yaml_find(node, "bind");
    const struct yaml_node *volume = yaml_find(node, "volume");
    struct compose_volume_mount mount = {
        .source = value_text(node, "source"),
        .target = value_text(node, "target"),
        .read_only = value_bool(node, "read_only", false),
        .place = value_place(node),
    };

    decode_check_target(load, path, node, mount.target);
    if (strcmp(type, "bind") == 0) {
        mount.type = VOLUME_BIND;
        mount.create_host_path = value_bool(bind, "create_host_path", true);
        mount.propagation = decode_propagation(load, path, bind);
    } else if (strcmp(type, "tmpfs") == 0) {
        mount.type = VOLUME_TMPFS;
        mount.source = NULL;
        mount.tmpfs_size_bytes = value_limit(tmpfs, "size");
        mount.tmpfs_mode = (uint32_t)(value_u64(tmpfs, "mode", 0) & 07777);
    } else { /* what is neither is refused as a whole */
        mount.type = mount.source == NULL ? VOLUME_ANONYMOUS : VOLUME_NAMED;
        mount.subpath = decode_subpath(load, path, volume);
        mount.no_copy = value_bool(volume, "nocopy", false);
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
        load_unfit(load, entry, path, NULL, "'%.80s' must start with '/'", entry->text);
    decode_check_target(load, path, entry, mount.target);
    while (rest.ptr != NULL) {
        struct str value = str_cut(&rest, ',');
        struct str name = str_cut(&value, '=');

        if (str_is(name, "size") && !units_parse_bytes(value, &mount.tmpfs_size_bytes, &err))
            load_unfit(load, entry, path, NULL, "%s", err.text);
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

/* "service", "service:ro" or "service:rw" */
static void decode_volumes_from(struct load *load, const struct path *path,
                                const struct yaml_node *node, struct compose_service *ret)
{
    const struct path list = {path, "volumes_from", 0};

    ret->volumes_from = value_texts(load->arena, node, "volumes_from");
    for (size_t i = 0; i < ret->volumes_from.count; i++) {
        const struct path here = {&list, NULL, i};
        struct str mode = str_of(ret->volumes_from.items[i]);
        bool is_container = str_starts(mode, STR("container:"));

        (void)str_cut(&mode, ':');
        if (!is_container && mode.ptr != NULL && !str_is(mode, "ro") && !str_is(mode, "rw"))
            load_unfit(load, yaml_find(node, "volumes_from")->items[i].node, &here, NULL,
                       "'%.80s' must be a service, with :ro or :rw if need be",
                       ret->volumes_from.items[i]);
    }
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

    decode_volumes_from(load, path, node, ret);
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
