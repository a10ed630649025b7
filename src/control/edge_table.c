/* SPDX-License-Identifier: Apache-2.0
 *
 * The edge's routing table, written from the releases and the instances; its
 * format is in edge/table.h.
 */
#include "base/base.h"

#include <fcntl.h>
#include <stdio.h>

#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "control/daemon_priv.h"
#include "control/edge_policy.h"
#include "edge/table.h"
#include "io/channel.h"

enum { HTTP_PORT = 80, HTTPS_PORT = 443 };

/* ---- listeners ---- */

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
                                                     .target = port->target});
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

/* ---- the table ---- */

struct making {
    struct daemon *daemon;
    struct arena arena;
    json_t *listeners, *certificates, *upstreams, *routes;
    struct map upstream_numbers; /* an upstream as JSON -> index + 1 */
    struct map seen;             /* listener id -> anything */
    int *fds;
    size_t *fd_count;
    const struct instance *only; /* a one-off whose ports are being added; NULL: none */
};

/* Who is asked for its port: a listener of a service, or a route to one. */
struct way {
    const char *service;
    uint16_t port;
    const struct edge_listener_wish *wish; /* NULL: */
    const struct release *release;         /* of the route */
    const struct compose_route *route;
};

/* Ports of a one-off lead to it alone, those of the system to all the others. */
static bool is_meant(const struct making *making, const struct instance *instance,
                     const struct way *way)
{
    if (making->only != NULL)
        return instance == making->only;
    return (!instance->is_job || instance->takes_names) &&
           strcmp(instance->made_of->service->name, way->service) == 0;
}

static const struct compose_route *find_route(const struct compose *compose,
                                              const struct compose_route *like)
{
    for (size_t i = 0; i < compose->x.route_count; i++) {
        const struct compose_route *route = &compose->x.routes[i];
        if (route->service != NULL && strcmp(route->service, like->service) == 0 &&
            strcmp(route->path, like->path) == 0 && is_same_ip(route->host, like->host))
            return route;
    }
    return NULL;
}

/* An instance of another release may listen on another port than the one that is written in the
 * table's release. */
static uint16_t port_of(const struct instance *instance, const struct way *way)
{
    if (way->wish != NULL)
        return ports_target(instance, way->wish);
    size_t index = release_find(way->release, way->service);
    if (index != SIZE_MAX &&
        strcmp(way->release->services[index].hash, instance->made_of->hash) == 0)
        return way->port;
    const struct compose_route *own = find_route(instance->release->compose, way->route);
    return own == NULL ? way->port : own->port;
}

static json_t *targets_of(const struct making *making, struct system *system, const struct way *way)
{
    json_t *targets = json_array();

    LIST_FOR_EACH (node, &system->instances) {
        struct instance *instance = CONTAINER_OF(node, struct instance, link);
        bool draining = instance->state == INSTANCE_DRAINING;
        const char *ip = network_address(instance);
        bool takes = instance->in_traffic || draining ||
                     (instance == making->only && instance_state_is_live(instance->state));
        if (!is_meant(making, instance, way) || !takes || ip == NULL)
            continue;
        instance->at_edge = true;
        char address[40];
        str_format(address, sizeof address, "%s:%u", ip, (unsigned)port_of(instance, way));
        (void)json_array_append_new(targets,
                                    json_pack("{s:s, s:s, s:i, s:b}", "id", instance->id, "address",
                                              address, "weight", 1, "draining", (int)draining));
    }
    return targets;
}

/* Two ways that lead to the same places are one upstream. */
static int upstream_number(struct making *making, struct system *system, const struct way *way)
{
    AUTO(buf_done) struct buf text = {0};
    const char *name =
        arena_printf(&making->arena, "%s/%s:%u", system->name, way->service, (unsigned)way->port);
    AUTO(json_unref)
    json_t *upstream =
        json_pack("{s:s, s:o}", "name", name, "targets", targets_of(making, system, way));

    json_format(upstream, false, &text);
    void *known = map_find(&making->upstream_numbers, buf_str(&text));
    if (known == NULL) {
        (void)json_array_append(making->upstreams, upstream);
        known = (void *)json_array_size(making->upstreams);
        (void)map_set(&making->upstream_numbers, buf_str(&text), known);
    }
    return (int)(uintptr_t)known - 1;
}

