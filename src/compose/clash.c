/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "compose/clash.h"

/* Would two sockets of these ports get in each other's way? Numbers that are still to be chosen
 * will not. */
static bool overlaps(const struct compose_port *a, const struct compose_port *b)
{
    return a->published != 0 && a->published == b->published && a->protocol == b->protocol &&
           a->published_last == a->published && b->published_last == b->published &&
           (a->host_ip == NULL || b->host_ip == NULL || strcmp(a->host_ip, b->host_ip) == 0);
}

static const struct compose_service *find_other(const struct compose *compose, size_t index,
                                                size_t port)
{
    const struct compose_port *mine = &compose->services[index].ports[port];

    for (size_t i = 0; i <= index; i++) {
        const struct compose_service *other = &compose->services[i];
        size_t count = i == index ? port : other->port_count;

        for (size_t k = 0; k < count && !other->x.provided_by_edge; k++)
            if (overlaps(mine, &other->ports[k]))
                return other;
    }
    return NULL;
}

static void check_service(struct load *load, const struct compose *compose, size_t index)
{
    const struct compose_service *service = &compose->services[index];
    const struct path top = {NULL, "services", 0};
    const struct path path = {&top, service->name, 0};
    const struct path list = {&path, "ports", 0};

    for (size_t i = 0; i < service->port_count && !service->x.provided_by_edge; i++) {
        const struct compose_service *other = find_other(compose, index, i);
        const struct compose_port *port = &service->ports[i];
        const struct path here = {&list, NULL, i};
        const struct yaml_node place = {
            .file = port->place.file, .line = port->place.line, .column = port->place.column};

        if (other != NULL)
            load_unfit(load, &place, &here, "give one of them another port",
                       "port %u is published by service '%s' already", (unsigned)port->published,
                       other->name);
    }
}

void clash_check(struct load *load, const struct compose *compose)
{
    for (size_t i = 0; i < compose->service_count; i++)
        check_service(load, compose, i);
}
