/* SPDX-License-Identifier: Apache-2.0
 *
 * The ports this machine listens on: opened before anything about a release is
 * done, held for as long as a release asks for them, whatever becomes of the
 * edge. A port of two systems is shared when both route by host name.
 */
#include "base/base.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "control/edge_link_priv.h"
#include "control/handover.h"
#include "edge/table.h"

enum { PUBLISHED_UDP_MAX = 500 }; /* half of what the packet filter takes */

/* Every address means both families in TCP; UDP reaches instances over IPv4 only. */
static const char *const everywhere[] = {"0.0.0.0", "::"};

static struct held *find_held(const struct edge_link *link, const char *ip, uint16_t port, bool udp)
{
    for (size_t i = 0; i < link->held.len; i++)
        if (link->held.ptr[i].port == port && link->held.ptr[i].udp == udp &&
            strcmp(link->held.ptr[i].ip, ip) == 0)
            return &link->held.ptr[i];
    return NULL;
}

uint32_t edge_link_listener_id(const struct edge_link *link, const char *ip, uint16_t port)
{
    const struct held *held = find_held(link, ip, port, false);
    return held == NULL ? 0 : held->id;
}

void edge_listener_close(const struct edge_link *link, struct held *held)
{
    for (int i = 0; i < (held->udp ? 1 : link->workers); i++)
        fd_close(held->fds[i]);
}

/* ---- is it free? ---- */

bool edge_listener_is_held(const struct edge_link *link, const char *ip, uint16_t port, bool udp)
{
    return find_held(link, ip == NULL ? everywhere[0] : ip, port, udp) != NULL;
}

static int open_once(const union socket_address *address, bool udp, struct err *err)
{
    return udp ? socket_hold_udp(address, err) : socket_listen_tcp(address, false, 1, err);
}

/* SO_REUSEPORT sockets could share a port with another program of ours: this one is made without
 * it to find out. */
static bool is_free(const char *ip, uint16_t port, bool udp, struct err *err)
{
    union socket_address address;

    if (!socket_address_parse(ip, port, &address, err))
        return false;
    int fd = open_once(&address, udp, err);
    fd_close(fd);
    return fd >= 0;
}

bool edge_listener_is_free(const char *ip, uint16_t port, bool udp)
{
    struct err err;

    if (ip != NULL)
        return is_free(ip, port, udp, &err);
    return is_free(everywhere[0], port, udp, &err) &&
           (udp || is_free(everywhere[1], port, udp, &err) || err.code != ERR_EXISTS);
}

uint16_t edge_listener_find_free(const char *ip, bool udp)
{
    union socket_address address;
    socklen_t len = sizeof address;
    struct err err;

    if (!socket_address_parse(ip == NULL ? everywhere[0] : ip, 0, &address, &err))
        return 0;
    AUTO(fd_close) int fd = open_once(&address, udp, &err);
    return fd < 0 || getsockname(fd, &address.any, &len) != 0 ? 0 : socket_address_port(&address);
}

/* ---- holding ---- */

static void name_owner(uint16_t port, bool udp, struct err *err)
{
    char owner[64];
    bool known = udp ? socket_udp_port_owner(port, owner, sizeof owner)
                     : socket_port_owner(port, owner, sizeof owner);

    err_set(err, ERR_EXISTS, "%sport %u is in use by %s; stop it or publish another port",
            udp ? "UDP " : "", (unsigned)port, known ? owner : "another program");
}

/* Our own sockets of another address of the same port would be taken for somebody else's. */
static bool is_ours(const struct edge_link *link, uint16_t port)
{
    for (size_t i = 0; i < link->held.len; i++)
        if (link->held.ptr[i].port == port && !link->held.ptr[i].udp)
            return true;
    return false;
}

static bool open_sockets(const struct edge_link *link, struct held *held, struct err *err)
{
    union socket_address address;

    if (!socket_address_parse(held->ip, held->port, &address, err))
        return false;
    if (held->udp) {
        held->fds[0] = socket_hold_udp(&address, err);
        return held->fds[0] >= 0;
    }
    if (!is_ours(link, held->port) && !is_free(held->ip, held->port, false, err))
        return false;
    for (int i = 0; i < link->workers; i++) {
        held->fds[i] = socket_listen_tcp(&address, true, BACKLOG, err);
        if (held->fds[i] < 0) {
            while (--i >= 0)
                fd_close(held->fds[i]);
            return false;
        }
    }
    return true;
}

