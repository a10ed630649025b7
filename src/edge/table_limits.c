/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/err.h"
#include "base/hash.h"
#include "edge/limits.h"
#include "edge/table_reader.h"
#include "edge/tally.h"
#include "edge/worker.h"
#include "json/json.h"

enum { RANGE_TEXT_BYTES = 64, RATE_TEXT_BYTES = 400 };

static bool read_size(struct reader *reader, const json_t *item, const char *key, uint32_t *ret)
{
    uint64_t number;

    if (!reader_number(reader, item, key, EDGE_HEAD_BYTES, 0, &number))
        return false;
    *ret = (uint32_t)number;
    return true;
}

static bool read_ranges(struct reader *reader, const json_t *item, const char *key,
                        struct cidr **ret, size_t *ret_count)
{
    struct str *texts;

    if (!reader_texts(reader, item, key, LIMITS_MAX_RANGES, RANGE_TEXT_BYTES, &texts, ret_count))
        return false;
    *ret = ARENA_ARRAY(&reader->table->arena, struct cidr, MAX(*ret_count, 1));
    for (size_t i = 0; i < *ret_count; i++)
        if (!cidr_parse(texts[i], &(*ret)[i], reader->err))
            return err_prefix(reader->err, "%s[%zu]", key, i);
    return true;
}

/* ---- of a route ---- */

static bool read_key(struct reader *reader, const json_t *item, struct limits_rate *rate)
{
    static const char *const keys[] = {[LIMITS_PER_IP] = "ip",
                                       [LIMITS_PER_ROUTE] = "route",
                                       [LIMITS_PER_HEADER] = "header",
                                       [LIMITS_PER_COOKIE] = "cookie"};
    const char *text = json_find_text(item, "per", "ip");

    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (strcmp(text, keys[i]) == 0) {
            rate->key = (enum limits_key)i;
            return rate->key < LIMITS_PER_HEADER ||
                   reader_need_text(reader, item, "name", TABLE_MAX_NAME_BYTES, &rate->name);
        }
    return err_set(reader->err, ERR_INVALID,
                   "'per' is '%.40s', expected ip, route, header or cookie", text);
}

/* The same limit of the next table goes on counting where this one was. */
static uint64_t identity_of(const struct route *route, struct str text)
{
    const uint64_t parts[] = {hash_bytes(route->system.ptr, route->system.len),
                              hash_bytes(route->host.ptr, route->host.len),
                              hash_bytes(route->path.ptr, route->path.len),
                              hash_bytes(text.ptr, text.len)};

    return hash_bytes(parts, sizeof parts);
}

static bool read_rate(struct reader *reader, const json_t *item, const struct route *route,
                      struct limits_rate *rate)
{
    uint64_t requests, seconds;

    if (!json_is_object(item))
        return err_set(reader->err, ERR_INVALID, "not an object");
    if (!reader_need_text(reader, item, "text", RATE_TEXT_BYTES, &rate->text) ||
        !json_get_u64(item, "requests", UINT32_MAX, &requests, reader->err) ||
        !json_get_u64(item, "seconds", UINT32_MAX, &seconds, reader->err) ||
        !json_get_u64(item, "burst", UINT32_MAX, &rate->burst, reader->err) ||
        !read_key(reader, item, rate))
        return false;
    rate->identity = identity_of(route, rate->text);
    return bucket_rate_init(&rate->rate, requests, seconds, rate->burst) ||
           err_set(reader->err, ERR_INVALID,
                   "rate '" STR_FMT "' cannot be counted: at most 1000000/s, and a burst of at "
                   "most %d days",
                   STR_ARG(rate->text), BUCKET_MAX_DAYS);
}

static bool read_rates(struct reader *reader, const json_t *item, const struct route *route,
                       struct route_limits *limits)
{
    const json_t *list = json_object_get(item, "rates");
    size_t count = json_array_size(list);

    if (list != NULL && !json_is_array(list))
        return err_set(reader->err, ERR_INVALID, "'rates' is not a list");
    if (count > LIMITS_MAX_RATES)
        return err_set(reader->err, ERR_LIMIT, "more than %d rates", LIMITS_MAX_RATES);
    struct limits_rate *rates =
        ARENA_ARRAY(&reader->table->arena, struct limits_rate, MAX(count, 1));
    for (size_t i = 0; i < count; i++)
        if (!read_rate(reader, json_array_get(list, i), route, &rates[i]))
            return err_prefix(reader->err, "rates[%zu]", i);
    limits->rates = rates;
    limits->rate_count = count;
    return true;
}

static int compare_ranges(const void *a, const void *b)
{
    const struct limits_range *one = a, *other = b;

    if (one->cidr.bits != other->cidr.bits)
        return one->cidr.bits > other->cidr.bits ? -1 : 1;
    return (int)one->allows - (int)other->allows;
}

