/* SPDX-License-Identifier: Apache-2.0
 *
 * The listeners that a release asks of the edge, and the addresses that people are
 * told.
 */
#include "base/base.h"

#include "compose/model_ports.h"
#include "control/daemon_priv.h"

enum { HTTP_PORT = 80, HTTPS_PORT = 443 };

struct wishes {
    struct edge_listener_wish *items;
    size_t count;
};

static bool is_same_ip(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static void add_wish(struct wishes *wishes, struct edge_listener_wish wish)
{
    for (size_t i = 0; i < wishes->count; i++)
        if (wishes->items[i].port == wish.port && is_same_ip(wishes->items[i].ip, wish.ip) &&
            edge_wish_is_udp(&wishes->items[i]) == edge_wish_is_udp(&wish))
            return; /* the first one counts */
    wishes->items[wishes->count++] = wish;
}

static void add_routed(struct wishes *wishes, const struct compose *compose, const char *ip,
                       uint16_t port, bool is_https)
{
    if (port == 0 || (is_https && compose->x.tls == TLS_OFF))
        return;
    add_wish(wishes,
             (struct edge_listener_wish){
                 .port = port, .ip = ip, .kind = is_https ? "https" : "http", .routes = true});
}

/* In the machine's network its ports are the machine's already; without one it has none. */
static bool publishes(const struct compose_service *service)
{
    const char *mode = service->network_mode;
    return mode == NULL || (strcmp(mode, "host") != 0 && strcmp(mode, "none") != 0);
}

static const struct compose_x_port *find_said(const struct compose_service *service,
                                              const struct compose_port *port)
{
    for (size_t i = 0; i < service->x.port_count && port->protocol == PORT_TCP; i++)
        if (service->x.ports[i].target == port->target)
            return &service->x.ports[i];
    return NULL;
}

static void add_ports(struct wishes *wishes, const struct compose *compose,
                      const struct compose_service *service, bool *ret_routed)
{
    for (size_t i = 0; i < service->port_count; i++) {
        const struct compose_port *port = &service->ports[i];
        if (port->published == 0 || !publishes(service))
            continue;
        if (service->x.provided_by_edge && port->protocol == PORT_TCP) {
            add_routed(wishes, compose, port->host_ip, port->published, port->target == HTTPS_PORT);
            *ret_routed = true;
            continue;
        }
        bool is_http = port->app_protocol != NULL && strcmp(port->app_protocol, "http") == 0;
        add_wish(wishes, (struct edge_listener_wish){.port = port->published,
                                                     .ip = port->host_ip,
                                                     .kind = port->protocol == PORT_UDP ? "udp"
                                                             : is_http                  ? "http"
                                                                                        : "tcp",
                                                     .service = service->name,
                                                     .target = port->target,
                                                     .said = find_said(service, port),
                                                     .compose = compose});
    }
}

/* Plain HTTP of the routes goes to their HTTPS. */
static void set_redirects(struct wishes *wishes)
{
    uint16_t https_port = 0;

    for (size_t i = 0; i < wishes->count && https_port == 0; i++)
        if (strcmp(wishes->items[i].kind, "https") == 0)
            https_port = wishes->items[i].port;
    for (size_t i = 0; i < wishes->count; i++)
        if (wishes->items[i].routes && strcmp(wishes->items[i].kind, "http") == 0)
            wishes->items[i].https_port = https_port;
}

size_t edge_table_wishes(const struct compose *compose, struct arena *arena,
                         struct edge_listener_wish **ret)
{
    struct wishes wishes = {0};
    size_t room = 2;
    bool routed = false;

    for (size_t i = 0; i < compose->service_count; i++)
        room += compose->services[i].port_count;
    wishes.items = ARENA_ARRAY(arena, struct edge_listener_wish, room);
    for (size_t i = 0; i < compose->service_count; i++)
        add_ports(&wishes, compose, &compose->services[i], &routed);
    if (compose->x.has_listen || (compose->x.route_count > 0 && !routed)) {
        add_routed(&wishes, compose, NULL, compose->x.has_listen ? compose->x.http_port : HTTP_PORT,
                   false);
        add_routed(&wishes, compose, NULL,
                   compose->x.has_listen ? compose->x.https_port : HTTPS_PORT, true);
    }
    set_redirects(&wishes);
    *ret = wishes.items;
    return wishes.count;
}

json_t *edge_table_addresses(const struct system *system)
{
    const struct release *release = system->wanted;
    AUTO(arena_done) struct arena arena = {0};
    struct edge_listener_wish *wishes;
    json_t *list = json_array();

    if (release == NULL)
        return list;
    const char *host =
        release->compose->x.domain == NULL ? "localhost" : release->compose->x.domain;
    size_t count = edge_table_wishes(release->compose, &arena, &wishes);
    for (size_t i = 0; i < count; i++) {
        bool is_https = strcmp(wishes[i].kind, "https") == 0;
        if (strcmp(wishes[i].kind, "tcp") == 0 || edge_wish_is_udp(&wishes[i]) ||
            wishes[i].https_port != 0)
            continue;
        bool usual = wishes[i].port == (is_https ? HTTPS_PORT : HTTP_PORT);
        (void)json_array_append_new(list, usual ? json_sprintf("%s://%s/", wishes[i].kind, host)
                                                : json_sprintf("%s://%s:%u/", wishes[i].kind, host,
                                                               (unsigned)wishes[i].port));
    }
    return list;
}
