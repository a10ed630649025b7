/* SPDX-License-Identifier: Apache-2.0
 *
 * The ports this machine listens on: opened before anything about a release is
 * done, held for as long as a release asks for them, whatever becomes of the
 * edge. A port of two systems is shared when both route by host name.
 */
#include "base/base.h"

#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "control/edge_link_priv.h"

static struct held *find_held(const struct edge_link *link, const char *ip, uint16_t port)
{
    for (size_t i = 0; i < link->held.len; i++)
        if (link->held.ptr[i].port == port && strcmp(link->held.ptr[i].ip, ip) == 0)
            return &link->held.ptr[i];
    return NULL;
}

uint32_t edge_link_listener_id(const struct edge_link *link, const char *ip, uint16_t port)
{
    const struct held *held = find_held(link, ip, port);
    return held == NULL ? 0 : held->id;
}

void edge_listener_close(const struct edge_link *link, struct held *held)
{
    for (int i = 0; i < link->workers; i++)
        fd_close(held->fds[i]);
}

/* Says whose port it is. SO_REUSEPORT sockets could share one with another program of ours: the
 * first socket is made without it to find out. */
static bool check_port(const union socket_address *address, struct err *err)
{
    char owner[64];
    int fd = socket_listen_tcp(address, false, 1, err);

    if (fd >= 0) {
        fd_close(fd);
        return true;
    }
    if (err->code == ERR_EXISTS) {
        uint16_t port = socket_address_port(address);
        bool known = socket_port_owner(port, owner, sizeof owner);
        err_set(err, ERR_EXISTS, "port %u is in use by %s; stop it or publish another port",
                (unsigned)port, known ? owner : "another program");
    }
    return false;
}

static bool open_listener(struct edge_link *link, const char *ip, uint16_t port, struct err *err)
{
    struct held held = {.id = ++link->last_id, .port = port};
    union socket_address address;

    str_format(held.ip, sizeof held.ip, "%s", ip);
    if (!socket_address_parse(ip, port, &address, err) || !check_port(&address, err))
        return false;
    for (int i = 0; i < link->workers; i++) {
        held.fds[i] = socket_listen_tcp(&address, true, BACKLOG, err);
        if (held.fds[i] < 0) {
            while (--i >= 0)
                fd_close(held.fds[i]);
            return false;
        }
    }
    VEC_PUSH(&link->held, held);
    return true;
}

/* Every address means both families; a machine without IPv6 has one. */
static bool reserve(struct edge_link *link, const struct edge_listener_wish *wish, struct err *err)
{
    struct err ignored;

    if (wish->ip != NULL)
        return find_held(link, wish->ip, wish->port) != NULL ||
               open_listener(link, wish->ip, wish->port, err);
    if (find_held(link, "0.0.0.0", wish->port) == NULL &&
        !open_listener(link, "0.0.0.0", wish->port, err))
        return false;
    if (find_held(link, "::", wish->port) == NULL &&
        !open_listener(link, "::", wish->port, &ignored) && ignored.code == ERR_EXISTS) {
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
            bool everywhere = strcmp(held->ip, "0.0.0.0") == 0 || strcmp(held->ip, "::") == 0;
            if (held->port == wishes[i].port &&
                (wishes[i].ip == NULL ? everywhere : strcmp(held->ip, wishes[i].ip) == 0))
                held->wanted = true;
        }
}

void edge_listeners_prune(struct edge_link *link)
{
    struct map_entry *entry;

    for (size_t i = 0; i < link->held.len; i++)
        link->held.ptr[i].wanted = false;
    for (size_t i = 0; (entry = map_next(&link->daemon->systems, &i)) != NULL;) {
        const struct system *system = entry->value;
        mark_wishes(link, system->wanted);
        mark_wishes(link, system->current);
        if (system->operation != NULL)
            mark_wishes(link, system->operation->candidate);
    }
    for (size_t i = link->held.len; i-- > 0;)
        if (!link->held.ptr[i].wanted) {
            edge_listener_close(link, &link->held.ptr[i]);
            VEC_REMOVE(&link->held, i);
        }
}

/* Does another system use <wish>'s port in a way that cannot be shared? */
static bool check_neighbours(const struct edge_link *link, const struct release *candidate,
                             const struct edge_listener_wish *wish, struct err *err)
{
    struct map_entry *entry;

    for (size_t i = 0; (entry = map_next(&link->daemon->systems, &i)) != NULL;) {
        const struct system *system = entry->value;
        AUTO(arena_done) struct arena arena = {0};
        struct edge_listener_wish *others;
        if (system->wanted == NULL || strcmp(system->name, candidate->compose->name) == 0)
            continue;
        size_t count = edge_table_wishes(system->wanted->compose, &arena, &others);
        for (size_t j = 0; j < count; j++) {
            bool shared =
                wish->routes && others[j].routes && strcmp(wish->kind, others[j].kind) == 0;
            if (others[j].port == wish->port && !shared)
                return err_set(err, ERR_EXISTS, "port %u is published by system '%s' already",
                               (unsigned)wish->port, system->name);
        }
    }
    return true;
}

bool edge_link_reserve(struct edge_link *link, const struct release *candidate, struct err *err)
{
    AUTO(arena_done) struct arena arena = {0};
    struct edge_listener_wish *wishes;
    size_t before = link->held.len;

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
