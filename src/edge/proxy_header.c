/* SPDX-License-Identifier: Apache-2.0
 *
 * The header of the PROXY protocol before what goes to a target.
 */
#include "base/base.h"

#include <sys/socket.h>

#include "base/err.h"
#include "edge/exchange.h"
#include "edge/limits.h"
#include "edge/proxy_protocol.h"

static unsigned version_of(const struct exchange *exchange)
{
    return exchange_targets(exchange)->table->upstreams[exchange->upstream].send_proxy;
}

bool proxy_header_is_sent(const struct exchange *exchange)
{
    return version_of(exchange) != 0;
}

/* IPv4 in the form of IPv6. */
static void map_v4(union socket_address *address)
{
    union socket_address v6 = {.v6 = {.sin6_family = AF_INET6, .sin6_port = address->v4.sin_port}};

    v6.v6.sin6_addr.s6_addr[10] = v6.v6.sin6_addr.s6_addr[11] = 0xff;
    memcpy(v6.v6.sin6_addr.s6_addr + 12, &address->v4.sin_addr, 4);
    *address = v6;
}

static bool read_source(const struct exchange *exchange, union socket_address *ret)
{
    struct str ip = limits_ip(exchange);
    char text[SOCKET_TEXT_BYTES], peer_text[SOCKET_TEXT_BYTES];
    union socket_address peer;
    socklen_t len = sizeof peer;
    uint16_t port = 0;
    struct err err;

    /* The port is known only if the connection's other end is who asks. */
    if (getpeername(exchange->client->conn.io.fd, &peer.any, &len) == 0 &&
        str_eq(str_from(peer_text, socket_address_format_ip(&peer, peer_text)), ip))
        port = socket_address_port(&peer);
    memcpy(text, ip.ptr, ip.len);
    text[ip.len] = '\0';
    return socket_address_parse(text, port, ret, &err);
}

bool proxy_header_send(struct exchange *exchange)
{
    char header[PROXY_PROTOCOL_OUT_BYTES];
    union socket_address source, destination;
    socklen_t len = sizeof destination;
    unsigned version = version_of(exchange);

    if (version == 0)
        return true;
    if (exchange->ops->is_background) { /* nobody's connection */
        struct iovec own = {header, proxy_protocol_format_own(version, header)};
        return conn_write(&exchange->server->conn, &own, 1);
    }
    if (getsockname(exchange->client->conn.io.fd, &destination.any, &len) != 0 ||
        !read_source(exchange, &source))
        return false;
    if (source.any.sa_family != destination.any.sa_family)
        map_v4(source.any.sa_family == AF_INET ? &source : &destination);
    struct iovec iov = {header, proxy_protocol_format(version, &source, &destination, header)};
    return conn_write(&exchange->server->conn, &iov, 1);
}
