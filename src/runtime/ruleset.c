/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <arpa/inet.h>

#include "base/err.h"
#include "runtime/netns.h"
#include "runtime/ruleset.h"

/* Only an instance's own address comes from its interface, and no IPv6. In `raw`, so that a forged
 * packet makes no connection tracking entry. */
static const char chain_source[] =
    "    chain source {\n"
    "        type filter hook prerouting priority raw; policy accept;\n"
    "        iifname \"iz*\" meta nfproto ipv6 drop\n"
    "        iifname \"iz*\" ip daddr 127.0.0.0/8 drop\n"
    "        iifname \"iz*\" iifname . ip saddr != @endpoints drop\n"
    "    }\n";

#define TEXT_OF(x)     #x
#define NUMBER_TEXT(x) TEXT_OF(x)
#define EDGE_UID       NUMBER_TEXT(RUNTIME_EDGE_UID)

/* An instance that calls its own service and is sent to itself must see a foreign source address,
 * or it would answer past the machine; so must one that this machine calls by a loopback address.
 */
static const char chains_nat[] =
    "    chain prerouting {\n"
    "        type nat hook prerouting priority dstnat; policy accept;\n"
    "        iifname \"iz*\" jump services\n"
    "        iifname != \"iz*\" meta l4proto udp fib daddr type local jump publications\n"
    "    }\n"
    "    chain output {\n"
    "        type nat hook output priority -100; policy accept;\n"
    "        jump services\n"
    "        meta l4proto udp fib daddr type local jump publications\n"
    "    }\n"
    "    chain postrouting {\n"
    "        type nat hook postrouting priority srcnat; policy accept;\n"
    "        iifname \"iz*\" oifname != \"iz*\" ip saddr @outside masquerade\n"
    "        oifname \"iz*\" ip saddr . ip daddr @itself snat ip to 169.254.1.1\n"
    "        oifname \"iz*\" ip saddr 127.0.0.0/8 snat ip to 169.254.1.1\n"
    "    }\n";

/* In this order: a connection whose instance is gone ends at once instead of leaving by the default
 * route; answers; a service nobody serves is refused; what was listed; the world, but no link-local
 * address, where clouds keep their keys, and none of ours that nobody has any more. The address
 * asked for is the one before translation. From outside only what was translated for a published
 * port comes in. What the edge sends to an instance that has just gone is refused: by the default
 * route a stranger's machine could get the request, and answer it. */
static const char chains_filter[] =
    "    chain from_endpoint {\n"
    "        ct status dnat ct direction original oifname != \"iz*\" meta l4proto tcp reject with "
    "tcp reset\n"
    "        ct status dnat ct direction original oifname != \"iz*\" reject\n"
    "        ct state established,related accept\n"
    "        ip daddr @refused meta l4proto tcp reject with tcp reset\n"
    "        ip daddr @refused reject\n"
    "        oifname \"iz*\" ip saddr . ct original ip daddr @reaches accept\n"
    "        oifname != \"iz*\" ip saddr @outside ip daddr != { "
    "169.254.0.0/16, 10.213.0.0/16 } accept\n"
    "        reject with icmpx type admin-prohibited\n"
    "    }\n"
    "    chain forward {\n"
    "        type filter hook forward priority filter; policy accept;\n"
    "        iifname \"iz*\" goto from_endpoint\n"
    "        oifname \"iz*\" ct state established,related accept\n"
    "        oifname \"iz*\" ct status dnat ip daddr . meta l4proto . th dport @published accept\n"
    "        oifname \"iz*\" drop\n"
    "    }\n"
    "    chain input {\n"
    "        type filter hook input priority filter; policy accept;\n"
    "        iifname \"iz*\" ct state established,related accept\n"
    "        iifname \"iz*\" ip saddr @machine ip daddr 169.254.1.1 accept\n"
    "        iifname != \"iz*\" meta l4proto udp jump unserved\n"
    "        iifname \"iz*\" meta l4proto tcp reject with tcp reset\n"
    "        iifname \"iz*\" drop\n"
    "    }\n"
    "    chain refuse {\n"
    "        type filter hook output priority filter; policy accept;\n"
    "        meta skuid " EDGE_UID " ip daddr 10.213.0.0/16 oifname != \"iz*\" meta l4proto tcp "
    "reject with tcp reset\n"
    "        ip daddr @refused meta l4proto tcp reject with tcp reset\n"
    "        ip daddr @refused reject\n"
    "    }\n";

/* A set being written; one without elements must not have the word. */
struct set {
    struct buf *out;
    bool any;
};

static void set_start(struct set *set, struct buf *out, const char *name, const char *type)
{
    *set = (struct set){.out = out};
    buf_addf(out, "    set %s {\n        type %s\n", name, type);
}

static void set_next(struct set *set)
{
    buf_add_text(set->out, set->any ? ",\n                     " : "        elements = { ");
    set->any = true;
}

