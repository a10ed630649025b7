/* SPDX-License-Identifier: Apache-2.0
 *
 * A connection from a proxy, which says first who its client is. The header is
 * looked at where it is and taken out alone, because what follows may be TLS,
 * which reads the socket itself.
 */
#include "base/base.h"

#include <errno.h>
#include <sys/socket.h>

#include "edge/client.h"
#include "edge/proxy_protocol.h"
#include "edge/worker.h"

static struct client *client_of(struct conn *conn)
{
    return CONTAINER_OF(conn, struct client, conn);
}

static void refuse(struct conn *conn)
{
    count_add(conn->worker, COUNT_PROXY_PROTOCOL, 1);
    client_abort(client_of(conn));
}

static void close_conn(struct conn *conn)
{
    client_close(client_of(conn));
}

static void nothing(struct conn *conn)
{
    (void)conn;
}

static void take_address(struct client *client, const union socket_address *source)
{
    char ip[SOCKET_TEXT_BYTES];
    size_t len = socket_address_format_ip(source, ip);

    assert(len <= sizeof client->ip);
    memcpy(client->ip, ip, len);
    client->ip_len = (uint8_t)len;
}

/* The listener may have gone meanwhile. */
static void go_on(struct client *client, const struct proxy_protocol *header)
{
    const struct table_listener *config =
        table_find_listener(client->conn.worker->view->table, client->listener_id);

    if (config == NULL) {
        client_close(client);
        return;
    }
    if (header->has_source)
        take_address(client, &header->source);
    client_admit(client, config);
}

static void read_header(struct conn *conn)
{
    char *bytes = conn->worker->scratch;
    struct proxy_protocol header;
    const char *why;
    ssize_t n;

    do
        n = recv(conn->io.fd, bytes, PROXY_PROTOCOL_MAX_BYTES, MSG_PEEK);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        close_conn(conn);
        return;
    }
    switch (proxy_protocol_parse(str_from(bytes, (size_t)n), &header, &why)) {
    case PROXY_PROTOCOL_MORE:
        if (conn->peer_closed)
            refuse(conn);
        return;
    case PROXY_PROTOCOL_BAD:
        refuse(conn);
        return;
    case PROXY_PROTOCOL_DONE:
        n = recv(conn->io.fd, bytes, header.header_bytes, 0);
        assert(n == (ssize_t)header.header_bytes); /* they were there */
        go_on(client_of(conn), &header);
    }
}

static const struct conn_state client_proxied = {
    .name = "PROXY protocol",
    .on_readable = read_header,
    .on_writable = nothing,
    .on_timeout = refuse,
    .on_error = close_conn,
};

void client_await_proxy(struct client *client)
{
    conn_set_state(&client->conn, &client_proxied);
    conn_set_timeout(&client->conn, EDGE_HEAD_MS);
    read_header(&client->conn);
}
