/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "compose/decode_edge.h"
#include "compose/decode_ports.h"
#include "compose/decode_route.h"
#include "compose/decode_value.h"
#include "compose/model_limits.h"
#include "compose/model_ports.h"

enum { CONNECTIONS_MAX = 10000000, TIME_MAX_MS = 24 * 3600 * 1000 };

static uint64_t decode_count(struct load *load, const struct path *path,
                             const struct yaml_node *map, const char *key, uint64_t least)
{
    const struct path here = {path, key, 0};
    uint64_t number = value_u64(map, key, 0);

    if (!yaml_is_null(yaml_find(map, key)) && (number < least || number > CONNECTIONS_MAX))
        load_error(load, yaml_find(map, key), &here, NULL, "must be %llu to %d",
                   (unsigned long long)least, CONNECTIONS_MAX);
    return number;
}

uint64_t decode_pause(struct load *load, const struct path *path, const struct yaml_node *map,
                      const char *key)
{
    const struct path here = {path, key, 0};
    uint64_t ms = value_ms(map, key, 0);

    if (!yaml_is_null(yaml_find(map, key)) && (ms == 0 || ms > TIME_MAX_MS))
        load_error(load, yaml_find(map, key), &here, NULL, "must be 1ms to 24h");
    return ms;
}

static const struct compose_port *find_port(const struct compose_service *service, uint64_t target)
{
    for (size_t i = 0; i < service->port_count; i++)
        if (service->ports[i].target == target && service->ports[i].protocol == PORT_TCP)
            return &service->ports[i];
    return NULL;
}

static void check_target(struct load *load, const struct path *path, const struct yaml_node *item,
                         const struct compose_service *service, const struct compose_x_service *x)
{
    const struct yaml_node *node = yaml_find(item, "target");
    const struct path here = {path, "target", 0};
    uint64_t target = value_u64(item, "target", 0);
    const struct compose_port *port = find_port(service, target);

    if (yaml_is_null(node))
        load_error(load, item, path, "write target: and the port of the container",
                   "it does not say which port it is about");
    else if (port == NULL)
        load_error(load, node, &here, "write one that 'ports' of the service has",
                   "the service publishes no TCP port %llu", (unsigned long long)target);
    else if (x->provided_by_edge ||
             (port->app_protocol != NULL && strcmp(port->app_protocol, "http") == 0))
        load_error(load, node, &here, "write a route with the same keys", "port %llu speaks HTTP",
                   (unsigned long long)target);
    for (size_t i = 0; i < x->port_count; i++)
        if (!yaml_is_null(node) && x->ports[i].target == target)
            load_error(load, node, &here, NULL, "port %llu is there twice",
                       (unsigned long long)target);
}

/* Where there is no request, there is nothing in it to count by. */
static void check_rates(struct load *load, const struct path *path, const struct yaml_node *item,
                        const struct compose_limits *limits)
{
    const struct path list = {path, "rate_limit", 0};

    for (size_t i = 0; limits != NULL && i < limits->rate_count; i++) {
        const struct path here = {&list, NULL, i};
        if (limits->rates[i].name != NULL)
            load_error(load, yaml_find(item, "rate_limit")->items[i].node, &here,
                       "write per ip, or per route for all of the port",
                       "a TCP connection has no headers and no cookies");
    }
}

static void check_sticky(struct load *load, const struct path *path, const struct yaml_node *item)
{
    const struct path here = {path, "sticky", 0};

    if (!yaml_is_null(yaml_find(item, "sticky")))
        load_error(load, yaml_find(item, "sticky"), &here,
                   "write balance: hash, which keeps an address at one instance",
                   "a TCP connection has no cookies");
}

static void decode_port(struct load *load, const struct path *path, const struct yaml_node *item,
                        struct compose_x_port *ret)
{
    ret->target = (uint16_t)value_u64(item, "target", 0);
    check_sticky(load, path, item);
    ret->balance = decode_balance(load, path, item);
    ret->limits = decode_route_limits(load, path, item);
    check_rates(load, path, item, ret->limits);
    ret->connections = decode_count(load, path, item, "connections", 1);
    ret->has_connections_per_ip = !yaml_is_null(yaml_find(item, "connections_per_ip"));
    ret->connections_per_ip = decode_count(load, path, item, "connections_per_ip", 0);
    ret->idle_timeout_ms = decode_pause(load, path, item, "idle_timeout");
    ret->connect_timeout_ms = decode_pause(load, path, item, "connect_timeout");
    ret->has_proxy_protocol = !yaml_is_null(yaml_find(item, "proxy_protocol"));
    ret->proxy_protocol = decode_ranges(load, path, item, "proxy_protocol");
}

void decode_x_ports(struct load *load, const struct path *path, const struct yaml_node *map,
                    const struct compose_service *service, struct compose_x_service *ret)
{
    const struct yaml_node *list = yaml_find(map, "ports");
    const struct path ports = {path, "ports", 0};

    if (yaml_is_null(list) || list->count == 0)
        return;
    ret->ports = ARENA_ARRAY(load->arena, struct compose_x_port, list->count);
    for (size_t i = 0; i < list->count; i++) {
        const struct path here = {&ports, NULL, i};
        check_target(load, &here, list->items[i].node, service, ret);
        decode_port(load, &here, list->items[i].node, &ret->ports[ret->port_count++]);
    }
}