static bool read_addresses(struct reader *reader, const json_t *item, struct route_limits *limits)
{
    struct cidr *allowed, *denied;
    size_t allow_count, deny_count, n = 0;

    if (!read_ranges(reader, item, "allow", &allowed, &allow_count) ||
        !read_ranges(reader, item, "deny", &denied, &deny_count))
        return false;
    struct limits_range *ranges =
        ARENA_ARRAY(&reader->table->arena, struct limits_range, MAX(allow_count + deny_count, 1));
    for (size_t i = 0; i < allow_count; i++)
        ranges[n++] = (struct limits_range){allowed[i], true};
    for (size_t i = 0; i < deny_count; i++)
        ranges[n++] = (struct limits_range){denied[i], false};
    qsort(ranges, n, sizeof *ranges, compare_ranges);
    limits->ranges = ranges;
    limits->range_count = n;
    limits->denies_others = allow_count > 0;
    return true;
}

static bool read_certificate(struct reader *reader, const json_t *item, struct route_limits *limits)
{
    const char *text = json_find_text(item, "client_certificate", NULL);

    if (text == NULL)
        return true;
    if (strcmp(text, "required") == 0)
        limits->certificate = LIMITS_REQUIRED_CERTIFICATE;
    else if (strcmp(text, "optional") == 0)
        limits->certificate = LIMITS_OPTIONAL_CERTIFICATE;
    else
        return err_set(reader->err, ERR_INVALID,
                       "'client_certificate' is '%.40s', expected required or optional", text);
    return true;
}

bool table_read_limits(struct reader *reader, const json_t *item, struct route *route)
{
    const json_t *from = json_object_get(item, "limits");
    uint64_t rate;

    if (from == NULL || json_is_null(from))
        return true;
    if (!json_is_object(from))
        return err_set(reader->err, ERR_INVALID, "'limits' is not an object");
    struct route_limits *limits = ARENA_NEW(&reader->table->arena, struct route_limits);
    limits->dry_run = json_find_bool(from, "dry_run", false);
    if (!read_rates(reader, from, route, limits) || !read_addresses(reader, from, limits) ||
        !read_size(reader, from, "header_bytes", &limits->header_bytes) ||
        !read_size(reader, from, "url_bytes", &limits->url_bytes) ||
        !reader_number(reader, from, "body_rate", UINT32_MAX, LIMITS_BODY_RATE, &rate) ||
        !read_certificate(reader, from, limits))
        return err_prefix(reader->err, "limits");
    limits->body_rate = (uint32_t)rate;
    route->limits = limits;
    return true;
}

/* ---- of a listener ---- */

static bool read_count(struct reader *reader, const json_t *item, const char *key, uint32_t *ret)
{
    uint64_t number;

    if (!reader_number(reader, item, key, TALLY_MAX, 0, &number))
        return false;
    *ret = (uint32_t)number;
    return true;
}

bool table_read_listener_limits(struct reader *reader, const json_t *item,
                                struct table_listener *listener)
{
    const json_t *from = json_object_get(item, "limits");
    struct cidr *trusted, *proxies;

    if (from == NULL || json_is_null(from))
        return true;
    if (!json_is_object(from))
        return err_set(reader->err, ERR_INVALID, "'limits' is not an object");
    struct listener_limits *limits = ARENA_NEW(&reader->table->arena, struct listener_limits);
    limits->spare_loopback = json_find_bool(from, "spare_loopback", false);
    limits->counts_alone = json_find_bool(from, "counts_alone", false);
    if (!read_count(reader, from, "connections", &limits->connections) ||
        !read_count(reader, from, "connections_per_ip", &limits->connections_per_ip) ||
        !read_size(reader, from, "header_bytes", &limits->header_bytes) ||
        !read_size(reader, from, "url_bytes", &limits->url_bytes) ||
        !read_ranges(reader, from, "trusted_proxies", &trusted, &limits->trusted_count) ||
        !read_ranges(reader, from, "proxy_protocol", &proxies, &limits->proxy_count))
        return err_prefix(reader->err, "limits");
    limits->trusted = trusted;
    limits->proxies = proxies;
    listener->limits = limits;
    return true;
}

bool table_read_send_proxy(struct reader *reader, const json_t *item,
                           struct table_upstream *upstream)
{
    uint64_t version;

    if (!reader_number(reader, item, "send_proxy", 2, 0, &version))
        return false;
    upstream->send_proxy = (uint8_t)version;
    return true;
}

/* They are the process's, and newer than those of a table that is refused later on. */
bool table_read_ticket_keys(struct reader *reader, const json_t *root)
{
    struct str *keys;
    size_t count;

    if (!reader_texts(reader, root, "ticket_keys", TLS_TICKET_KEYS, TLS_TICKET_KEY_TEXT_BYTES,
                      &keys, &count))
        return false;
    return count == 0 || tls_tickets_set(keys, count, reader->err) ||
           err_prefix(reader->err, "ticket_keys");
}
