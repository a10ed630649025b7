/* SPDX-License-Identifier: Apache-2.0
 *
 * The networks of the files. A network is known by its name on the machine: the
 * ones of a system are its own, unless both files say the name, or one says
 * that it is external. An instance has one address whatever the number of its
 * networks; who may talk to whom is the packet filter's business.
 */
#include "base/base.h"

#include <arpa/inet.h>

#include "base/err.h"
#include "control/daemon_priv.h"
#include "control/state.h"
#include "runtime/netlink.h"
#include "runtime/netns.h"

enum { JOIN_DEPTH_MAX = 16 };

static const char joins_service[] = "service:";

static bool has_mode(const struct compose_service *service, const char *mode)
{
    return service->network_mode != NULL && strcmp(service->network_mode, mode) == 0;
}

/* Attached to nothing but the world, like Docker's network of that name. */
static bool is_bridge(const struct compose_service *service)
{
    return has_mode(service, "bridge") || has_mode(service, "default");
}

bool network_has_address(const struct compose_service *service)
{
    return service->network_mode == NULL || is_bridge(service);
}

/* NULL unless it shares the network of a service. */
static const char *joined_service(const struct compose_service *service)
{
    if (service->network_mode == NULL ||
        !str_starts(str_of(service->network_mode), str_of(joins_service)))
        return NULL;
    return service->network_mode + strlen(joins_service);
}

/* ---- which networks ---- */

static const struct compose_network *find_network(const struct compose *compose, const char *key)
{
    for (size_t i = 0; i < compose->network_count; i++)
        if (strcmp(compose->networks[i].key, key) == 0)
            return &compose->networks[i];
    return NULL;
}

/* Did the file say its name, or does it have the one that is made of project and key? */
static bool is_named(const struct compose *compose, const struct compose_network *network)
{
    struct str rest = str_of(network->name);
    struct str project = str_of(compose->name);

    if (network->external || !str_starts(rest, project))
        return true;
    rest = str_sub(rest, project.len, rest.len);
    return !(str_starts(rest, STR("_")) && str_is(str_sub(rest, 1, rest.len), network->key));
}

/* Two systems that chose the same words by accident stay apart. */
static bool is_same(const struct compose *of_a, const struct compose_network *a,
                    const struct compose *of_b, const struct compose_network *b)
{
    if (strcmp(a->name, b->name) != 0)
        return false;
    return strcmp(of_a->name, of_b->name) == 0 || a->external || b->external ||
           (is_named(of_a, a) && is_named(of_b, b));
}

bool network_is_shared(const struct compose *of_a, const struct compose_service *a,
                       const struct compose *of_b, const struct compose_service *b)
{
    for (size_t i = 0; i < a->network_count; i++) {
        const struct compose_network *one = find_network(of_a, a->networks[i].network);
        for (size_t j = 0; one != NULL && j < b->network_count; j++) {
            const struct compose_network *other = find_network(of_b, b->networks[j].network);
            if (other != NULL && is_same(of_a, one, of_b, other))
                return true;
        }
    }
    return false;
}

bool network_joins_files(const struct compose *a, const struct compose *b)
{
    for (size_t i = 0; i < a->network_count; i++)
        for (size_t j = 0; j < b->network_count; j++)
            if (is_same(a, &a->networks[i], b, &b->networks[j]))
                return true;
    return false;
}

bool network_is_common(const struct compose *of_a, const char *a, const struct compose *of_b,
                       const char *b)
{
    const struct compose_network *one = find_network(of_a, a);
    const struct compose_network *other = find_network(of_b, b);

    return one != NULL && other != NULL && is_same(of_a, one, of_b, other);
}

/* As the system that makes the network has it; NULL when none is there. */
static const struct compose_network *find_maker(const struct daemon *daemon, const char *name)
{
    struct map_entry *entry;

    for (size_t i = 0; (entry = map_next(&daemon->systems, &i)) != NULL;) {
        const struct system *system = entry->value;
        const struct release *release = system->wanted != NULL ? system->wanted : system->current;
        for (size_t k = 0; release != NULL && k < release->compose->network_count; k++) {
            const struct compose_network *network = &release->compose->networks[k];
            if (!network->external && strcmp(network->name, name) == 0)
                return network;
        }
    }
    return NULL;
}

