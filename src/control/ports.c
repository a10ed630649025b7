/* SPDX-License-Identifier: Apache-2.0
 *
 * Published ports: which number an entry without one gets, and where UDP goes.
 * A number that was chosen is stored under the entry's name and kept for as
 * long as the system is up; it is written into the release's model, so that
 * everybody else sees an ordinary port. TCP is the edge's (edge_listeners.c);
 * UDP is held by a socket that nobody reads and sent on by the packet filter.
 */
#include "base/base.h"

#include "base/err.h"
#include "base/log.h"
#include "control/edge_link_priv.h"
#include "control/state.h"

enum { TRIES_MAX = 20 };

/* ---- numbers ---- */

static bool is_open(const struct compose_port *port)
{
    return port->published == 0 || port->published_last > port->published;
}

static void format_owner(struct buf *ret, const struct compose *compose,
                         const struct compose_service *service, const struct compose_port *port)
{
    buf_addf(ret, "%s/%s/%s/%s/%u", compose->name, service->name,
             port->protocol == PORT_UDP ? "udp" : "tcp", port->host_ip == NULL ? "" : port->host_ip,
             (unsigned)port->target);
    if (port->published != 0)
        buf_addf(ret, "/%u", (unsigned)port->published);
}

/* Does another entry of the same file have it? */
static bool is_taken(const struct compose *compose, const struct compose_port *entry,
                     uint16_t number)
{
    for (size_t i = 0; i < compose->service_count; i++)
        for (size_t k = 0; k < compose->services[i].port_count; k++) {
            const struct compose_port *other = &compose->services[i].ports[k];
            if (other != entry && !is_open(other) && other->protocol == entry->protocol &&
                other->published == number)
                return true;
        }
    return false;
}

/* Ours already, or free. */
static bool is_possible(struct edge_link *link, const struct compose *compose,
                        const struct compose_port *entry, uint16_t number, bool stored)
{
    bool udp = entry->protocol == PORT_UDP;

    if (is_taken(compose, entry, number))
        return false;
    if (edge_listener_is_held(link, entry->host_ip, number, udp))
        return stored;
    return edge_listener_is_free(entry->host_ip, number, udp);
}

static uint16_t choose(struct edge_link *link, const struct compose *compose,
                       const struct compose_port *entry)
{
    if (entry->published != 0) {
        for (uint32_t number = entry->published; number <= entry->published_last; number++)
            if (is_possible(link, compose, entry, (uint16_t)number, false))
                return (uint16_t)number;
        return 0;
    }
    for (int i = 0; i < TRIES_MAX; i++) {
        uint16_t number = edge_listener_find_free(entry->host_ip, entry->protocol == PORT_UDP);
        if (number != 0 && is_possible(link, compose, entry, number, false))
            return number;
    }
    return 0;
}

static bool settle(struct daemon *daemon, const struct compose *compose,
                   const struct compose_service *service, struct compose_port *entry,
                   struct err *err)
{
    AUTO(buf_done) struct buf owner = {0};
    uint16_t number = 0;

    format_owner(&owner, compose, service, entry);
    if (!state_find_port(daemon->state, buf_text(&owner), &number, err))
        return false;
    if (number == 0 || !is_possible(daemon->edge, compose, entry, number, true)) {
        number = choose(daemon->edge, compose, entry);
        if (number == 0)
            return err_set(
                err, ERR_EXISTS, "services.%s: none of the ports %u to %u is free; publish others",
                service->name, (unsigned)entry->published, (unsigned)entry->published_last);
        if (!state_keep_port(daemon->state, buf_text(&owner), number, err))
            return false;
    }
    entry->published = number;
    entry->published_last = number;
    return true;
}

bool ports_settle(struct daemon *daemon, const struct release *release, struct err *err)
{
    const struct compose *compose = release->compose;

    for (size_t i = 0; i < compose->service_count; i++) {
        const struct compose_service *service = &compose->services[i];
        for (size_t k = 0; k < service->port_count; k++)
            if (is_open(&service->ports[k]) &&
                !settle(daemon, compose, service, &service->ports[k], err))
                return false;
    }
    return true;
}