static void set_end(struct set *set)
{
    buf_add_text(set->out, set->any ? " }\n    }\n" : "    }\n");
}

static void write_endpoints(const struct runtime_network *network, struct buf *out)
{
    char name[NETNS_NAME_BYTES];
    struct set set;

    set_start(&set, out, "endpoints", "ifname . ipv4_addr");
    for (size_t i = 0; i < network->endpoint_count; i++) {
        const char *address = network->endpoints[i].address;
        if (!netns_interface_name(address, name))
            continue; /* check_addresses() has seen them all */
        set_next(&set);
        buf_addf(out, "\"%s\" . %s", name, address);
    }
    set_end(&set);
    set_start(&set, out, "itself", "ipv4_addr . ipv4_addr");
    for (size_t i = 0; i < network->endpoint_count; i++) {
        set_next(&set);
        buf_addf(out, "%s . %s", network->endpoints[i].address, network->endpoints[i].address);
    }
    set_end(&set);
}

static void write_flag(const struct runtime_network *network, const char *name, bool machine,
                       struct buf *out)
{
    struct set set;

    set_start(&set, out, name, "ipv4_addr");
    for (size_t i = 0; i < network->endpoint_count; i++) {
        const struct runtime_endpoint *endpoint = &network->endpoints[i];
        if (!(machine ? endpoint->machine : endpoint->outside))
            continue;
        set_next(&set);
        buf_add_text(out, endpoint->address);
    }
    set_end(&set);
}

static void write_reaches(const struct runtime_network *network, struct buf *out)
{
    struct set set;

    set_start(&set, out, "reaches", "ipv4_addr . ipv4_addr");
    for (size_t i = 0; i < network->endpoint_count; i++)
        for (size_t k = 0; k < network->endpoints[i].reach_count; k++) {
            set_next(&set);
            buf_addf(out, "%s . %s", network->endpoints[i].address,
                     network->endpoints[i].reaches[k]);
        }
    set_end(&set);
    set_start(&set, out, "refused", "ipv4_addr");
    for (size_t i = 0; i < network->service_count; i++)
        if (network->services[i].instance_count == 0) {
            set_next(&set);
            buf_add_text(out, network->services[i].address);
        }
    set_end(&set);
}

/* Two ports of the machine may lead to one of an instance; a set may name it only once. */
static bool is_first(const struct runtime_network *network, size_t publication, size_t target)
{
    const struct runtime_target *one = &network->publications[publication].targets[target];

    for (size_t i = 0; i <= publication; i++)
        for (size_t k = 0; k < network->publications[i].target_count; k++) {
            const struct runtime_target *other = &network->publications[i].targets[k];
            if (i == publication && k == target)
                return true;
            if (other->port == one->port && strcmp(other->address, one->address) == 0)
                return false;
        }
    return true;
}

static void write_published(const struct runtime_network *network, struct buf *out)
{
    struct set set;

    set_start(&set, out, "published", "ipv4_addr . inet_proto . inet_service");
    for (size_t i = 0; i < network->publication_count; i++)
        for (size_t k = 0; k < network->publications[i].target_count; k++) {
            const struct runtime_target *target = &network->publications[i].targets[k];
            if (!is_first(network, i, k))
                continue;
            set_next(&set);
            buf_addf(out, "%s . udp . %u", target->address, (unsigned)target->port);
        }
    set_end(&set);
}

static void write_sets(const struct runtime_network *network, struct buf *out)
{
    write_endpoints(network, out);
    write_flag(network, "outside", false, out);
    write_flag(network, "machine", true, out);
    write_reaches(network, out);
    write_published(network, out);
}

/* "        ip daddr 192.0.2.1 udp dport 53 " */
static void write_match(const struct runtime_publication *publication, struct buf *out)
{
    buf_add_text(out, "        ");
    if (publication->address != NULL)
        buf_addf(out, "ip daddr %s ", publication->address);
    buf_addf(out, "udp dport %u ", (unsigned)publication->port);
}

static void write_targets(const struct runtime_publication *publication, struct buf *out)
{
    const struct runtime_target *targets = publication->targets;

    buf_add_text(out, "meta l4proto udp dnat ip to ");
    if (publication->target_count == 1) {
        buf_addf(out, "%s:%u\n", targets[0].address, (unsigned)targets[0].port);
        return;
    }
    buf_addf(out, "numgen inc mod %zu map { ", publication->target_count);
    for (size_t k = 0; k < publication->target_count; k++)
        buf_addf(out, "%s%zu : %s . %u", k == 0 ? "" : ", ", k, targets[k].address,
                 (unsigned)targets[k].port);
    buf_add_text(out, " }\n");
}

/* Those of one address before those of every address. The socket that holds a port is read by
 * nobody: without a target the packet is refused instead of being swallowed. */