static json_t *route_new(const struct system *system, const char *host, const char *path)
{
    return json_pack("{s:s, s:s?, s:s, s:b, s:b}", "system", system->name, "host", host, "path",
                     path, "hsts", 1, "security_headers", 1);
}

/* An index among the message's descriptors; -1 when the folder cannot be opened. */
static int add_folder(struct making *making, const char *folder)
{
    int fd = *making->fd_count >= CHANNEL_MAX_FDS - 1
                 ? -1
                 : open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return -1;
    making->fds[*making->fd_count] = fd;
    return (int)(*making->fd_count)++;
}

static void add_route(struct making *making, struct system *system, const struct release *release,
                      const struct compose_route *route, const json_t *listeners)
{
    const char *host = route->host != NULL ? route->host : release->compose->x.domain;
    json_t *row = route_new(system, host, route->path);

    (void)json_object_set_new(row, "listeners", json_deep_copy(listeners));
    if (route->service != NULL) {
        int number = upstream_number(making, system,
                                     &(struct way){.service = route->service,
                                                   .port = route->port,
                                                   .release = release,
                                                   .route = route});
        (void)json_object_set_new(row, "upstream", json_integer(number));
    } else if (route->files != NULL) {
        int number = add_folder(making, route->files);
        if (number < 0) {
            log_warn("daemon", "%s: route %s: cannot open folder '%s'", system->name, route->path,
                     route->files);
            json_decref(row);
            return;
        }
        (void)json_object_set_new(row, "files_fd", json_integer(number));
    } else {
        (void)json_object_set_new(row, "redirect", json_string(route->redirect));
    }
    edge_policy_write(row, route);
    (void)json_array_append_new(making->routes, row);
}

static void add_listener(struct making *making, struct system *system,
                         const struct edge_listener_wish *wish, uint32_t id)
{
    char key[16];
    str_format(key, sizeof key, "%u", id);

    if (map_find(&making->seen, str_of(key)) != NULL)
        return; /* shared with another system */
    (void)map_set(&making->seen, str_of(key), making);
    json_t *row = json_pack("{s:i, s:s, s:s, s:i}", "id", (int)id, "kind", wish->kind, "system",
                            system->name, "port", (int)wish->port);
    if (wish->https_port != 0)
        (void)json_object_set_new(row, "https_port", json_integer(wish->https_port));
    if (strcmp(wish->kind, "tcp") == 0)
        (void)json_object_set_new(
            row, "upstream",
            json_integer(upstream_number(
                making, system, &(struct way){wish->service, wish->target, wish, NULL, NULL})));
    (void)json_array_append_new(making->listeners, row);
}

/* Both addresses of a wish for every address are listeners of their own. */
static void add_wished(struct making *making, struct system *system,
                       const struct edge_listener_wish *wish, json_t *routed)
{
    static const char *const everywhere[] = {"0.0.0.0", "::"};
    size_t count = wish->ip == NULL ? ARRAY_LEN(everywhere) : 1;
    json_t *own = json_array();

    for (size_t i = 0; i < count; i++) {
        uint32_t id = edge_link_listener_id(
            making->daemon->edge, wish->ip == NULL ? everywhere[i] : wish->ip, wish->port);
        if (id == 0)
            continue;
        add_listener(making, system, wish, id);
        (void)json_array_append_new(wish->routes ? routed : own, json_integer(id));
    }
    if (!wish->routes && strcmp(wish->kind, "http") == 0) {
        json_t *row = route_new(system, NULL, "/");
        (void)json_object_set(row, "listeners", own);
        (void)json_object_set_new(
            row, "upstream",
            json_integer(upstream_number(
                making, system, &(struct way){wish->service, wish->target, wish, NULL, NULL})));
        (void)json_array_append_new(making->routes, row);
    }
    json_decref(own);
}

/* ---- all of it ---- */

static bool has_https(const struct edge_listener_wish *wishes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(wishes[i].kind, "https") == 0)
            return true;
    return false;
}

/* Listeners with the routes of <release>. */
static void add_release(struct making *making, struct system *system, const struct release *release,
                        const struct edge_listener_wish *wishes, size_t count, bool certified)
{
    AUTO(json_unref) json_t *routed = json_array();

    for (size_t i = 0; i < count; i++)
        if (!edge_wish_is_udp(&wishes[i]) && (certified || strcmp(wishes[i].kind, "https") != 0))
            add_wished(making, system, &wishes[i], routed);
    if (json_array_size(routed) > 0)
        for (size_t i = 0; i < release->compose->x.route_count; i++)
            add_route(making, system, release, &release->compose->x.routes[i], routed);
}

