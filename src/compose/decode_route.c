/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "compose/decode.h"
#include "compose/decode_route.h"
#include "compose/decode_value.h"

enum { ROUTES_MAX = 1000 };

static uint16_t first_port(const struct compose_service *service)
{
    if (service->x.health.port != 0)
        return service->x.health.port;
    if (service->expose_count > 0)
        return service->expose[0];
    return service->port_count > 0 ? service->ports[0].target : 0;
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
    ret->service = arena_str(load->arena, str_cut(&rest, ':'));
    const struct compose_service *service = compose_find_service(compose, ret->service);
    if (service == NULL) {
        load_error(load, yaml_find(node, "to"), &here, "name a service that is active",
                   "there is no service '%.80s'", ret->service);
        return;
    }
    bool has_port =
        rest.ptr != NULL ? str_to_u64(rest, 65535, &port) : (port = first_port(service)) != 0;
    if (!has_port || port == 0)
        load_error(load, yaml_find(node, "to"), &here, NULL,
                   "'%.80s' needs a port from 1 to 65535; write \"%s:8000\"", to, ret->service);
    ret->port = (uint16_t)port;
}

static void decode_route(struct load *load, const struct path *path, const struct compose *compose,
                         const struct yaml_node *node, struct compose_route *ret)
{
    const char *files = value_text(node, "files");

    ret->place = value_place(node);
    ret->host = value_text(node, "host");
    ret->path = value_text(node, "path");
    ret->redirect = value_text(node, "redirect");
    ret->cache_control = value_text(node, "cache_control");
    if (files != NULL)
        ret->files = path_absolute(load, load->project_dir, files);
    decode_to(load, path, compose, node, ret);
    if (ret->path == NULL)
        ret->path = "/";
    if (ret->path[0] != '/')
        load_error(load, yaml_find(node, "path"), path, NULL, "path '%.80s' must start with '/'",
                   ret->path);
    if ((value_text(node, "to") != NULL) + (files != NULL) + (ret->redirect != NULL) != 1)
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
    }
}
