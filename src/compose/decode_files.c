/* SPDX-License-Identifier: Apache-2.0
 *
 * Secrets and configs: where they come from, and where a service finds them. */
#include "base/base.h"

#include "compose/decode_service.h"
#include "compose/decode_value.h"

/* A relative target is below <folder>; without one the name of the secret is. */
static const char *mount_target(struct load *load, const struct yaml_node *node, const char *folder)
{
    const char *target = value_text(node, "target");

    if (target == NULL || *target == '\0')
        target = value_text(node, "source");
    return target == NULL ? folder : path_absolute(load, folder, target);
}

static uint32_t mount_mode(struct load *load, const struct path *path, const struct yaml_node *node)
{
    const struct path here = {path, "mode", 0};
    const char *text = value_text(node, "mode");
    uint32_t mode = 0;

    if (text != NULL && (!value_parse_mode(str_of(text), &mode) || mode > 07777))
        load_unfit(load, yaml_find(node, "mode"), &here, NULL,
                   "'%.40s' is no mode; write it as \"0440\"", text);
    return mode;
}

static const char *mount_owner(struct load *load, const struct path *path,
                               const struct yaml_node *node, const char *key)
{
    const struct path here = {path, key, 0};
    const char *text = value_text(node, key);
    uint64_t number;

    if (text != NULL && *text != '\0' && !str_to_u64(str_of(text), UINT32_MAX - 1, &number))
        load_unfit(load, yaml_find(node, key), &here, NULL, "'%.40s' must be a number", text);
    return text;
}

struct compose_file_mount *decode_file_mounts(struct load *load, const struct path *path,
                                              const struct yaml_node *node, const char *key,
                                              const char *folder, size_t *ret_count)
{
    const struct yaml_node *list = yaml_find(node, key);
    const struct path mounts = {path, key, 0};
    size_t count = yaml_is_null(list) ? 0 : list->count;
    struct compose_file_mount *items = ARENA_ARRAY(load->arena, struct compose_file_mount, count);

    for (size_t i = 0; i < count; i++) {
        const struct yaml_node *entry = list->items[i].node;
        const struct path here = {&mounts, NULL, i};

        items[i] = (struct compose_file_mount){
            .source = value_text(entry, "source"),
            .target = mount_target(load, entry, folder),
            .uid = mount_owner(load, &here, entry, "uid"),
            .gid = mount_owner(load, &here, entry, "gid"),
            .mode = mount_mode(load, &here, entry),
            .place = value_place(entry),
        };
        decode_check_target(load, &here, entry, items[i].target);
        if (items[i].source == NULL)
            load_error(load, entry, &here, NULL, "needs a 'source'");
    }
    *ret_count = count;
    return count == 0 ? NULL : items;
}

/* The value of an `environment` source is kept beside it; see resolve_file_values(). */
struct compose_file_source *decode_file_sources(struct load *load, const struct yaml_node *root,
                                                const char *section, size_t *ret_count)
{
    const struct yaml_node *map = yaml_find(root, section);
    const struct path top = {NULL, section, 0};
    size_t count = yaml_is_null(map) ? 0 : map->count;
    struct compose_file_source *items = ARENA_ARRAY(load->arena, struct compose_file_source, count);

    for (size_t i = 0; i < count; i++) {
        const struct yaml_node *entry = map->items[i].node;
        const struct path here = {&top, map->items[i].key, 0};

        items[i] = (struct compose_file_source){
            .key = map->items[i].key,
            .name = value_text(entry, "name"),
            .external = value_bool(entry, "external", false),
            .file = value_text(entry, "file"),
            .environment = value_text(entry, "environment"),
            .content = value_text(entry, "content"),
            .place = value_place(entry),
        };
        if (items[i].environment != NULL)
            items[i].content = value_text(entry, VALUE_OF_ENVIRONMENT);
        if (items[i].environment != NULL && items[i].content == NULL)
            load_unfit(load, yaml_find(entry, "environment"), &here, "set it, or use 'file'",
                       "variable '%.80s' is not set", items[i].environment);
    }
    *ret_count = count;
    return count == 0 ? NULL : items;
}
