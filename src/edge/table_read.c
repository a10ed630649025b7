/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/err.h"
#include "edge/balance.h"
#include "edge/cache.h"
#include "edge/limits.h"
#include "edge/meter.h"
#include "edge/route.h"
#include "edge/table.h"
#include "edge/table_reader.h"
#include "http/http_names.h"
#include "http/path.h"
#include "tls/tls.h"
#include "json/json.h"

enum {
    DEFAULT_CACHE_BYTES = 64 * 1024 * 1024,
    DEFAULT_BODY_LIMIT_BYTES = 100 * 1024 * 1024,
    DEFAULT_CONNECT_MS = 5000,
    DEFAULT_RESPONSE_MS = 60000,
    DEFAULT_BODY_MS = 60000,
    DEFAULT_TUNNEL_MS = 3600000,
};

static bool read_upstream_index(struct reader *reader, const json_t *item, uint32_t *ret)
{
    uint64_t number;

    if (!json_get_u64(item, "upstream", UINT32_MAX, &number, reader->err))
        return false;
    if (number >= reader->table->upstream_count)
        return err_set(reader->err, ERR_INVALID, "upstream %lu does not exist",
                       (unsigned long)number);
    *ret = (uint32_t)number;
    return true;
}

static bool read_kind(struct reader *reader, const json_t *item, struct table_listener *ret)
{
    static const char *const kinds[] = {
        [LISTENER_HTTP] = "http", [LISTENER_HTTPS] = "https", [LISTENER_TCP] = "tcp"};
    const char *text;

    if (!json_get_text(item, "kind", &text, reader->err))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (strcmp(text, kinds[i]) == 0) {
            ret->kind = (enum listener_kind)i;
            return ret->kind != LISTENER_TCP || read_upstream_index(reader, item, &ret->upstream);
        }
    return err_set(reader->err, ERR_INVALID, "unknown kind '%.40s', expected http, https or tcp",
                   text);
}

static bool read_meter(struct reader *reader, const json_t *item, struct route *route)
{
    uint64_t number;

    if (!reader_number(reader, item, "meter", METER_SLOTS - 1, 0, &number))
        return false;
    route->meter = (uint32_t)number;
    return true;
}

/* What a connection finds in the place of a route. Its path, ":5432", is the same for all listeners
 * of a port: they count together. */
static bool read_tcp(struct reader *reader, const json_t *item, struct table_listener *ret)
{
    struct arena *arena = &reader->table->arena;
    const json_t *from = json_object_get(item, "tcp");
    struct route *route = ARENA_NEW(arena, struct route);
    const char *path = arena_printf(arena, ":%u", (unsigned)ret->port);

    *route = (struct route){.system = ret->system,
                            .path = str_of(path),
                            .action = ROUTE_PROXY,
                            .upstream = ret->upstream,
                            .files_fd = -1,
                            .fallback_upstream = UINT32_MAX};
    ret->route = route;
    if ((from != NULL && !json_is_object(from)) || !read_meter(reader, from, route) ||
        !reader_ms(reader, from, "connect_timeout_ms", DEFAULT_CONNECT_MS,
                   &route->connect_timeout_ms) ||
        !reader_ms(reader, from, "idle_timeout_ms", DEFAULT_TUNNEL_MS, &route->tunnel_timeout_ms) ||
        !table_read_limits(reader, from, route) || !table_read_rules(reader, from, route))
        return err_prefix(reader->err, "tcp");
    for (size_t i = 0; route->limits != NULL && i < route->limits->rate_count; i++)
        if (route->limits->rates[i].key > LIMITS_PER_ROUTE)
            return err_set(reader->err, ERR_INVALID, "tcp: rates[%zu]: there are no headers", i);
    return true;
}

static bool read_listener(struct reader *reader, const json_t *item, size_t i)
{
    struct table *table = reader->table;
    struct table_listener *ret = &table->listeners[i];
    uint64_t id, port, https_port;

    if (!json_get_u64(item, "id", UINT32_MAX, &id, reader->err) ||
        !reader_number(reader, item, "port", 65535, 0, &port) ||
        !reader_number(reader, item, "https_port", 65535, 0, &https_port) ||
        !reader_text(reader, item, "system", TABLE_MAX_NAME_BYTES, &ret->system) ||
        !read_kind(reader, item, ret) || !table_read_listener_limits(reader, item, ret))
        return false;
    if (table_find_listener(table, (uint32_t)id) != NULL)
        return err_set(reader->err, ERR_INVALID, "id %lu is there twice", (unsigned long)id);
    if (ret->kind == LISTENER_HTTPS && table->tls == NULL)
        return err_set(reader->err, ERR_INVALID, "https without a certificate");
    ret->id = (uint32_t)id;
    ret->port = (uint16_t)port;
    ret->https_port = (uint16_t)https_port;
    if (ret->kind == LISTENER_TCP && !read_tcp(reader, item, ret))
        return false;
    table->listener_count = i + 1;
    return true;
}

