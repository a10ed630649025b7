/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/cidr.h"
#include "base/err.h"
#include "compose/decode_edge.h"
#include "compose/decode_route.h"
#include "compose/decode_value.h"
#include "compose/model_limits.h"

enum {
    RATES_MAX = 16,
    RANGES_MAX = 1000,
    REQUESTS_MAX = 1000000,
    BURST_MAX = 1000000,
    HEAD_MAX_BYTES = 16 * 1024,
    CONNECTIONS_MAX = 10000000,
    FILL_MAX_DAYS = 30,
};

#define CACHE_MAX_BYTES (UINT64_C(1) << 40)

/* ---- rates ---- */

static bool parse_unit(struct str text, uint64_t *ret_seconds)
{
    static const struct {
        const char *name;
        uint64_t seconds;
    } units[] = {{"s", 1}, {"m", 60}, {"h", 3600}};

    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        if (str_is(text, units[i].name)) {
            *ret_seconds = units[i].seconds;
            return true;
        }
    return false;
}

/* "20/s" or "20/s:40" */
static bool parse_amount(struct str text, struct compose_rate *ret)
{
    struct str rest = text;
    struct str rate = str_cut(&rest, ':');
    struct str requests = str_cut(&rate, '/');

    if (!str_to_u64(requests, REQUESTS_MAX, &ret->requests) || ret->requests == 0 ||
        rate.ptr == NULL || !parse_unit(rate, &ret->seconds))
        return false;
    ret->burst = ret->requests;
    if (rest.ptr != NULL && (!str_to_u64(rest, BURST_MAX, &ret->burst) || ret->burst == 0))
        return false;
    return ret->burst * ret->seconds / ret->requests <= FILL_MAX_DAYS * UINT64_C(86400) &&
           ret->requests / ret->seconds <= REQUESTS_MAX;
}

static bool is_name(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!is_letter && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.')
            return false;
    }
    return text.len > 0 && text.len <= 64;
}

/* "ip", "route", "header:NAME" or "cookie:NAME" */
static bool parse_key(struct arena *arena, struct str text, struct compose_rate *ret)
{
    struct str name = text;
    struct str kind = str_cut(&name, ':');
    bool is_named = str_is(kind, "header") || str_is(kind, "cookie");

    if (!is_named && !str_is(kind, "ip") && !str_is(kind, "route"))
        return false;
    if (is_named != (name.ptr != NULL) || (is_named && !is_name(name)))
        return false;
    ret->per = arena_str(arena, kind);
    ret->name = is_named ? arena_str(arena, name) : NULL;
    return true;
}

static bool parse_rate(struct arena *arena, const char *text, struct compose_rate *ret)
{
    struct str rest = str_of(text);
    struct str amount = str_cut(&rest, ' ');

    ret->text = text;
    ret->per = "ip";
    if (rest.ptr != NULL &&
        (!str_starts(rest, STR("per ")) || !parse_key(arena, str_sub(rest, 4, SIZE_MAX), ret)))
        return false;
    return parse_amount(amount, ret);
}

static void decode_rates(struct load *load, const struct path *path, const struct yaml_node *node,
                         struct compose_limits *ret)
{
    const struct yaml_node *list = yaml_find(node, "rate_limit");
    const struct path here = {path, "rate_limit", 0};

    if (yaml_is_null(list) || list->count == 0)
        return;
    if (list->count > RATES_MAX) {
        load_error(load, list, &here, NULL, "more than %d rates", RATES_MAX);
        return;
    }
    ret->rates = ARENA_ARRAY(load->arena, struct compose_rate, list->count);
    for (size_t i = 0; i < list->count; i++) {
        const struct yaml_node *item = list->items[i].node;
        const struct path place = {&here, NULL, i};
        if (!parse_rate(load->arena, item->text, &ret->rates[ret->rate_count++]))
            load_error(load, item, &place,
                       "write RATE/s, RATE/m or RATE/h, with :BURST if need be, and per ip, "
                       "header:NAME, cookie:NAME or route: \"20/s:40 per ip\"",
                       "'%.80s' is no rate", item->text);
    }
}

/* ---- sizes, addresses ---- */