bool network_leads_outside(const struct daemon *daemon, const struct compose *compose,
                           const struct compose_service *service)
{
    if (is_bridge(service))
        return true;
    for (size_t i = 0; i < service->network_count; i++) {
        const struct compose_network *network = find_network(compose, service->networks[i].network);
        if (network != NULL && network->external)
            network = find_maker(daemon, network->name); /* gone: nobody says that it is open */
        if (network != NULL && !network->internal)
            return true;
    }
    return false;
}

/* ---- sharing a namespace ---- */

/* The one of the same release, so that both are replaced together. */
struct instance *network_find_sibling(const struct instance *instance, const char *service)
{
    size_t index = release_find(instance->release, service);
    struct instance *found = NULL;

    if (index == SIZE_MAX)
        return NULL;
    LIST_FOR_EACH (node, &instance->system->instances) {
        struct instance *other = CONTAINER_OF(node, struct instance, link);
        if (!other->is_job && strcmp(other->made_of->service->name, service) == 0 &&
            strcmp(other->made_of->hash, instance->release->services[index].hash) == 0 &&
            (found == NULL || other->number < found->number))
            found = other;
    }
    return found;
}

struct instance *network_joined(const struct instance *instance)
{
    struct instance *found = NULL;
    const struct instance *at = instance;

    for (int depth = 0; depth < JOIN_DEPTH_MAX; depth++) {
        const char *service = joined_service(at->made_of->service);
        if (service == NULL)
            return found;
        found = network_find_sibling(at, service);
        if (found == NULL)
            return NULL;
        at = found;
    }
    return NULL;
}

bool network_is_joined(const struct instance *instance)
{
    LIST_FOR_EACH (node, &instance->system->instances) {
        const struct instance *other = CONTAINER_OF(node, struct instance, link);
        if (other != instance && instance_state_is_live(other->state) &&
            network_joined(other) == instance)
            return true;
    }
    return false;
}

void network_restart_joined(struct instance *instance)
{
    LIST_FOR_EACH (node, &instance->system->instances) {
        struct instance *other = CONTAINER_OF(node, struct instance, link);
        if (other == instance || !instance_state_is_live(other->state) ||
            network_joined(other) != instance)
            continue;
        instance_event(other, INSTANCE_ON_STOP, "the network it shares was made anew");
        instance_event(other, INSTANCE_ON_DRAINED, NULL); /* its connections went with it */
    }
}

const char *network_address(const struct instance *instance)
{
    const struct instance *owner = network_joined(instance);

    if (owner == NULL)
        owner = instance;
    if (owner->address[0] != '\0')
        return owner->address;
    return has_mode(owner->made_of->service, "host") ? "127.0.0.1" : NULL;
}

/* Asked for by every instance about every service: a question to the disk each time would take
 * seconds in a large system. */
bool network_service_address(struct system *system, const char *service, uint32_t number, char *ret,
                             struct err *err)
{
    AUTO(buf_done) struct buf owner = {0};

    buf_addf(&owner, "%s/%s", system->name, service);
    if (number > 0)
        buf_addf(&owner, "/%u", number);
    const char *known = map_find(&system->addresses, buf_str(&owner));
    if (known == NULL) {
        if (!state_address(system->daemon->state, buf_text(&owner), ret, err))
            return false;
        (void)map_set(&system->addresses, buf_str(&owner), arena_text(&system->addresses_of, ret));
        return true;
    }
    str_format(ret, STATE_ADDRESS_BYTES, "%s", known);
    return true;
}

bool network_forget(struct system *system, struct err *err)
{
    map_done(&system->addresses);
    arena_done(&system->addresses_of);
    system->addresses = (struct map){0};
    system->addresses_of = (struct arena){0};
    return state_forget_addresses(system->daemon->state, system->name, err) &&
           state_forget_ports(system->daemon->state, system->name, err);
}

/* ---- checks ---- */

static bool check_mode(const struct compose *compose, const struct compose_service *service,
                       struct err *err)
{
    const char *joined = joined_service(service);

