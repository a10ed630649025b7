/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "edge/route.h"
#include "http/path.h"

static int compare(const void *left, const void *right)
{
    const struct route *a = left, *b = right;
    int by_host = str_cmp(a->host, b->host);

    return by_host != 0 ? by_host : str_cmp(a->path, b->path);
}

/* For each route the nearest one before it whose path is a prefix of its own:
 * sorted, these form a chain from long to short. */
static void link_group(struct route *routes, struct route_group group)
{
    for (uint32_t i = group.first; i < group.first + group.count; i++) {
        uint32_t at = i == group.first ? ROUTE_NONE : i - 1;
        while (at != ROUTE_NONE && !str_starts(routes[i].path, routes[at].path))
            at = routes[at].shorter;
        routes[i].shorter = at;
    }
}

void route_index(struct table *table)
{
    if (table->route_count > 0)
        qsort(table->routes, table->route_count, sizeof *table->routes, compare);
    for (uint32_t first = 0, end; first < table->route_count; first = end) {
        struct str host = table->routes[first].host;
        for (end = first + 1; end < table->route_count; end++)
            if (!str_eq(table->routes[end].host, host))
                break;
        struct route_group *group = ARENA_NEW(&table->arena, struct route_group);
        *group = (struct route_group){.first = first, .count = end - first};
        link_group(table->routes, *group);
        if (host.len == 0)
            table->any_host = group;
        else
            (void)map_set(&table->groups, host, group);
        table->has_wild_hosts |= host.len > 0 && host.ptr[0] == '*';
    }
}

/* "/api" covers /api and what is below it; "/api/" what is below. */
static bool covers(struct str route, struct str path)
{
    return str_starts(path, route) &&
           (route.len == path.len || route.ptr[route.len - 1] == '/' || path.ptr[route.len] == '/');
}

static bool serves(const struct route *route, uint32_t listener_id)
{
    for (uint32_t i = 0; i < route->listener_count; i++)
        if (route->listeners[i] == listener_id)
            return true;
    return route->listener_count == 0;
}

static const struct route *find_in(const struct table *table, const struct route_group *group,
                                   uint32_t listener_id, struct str path)
{
    uint32_t low = group->first, high = group->first + group->count;

    while (low < high) { /* the first one behind <path> */
        uint32_t middle = low + (high - low) / 2;
        if (str_cmp(table->routes[middle].path, path) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    uint32_t at = low == group->first ? ROUTE_NONE : low - 1;
    while (at != ROUTE_NONE) {
        const struct route *route = &table->routes[at];
        if (covers(route->path, path) && serves(route, listener_id))
            return route;
        at = route->shorter;
    }
    return NULL;
}

const struct route *route_find(const struct table *table, uint32_t listener_id, struct str host,
                               struct str path, bool *ret_host_known)
{
    const struct route_group *groups[3] = {map_find(&table->groups, host), NULL, table->any_host};
    size_t dot = table->has_wild_hosts ? str_find(host, '.') : host.len;
    char wild[TABLE_MAX_NAME_BYTES + 1];

    if (dot < host.len && host.len - dot < TABLE_MAX_NAME_BYTES) {
        wild[0] = '*';
        memcpy(wild + 1, host.ptr + dot, host.len - dot);
        groups[1] = map_find(&table->groups, str_from(wild, host.len - dot + 1));
    }
    *ret_host_known = false;
    for (size_t i = 0; i < ARRAY_LEN(groups); i++) {
        if (groups[i] == NULL)
            continue;
        *ret_host_known = true;
        const struct route *route = find_in(table, groups[i], listener_id, path);
        if (route != NULL)
            return route;
    }
    return NULL;
}

/* The first encoded slash or backslash of a normal form, or path.len. */
static size_t find_encoded_slash(struct str path)
{
    for (size_t at = str_find(path, '%'); at + 2 < path.len; at++)
        if (path.ptr[at] == '%' && ((path.ptr[at + 1] == '2' && path.ptr[at + 2] == 'F') ||
                                    (path.ptr[at + 1] == '5' && path.ptr[at + 2] == 'C')))
            return at;
    return path.len;
}

bool route_is_certain(const struct table *table, uint32_t listener_id, struct str host,
                      struct str path, const struct route *route, char *bytes)
{
    size_t at = find_encoded_slash(path), len = 0, normal_len = 1;
    bool host_known;
    const char *why;

    if (at == path.len || route->action != ROUTE_PROXY)
        return true;
    for (struct str rest = path; rest.len > 0; at = find_encoded_slash(rest)) {
        memcpy(bytes + len, rest.ptr, at);
        len += at;
        if (at < rest.len)
            bytes[len++] = '/';
        rest = str_sub(rest, at + 3, SIZE_MAX);
    }
    if (!http_path_normalize(str_from(bytes, len), bytes + len, &normal_len, &why))
        return false;
    const struct route *other =
        route_find(table, listener_id, host, str_from(bytes + len, normal_len), &host_known);
    return other == NULL || other == route;
}
