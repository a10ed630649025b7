/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "compose/decode_route.h"
#include "compose/decode_value.h"
#include "compose/model_cache.h"

enum { PARTS_MAX = 16, NAME_MAX_BYTES = 50, FRESH_MAX_DAYS = 3650 };

#define OBJECT_MAX_BYTES (UINT64_C(1) << 40)

static bool is_token(struct str name)
{
    static const char others[] = "!#$%&'*+-.^_`|~";

    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!is_plain && strchr(others, c) == NULL)
            return false;
    }
    return name.len > 0 && name.len <= NAME_MAX_BYTES;
}

/* "cookie NAME", "header NAME" */
static bool is_part(const char *text)
{
    struct str rest = str_of(text), kind = str_cut(&rest, ' ');

    return (str_is(kind, "cookie") || str_is(kind, "header")) && is_token(rest);
}

static bool is_parameter(const char *text)
{
    return text[0] != '\0' && strlen(text) <= NAME_MAX_BYTES && strpbrk(text, "&= \t\n") == NULL;
}

static struct compose_texts decode_list(struct load *load, const struct path *path,
                                        const struct yaml_node *map, const char *key,
                                        bool (*check)(const char *), const char *hint)
{
    const struct yaml_node *list = yaml_find(map, key);
    const struct path here = {path, key, 0};
    struct compose_texts texts = value_texts(load->arena, map, key);

    if (texts.count > PARTS_MAX)
        load_error(load, list, &here, NULL, "more than %d of them", PARTS_MAX);
    for (size_t i = 0; i < texts.count; i++) {
        const struct path place = {&here, NULL, i};
        if (!check(texts.items[i]))
            load_error(load, list->items[i].node, &place, hint, "'%.80s' is not understood",
                       texts.items[i]);
    }
    return texts;
}

static uint64_t decode_time(struct load *load, const struct path *path, const struct yaml_node *map,
                            const char *key)
{
    const struct path here = {path, key, 0};
    uint64_t ms = value_ms(map, key, 0);

    if (ms > FRESH_MAX_DAYS * UINT64_C(86400000))
        load_error(load, yaml_find(map, key), &here, NULL, "is more than %d days", FRESH_MAX_DAYS);
    return ms;
}

const struct compose_cache *decode_route_cache(struct load *load, const struct path *path,
                                               const struct yaml_node *node)
{
    static const char parts_hint[] = "write \"cookie NAME\" or \"header NAME\"";
    const struct yaml_node *map = yaml_find(node, "cache");
    const struct path here = {path, "cache", 0};

    if (yaml_is_null(map) || !value_bool(map, "enabled", true))
        return NULL;
    if (yaml_is_null(yaml_find(node, "to")))
        load_error(load, map, &here, "take it away", "only answers of services are kept");
    struct compose_cache *cache = ARENA_NEW(load->arena, struct compose_cache);
    cache->has_default = !yaml_is_null(yaml_find(map, "default"));
    cache->default_ms = decode_time(load, &here, map, "default");
    cache->max_object_bytes = decode_room(load, &here, map, "max_object", OBJECT_MAX_BYTES);
    cache->while_revalidate_ms = decode_time(load, &here, map, "stale_while_revalidate");
    cache->if_error_ms = decode_time(load, &here, map, "stale_if_error");
    cache->key = decode_list(load, &here, map, "key", is_part, parts_hint);
    cache->bypass = decode_list(load, &here, map, "bypass", is_part, parts_hint);
    cache->ignore = decode_list(load, &here, map, "ignore", is_parameter,
                                "write the name of a parameter, such as utm_source");
    cache->tags_header = value_text(map, "tags_header");
    if (cache->tags_header != NULL && !is_token(str_of(cache->tags_header)))
        load_error(load, yaml_find(map, "tags_header"), &here, NULL,
                   "'%.80s' is not the name of a header", cache->tags_header);
    return cache;
}
