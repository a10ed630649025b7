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
#include "control/edge_checks.h"
#include "control/edge_policy.h"
#include "control/edge_rollout.h"
#include "control/edge_sources.h"
#include "control/edge_tickets.h"
#include "control/maintenance.h"
#include "control/meters.h"
#include "edge/folder.h"
#include "edge/table.h"
#include "io/channel.h"

struct making {
    struct daemon *daemon;
    struct arena arena;
    json_t *listeners, *certificates, *upstreams, *routes;
    uint64_t cache_bytes;        /* of all systems */
    struct map upstream_numbers; /* an upstream as JSON -> index + 1 */
    struct map seen;             /* listener id -> its row */
    int *fds;
    size_t *fd_count;
    const struct instance *only; /* a one-off whose ports are being added; NULL: none */
};

/* Which of a service's instances. */
enum way_to {
    TO_TRAFFIC, /* those that take traffic */
    TO_NEXT,    /* those of the release that is on its way */
    TO_FORMER,  /* those of the one before */
};

/* Who is asked for its port: a listener of a service, or a route to one. */
struct way {
    const char *service;
    uint16_t port;
    const struct edge_listener_wish *wish; /* NULL: */
    const struct release *release;         /* of the route */
    const struct compose_route *route;
    enum way_to to;
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

static bool is_same_host(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static const struct compose_route *find_route(const struct compose *compose,
                                              const struct compose_route *like)
{
    for (size_t i = 0; i < compose->x.route_count; i++) {
        const struct compose_route *route = &compose->x.routes[i];
        if (route->service != NULL && strcmp(route->service, like->service) == 0 &&
            strcmp(route->path, like->path) == 0 && is_same_host(route->host, like->host) &&
            route->is_any_host == like->is_any_host)
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

static bool takes_requests(const struct making *making, const struct instance *instance,
                           const struct way *way)
{
    if (way->to == TO_NEXT)
        return edge_rollout_is_next(instance);
    if (way->to == TO_FORMER)
        return edge_rollout_is_former(instance);
    return instance->in_traffic || instance->waits_at_edge ||
           instance->state == INSTANCE_DRAINING ||
           (instance == making->only && instance_state_is_live(instance->state));
}

static json_t *targets_of(const struct making *making, struct system *system, const struct way *way)
{
    json_t *targets = json_array();

    LIST_FOR_EACH (node, &system->instances) {
        struct instance *instance = CONTAINER_OF(node, struct instance, link);
        bool draining = instance->state == INSTANCE_DRAINING;
        const char *ip = network_address(instance);
        if (!is_meant(making, instance, way) || !takes_requests(making, instance, way) ||
            ip == NULL)
            continue;
        instance->at_edge = true;
        char address[40];
        str_format(address, sizeof address, "%s:%u", ip, (unsigned)port_of(instance, way));
        (void)json_array_append_new(targets, json_pack("{s:s, s:s, s:i, s:b, s:I}", "id",
                                                       instance->id, "address", address, "weight",
                                                       1, "draining", (int)draining, "release",
                                                       (json_int_t)edge_rollout_label(instance)));
    }
    return targets;
}

static bool has_meter(const json_t *meters, uint64_t release)
{
    const json_t *meter;
    size_t i;

    json_array_foreach(meters, i, meter)
    {
        if (json_find_u64(meter, "release", 0) == release)
            return true;
    }
    return false;
}

/* One for each release that <targets> are of. */
static json_t *meters_of(struct making *making, const char *upstream, const json_t *targets)
{
    json_t *meters = json_array();
    const json_t *target;
    size_t i;

    json_array_foreach(targets, i, target)
    {
        uint64_t release = json_find_u64(target, "release", 0);
        if (has_meter(meters, release))
            continue;
        uint32_t number = meters_number(
            making->daemon, meters_release_name(&making->arena, upstream, (uint32_t)release));
        (void)json_array_append_new(meters, json_pack("{s:I, s:I}", "release", (json_int_t)release,
                                                      "meter", (json_int_t)number));
    }
    return meters;
}

/* Who gets which share of the requests, while a rollout says so. */
static void add_split(struct system *system, const char *service, const char *name,
                      json_t *upstream)
{
    json_t *split = edge_rollout_split(system, service);

    edge_rollout_note(system, service, name);
    if (split != NULL)
        (void)json_object_set_new(upstream, "split", split);
}

/* Two ways that lead to the same places are one upstream. */
static int upstream_number(struct making *making, struct system *system, const struct way *way)
{
    AUTO(buf_done) struct buf text = {0};
    static const char *const suffixes[] = {
        [TO_TRAFFIC] = "", [TO_NEXT] = "@next", [TO_FORMER] = "@former"};
    const char *name = arena_printf(&making->arena, "%s/%s:%u%s", system->name, way->service,
                                    (unsigned)way->port, suffixes[way->to]);
    AUTO(json_unref)
    json_t *upstream =
        json_pack("{s:s, s:o}", "name", name, "targets", targets_of(making, system, way));
    (void)json_object_set_new(upstream, "meters",
                              meters_of(making, name, json_object_get(upstream, "targets")));
    if (system->wanted != NULL)
        edge_policy_upstream(upstream, system->wanted->compose, way->service);

    if (way->route != NULL && way->route->is_h2c)
        (void)json_object_set_new(upstream, "protocol", json_string("h2c"));
    if (way->route != NULL && way->route->balance != NULL)
        edge_policy_balance(upstream, way->route->balance);
    if (way->wish != NULL && strcmp(way->wish->kind, "tcp") == 0)
        edge_policy_port_upstream(upstream, way->wish->said);
    if (way->to == TO_TRAFFIC && making->only == NULL)
        add_split(system, way->service, name, upstream);
    json_format(upstream, false, &text);
    void *known = map_find(&making->upstream_numbers, buf_str(&text));
    if (known == NULL) {
        (void)json_array_append(making->upstreams, upstream);
        known = (void *)json_array_size(making->upstreams);
        (void)map_set(&making->upstream_numbers, buf_str(&text), known);
    }
    return (int)(uintptr_t)known - 1;
}

static json_t *route_new(struct making *making, const struct system *system, const char *host,
                         const char *path)
{
    uint32_t meter =
        meters_number(making->daemon, meters_route_name(&making->arena, system->name, host, path));

    return json_pack("{s:s, s:s?, s:s, s:b, s:b, s:I}", "system", system->name, "host", host,
                     "path", path, "hsts", 1, "security_headers", 1, "meter", (json_int_t)meter);
}

/* An index among the message's descriptors; -1: see <err>. */
static int add_folder(struct making *making, const char *folder, struct err *err)
{
    int fd;

    if (*making->fd_count >= CHANNEL_MAX_FDS - 1) {
        err_set(err, ERR_LIMIT, "there are more than %d folders", CHANNEL_MAX_FDS - 1);
        return -1;
    }
    if ((fd = folder_open(folder, err)) < 0)
        return -1;
    making->fds[*making->fd_count] = fd;
    return (int)(*making->fd_count)++;
}

/* <to> TO_FORMER: what the service does not know is asked of its old instances. */
static void add_row(struct making *making, struct system *system, const struct release *release,
                    const struct compose_route *route, const char *host, const char *path,
                    enum way_to to, const json_t *listeners)
{
    json_t *row = route_new(making, system, host, path);

    (void)json_object_set_new(row, "listeners", json_deep_copy(listeners));
    if (to != TO_NEXT) /* the new release can be looked at meanwhile */
        maintenance_write(making->daemon, system->name, row);
    if (route->service != NULL) {
        struct way way = {.service = route->service,
                          .port = route->port,
                          .release = release,
                          .route = route,
                          .to = to == TO_FORMER ? TO_TRAFFIC : to};
        (void)json_object_set_new(row, "upstream",
                                  json_integer(upstream_number(making, system, &way)));
        way.to = to;
        if (to == TO_FORMER)
            (void)json_object_set_new(row, "fallback_upstream",
                                      json_integer(upstream_number(making, system, &way)));
    } else if (route->files != NULL) {
        struct err err;
        int number = add_folder(making, route->files, &err);
        if (number < 0) {
            log_warn("daemon", "%s: route %s: %s", system->name, route->path, err.text);
            json_decref(row);
            return;
        }
        (void)json_object_set_new(row, "files_fd", json_integer(number));
    } else {
        (void)json_object_set_new(row, "redirect", json_string(route->redirect));
    }
    edge_policy_write(row, route, system->directory);
    edge_policy_log(row, release->compose);
    (void)json_array_append_new(making->routes, row);
}

static bool has_path(const struct compose *compose, const char *path)
{
    for (size_t i = 0; i < compose->x.route_count; i++)
        if (strcmp(compose->x.routes[i].path, path) == 0)
            return true;
    return false;
}

/* Files that pages of the old release still ask for. */
static void add_assets(struct making *making, struct system *system, const struct release *release,
                       const struct compose_route *route, const char *host, const json_t *listeners)
{
    const struct compose_texts *assets =
        route->service == NULL ? NULL : edge_rollout_assets(system, route->service);

    for (size_t i = 0; assets != NULL && i < assets->count; i++) {
        struct str path = str_of(assets->items[i]);
        if (str_starts(path, str_of(route->path)) && !has_path(release->compose, path.ptr))
            add_row(making, system, release, route, host, path.ptr, TO_FORMER, listeners);
    }
}

static void add_route(struct making *making, struct system *system, const struct release *release,
                      const struct compose_route *route, const json_t *listeners)
{
    const char *host = compose_route_host(release->compose, route);

    add_row(making, system, release, route, host, route->path, TO_TRAFFIC, listeners);
    add_assets(making, system, release, route, host, listeners);
}

/* The release that is on its way answers by a name of its own. */
static void add_test_host(struct making *making, struct system *system, const json_t *listeners)
{
    const struct release *release = NULL;
    const char *host = edge_rollout_test_host(system, &release);

    for (size_t i = 0; host != NULL && i < release->compose->x.route_count; i++) {
        const struct compose_route *route = &release->compose->x.routes[i];
        if (route->is_any_host)
            continue;
        if (route->host == NULL || (release->compose->x.domain != NULL &&
                                    strcmp(route->host, release->compose->x.domain) == 0))
            add_row(making, system, release, route, host, route->path, TO_NEXT, listeners);
    }
}

static void add_tcp(struct making *making, struct system *system,
                    const struct edge_listener_wish *wish, json_t *row)
{
    struct way way = {.service = wish->service, .port = wish->target, .wish = wish};
    const char *path = arena_printf(&making->arena, ":%u", (unsigned)wish->port);
    uint32_t meter =
        meters_number(making->daemon, meters_route_name(&making->arena, system->name, NULL, path));

    (void)json_object_set_new(row, "upstream", json_integer(upstream_number(making, system, &way)));
    edge_policy_port(row, wish->said, wish->compose, meter);
}

static void add_listener(struct making *making, struct system *system,
                         const struct edge_listener_wish *wish, uint32_t id)
{
    char key[16];
    str_format(key, sizeof key, "%u", id);

    json_t *row = map_find(&making->seen, str_of(key));
    if (row != NULL) { /* shared with another system */
        if (system->wanted != NULL)
            edge_policy_listener(row, system->wanted->compose);
        return;
    }
    row = json_pack("{s:i, s:s, s:s, s:i}", "id", (int)id, "kind", wish->kind, "system",
                    system->name, "port", (int)wish->port);
    (void)map_set(&making->seen, str_of(key), row);
    if (system->wanted != NULL)
        edge_policy_listener(row, system->wanted->compose);
    if (wish->https_port != 0)
        (void)json_object_set_new(row, "https_port", json_integer(wish->https_port));
    if (strcmp(wish->kind, "tcp") == 0)
        add_tcp(making, system, wish, row);
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
        json_t *row = route_new(making, system, NULL, "/");
        maintenance_write(making->daemon, system->name, row);
        (void)json_object_set(row, "listeners", own);
        (void)json_object_set_new(
            row, "upstream",
            json_integer(upstream_number(
                making, system,
                &(struct way){.service = wish->service, .port = wish->target, .wish = wish})));
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
    if (json_array_size(routed) > 0 && release == system->current)
        add_test_host(making, system, routed);
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
    for (size_t i = 0; i < ARRAY_LEN(releases) && releases[i] != NULL; i++)
        edge_sources_note(making->daemon, releases[i]->compose);
    size_t count = ports_wishes(system, &making->arena, &wishes, &first);
    making->cache_bytes += edge_policy_cache_bytes(releases[0]->compose);
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
    return json_pack(
        "{s:o, s:o, s:I, s:I, s:s, s:o, s:o, s:o, s:o}", "checks", edge_checks_make(making->daemon),
        "ticket_keys", edge_tickets_keys(making->daemon), "generation", (json_int_t)generation,
        "cache_bytes", (json_int_t)making->cache_bytes, "sign_key", making->daemon->sign_key,
        "listeners", making->listeners, "certificates", making->certificates, "upstreams",
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
    making->cache_bytes = edge_policy_cache_bytes(candidate->compose);
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

    edge_sources_begin(daemon);
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