static void write_publications(const struct runtime_network *network, struct buf *out)
{
    static const char *const chains[] = {"publications", "unserved"};

    for (size_t c = 0; c < ARRAY_LEN(chains); c++) {
        buf_addf(out, "    chain %s {\n", chains[c]);
        for (size_t i = 0; i < 2 * network->publication_count; i++) {
            bool everywhere = i >= network->publication_count;
            const struct runtime_publication *publication =
                &network->publications[i % network->publication_count];
            if ((publication->address == NULL) != everywhere ||
                (c == 0) != (publication->target_count > 0))
                continue;
            write_match(publication, out);
            if (c == 0)
                write_targets(publication, out);
            else
                buf_add_text(out, "reject\n");
        }
        buf_add_text(out, "    }\n");
    }
}

/* One chain for each service, found by a map: the cost does not grow with their number. */
static void write_services(const struct runtime_network *network, struct buf *out)
{
    bool any = false;

    for (size_t i = 0; i < network->service_count; i++) {
        const struct runtime_service_address *service = &network->services[i];
        if (service->instance_count == 0)
            continue;
        buf_addf(out, "    chain to_%s {\n        dnat ip to ", service->address);
        if (service->instance_count == 1) {
            buf_addf(out, "%s\n    }\n", service->instances[0]);
            continue;
        }
        buf_addf(out, "numgen inc mod %zu map { ", service->instance_count);
        for (size_t k = 0; k < service->instance_count; k++)
            buf_addf(out, "%s%zu : %s", k == 0 ? "" : ", ", k, service->instances[k]);
        buf_add_text(out, " }\n    }\n");
    }
    buf_add_text(out, "    chain services {\n");
    for (size_t i = 0; i < network->service_count; i++) {
        const char *address = network->services[i].address;
        if (network->services[i].instance_count == 0)
            continue;
        buf_addf(out, "%s%s : goto to_%s", any ? ", " : "        ip daddr vmap { ", address,
                 address);
        any = true;
    }
    buf_add_text(out, any ? " }\n    }\n" : "    }\n");
}

/* Everything that is written into the text is an IPv4 address in its usual form and nothing else.
 */
static bool check_address(const char *address, struct err *err)
{
    struct in_addr parsed;

    return inet_pton(AF_INET, address, &parsed) == 1
               ? true
               : err_set(err, ERR_INVALID, "'%s' is no IPv4 address", address);
}

static bool check_publications(const struct runtime_network *network, struct err *err)
{
    if (network->publication_count > RULESET_PUBLICATIONS_MAX)
        return err_set(err, ERR_LIMIT, "more than %d UDP ports are published",
                       RULESET_PUBLICATIONS_MAX);
    for (size_t i = 0; i < network->publication_count; i++) {
        const struct runtime_publication *publication = &network->publications[i];
        if (publication->address != NULL && !check_address(publication->address, err))
            return false;
        for (size_t k = 0; k < publication->target_count; k++)
            if (!check_address(publication->targets[k].address, err))
                return false;
    }
    return true;
}

static bool check_addresses(const struct runtime_network *network, struct err *err)
{
    size_t reaches = 0;

    if (network->endpoint_count > RULESET_ENDPOINTS_MAX ||
        network->service_count > RULESET_ENDPOINTS_MAX)
        return err_set(err, ERR_LIMIT, "more than %d instances or services have addresses",
                       RULESET_ENDPOINTS_MAX);
    for (size_t i = 0; i < network->endpoint_count; i++) {
        reaches += network->endpoints[i].reach_count;
        if (reaches > RULESET_REACHES_MAX)
            return err_set(err, ERR_LIMIT, "more than %d pairs of instances may talk",
                           RULESET_REACHES_MAX);
        if (!check_address(network->endpoints[i].address, err))
            return false;
        for (size_t k = 0; k < network->endpoints[i].reach_count; k++)
            if (!check_address(network->endpoints[i].reaches[k], err))
                return false;
    }
    for (size_t i = 0; i < network->service_count; i++) {
        if (!check_address(network->services[i].address, err))
            return false;
        for (size_t k = 0; k < network->services[i].instance_count; k++)
            if (!check_address(network->services[i].instances[k], err))
                return false;
    }
    return true;
}

bool ruleset_format(const struct runtime_network *network, struct buf *ret, struct err *err)
{
    if (!check_addresses(network, err) || !check_publications(network, err))
        return false;
    buf_add_text(ret, "add table inet ishizue\ndelete table inet ishizue\n"
                      "table inet ishizue {\n");
    write_sets(network, ret);
    write_services(network, ret);
    write_publications(network, ret);
    buf_add_text(ret, chain_source);
    buf_add_text(ret, chains_nat);
    buf_add_text(ret, chains_filter);
    buf_add_text(ret, "}\n");
    return true;
}