bool table_read_address(struct str text, union socket_address *ret, struct err *err)
{
    size_t colon = str_find_last(text, ':');
    char ip[TABLE_MAX_NAME_BYTES + 1];
    uint64_t port;

    struct str host = str_sub(text, 0, colon);
    if (host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
        host = str_sub(host, 1, host.len - 2);
    if (colon == text.len || !str_to_u64(str_sub(text, colon + 1, SIZE_MAX), 65535, &port) ||
        port == 0 || host.len >= sizeof ip)
        return err_set(err, ERR_INVALID, "bad address '" STR_FMT "', expected 10.0.0.1:80",
                       STR_ARG(text));
    memcpy(ip, host.ptr, host.len);
    ip[host.len] = '\0';
    return socket_address_parse(ip, (uint16_t)port, ret, err);
}

static bool read_target(struct reader *reader, const json_t *item, size_t i)
{
    struct table *table = reader->table;
    struct table_target *target = &table->targets[table->target_count];
    uint64_t weight, release;

    (void)i;
    if (!reader_need_text(reader, item, "id", TABLE_MAX_NAME_BYTES, &target->id) ||
        !reader_need_text(reader, item, "address", TABLE_MAX_NAME_BYTES, &target->address_text) ||
        !table_read_address(target->address_text, &target->address, reader->err) ||
        !reader_number(reader, item, "weight", TABLE_MAX_WEIGHT, 1, &weight) ||
        !reader_number(reader, item, "release", UINT32_MAX, 0, &release))
        return false;
    if (weight == 0)
        return err_set(reader->err, ERR_INVALID, "'weight' is 0; use 'draining'");
    target->weight = (uint32_t)weight;
    target->release = (uint32_t)release;
    target->draining = json_find_bool(item, "draining", false);
    table->target_count++;
    return true;
}

/* The header of the PROXY protocol names one client, and a connection of HTTP/2 has many. */
static bool read_protocol(struct reader *reader, const json_t *item, struct table_upstream *ret)
{
    const char *text = json_find_text(item, "protocol", "http");

    ret->is_h2 = strcmp(text, "h2c") == 0;
    if (!ret->is_h2 && strcmp(text, "http") != 0)
        return err_set(reader->err, ERR_INVALID, "unknown protocol '%.40s', expected http or h2c",
                       text);
    return !ret->is_h2 || ret->send_proxy == 0 ||
           err_set(reader->err, ERR_INVALID, "'send_proxy' cannot be with protocol h2c");
}

static bool read_upstream(struct reader *reader, const json_t *item, size_t i)
{
    struct table *table = reader->table;
    struct table_upstream *upstream = &table->upstreams[i];
    size_t left = TABLE_MAX_TARGETS - table->target_count;

    upstream->first_target = (uint32_t)table->target_count;
    if (!reader_need_text(reader, item, "name", TABLE_MAX_NAME_BYTES, &upstream->name) ||
        !table_read_send_proxy(reader, item, upstream) || !read_protocol(reader, item, upstream) ||
        !reader_items(reader, item, "targets", left, read_target))
        return false;
    upstream->target_count = (uint32_t)table->target_count - upstream->first_target;
    table->upstream_count = i + 1;
    return table_read_balance(reader, item, upstream);
}

static bool read_certificate(struct reader *reader, const json_t *item, size_t i)
{
    const json_t *list;
    const char *chain, *key;
    struct str names[TLS_MAX_NAMES];
    size_t count;

    (void)i;
    if (!json_get_array(item, "names", &list, reader->err) ||
        !json_get_text(item, "certificate", &chain, reader->err) ||
        !json_get_text(item, "key", &key, reader->err))
        return false;
    count = json_array_size(list);
    if (count > TLS_MAX_NAMES)
        return err_set(reader->err, ERR_LIMIT, "more than %d names", TLS_MAX_NAMES);
    for (size_t n = 0; n < count; n++) {
        names[n] = str_of(json_string_value(json_array_get(list, n)));
        if (names[n].len == 0 || names[n].len > TLS_MAX_NAME_BYTES)
            return err_set(reader->err, ERR_INVALID, "names[%zu] is not a name", n);
    }
    if (reader->table->tls == NULL && (reader->table->tls = tls_context_new(reader->err)) == NULL)
        return false;
    return tls_context_add(
        reader->table->tls,
        &(struct tls_certificate){.names = names,
                                  .name_count = count,
                                  .chain = str_of(chain),
                                  .key = str_of(key),
                                  .ocsp = str_of(json_find_text(item, "ocsp", NULL)),
                                  .client_ca = str_of(json_find_text(item, "client_ca", NULL))},
        reader->err);
}

static bool read_route_listeners(struct reader *reader, const json_t *item, struct route *route)
{
    const json_t *list = json_object_get(item, "listeners");
    size_t count = json_array_size(list);

    if (list == NULL || json_is_null(list))
        return true;
    if (!json_is_array(list) || count == 0 || count > TABLE_MAX_LISTENERS)
        return err_set(reader->err, ERR_INVALID, "'listeners' is not a list of 1 to %d ids",
                       TABLE_MAX_LISTENERS);
    uint32_t *ids = ARENA_ARRAY(&reader->table->arena, uint32_t, count);
    for (size_t i = 0; i < count; i++) {
        const json_t *id = json_array_get(list, i);
        json_int_t number = json_integer_value(id);
        if (!json_is_integer(id) || number < 0 || number > UINT32_MAX ||
            table_find_listener(reader->table, (uint32_t)number) == NULL)
            return err_set(reader->err, ERR_INVALID, "listeners[%zu] does not exist", i);
        ids[i] = (uint32_t)number;
    }
    route->listeners = ids;
    route->listener_count = (uint32_t)count;
    return true;
}

static bool read_action(struct reader *reader, const json_t *item, struct route *route)
{
    uint64_t number;

    if (json_object_get(item, "upstream") != NULL) {
        route->action = ROUTE_PROXY;
        return read_upstream_index(reader, item, &route->upstream);
    }
    if (json_object_get(item, "files_fd") != NULL) {
        if (!json_get_u64(item, "files_fd", UINT32_MAX, &number, reader->err))
            return false;
        if (number >= reader->fd_count)
            return err_set(reader->err, ERR_INVALID, "descriptor %lu was not sent",
                           (unsigned long)number);
        route->action = ROUTE_FILES;
        route->files_fd = reader->fds[number];
        return true;
    }
    if (!reader_need_text(reader, item, "redirect", TABLE_MAX_VALUE_BYTES, &route->redirect))
        return err_set(reader->err, ERR_INVALID, "neither upstream nor files_fd nor redirect");
    if (!reader_number(reader, item, "status", 308, 308, &number))
        return false;
    route->action = ROUTE_REDIRECT;
    route->redirect_status = (int)number;
    return (number >= 301 && number <= 303) || number >= 307 ||
           err_set(reader->err, ERR_INVALID, "status %lu is not a redirect", (unsigned long)number);
}

static bool read_fallback(struct reader *reader, const json_t *item, struct route *route)
{
    uint64_t number;

    route->fallback_upstream = UINT32_MAX;
    if (json_object_get(item, "fallback_upstream") == NULL)
        return true;
    if (!json_get_u64(item, "fallback_upstream", UINT32_MAX, &number, reader->err))
        return false;
    if (number >= reader->table->upstream_count)
        return err_set(reader->err, ERR_INVALID, "fallback_upstream %lu does not exist",
                       (unsigned long)number);
    route->fallback_upstream = (uint32_t)number;
    return true;
}

static bool read_route_settings(struct reader *reader, const json_t *item, struct route *route)
{
    route->hsts = json_find_bool(item, "hsts", false);
    route->security_headers = json_find_bool(item, "security_headers", false);
    return read_fallback(reader, item, route) && read_meter(reader, item, route) &&
           reader_text(reader, item, "cache_control", TABLE_MAX_VALUE_BYTES,
                       &route->cache_control) &&
           reader_number(reader, item, "body_limit_bytes", INT64_MAX, DEFAULT_BODY_LIMIT_BYTES,
                         &route->body_limit_bytes) &&
           reader_ms(reader, item, "connect_timeout_ms", DEFAULT_CONNECT_MS,
                     &route->connect_timeout_ms) &&
           reader_ms(reader, item, "response_timeout_ms", DEFAULT_RESPONSE_MS,
                     &route->response_timeout_ms) &&
           reader_ms(reader, item, "body_timeout_ms", DEFAULT_BODY_MS, &route->body_timeout_ms) &&
           reader_ms(reader, item, "tunnel_timeout_ms", DEFAULT_TUNNEL_MS,
                     &route->tunnel_timeout_ms);
}

/* The normal form that requests are compared in. */
static bool normalize_place(struct reader *reader, struct route *route)
{
    struct str host = route->host;
    bool wild = str_starts(host, STR("*."));
    char *text = (char *)arena_alloc(&reader->table->arena, MAX(host.len, route->path.len) + 1);
    const char *why;
    size_t len = 0;

    if (route->path.ptr[0] != '/')
        return err_set(reader->err, ERR_INVALID, "path '" STR_FMT "' does not start with '/'",
                       STR_ARG(route->path));
    if (!http_path_normalize(route->path, text, &len, &why))
        return err_set(reader->err, ERR_INVALID, "path '" STR_FMT "': %s", STR_ARG(route->path),
                       why);
    route->path = str_from(arena_str(&reader->table->arena, str_from(text, len)), len);
    if (host.len == 0)
        return true;
    if (!http_host_normalize(wild ? str_sub(host, 2, SIZE_MAX) : host, text + (wild ? 2 : 0), &len))
        return err_set(reader->err, ERR_INVALID, "bad host '" STR_FMT "'", STR_ARG(host));
    if (wild)
        memcpy(text, "*.", 2);
    route->host = str_from(text, len + (wild ? 2 : 0));
    return true;
}

static bool read_route(struct reader *reader, const json_t *item, size_t i)
{
    struct table *table = reader->table;
    struct route *route = &table->routes[i];

    route->files_fd = -1;
    if (!reader_text(reader, item, "system", TABLE_MAX_NAME_BYTES, &route->system) ||
        !reader_text(reader, item, "host", TABLE_MAX_NAME_BYTES, &route->host) ||
        !reader_need_text(reader, item, "path", TABLE_MAX_PATH_BYTES, &route->path) ||
        !normalize_place(reader, route) || !read_route_listeners(reader, item, route) ||
        !read_action(reader, item, route) || !read_route_settings(reader, item, route) ||
        !table_read_limits(reader, item, route) || !table_read_rules(reader, item, route) ||
        !table_read_cache(reader, item, route))
        return false;
    table->route_count = i + 1;
    return true;
}

/* Room for as many as the JSON has; the readers check the limits first. */
static void make_room(struct table *table, const json_t *root)
{
    struct arena *arena = &table->arena;
    const json_t *upstreams = json_object_get(root, "upstreams");
    size_t targets = 0;

    for (size_t i = 0; i < json_array_size(upstreams); i++)
        targets += json_array_size(json_object_get(json_array_get(upstreams, i), "targets"));
    table->listeners = ARENA_ARRAY(arena, struct table_listener,
                                   json_array_size(json_object_get(root, "listeners")));
    table->upstreams = ARENA_ARRAY(arena, struct table_upstream, json_array_size(upstreams));
    table->targets = ARENA_ARRAY(arena, struct table_target, targets);
    table->routes =
        ARENA_ARRAY(arena, struct route, json_array_size(json_object_get(root, "routes")));
}

static bool read_table(struct reader *reader, const json_t *root)
{
    struct table *table = reader->table;

    if (!json_is_object(root))
        return err_set(reader->err, ERR_INVALID, "the table is not an object");
    make_room(table, root);
    return json_get_u64(root, "generation", INT64_MAX, &table->generation, reader->err) &&
           reader_number(reader, root, "cache_bytes", INT64_MAX, DEFAULT_CACHE_BYTES,
                         &table->cache_bytes) &&
           table_read_sign_key(reader, root) &&
           reader_items(reader, root, "certificates", TLS_MAX_CERTIFICATES, read_certificate) &&
           reader_items(reader, root, "upstreams", TABLE_MAX_UPSTREAMS, read_upstream) &&
           reader_items(reader, root, "listeners", TABLE_MAX_LISTENERS, read_listener) &&
           reader_items(reader, root, "routes", TABLE_MAX_ROUTES, read_route) &&
           table_read_checks(reader, root);
}

bool table_read(struct str json, const int *fds, size_t fd_count, struct table **ret,
                struct err *err)
{
    AUTO(json_unref) json_t *root = NULL;

    if (!json_parse(json, TABLE_MAX_BYTES, &root, err))
        return false;
    AUTO(table_unref) struct table *table = NEW(struct table);
    table->refs = 1;
    struct reader reader = {.table = table, .fds = fds, .fd_count = fd_count, .err = err};
    if (!read_table(&reader, root) || !table_read_ticket_keys(&reader, root))
        return false;
    if (!table->has_caches)
        table->cache_bytes = 0;
    route_index(table);
    if (fd_count > 0) {
        table->fds = ARENA_ARRAY(&table->arena, int, fd_count);
        memcpy(table->fds, fds, fd_count * sizeof *fds);
        table->fd_count = fd_count;
    }
    *ret = TAKE(table);
    return true;
}
