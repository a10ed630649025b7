/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a routing table. What is accepted must be safe to serve from:
 * every index in range, every text without control characters, and every route
 * found by its own place.
 */
#include "base/base.h"

#include "base/err.h"
#include "edge/route.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        assert((unsigned char)text.ptr[i] >= 0x20 && text.ptr[i] != 0x7f);
}

static void check_route(const struct table *table, const struct route *route)
{
    bool known;

    assert(route->path.len > 0 && route->path.ptr[0] == '/');
    assert(route->action != ROUTE_PROXY || route->upstream < table->upstream_count);
    assert(route->action != ROUTE_FILES || route->files_fd == 77);
    assert(route->shorter == ROUTE_NONE || route->shorter < table->route_count);
    check_text(route->cache_control);
    check_text(route->redirect);
    for (uint32_t i = 0; i < route->listener_count; i++)
        assert(table_find_listener(table, route->listeners[i]) != NULL);
    struct str host = route->host;
    if (host.len > 0 && host.ptr[0] == '*')
        return;
    uint32_t listener = route->listener_count == 0 ? 0 : route->listeners[0];
    const struct route *found = route_find(table, listener, host, route->path, &known);
    assert(known && found != NULL && str_eq(found->host, host) && str_eq(found->path, route->path));
}

static void check_table(const struct table *table)
{
    for (size_t i = 0; i < table->upstream_count; i++)
        assert(table->upstreams[i].first_target + table->upstreams[i].target_count <=
               table->target_count);
    for (size_t i = 0; i < table->target_count; i++) {
        assert(table->targets[i].weight > 0 && table->targets[i].id.len > 0);
        assert(socket_address_port(&table->targets[i].address) != 0);
    }
    for (size_t i = 0; i < table->listener_count; i++) {
        const struct table_listener *listener = &table->listeners[i];
        assert(listener->kind != LISTENER_TCP || listener->upstream < table->upstream_count);
        assert(listener->kind != LISTENER_HTTPS || table->tls != NULL);
    }
    for (size_t i = 0; i < table->route_count; i++)
        check_route(table, &table->routes[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int fds[] = {77};
    struct table *table;
    struct err err = {0};

    if (!table_read(str_from(data, size), fds, 1, &table, &err)) {
        assert(err.text[0] != '\0' && strchr(err.text, '\n') == NULL);
        return 0;
    }
    check_table(table);
    table->fd_count = 0; /* the descriptor does not exist */
    table_unref(table);
    return 0;
}
