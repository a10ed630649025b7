/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/err.h"
#include "edge/cache.h"
#include "edge/cache_control.h"
#include "edge/limits.h"
#include "edge/rules.h"
#include "edge/table_reader.h"
#include "http/http_names.h"
#include "json/json.h"

static bool read_seconds(struct reader *reader, const json_t *item, const char *key,
                         int64_t otherwise, int64_t *ret)
{
    uint64_t number;

    if (json_object_get(item, key) == NULL) {
        *ret = otherwise;
        return true;
    }
    if (!json_get_u64(item, key, CACHE_SECONDS_MAX, &number, reader->err))
        return false;
    *ret = (int64_t)number;
    return true;
}

static bool is_token(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!http_is(text.ptr[i], HTTP_CLASS_TOKEN))
            return false;
    return text.len > 0;
}

static bool read_parts(struct reader *reader, const json_t *item, const char *key,
                       struct cache_part **ret, size_t *ret_count)
{
    struct str *texts;

    if (!reader_texts(reader, item, key, CACHE_PARTS_MAX, CACHE_PART_BYTES, &texts, ret_count))
        return false;
    *ret = ARENA_ARRAY(&reader->table->arena, struct cache_part, MAX(*ret_count, 1));
    for (size_t i = 0; i < *ret_count; i++) {
        struct str rest = texts[i], kind = str_cut(&rest, ' ');
        (*ret)[i] = (struct cache_part){.is_cookie = str_is(kind, "cookie"), .name = rest};
        if (!is_token(rest) || !((*ret)[i].is_cookie || str_is(kind, "header")))
            return err_set(reader->err, ERR_INVALID,
                           "%s[%zu]: '" STR_FMT "' is not 'cookie NAME' or 'header NAME'", key, i,
                           STR_ARG(texts[i]));
    }
    return true;
}

static bool names_cookie(const struct cache_part *parts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (parts[i].is_cookie)
            return true;
    return false;
}

static bool read_policy(struct reader *reader, const json_t *item, struct route_cache *ret)
{
    if (!read_seconds(reader, item, "default_s", CACHE_NONE, &ret->default_s) ||
        !read_seconds(reader, item, "stale_while_revalidate_s", 0, &ret->while_revalidate_s) ||
        !read_seconds(reader, item, "stale_if_error_s", 0, &ret->if_error_s) ||
        !reader_number(reader, item, "max_object_bytes", INT64_MAX, CACHE_DEFAULT_OBJECT_BYTES,
                       &ret->max_object_bytes) ||
        !read_parts(reader, item, "key", &ret->key, &ret->key_count) ||
        !read_parts(reader, item, "bypass", &ret->bypass, &ret->bypass_count) ||
        !reader_texts(reader, item, "ignore", CACHE_PARTS_MAX, CACHE_PART_BYTES, &ret->ignore,
                      &ret->ignore_count) ||
        !reader_text(reader, item, "tags", CACHE_PART_BYTES, &ret->tags))
        return false;
    ret->knows_cookies =
        names_cookie(ret->key, ret->key_count) || names_cookie(ret->bypass, ret->bypass_count);
    return true;
}

static bool names_user(const struct rule_header *rule)
{
    for (size_t i = 0; i < rule->piece_count; i++)
        if (rule->pieces[i].variable == HTTP_VARIABLE_USER)
            return true;
    return false;
}

/* By a header rule, or by its certificate. */
static bool tells_who(const struct route *route)
{
    if (route->limits != NULL && route->limits->certificate != LIMITS_NO_CERTIFICATE)
        return true;
    for (size_t i = 0; route->rules != NULL && i < route->rules->request.count; i++)
        if (names_user(&route->rules->request.items[i]))
            return true;
    return false;
}

bool table_read_cache(struct reader *reader, const json_t *item, struct route *route)
{
    const json_t *policy = json_object_get(item, "cache");

    if (policy == NULL || json_is_null(policy))
        return true;
    if (!json_is_object(policy))
        return err_set(reader->err, ERR_INVALID, "'cache' is not an object");
    struct route_cache *cache = ARENA_NEW(&reader->table->arena, struct route_cache);
    if (!read_policy(reader, policy, cache))
        return err_prefix(reader->err, "cache");
    cache->tells_who = tells_who(route);
    cache->max_object_bytes = MIN(cache->max_object_bytes, reader->table->cache_bytes / 8);
    if (reader->table->cache_bytes > 0 && route->action == ROUTE_PROXY) {
        route->cache = cache;
        reader->table->has_caches = true;
    }
    return true;
}
