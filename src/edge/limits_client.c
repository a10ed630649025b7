/* SPDX-License-Identifier: Apache-2.0
 *
 * Whose connection it is, and how many he has.
 */
#include "base/base.h"

#include "base/hash.h"
#include "edge/client.h"
#include "edge/exchange.h"
#include "edge/limits.h"
#include "edge/tally.h"
#include "edge/worker.h"

/* Bits of client.counted. */
enum { COUNTED_ADDRESS = 1, COUNTED_LISTENER = 2, COUNTED_ALONE = 4 };

/* Memory of the whole process; pages that no address is in cost nothing. */
static struct tally_table tallies;

static bool read_address(const struct client *client, uint8_t ret[CIDR_ADDRESS_BYTES])
{
    return cidr_parse_address(str_from(client->ip, client->ip_len), ret);
}

static uint64_t address_key(const uint8_t address[CIDR_ADDRESS_BYTES])
{
    return hash_bytes(address, cidr_is_v4(address) ? CIDR_ADDRESS_BYTES : CIDR_ADDRESS_BYTES / 2);
}

static uint64_t listener_key(uint32_t id)
{
    return hash_bytes(&id, sizeof id);
}

/* Of the connections that an address has to one listener. */
static uint64_t alone_key(uint32_t id, const uint8_t address[CIDR_ADDRESS_BYTES])
{
    const uint64_t parts[] = {listener_key(id), address_key(address)};

    return hash_bytes(parts, sizeof parts);
}

bool limits_awaits_proxy(const struct client *client, const struct table_listener *config)
{
    const struct listener_limits *limits = config->limits;
    uint8_t address[CIDR_ADDRESS_BYTES];

    return limits != NULL && limits->proxy_count > 0 && read_address(client, address) &&
           cidr_find(limits->proxies, limits->proxy_count, address);
}

/* False: there are <max> already. */
static bool count(struct client *client, uint64_t key, uint32_t max, uint8_t bit,
                  enum counter counter)
{
    switch (tally_add(&tallies, key, max)) {
    case TALLY_ADDED:
        client->counted |= bit;
        return true;
    case TALLY_UNCOUNTED:
        return true;
    case TALLY_FULL:
        break;
    }
    count_add(client->conn.worker, counter, 1);
    count_add(client->conn.worker, COUNT_LIMITS, 1);
    return false;
}

bool limits_admit_client(struct client *client, const struct table_listener *config)
{
    const struct listener_limits *limits = config->limits;
    uint8_t address[CIDR_ADDRESS_BYTES];

    if (limits == NULL || !read_address(client, address))
        return true;
    client->trusted = cidr_find(limits->trusted, limits->trusted_count, address);
    if (limits->connections > 0 && !count(client, listener_key(config->id), limits->connections,
                                          COUNTED_LISTENER, COUNT_LISTENER_FULL))
        return false;
    if (limits->connections_per_ip == 0 || client->trusted ||
        (limits->spare_loopback && cidr_is_loopback(address)))
        return true;
    if (limits->counts_alone)
        return count(client, alone_key(config->id, address), limits->connections_per_ip,
                     COUNTED_ALONE, COUNT_CONNECTIONS_PER_IP);
    return count(client, address_key(address), limits->connections_per_ip, COUNTED_ADDRESS,
                 COUNT_CONNECTIONS_PER_IP);
}

void limits_forget_client(struct client *client)
{
    uint8_t address[CIDR_ADDRESS_BYTES];

    if ((client->counted & COUNTED_LISTENER) != 0)
        tally_remove(&tallies, listener_key(client->listener_id));
    if ((client->counted & COUNTED_ADDRESS) != 0 && read_address(client, address))
        tally_remove(&tallies, address_key(address));
    if ((client->counted & COUNTED_ALONE) != 0 && read_address(client, address))
        tally_remove(&tallies, alone_key(client->listener_id, address));
    client->counted = 0;
}

uint32_t limits_head_bytes(const struct client *client)
{
    const struct table_listener *config =
        table_find_listener(client->conn.worker->view->table, client->listener_id);

    if (config == NULL || config->limits == NULL || config->limits->header_bytes == 0)
        return EDGE_HEAD_BYTES;
    return config->limits->header_bytes;
}

struct str limits_ip(const struct exchange *exchange)
{
    return exchange->forwarded != NULL ? spill_str(exchange->forwarded)
                                       : str_from(exchange->client->ip, exchange->client->ip_len);
}

/* "192.0.2.1", and with a port as some write it: "192.0.2.1:8080", "[2001:db8::1]:80". */
static struct str without_port(struct str hop)
{
    size_t colon = str_find_last(hop, ':');

    if (hop.len > 0 && hop.ptr[0] == '[')
        return str_sub(hop, 1, str_find(hop, ']') - 1);
    return colon < hop.len && str_find(hop, ':') == colon ? str_sub(hop, 0, colon) : hop;
}

static void keep(struct exchange *exchange, const uint8_t address[CIDR_ADDRESS_BYTES])
{
    struct spill_pool *pool = &exchange->worker->spills;
    union socket_address socket = {0};
    char text[SOCKET_TEXT_BYTES];

    socket.v6.sin6_family = AF_INET6;
    memcpy(&socket.v6.sin6_addr, address, CIDR_ADDRESS_BYTES);
    size_t len = socket_address_format_ip(&socket, text);
    spill_free(pool, TAKE(exchange->forwarded));
    spill_add(pool, &exchange->forwarded, text, len);
}

/* From the right, because what stands left of what a trusted proxy wrote may be anybody's. False:
 * the search is over. */
static bool take_hops(struct exchange *exchange, const struct listener_limits *limits,
                      struct str hops, int *left)
{
    uint8_t address[CIDR_ADDRESS_BYTES];

    while (hops.len > 0) {
        size_t comma = str_find_last(hops, ',');
        bool more = comma < hops.len;
        struct str hop = str_trim(more ? str_sub(hops, comma + 1, SIZE_MAX) : hops);
        if ((*left)-- == 0 || !cidr_parse_address(without_port(hop), address))
            return false;
        keep(exchange, address);
        if (!cidr_find(limits->trusted, limits->trusted_count, address))
            return false;
        hops = str_sub(hops, 0, more ? comma : 0);
    }
    return true;
}

void limits_take_forwarded(struct exchange *exchange, const struct listener_limits *limits)
{
    const struct http1_head *head = &exchange->worker->head;
    int left = LIMITS_MAX_HOPS;

    if (str_eq_nocase(http1_header(head, HTTP_X_FORWARDED_PROTO), STR("https")))
        exchange->is_secure = true;
    for (size_t i = head->header_count; i-- > 0;) {
        const struct http_header *header = &head->headers[i];
        if (header->id == HTTP_X_FORWARDED_FOR &&
            !take_hops(exchange, limits, header->value, &left))
            return;
    }
}
