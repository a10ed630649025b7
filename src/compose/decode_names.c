/* SPDX-License-Identifier: Apache-2.0
 *
 * How a service finds others and is found: networks, names, name servers. */
#include "base/base.h"

#include <arpa/inet.h>

#include "compose/decode_service.h"
#include "compose/decode_value.h"

static bool is_address(const char *text)
{
    struct in6_addr address;

    return inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1;
}

/* Six pairs of hexadecimal digits; not a group address. NULL when it is missing or wrong. */
static const char *decode_mac(struct load *load, const struct path *path,
                              const struct yaml_node *node)
{
    const struct path here = {path, "mac_address", 0};
    const char *text = value_text(node, "mac_address");
    bool good = text != NULL && strlen(text) == 17;

    if (text == NULL || *text == '\0')
        return NULL;
    for (size_t i = 0; good && i < 17; i++)
        good = i % 3 == 2 ? text[i] == ':' : strchr("0123456789abcdefABCDEF", text[i]) != NULL;
    if (good && strchr("13579bdfBDF", text[1]) == NULL)
        return text;
    load_unfit(load, yaml_find(node, "mac_address"), &here, NULL,
               "'%.40s' is no address of an interface; write it as 02:42:ac:11:00:02", text);
    return NULL;
}

static void decode_networks(struct load *load, const struct path *path,
                            const struct yaml_node *node, struct compose_service *ret)
{
    const struct yaml_node *map = yaml_find(node, "networks");
    const struct path networks = {path, "networks", 0};

    if (yaml_is_null(map) || map->count == 0)
        return;
    ret->networks = ARENA_ARRAY(load->arena, struct compose_service_network, map->count);
    for (size_t i = 0; i < map->count; i++) {
        const struct yaml_node *entry = map->items[i].node;
        const struct path here = {&networks, map->items[i].key, 0};

        ret->networks[ret->network_count++] = (struct compose_service_network){
            .network = map->items[i].key,
            .aliases = value_texts(load->arena, entry, "aliases"),
            .ipv4_address = value_text(entry, "ipv4_address"),
            .mac_address = decode_mac(load, &here, entry),
            .interface_name = value_text(entry, "interface_name"),
        };
    }
}

/* Entries are "name=address" already. */
static void decode_extra_hosts(struct load *load, const struct path *path,
                               const struct yaml_node *node, struct compose_service *ret)
{
    const struct yaml_node *list = yaml_find(node, "extra_hosts");
    const struct path hosts = {path, "extra_hosts", 0};

    if (yaml_is_null(list) || list->count == 0)
        return;
    ret->extra_hosts = ARENA_ARRAY(load->arena, struct compose_extra_host, list->count);
    for (size_t i = 0; i < list->count; i++) {
        const struct path here = {&hosts, NULL, i};
        struct str address = str_of(list->items[i].node->text);
        struct str name = str_cut(&address, '=');
        struct compose_extra_host host = {arena_str(load->arena, name),
                                          arena_str(load->arena, address)};

        if (strcmp(host.address, "host-gateway") == 0 || is_address(host.address))
            ret->extra_hosts[ret->extra_host_count++] = host;
        else
            load_unfit(load, list->items[i].node, &here, NULL,
                       "'%.80s' is no address; use an IP address or host-gateway", host.address);
    }
}

static struct compose_texts decode_dns(struct load *load, const struct path *path,
                                       const struct yaml_node *node)
{
    struct compose_texts servers = value_texts(load->arena, node, "dns");
    const struct path dns = {path, "dns", 0};
    size_t kept = 0;

    for (size_t i = 0; i < servers.count; i++) {
        const struct path here = {&dns, NULL, i};

        if (is_address(servers.items[i]))
            servers.items[kept++] = servers.items[i];
        else
            load_unfit(load, yaml_find(node, "dns")->items[i].node, &here, NULL,
                       "'%.80s' is no IP address", servers.items[i]);
    }
    servers.count = kept;
    return servers;
}

/* "name" or "name:alias", in `links` of a service, in `external_links` of a container. */
static struct compose_pairs decode_links(struct load *load, const struct yaml_node *node,
                                         const char *key)
{
    struct compose_texts texts = value_texts(load->arena, node, key);
    struct compose_pairs links = {ARENA_ARRAY(load->arena, struct compose_pair, texts.count), 0};

    for (size_t i = 0; i < texts.count; i++) {
        struct str alias = str_of(texts.items[i]);
        const char *name = arena_str(load->arena, str_cut(&alias, ':'));

        links.items[links.count++] =
            (struct compose_pair){alias.ptr == NULL ? name : arena_str(load->arena, alias), name};
    }
    return links;
}

void decode_names(struct load *load, const struct path *path, const struct yaml_node *node,
                  struct compose_service *ret)
{
    decode_networks(load, path, node, ret);
    ret->network_mode = value_text(node, "network_mode");
    ret->container_name = value_text(node, "container_name");
    ret->hostname = value_text(node, "hostname");
    ret->domainname = value_text(node, "domainname");
    decode_extra_hosts(load, path, node, ret);
    ret->dns = decode_dns(load, path, node);
    ret->dns_search = value_texts(load->arena, node, "dns_search");
    ret->dns_options = value_texts(load->arena, node, "dns_opt");
    ret->links = decode_links(load, node, "links");
    ret->external_links = decode_links(load, node, "external_links");
    ret->mac_address = decode_mac(load, path, node);
}