/* ---- the releases that count ---- */

void ports_releases(const struct system *system, const struct release *ret[2])
{
    ret[0] = system->wanted;
    ret[1] = NULL;
    if (system->wanted != NULL && system->current != NULL && system->current != system->wanted) {
        ret[0] = system->current;
        ret[1] = system->wanted;
    }
}

static bool is_same_ip(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

size_t ports_wishes(const struct system *system, struct arena *arena,
                    struct edge_listener_wish **ret, size_t *ret_first)
{
    const struct release *releases[2];
    struct edge_listener_wish *lists[2] = {NULL, NULL};
    size_t counts[2] = {0, 0};

    ports_releases(system, releases);
    for (size_t r = 0; r < 2; r++)
        if (releases[r] != NULL)
            counts[r] = edge_table_wishes(releases[r]->compose, arena, &lists[r]);
    *ret = ARENA_ARRAY(arena, struct edge_listener_wish, counts[0] + counts[1] + 1);
    *ret_first = counts[0];
    size_t count = 0;
    for (; count < counts[0]; count++)
        (*ret)[count] = lists[0][count];
    for (size_t i = 0; i < counts[1]; i++) {
        bool known = false;
        for (size_t k = 0; !known && k < counts[0]; k++)
            known = lists[0][k].port == lists[1][i].port &&
                    edge_wish_is_udp(&lists[0][k]) == edge_wish_is_udp(&lists[1][i]) &&
                    is_same_ip(lists[0][k].ip, lists[1][i].ip);
        if (!known)
            (*ret)[count++] = lists[1][i];
    }
    return count;
}

uint16_t ports_target(const struct instance *instance, const struct edge_listener_wish *wish)
{
    const struct compose_service *service = instance->made_of->service;

    for (size_t i = 0; i < service->port_count; i++) {
        const struct compose_port *port = &service->ports[i];
        if (port->published == wish->port && is_same_ip(port->host_ip, wish->ip) &&
            (port->protocol == PORT_UDP) == edge_wish_is_udp(wish))
            return port->target;
    }
    return wish->target;
}

/* ---- UDP ---- */

static bool takes(const struct instance *instance, const struct edge_listener_wish *wish,
                  const struct instance *only)
{
    const char *address = network_address(instance);

    if (address == NULL || strcmp(address, "127.0.0.1") == 0)
        return false;
    if (only != NULL)
        return instance == only;
    return instance->in_traffic && strcmp(instance->made_of->service->name, wish->service) == 0;
}

static void publish(struct system *system, const struct edge_listener_wish *wish,
                    const struct instance *only, struct arena *arena, struct publications *ret)
{
    size_t instances = 0;

    LIST_FOR_EACH (counted, &system->instances)
        instances++;
    struct runtime_target *targets = ARENA_ARRAY(arena, struct runtime_target, instances + 1);
    struct runtime_publication publication = {
        .address = wish->ip, .port = wish->port, .targets = targets};
    LIST_FOR_EACH (node, &system->instances) {
        const struct instance *instance = CONTAINER_OF(node, struct instance, link);
        if (takes(instance, wish, only))
            targets[publication.target_count++] = (struct runtime_target){
                .address = network_address(instance), .port = ports_target(instance, wish)};
    }
    VEC_PUSH(ret, publication);
}

void ports_publish(struct system *system, struct arena *arena, struct publications *ret)
{
    struct edge_listener_wish *wishes;
    size_t first;
    size_t count = ports_wishes(system, arena, &wishes, &first);

    for (size_t i = 0; i < count; i++)
        if (edge_wish_is_udp(&wishes[i]))
            publish(system, &wishes[i], NULL, arena, ret);
    LIST_FOR_EACH (node, &system->instances) {
        const struct instance *instance = CONTAINER_OF(node, struct instance, link);
        if (instance->one_off == NULL || !instance_state_is_live(instance->state))
            continue;
        count = edge_table_wishes(instance->release->compose, arena, &wishes);
        for (size_t i = 0; i < count; i++)
            if (edge_wish_is_udp(&wishes[i]))
                publish(system, &wishes[i], instance, arena, ret);
    }
}