    if (service->network_mode == NULL || network_has_address(service) ||
        has_mode(service, "host") || has_mode(service, "none"))
        return true;
    if (joined == NULL)
        return err_set(err, ERR_INVALID,
                       "network_mode '%.80s' is not possible here; write none, host, bridge or "
                       "service:NAME, or a network of the file under 'networks'",
                       service->network_mode);
    const struct compose_service *other = compose_find_service(compose, joined);
    if (other == NULL || other->x.provided_by_edge || other->replicas == 0)
        return err_set(err, ERR_INVALID,
                       "network_mode '%.80s': there is no instance of that service",
                       service->network_mode);
    return true;
}

static bool is_address(const char *text)
{
    struct in6_addr parsed;

    return inet_pton(AF_INET, text, &parsed) == 1 || inet_pton(AF_INET6, text, &parsed) == 1;
}

static bool check_resolver(const struct compose_service *service, struct err *err)
{
    for (size_t i = 0; i < service->extra_host_count; i++) {
        const struct compose_extra_host *host = &service->extra_hosts[i];
        if (strcmp(host->address, "host-gateway") != 0 && !is_address(host->address))
            return err_set(err, ERR_INVALID,
                           "extra_hosts: '%.80s' of '%.80s' is no address; write one, or "
                           "host-gateway",
                           host->address, host->name);
    }
    for (size_t i = 0; i < service->dns.count; i++)
        if (!is_address(service->dns.items[i]))
            return err_set(err, ERR_INVALID, "dns: '%.80s' is no address", service->dns.items[i]);
    return true;
}

static bool check_interface(const struct compose_service *service, struct err *err)
{
    uint8_t mac[NETLINK_MAC_BYTES];

    if (service->mac_address != NULL && !netns_parse_mac(service->mac_address, mac))
        return err_set(err, ERR_INVALID, "mac_address '%.60s' is none of one interface",
                       service->mac_address);
    for (size_t i = 0; i < service->network_count; i++) {
        const struct compose_service_network *network = &service->networks[i];
        if (network->mac_address != NULL && !netns_parse_mac(network->mac_address, mac))
            return err_set(err, ERR_INVALID,
                           "networks.%s.mac_address '%.60s' is none of one "
                           "interface",
                           network->network, network->mac_address);
        if (network->interface_name != NULL && !netns_check_interface(network->interface_name))
            return err_set(err, ERR_INVALID,
                           "networks.%s.interface_name '%.60s' cannot be used; write 1 to 15 "
                           "letters, digits, dots, dashes",
                           network->network, network->interface_name);
    }
    return true;
}

static bool check_ports(const struct compose_service *service, struct err *err)
{
    for (size_t i = 0; i < service->port_count; i++) {
        const struct compose_port *port = &service->ports[i];
        if (port->protocol == PORT_UDP && port->host_ip != NULL &&
            strchr(port->host_ip, ':') != NULL)
            return err_set(err, ERR_INVALID,
                           "ports: UDP is published on IPv4 addresses only, not on '%.60s'",
                           port->host_ip);
    }
    return true;
}

static bool check_external(const struct daemon *daemon, const struct compose *compose,
                           const struct compose_service *service, struct err *err)
{
    for (size_t i = 0; i < service->network_count; i++) {
        const struct compose_network *network = find_network(compose, service->networks[i].network);
        if (network != NULL && network->external && find_maker(daemon, network->name) == NULL)
            return err_set(err, ERR_NOT_FOUND,
                           "network '%s' is external, and no system that is up has it; bring up "
                           "the one whose file makes it, or take 'external' away",
                           network->name);
    }
    return true;
}

bool network_check(const struct daemon *daemon, const struct release *candidate, struct err *err)
{
    const struct compose *compose = candidate->compose;

    for (size_t i = 0; i < compose->service_count; i++) {
        const struct compose_service *service = &compose->services[i];
        if (!check_mode(compose, service, err) || !check_resolver(service, err) ||
            !check_interface(service, err) || !check_ports(service, err) ||
            !check_external(daemon, compose, service, err) ||
            !names_check(daemon, compose, service, err))
            return err_prefix(err, "services.%s", service->name);
    }
    return true;
}
