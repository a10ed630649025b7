/* SPDX-License-Identifier: Apache-2.0
 *
 * What is kept of a route's answers, in the edge's table (edge/cache.h).
 */
#include "base/base.h"

#include "compose/model_cache.h"
#include "compose/model_limits.h"
#include "control/edge_policy.h"

enum { SYSTEM_BYTES = 64 * 1024 * 1024 };

static void set_texts(json_t *object, const char *key, struct compose_texts texts)
{
    json_t *list = json_array();

    for (size_t i = 0; i < texts.count; i++)
        (void)json_array_append_new(list, json_string(texts.items[i]));
    (void)json_object_set_new(object, key, list);
}

/* A part of a second is a second: what was asked for is less than nothing. */
static json_t *seconds_of(uint64_t ms)
{
    return json_integer((json_int_t)((ms + 999) / 1000));
}

void edge_policy_cache(json_t *row, const struct compose_cache *cache)
{
    json_t *object = json_object();

    if (cache->has_default)
        (void)json_object_set_new(object, "default_s", seconds_of(cache->default_ms));
    if (cache->max_object_bytes > 0)
        (void)json_object_set_new(object, "max_object_bytes",
                                  json_integer((json_int_t)cache->max_object_bytes));
    (void)json_object_set_new(object, "stale_while_revalidate_s",
                              seconds_of(cache->while_revalidate_ms));
    (void)json_object_set_new(object, "stale_if_error_s", seconds_of(cache->if_error_ms));
    set_texts(object, "key", cache->key);
    set_texts(object, "bypass", cache->bypass);
    set_texts(object, "ignore", cache->ignore);
    (void)json_object_set_new(
        object, "tags", json_string(cache->tags_header == NULL ? "Cache-Tag" : cache->tags_header));
    (void)json_object_set_new(row, "cache", object);
}

uint64_t edge_policy_cache_bytes(const struct compose *compose)
{
    uint64_t asked = compose->x.edge == NULL ? 0 : compose->x.edge->cache_bytes;

    for (size_t i = 0; i < compose->x.route_count; i++)
        if (compose->x.routes[i].cache != NULL)
            return asked > 0 ? asked : SYSTEM_BYTES;
    return 0;
}
