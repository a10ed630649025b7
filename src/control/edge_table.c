/* SPDX-License-Identifier: Apache-2.0
 *
 * The edge's routing table, written from the releases and the instances; its
 * format is in edge/table.h.
 */
#include "base/base.h"

#include <fcntl.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "control/daemon_priv.h"
#include "edge/table.h"
#include "guard/local_ca.h"
#include "io/channel.h"

enum { CERTIFICATE_FILE_LIMIT = 1 << 20, HTTP_PORT = 80, HTTPS_PORT = 443 };

/* ---- listeners ---- */

struct wishes {
    struct edge_listener_wish *items;
    size_t count;
};

static void add_wish(struct wishes *wishes, struct edge_listener_wish wish)
{
    for (size_t i = 0; i < wishes->count; i++)
        if (wishes->items[i].port == wish.port && wishes->items[i].ip == wish.ip)
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

static void add_ports(struct wishes *wishes, const struct compose *compose,
                      const struct compose_service *service, bool *ret_routed)
{
    for (size_t i = 0; i < service->port_count; i++) {
        const struct compose_port *port = &service->ports[i];
        if (port->protocol != PORT_TCP || port->published == 0)
            continue;
        if (service->x.provided_by_edge) {
            add_routed(wishes, compose, port->host_ip, port->published, port->target == HTTPS_PORT);
            *ret_routed = true;
            continue;
        }
        bool is_http = port->app_protocol != NULL && strcmp(port->app_protocol, "http") == 0;
        add_wish(wishes, (struct edge_listener_wish){.port = port->published,
                                                     .ip = port->host_ip,
                                                     .kind = is_http ? "http" : "tcp",
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
    struct map upstream_numbers; /* "eshop/backend:8000" -> index + 1 */
    struct map seen;             /* listener id -> anything */
    int *fds;
    size_t *fd_count;
};

static json_t *targets_of(struct system *system, const char *service, uint16_t port)
{
    json_t *targets = json_array();

    LIST_FOR_EACH (node, &system->instances) {
        struct instance *instance = CONTAINER_OF(node, struct instance, link);
        bool draining = instance->state == INSTANCE_DRAINING;
        if (instance->is_job || strcmp(instance->made_of->service->name, service) != 0 ||
            !(instance->in_traffic || draining))
            continue;
        instance->at_edge = true;
        char address[40];
        str_format(address, sizeof address, "%s:%u",
                   instance->address[0] == '\0' ? "127.0.0.1" : instance->address, (unsigned)port);
        (void)json_array_append_new(targets,
                                    json_pack("{s:s, s:s, s:i, s:b}", "id", instance->id, "address",
                                              address, "weight", 1, "draining", (int)draining));
    }
    return targets;
}

static int upstream_number(struct making *making, struct system *system, const char *service,
                           uint16_t port)
{
    const char *name =
        arena_printf(&making->arena, "%s/%s:%u", system->name, service, (unsigned)port);
    void *known = map_find(&making->upstream_numbers, str_of(name));

    if (known == NULL) {
        (void)json_array_append_new(
            making->upstreams,
            json_pack("{s:s, s:o}", "name", name, "targets", targets_of(system, service, port)));
        known = (void *)json_array_size(making->upstreams);
        (void)map_set(&making->upstream_numbers, str_of(name), known);
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

static void add_route(struct making *making, struct system *system, const struct compose *compose,
                      const struct compose_route *route, const json_t *listeners)
{
    const char *host = route->host != NULL ? route->host : compose->x.domain;
    json_t *row = route_new(system, host, route->path);

    (void)json_object_set_new(row, "listeners", json_deep_copy(listeners));
    if (route->service != NULL) {
        int number = upstream_number(making, system, route->service, route->port);
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
    if (route->cache_control != NULL)
        (void)json_object_set_new(row, "cache_control", json_string(route->cache_control));
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
            json_integer(upstream_number(making, system, wish->service, wish->target)));
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
            json_integer(upstream_number(making, system, wish->service, wish->target)));
        (void)json_array_append_new(making->routes, row);
    }
    json_decref(own);
}

/* ---- certificates ---- */

static size_t certificate_names(const struct compose *compose, const char **ret, size_t room)
{
    size_t count = 0;

    if (compose->x.domain != NULL)
        ret[count++] = compose->x.domain;
    for (size_t i = 0; i < compose->x.route_count && count < room; i++) {
        const char *host = compose->x.routes[i].host;
        bool known = host == NULL;
        for (size_t j = 0; !known && j < count; j++)
            known = strcmp(ret[j], host) == 0;
        if (!known)
            ret[count++] = host;
    }
    return count;
}

static json_t *names_json(const char *const *names, size_t count)
{
    json_t *list = json_array();

    for (size_t i = 0; i < count; i++)
        (void)json_array_append_new(list, json_string(names[i]));
    return list;
}

static bool add_own_certificate(struct making *making, const struct system *system,
                                const char *const *names, size_t count, struct err *err)
{
    struct local_ca_request request = {.id = system->name, .names = names, .name_count = count};
    AUTO(local_ca_leaf_done) struct local_ca_leaf leaf = {0};

    for (size_t i = 0; i < count; i++)
        if (!local_ca_covers(str_of(names[i])))
            return err_set(err, ERR_INVALID,
                           "there is no certificate for '%s': write x-ishizue.tls: {certificate, "
                           "key}; only names below localhost, test and internal get one made",
                           names[i]);
    if (!local_ca_issue(making->daemon->ca, &request, clock_wall_ms(), &leaf, err))
        return false;
    (void)json_array_append_new(making->certificates,
                                json_pack("{s:o, s:s%, s:s%}", "names", names_json(names, count),
                                          "certificate", leaf.certificate_pem.ptr,
                                          leaf.certificate_pem.len, "key", leaf.key_pem.ptr,
                                          leaf.key_pem.len));
    return true;
}

static bool add_given_certificate(struct making *making, const struct compose *compose,
                                  const char *const *names, size_t count, struct err *err)
{
    AUTO(buf_done) struct buf certificate = {0}, key = {0};

    if (!file_read(compose->x.tls_certificate, CERTIFICATE_FILE_LIMIT, &certificate, err) ||
        !file_read(compose->x.tls_key, CERTIFICATE_FILE_LIMIT, &key, err))
        return false;
    (void)json_array_append_new(making->certificates,
                                json_pack("{s:o, s:s, s:s}", "names", names_json(names, count),
                                          "certificate", buf_text(&certificate), "key",
                                          buf_text(&key)));
    explicit_bzero(key.ptr, key.cap);
    return true;
}

static bool add_certificates(struct making *making, const struct system *system,
                             const struct compose *compose, struct err *err)
{
    const char *names[LOCAL_CA_NAMES_MAX];
    size_t count = certificate_names(compose, names, ARRAY_LEN(names));

    if (compose->x.tls == TLS_OFF)
        return true;
    if (count == 0)
        names[count++] = "localhost";
    if (compose->x.tls == TLS_FILES ? add_given_certificate(making, compose, names, count, err)
                                    : add_own_certificate(making, system, names, count, err))
        return true;
    return err_prefix(err, "x-ishizue.tls");
}

/* ---- all of it ---- */

/* Without a certificate the system has no https; the error says why. */
static bool add_system(struct making *making, struct system *system, const struct release *release,
                       struct err *err)
{
    struct edge_listener_wish *wishes;
    AUTO(json_unref) json_t *routed = json_array();
    bool has_https = false, certified = true;

    size_t count = edge_table_wishes(release->compose, &making->arena, &wishes);
    for (size_t i = 0; i < count; i++)
        has_https |= strcmp(wishes[i].kind, "https") == 0;
    if (has_https)
        certified = add_certificates(making, system, release->compose, err);
    for (size_t i = 0; i < count; i++)
        if (certified || strcmp(wishes[i].kind, "https") != 0)
            add_wished(making, system, &wishes[i], routed);
    if (json_array_size(routed) > 0)
        for (size_t i = 0; i < release->compose->x.route_count; i++)
            add_route(making, system, release->compose, &release->compose->x.routes[i], routed);
    return certified;
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

bool edge_table_check(struct daemon *daemon, const struct release *candidate, struct err *err)
{
    int fds[CHANNEL_MAX_FDS];
    size_t fd_count = 0;
    struct making making = making_new(daemon, fds, &fd_count);
    struct system system = {.daemon = daemon};
    AUTO(buf_done) struct buf text = {0};
    struct table *table = NULL;

    str_format(system.name, sizeof system.name, "%s", candidate->compose->name);
    list_init(&system.instances);
    bool good = add_system(&making, &system, candidate, err);
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
    struct err err;

    for (size_t i = 0; (entry = map_next(&daemon->systems, &i)) != NULL;) {
        struct system *system = entry->value;
        if (system->wanted != NULL && !add_system(&making, system, system->wanted, &err))
            log_error("daemon", "%s: no https: %s", system->name, err.text);
    }
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
        if (strcmp(wishes[i].kind, "tcp") == 0 || wishes[i].https_port != 0)
            continue;
        bool usual = wishes[i].port == (is_https ? HTTPS_PORT : HTTP_PORT);
        (void)json_array_append_new(list, usual ? json_sprintf("%s://%s/", wishes[i].kind, host)
                                                : json_sprintf("%s://%s:%u/", wishes[i].kind, host,
                                                               (unsigned)wishes[i].port));
    }
    return list;
}