/* `run --publish`: its release has the ports of its one service. */
static void add_one_offs(struct making *making, struct system *system)
{
    LIST_FOR_EACH (node, &system->instances) {
        const struct instance *instance = CONTAINER_OF(node, struct instance, link);
        struct edge_listener_wish *wishes;
        if (instance->one_off == NULL || !instance_state_is_live(instance->state))
            continue;
        making->only = instance;
        size_t count = edge_table_wishes(instance->release->compose, &making->arena, &wishes);
        add_release(making, system, instance->release, wishes, count, false);
        making->only = NULL;
    }
}

/* While a release is being brought up, what the one before it publishes stays as it is; what the
 * new one adds is there too. Without a certificate there is no https, and the error says why. */
static void add_system(struct making *making, struct system *system)
{
    const struct release *releases[2];
    struct edge_listener_wish *wishes;
    size_t first;
    bool certified = true;

    ports_releases(system, releases);
    size_t count = ports_wishes(system, &making->arena, &wishes, &first);
    const struct release *secure[2] = {has_https(wishes, first) ? releases[0] : NULL,
                                       has_https(wishes + first, count - first) ? releases[1]
                                                                                : NULL};
    if (secure[0] != NULL || secure[1] != NULL)
        certified = certificates_add(system, secure, making->certificates);
    add_release(making, system, releases[0], wishes, first, certified);
    if (releases[1] != NULL)
        add_release(making, system, releases[1], wishes + first, count - first, certified);
    add_one_offs(making, system);
}

static struct making making_new(struct daemon *daemon, int *fds, size_t *fd_count)
{
    return (struct making){.daemon = daemon,
                           .listeners = json_array(),
                           .certificates = json_array(),
                           .upstreams = json_array(),
                           .routes = json_array(),
                           .fds = fds,
                           .fd_count = fd_count};
}

/* Ends <making>. */
static json_t *making_end(struct making *making, uint64_t generation)
{
    map_done(&making->upstream_numbers);
    map_done(&making->seen);
    arena_done(&making->arena);
    return json_pack("{s:I, s:o, s:o, s:o, s:o}", "generation", (json_int_t)generation, "listeners",
                     making->listeners, "certificates", making->certificates, "upstreams",
                     making->upstreams, "routes", making->routes);
}

/* The candidate alone, as if it ran without instances. */
static bool add_candidate(struct making *making, const struct release *candidate, struct err *err)
{
    struct system system = {.daemon = making->daemon};
    struct edge_listener_wish *wishes;

    str_format(system.name, sizeof system.name, "%s", candidate->compose->name);
    list_init(&system.instances);
    size_t count = edge_table_wishes(candidate->compose, &making->arena, &wishes);
    if (has_https(wishes, count) &&
        !certificates_check(making->daemon, candidate->compose, making->certificates, err))
        return false;
    add_release(making, &system, candidate, wishes, count, true);
    return true;
}

bool edge_table_check(struct daemon *daemon, const struct release *candidate, struct err *err)
{
    int fds[CHANNEL_MAX_FDS];
    size_t fd_count = 0;
    struct making making = making_new(daemon, fds, &fd_count);
    AUTO(buf_done) struct buf text = {0};
    struct table *table = NULL;

    bool good = add_candidate(&making, candidate, err);
    AUTO(json_unref) json_t *json = making_end(&making, 1);
    json_format(json, false, &text);
    good = good && table_read(buf_str(&text), fds, fd_count, &table, err);
    explicit_bzero(text.ptr, text.len); /* private keys */
    for (size_t i = 0; table == NULL && i < fd_count; i++)
        fd_close(fds[i]);
    table_unref(table);
    return good;
}

json_t *edge_table_make(struct daemon *daemon, uint64_t generation, int *fds, size_t *fd_count)
{
    struct making making = making_new(daemon, fds, fd_count);
    struct map_entry *entry;

    for (size_t i = 0; (entry = map_next(&daemon->systems, &i)) != NULL;) {
        struct system *system = entry->value;
        if (system->wanted != NULL)
            add_system(&making, system);
        else
            add_one_offs(&making, system);
    }
    certificates_sweep(daemon);
    return making_end(&making, generation);
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