uint64_t decode_room(struct load *load, const struct path *path, const struct yaml_node *map,
                     const char *key, uint64_t max)
{
    const struct path here = {path, key, 0};
    uint64_t bytes = value_u64(map, key, 0);

    if (!yaml_is_null(yaml_find(map, key)) && (bytes == 0 || bytes > max))
        load_error(load, yaml_find(map, key), &here, NULL, "must be 1 to %llu bytes",
                   (unsigned long long)max);
    return bytes;
}

struct compose_texts decode_ranges(struct load *load, const struct path *path,
                                   const struct yaml_node *node, const char *key)
{
    const struct yaml_node *list = yaml_find(node, key);
    const struct path here = {path, key, 0};
    struct compose_texts texts = value_texts(load->arena, node, key);
    struct cidr cidr;
    struct err err;

    if (texts.count > RANGES_MAX)
        load_error(load, list, &here, NULL, "more than %d ranges", RANGES_MAX);
    for (size_t i = 0; i < texts.count; i++) {
        const struct path place = {&here, NULL, i};
        if (!cidr_parse(str_of(texts.items[i]), &cidr, &err))
            load_error(load, list->items[i].node, &place, NULL, "%s", err.text);
    }
    return texts;
}

/* ---- all of it ---- */

static bool says_anything(const struct yaml_node *node)
{
    static const char *const keys[] = {"rate_limit", "rate_limit_dry_run", "allow",
                                       "deny",       "header_limit",       "url_limit",
                                       "body_rate",  "client_certificate"};

    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (!yaml_is_null(yaml_find(node, keys[i])))
            return true;
    return false;
}

const struct compose_limits *decode_route_limits(struct load *load, const struct path *path,
                                                 const struct yaml_node *node)
{
    if (!says_anything(node))
        return NULL;
    struct compose_limits *limits = ARENA_NEW(load->arena, struct compose_limits);
    decode_rates(load, path, node, limits);
    limits->dry_run = value_bool(node, "rate_limit_dry_run", false);
    limits->allow = decode_ranges(load, path, node, "allow");
    limits->deny = decode_ranges(load, path, node, "deny");
    limits->header_bytes = decode_room(load, path, node, "header_limit", HEAD_MAX_BYTES);
    limits->url_bytes = decode_room(load, path, node, "url_limit", HEAD_MAX_BYTES);
    limits->body_rate = yaml_is_null(yaml_find(node, "body_rate"))
                            ? COMPOSE_BODY_RATE_MISSING
                            : (int64_t)MIN(value_u64(node, "body_rate", 0), (uint64_t)UINT32_MAX);
    limits->client_certificate = value_text(node, "client_certificate");
    return limits;
}

static uint64_t decode_connections(struct load *load, const struct path *path,
                                   const struct yaml_node *map, const char *key)
{
    const struct path here = {path, key, 0};
    uint64_t number = value_u64(map, key, 0);

    if (number > CONNECTIONS_MAX)
        load_error(load, yaml_find(map, key), &here, NULL, "must be 0 to %d", CONNECTIONS_MAX);
    return number;
}

const struct compose_edge *decode_edge(struct load *load, const struct path *path,
                                       const struct yaml_node *map)
{
    const struct path here = {path, "edge", 0};

    if (yaml_is_null(map))
        return NULL;
    struct compose_edge *edge = ARENA_NEW(load->arena, struct compose_edge);
    edge->connections = decode_connections(load, &here, map, "connections");
    edge->has_connections_per_ip = !yaml_is_null(yaml_find(map, "connections_per_ip"));
    edge->connections_per_ip = decode_connections(load, &here, map, "connections_per_ip");
    edge->header_bytes = decode_room(load, &here, map, "header_limit", HEAD_MAX_BYTES);
    edge->url_bytes = decode_room(load, &here, map, "url_limit", HEAD_MAX_BYTES);
    edge->access_log = decode_access_log(load, &here, map);
    edge->cache_bytes = decode_room(load, &here, map, "cache_size", CACHE_MAX_BYTES);
    edge->trusted_proxies = decode_ranges(load, &here, map, "trusted_proxies");
    edge->proxy_protocol = decode_ranges(load, &here, map, "proxy_protocol");
    return edge;
}