/* What the edge's table and the packet filter have room for: a table that is too large would be
 * refused whole, to the loss of the other systems. */
static bool check_room(const struct edge_link *link, bool udp, struct err *err)
{
    size_t count = 0;
    size_t most = udp ? PUBLISHED_UDP_MAX : TABLE_MAX_LISTENERS;

    for (size_t i = 0; i < link->held.len; i++)
        count += link->held.ptr[i].udp == udp;
    if (count < most)
        return true;
    return err_set(err, ERR_LIMIT,
                   "all systems together publish more than %zu %s; one for every address counts "
                   "twice in TCP",
                   most, udp ? "UDP ports" : "ports");
}

static bool hold(struct edge_link *link, const char *ip, uint16_t port, bool udp, struct err *err)
{
    struct held held = {.id = ++link->last_id, .port = port, .udp = udp};

    if (find_held(link, ip, port, udp) != NULL)
        return true;
    str_format(held.ip, sizeof held.ip, "%s", ip);
    if (!check_room(link, udp, err))
        return false;
    if (!open_sockets(link, &held, err)) {
        if (err->code == ERR_EXISTS)
            name_owner(port, udp, err);
        return false;
    }
    VEC_PUSH(&link->held, held);
    return true;
}

/* A machine without IPv6 has one family. */
static bool reserve(struct edge_link *link, const struct edge_listener_wish *wish, struct err *err)
{
    bool udp = edge_wish_is_udp(wish);
    struct err ignored;

    if (wish->ip != NULL)
        return hold(link, wish->ip, wish->port, udp, err);
    if (!hold(link, everywhere[0], wish->port, udp, err))
        return false;
    if (!udp && !hold(link, everywhere[1], wish->port, udp, &ignored) &&
        (ignored.code == ERR_EXISTS || ignored.code == ERR_LIMIT)) {
        *err = ignored;
        return false;
    }
    return true;
}

static void mark_wishes(struct edge_link *link, const struct release *release)
{
    AUTO(arena_done) struct arena arena = {0};
    struct edge_listener_wish *wishes;

    if (release == NULL)
        return;
    size_t count = edge_table_wishes(release->compose, &arena, &wishes);
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < link->held.len; j++) {
            struct held *held = &link->held.ptr[j];
            bool is_every =
                strcmp(held->ip, everywhere[0]) == 0 || strcmp(held->ip, everywhere[1]) == 0;
            if (held->port == wishes[i].port && held->udp == edge_wish_is_udp(&wishes[i]) &&
                (wishes[i].ip == NULL ? is_every : strcmp(held->ip, wishes[i].ip) == 0))
                held->wanted = true;
        }
}

void edge_listeners_prune(struct edge_link *link)
{
    struct map_entry *entry;
    size_t ignored;

    for (size_t i = 0; i < link->held.len; i++)
        link->held.ptr[i].wanted = false;
    for (size_t i = 0; (entry = map_next(&link->daemon->systems, &i)) != NULL;) {
        const struct system *system = entry->value;
        mark_wishes(link, system->wanted);
        mark_wishes(link, system->current);
        if (system->operation != NULL)
            mark_wishes(link, system->operation->candidate);
        if (system->operation != NULL && system->operation->run != NULL)
            mark_wishes(link, run_release(system->operation->run, &ignored));
        LIST_FOR_EACH (node, &system->instances) {
            const struct instance *instance = CONTAINER_OF(node, struct instance, link);
            if (instance->one_off != NULL)
                mark_wishes(link, instance->release);
        }
    }
    for (size_t i = link->held.len; i-- > 0;)
        if (!link->held.ptr[i].wanted) {
            edge_listener_close(link, &link->held.ptr[i]);
            VEC_REMOVE(&link->held, i);
        }
}

/* ---- surviving an exec ---- */

