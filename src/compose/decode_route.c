/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "compose/decode.h"
#include "compose/decode_route.h"
#include "compose/decode_value.h"
#include "http/http_template.h"

enum { ROUTES_MAX = 1000, HEADER_BYTES = 2048 };

static uint16_t first_port(const struct compose_service *service)
{
    if (service->x.health.port != 0)
        return service->x.health.port;
    if (service->expose_count > 0)
        return service->expose[0];
    return service->port_count > 0 ? service->ports[0].target : 0;
}

/* "h2c://" or `protocol` say that the service is asked by HTTP/2; <rest> goes behind it. */
static bool decode_protocol(struct load *load, const struct path *path,
                            const struct yaml_node *node, struct str *rest)
{
    const char *protocol = value_text(node, "protocol");
    const struct str prefix = STR("h2c://");
    const struct path here = {path, "protocol", 0};

    if (!str_starts(*rest, prefix))
        return protocol != NULL && strcmp(protocol, "h2c") == 0;
    *rest = str_sub(*rest, prefix.len, rest->len);
    if (protocol != NULL && strcmp(protocol, "h2c") != 0)
        load_error(load, yaml_find(node, "protocol"), &here, "remove one of them",
                   "'to' says h2c and 'protocol' says %.20s", protocol);
    return true;
}

/* As of https://, which no service of the file is asked by. */
static bool has_scheme(struct str text)
{
    size_t colon = str_find(text, ':');

    return str_starts(str_sub(text, colon, SIZE_MAX), STR("://"));
}

/* "backend:8000", or "backend" when the service says which port it has. */
static void decode_to(struct load *load, const struct path *path, const struct compose *compose,
                      const struct yaml_node *node, struct compose_route *ret)
{
    const char *to = value_text(node, "to");
    const struct path here = {path, "to", 0};
    struct str rest = str_of(to);
    uint64_t port = 0;

    if (to == NULL)
        return;
    ret->is_h2c = decode_protocol(load, path, node, &rest);
    if (has_scheme(rest)) {
        load_error(load, yaml_find(node, "to"), &here,
                   "write \"backend:8000\", or h2c:// before it",
                   "'%.80s' is not a service and its port", to);
        return;
    }
    ret->service = arena_str(load->arena, str_cut(&rest, ':'));
    const struct compose_service *service = compose_find_service(compose, ret->service);
    if (service == NULL) {
        load_error(load, yaml_find(node, "to"), &here, "name a service that is active",
                   "there is no service '%.80s'", ret->service);
        return;
    }
    if (ret->is_h2c && service->x.send_proxy != 0)
        load_error(load, yaml_find(node, "to"), &here,
                   "remove it: one connection has the requests of many clients",
                   "service '%.80s' has send_proxy, which HTTP/2 cannot have", ret->service);
    bool has_port =
        rest.ptr != NULL ? str_to_u64(rest, 65535, &port) : (port = first_port(service)) != 0;
    if (!has_port || port == 0)
        load_error(load, yaml_find(node, "to"), &here, NULL,
                   "'%.80s' needs a port from 1 to 65535; write \"%s:8000\"", to, ret->service);
    ret->port = (uint16_t)port;
}

/* How much a request may send, and how long the service may be silent. */
static void decode_waiting(struct load *load, const struct path *path, const struct yaml_node *node,
                           struct compose_route *ret)
{
    static const char *const keys[] = {"protocol", "body_limit", "connect_timeout",
                                       "response_timeout", "idle_timeout"};

    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        const struct path here = {path, keys[i], 0};
        if (value_text(node, keys[i]) != NULL && value_text(node, "to") == NULL)
            load_error(load, yaml_find(node, keys[i]), &here, NULL, "is only for routes with 'to'");
    }
    ret->has_body_limit = value_text(node, "body_limit") != NULL;
    ret->body_limit_bytes = value_u64(node, "body_limit", 0);
    ret->connect_timeout_ms = decode_pause(load, path, node, "connect_timeout");
    ret->response_timeout_ms = decode_pause(load, path, node, "response_timeout");
    ret->idle_timeout_ms = decode_pause(load, path, node, "idle_timeout");
}

static void decode_route(struct load *load, const struct path *path, const struct compose *compose,
                         const struct yaml_node *node, struct compose_route *ret)
{
    const char *files = value_text(node, "files");
    const struct path cache_control = {path, "cache_control", 0};

    ret->place = value_place(node);
    decode_route_place(load, path, node, ret);
    ret->redirect = value_text(yaml_find(node, "redirect"), "to");
    ret->cache_control = value_text(node, "cache_control");
    if (files != NULL)
        ret->files = path_absolute(load, load->project_dir, files);
    ret->rules = decode_route_rules(load, path, node);
    ret->limits = decode_route_limits(load, path, node);
    decode_to(load, path, compose, node, ret);
    ret->balance = decode_route_balance(load, path, node);
    ret->cache = decode_route_cache(load, path, node);
    decode_waiting(load, path, node, ret);
    if (ret->cache_control != NULL && !http_value_is_sane(str_of(ret->cache_control), HEADER_BYTES))
        load_error(load, yaml_find(node, "cache_control"), &cache_control, NULL,
                   "has a control character or is longer than %d bytes", HEADER_BYTES);
    bool has_redirect = !yaml_is_null(yaml_find(node, "redirect"));
    if ((value_text(node, "to") != NULL) + (files != NULL) + has_redirect != 1)
        load_error(load, node, path, NULL, "needs exactly one of 'to', 'files' and 'redirect'");
}

void decode_routes(struct load *load, const struct path *path, const struct compose *compose,
                   const struct yaml_node *map, struct compose_x *ret)
{
    const struct yaml_node *list = yaml_find(map, "routes");
    const struct path routes = {path, "routes", 0};

    if (yaml_is_null(list) || list->count == 0)
        return;
    if (list->count > ROUTES_MAX) {
        load_error(load, list, &routes, NULL, "more than %d routes", ROUTES_MAX);
        return;
    }
    ret->routes = ARENA_ARRAY(load->arena, struct compose_route, list->count);
    for (size_t i = 0; i < list->count; i++) {
        const struct path here = {&routes, NULL, i};
        decode_route(load, &here, compose, list->items[i].node, &ret->routes[ret->route_count++]);
        decode_route_check_twin(load, &here, list->items[i].node, ret, i);
    }
}