json_t *edge_link_keep(const struct edge_link *link)
{
    json_t *list = json_array();

    for (size_t i = 0; i < link->held.len; i++) {
        const struct held *held = &link->held.ptr[i];
        json_t *fds = json_array();
        for (int n = 0; n < (held->udp ? 1 : link->workers); n++) {
            (void)json_array_append_new(fds, handover_keep(held->fds[n]));
        }
        (void)json_array_append_new(list, json_pack("{s:i, s:b, s:i, s:s, s:o}", "id",
                                                    (int)held->id, "udp", (int)held->udp, "port",
                                                    (int)held->port, "ip", held->ip, "fds", fds));
    }
    return list;
}

/* A machine that got other processors in between is not worth the trouble: then they are opened
 * anew, as are those that could not be kept. */
static bool take_over(const struct edge_link *link, const json_t *row, struct held *ret)
{
    const json_t *fds = json_object_get(row, "fds");
    size_t count = ret->udp ? 1 : (size_t)link->workers;
    bool whole = json_array_size(fds) == count && ret->id != 0;

    for (size_t i = 0; i < json_array_size(fds); i++) {
        int fd = (int)json_integer_value(json_array_get(fds, i));
        bool is_open = fd > 2 && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0;
        whole = whole && is_open;
        if (i < ARRAY_LEN(ret->fds))
            ret->fds[i] = is_open ? fd : -1;
    }
    if (!whole)
        for (size_t i = 0; i < MIN(json_array_size(fds), ARRAY_LEN(ret->fds)); i++)
            fd_close(ret->fds[i]);
    return whole;
}

void edge_listeners_take_over(struct edge_link *link, const json_t *list)
{
    const json_t *row;
    size_t index;

    json_array_foreach(list, index, row)
    {
        struct held held = {.id = (uint32_t)json_find_u64(row, "id", 0),
                            .port = (uint16_t)json_find_u64(row, "port", 0),
                            .udp = json_find_bool(row, "udp", false)};
        str_format(held.ip, sizeof held.ip, "%s", json_find_text(row, "ip", ""));
        if (!take_over(link, row, &held))
            continue;
        link->last_id = MAX(link->last_id, held.id);
        VEC_PUSH(&link->held, held);
    }
}

/* ---- neighbours ---- */

/* Would two sockets of these addresses get in each other's way? */
static bool overlaps(const char *a, const char *b)
{
    return a == NULL || b == NULL || strcmp(a, b) == 0;
}

static bool check_against(const struct edge_listener_wish *wish, const struct system *system,
                          const struct release *release, struct err *err)
{
    AUTO(arena_done) struct arena arena = {0};
    struct edge_listener_wish *others;

    if (release == NULL)
        return true;
    size_t count = edge_table_wishes(release->compose, &arena, &others);
    for (size_t i = 0; i < count; i++) {
        bool shared = wish->routes && others[i].routes && strcmp(wish->kind, others[i].kind) == 0;
        if (others[i].port == wish->port && !shared && overlaps(others[i].ip, wish->ip) &&
            edge_wish_is_udp(&others[i]) == edge_wish_is_udp(wish))
            return err_set(err, ERR_EXISTS, "port %u is published by system '%s' already",
                           (unsigned)wish->port, system->name);
    }
    return true;
}

/* Does another system use <wish>'s port in a way that cannot be shared? */
static bool check_neighbours(const struct edge_link *link, const struct release *candidate,
                             const struct edge_listener_wish *wish, struct err *err)
{
    struct map_entry *entry;

    for (size_t i = 0; (entry = map_next(&link->daemon->systems, &i)) != NULL;) {
        const struct system *system = entry->value;
        if (strcmp(system->name, candidate->compose->name) == 0)
            continue;
        if (!check_against(wish, system, system->wanted, err) ||
            !check_against(wish, system, system->current, err))
            return false;
    }
    return true;
}

bool edge_link_reserve(struct edge_link *link, const struct release *candidate, struct err *err)
{
    AUTO(arena_done) struct arena arena = {0};
    struct edge_listener_wish *wishes;
    size_t before = link->held.len;

    if (!ports_settle(link->daemon, candidate, err))
        return false;
    size_t count = edge_table_wishes(candidate->compose, &arena, &wishes);
    for (size_t i = 0; i < count; i++) {
        if (check_neighbours(link, candidate, &wishes[i], err) && reserve(link, &wishes[i], err))
            continue;
        while (link->held.len > before)
            edge_listener_close(link, &link->held.ptr[--link->held.len]);
        return false;
    }
    return true;
}
