/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "edge/client.h"
#include "edge/exchange.h"
#include "edge/h2.h"
#include "edge/limits.h"
#include "edge/worker.h"
#include "http/http1.h"

enum { REQUESTS_PER_TURN = 64 }; /* answered at once; then others get their turn */

static const struct conn_state client_handshake, client_idle, client_head, client_busy;

static struct client *client_of(struct conn *conn)
{
    return CONTAINER_OF(conn, struct client, conn);
}

static void forget(struct client *client)
{
    list_remove(&client->link);
    if (client->counted != 0)
        limits_forget_client(client);
    count_add(client->conn.worker, COUNT_CONNECTIONS_OPEN, UINT64_MAX);
    worker_forget_client(client->conn.worker);
}

void client_close(struct client *client)
{
    if (!conn_is_open(&client->conn))
        return;
    conn_close(&client->conn);
    forget(client);
}

/* Asks the kernel: with a large send buffer it may take minutes until there is room for more. */
bool client_takes(struct client *client)
{
    struct tcp_info info;
    socklen_t len = sizeof info;

    if (getsockopt(client->conn.io.fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0)
        return false;
    uint32_t taken = (uint32_t)info.tcpi_bytes_acked - client->acked_bytes;
    client->acked_bytes = (uint32_t)info.tcpi_bytes_acked;
    if (taken < EDGE_TAKEN_BYTES)
        count_add(client->conn.worker, COUNT_SLOW_READERS, 1);
    return taken >= EDGE_TAKEN_BYTES;
}

void client_abort(struct client *client)
{
    if (!conn_is_open(&client->conn))
        return;
    if (client->is_http2)
        h2_free(client);
    struct exchange *exchange = TAKE(client->exchange);
    conn_abort(&client->conn);
    if (exchange != NULL)
        exchange_client_gone(exchange);
    forget(client);
}

void client_close_if_idle(struct client *client)
{
    if (client->is_http2)
        h2_drain(client);
    else if (client->exchange == NULL && !client_is_finishing(client))
        client_close(client);
}

/* How long it has been in a state with the limit EDGE_HEAD_MS. */
static uint64_t waited_ms(const struct client *client)
{
    uint64_t now_ns = loop_now_ns(client->conn.worker->loop);
    uint64_t left_ns = client->conn.deadline_ns - MIN(client->conn.deadline_ns, now_ns);

    static_assert((int)EDGE_HEAD_MS == (int)EDGE_HANDSHAKE_MS, "one limit");
    return EDGE_HEAD_MS - MIN(left_ns / NS_PER_MS, (uint64_t)EDGE_HEAD_MS);
}

void client_shed(struct client *client)
{
    bool is_between = client->begun && client->conn.state == &client_idle;

    if (client->is_http2)
        h2_drain(client);
    else if (client->exchange == NULL && !client_is_finishing(client) && client->conn.out == NULL &&
             (is_between || waited_ms(client) >= EDGE_SHED_MS))
        client_close(client);
}

void client_announce_end(struct client *client)
{
    if (client->is_http2)
        h2_announce(client);
}

static void close_conn(struct conn *conn)
{
    client_close(client_of(conn));
}

static void abort_conn(struct conn *conn)
{
    client_abort(client_of(conn));
}

static void become_idle(struct client *client)
{
    client->conn.read_less = false; /* the next one's target may be faster */
    conn_set_state(&client->conn, &client_idle);
    conn_set_timeout(&client->conn, EDGE_KEEP_ALIVE_MS);
}

static void refuse(struct client *client, int status)
{
    exchange_refuse(client, &client->conn, &client_http1, status);
}

/* The head is incomplete: keeps it, and lets no client take forever. */
static void await_rest(struct client *client, struct str bytes)
{
    struct conn *conn = &client->conn;

    if (bytes.len >= limits_head_bytes(client)) {
        bool in_target = memchr(bytes.ptr, '\n', bytes.len) == NULL;
        count_add(conn->worker, COUNT_LIMITS, 1);
        count_add(conn->worker, in_target ? COUNT_LONG_URLS : COUNT_LARGE_HEADS, 1);
        refuse(client, in_target ? 414 : 431);
        return;
    }
    if (conn->in == NULL)
        spill_add(&conn->worker->spills, &conn->in, bytes.ptr, bytes.len);
    if (conn->state != &client_head) {
        conn_set_state(conn, &client_head);
        conn_set_timeout(conn, EDGE_HEAD_MS);
    }
}

/* By prior knowledge (RFC 9113, 3.3). Nothing more is to be read here. */
static bool start_http2(struct client *client, struct str bytes)
{
    struct spill *former = TAKE(client->conn.in);

    h2_start(client, bytes);
    spill_free(&client->conn.worker->spills, former);
    return false;
}

/* <bytes> are in conn->in, or in the scratch space. True: there may be another request in conn->in.
 */
static bool read_request(struct client *client, struct str bytes)
{
    struct conn *conn = &client->conn;
    struct worker *worker = conn->worker;
    struct http1_head *head = &worker->head;
    const char *why;
    enum http1_result result = http1_parse_request(bytes, head, &why);

    if (result == HTTP1_BAD && !client->begun && h2_is_preface(bytes)) {
        if (bytes.len < H2_PREFACE_BYTES)
            result = HTTP1_MORE;
        else
            return start_http2(client, bytes);
    }
    if (result == HTTP1_MORE) {
        await_rest(client, bytes);
        return false;
    }
    client->begun = true;
    if (result != HTTP1_DONE || head->head_bytes > EDGE_HEAD_BYTES) {
        bool large = result == HTTP1_TOO_LARGE || result == HTTP1_DONE;
        count_add(worker, COUNT_LIMITS, large);
        count_add(worker, COUNT_LARGE_HEADS, large);
        refuse(client, result == HTTP1_DONE ? 431 : head->status);
        return false;
    }
    struct spill *former = TAKE(conn->in); /* the head is in it: freed when it was used */
    if (bytes.len > head->head_bytes)
        spill_add(&worker->spills, &conn->in, bytes.ptr + head->head_bytes,
                  bytes.len - head->head_bytes);
    conn_set_state(conn, &client_busy);
    exchange_start(client, conn, &client_http1);
    spill_free(&worker->spills, former);
    if (conn->state == &client_busy && conn->peer_closed)
        conn->state->on_readable(conn); /* the end came with the request: no event follows */
    return conn->in != NULL;
}

/* Reads requests and starts them until one takes time or there are no more bytes. */
static void client_run(struct client *client)
{
    struct conn *conn = &client->conn;
    struct worker *worker = conn->worker;
    bool kept = conn->in != NULL && conn->state != &client_head;
    int turn = 0;

    if (client->running)
        return;
    client->running = true;
    while ((conn->state == &client_idle || conn->state == &client_head) && conn->out == NULL) {
        struct str bytes;
        if (kept) {
            bytes = spill_str(conn->in);
        } else {
            conn->input_waits = false;
            ssize_t n = conn_read(conn, worker->scratch, EDGE_SLOW_READ_BYTES);
            if (n == CONN_AGAIN)
                break;
            if (n <= 0) {
                client_close(client);
                break;
            }
            bytes = str_from(worker->scratch, (size_t)n);
            if (conn->in != NULL) {
                spill_add(&worker->spills, &conn->in, bytes.ptr, bytes.len);
                bytes = spill_str(conn->in);
            }
            conn->input_waits = !conn->drained;
        }
        kept = read_request(client, bytes);
        if (client->is_http2)
            break;
        if (!kept && !conn->input_waits)
            break;
        if (++turn == REQUESTS_PER_TURN && conn_is_open(conn)) {
            conn_rearm(conn);
            break;
        }
    }
    client->running = false;
}

static void run_conn(struct conn *conn)
{
    client_run(client_of(conn));
}

/* What cannot be read now, because answers wait to be written, must not be forgotten. */
static void run_readable(struct conn *conn)
{
    conn->input_waits = true;
    client_run(client_of(conn));
}

static void head_timeout(struct conn *conn)
{
    count_add(conn->worker, COUNT_TIMEOUTS, 1);
    count_add(conn->worker, COUNT_SLOW_HEADS, 1);
    refuse(client_of(conn), 408);
}

static void handshake(struct conn *conn)
{
    switch (tls_stream_handshake(conn->tls)) {
    case TLS_WAIT:
        conn->awaits_room = true;
        return;
    case TLS_FAILED:
        count_add(conn->worker, COUNT_HANDSHAKE_FAILURES, 1);
        client_close(client_of(conn));
        return;
    case TLS_DONE:
        count_add(conn->worker, COUNT_HANDSHAKES, 1);
        count_add(conn->worker, COUNT_RESUMED, tls_stream_is_resumed(conn->tls));
        if (tls_stream_is_http2(conn->tls)) {
            h2_start(client_of(conn), (struct str){0});
            return;
        }
        become_idle(client_of(conn));
        client_run(client_of(conn));
    }
}

/* While an exchange runs its part of the work decides what an event means. */
static void busy_readable(struct conn *conn)
{
    conn->input_waits = true;
    exchange_client_readable(client_of(conn)->exchange);
}

static void busy_writable(struct conn *conn)
{
    exchange_client_writable(client_of(conn)->exchange);
}

static void busy_timeout(struct conn *conn)
{
    exchange_client_timeout(client_of(conn)->exchange);
}

static void handshake_timeout(struct conn *conn)
{
    count_add(conn->worker, COUNT_TIMEOUTS, 1);
    count_add(conn->worker, COUNT_HANDSHAKE_FAILURES, 1);
    close_conn(conn);
}

static const struct conn_state client_handshake = {
    .name = "handshake",
    .on_readable = handshake,
    .on_writable = handshake,
    .on_timeout = handshake_timeout,
    .on_error = close_conn,
};

static const struct conn_state client_idle = {
    .name = "idle",
    .on_readable = run_readable,
    .on_writable = run_conn,
    .on_timeout = close_conn,
    .on_error = close_conn,
};

static const struct conn_state client_head = {
    .name = "head",
    .on_readable = run_readable,
    .on_writable = run_conn,
    .on_timeout = head_timeout,
    .on_error = close_conn,
};

static const struct conn_state client_busy = {
    .name = "busy",
    .on_readable = busy_readable,
    .on_writable = busy_writable,
    .on_timeout = busy_timeout,
    .on_error = abort_conn,
};

static void bind_exchange(struct exchange *exchange)
{
    exchange->client->exchange = exchange;
}

static bool write_head(struct exchange *exchange, size_t head_len, const struct iovec *iov,
                       int count, bool whole)
{
    (void)head_len, (void)whole;
    return conn_write(exchange->side, iov, count);
}

static bool takes(struct exchange *exchange)
{
    return client_takes(exchange->client);
}

static void done(struct client *client, struct conn *conn, bool keep_alive)
{
    client->exchange = NULL;
    if (!conn_is_open(conn))
        return;
    if (keep_alive && (!conn->worker->stopping || conn->worker->retiring)) {
        become_idle(client);
        if (conn->in != NULL || conn->input_waits)
            client_run(client);
    } else {
        client_finish(client);
    }
}

static void abort_exchange(struct exchange *exchange)
{
    client_abort(exchange->client);
}

const struct client_ops client_http1 = {
    .bind = bind_exchange,
    .write_head = write_head,
    .takes = takes,
    .done = done,
    .abort = abort_exchange,
};

static void start_kind(struct client *client, const struct table_listener *config)
{
    struct conn *conn = &client->conn;

    switch (config->kind) {
    case LISTENER_TCP:
        conn_set_state(conn, &client_busy);
        exchange_start_tcp(client, config);
        return;
    case LISTENER_HTTPS:
        conn->tls = tls_stream_new(conn->worker->view->table->tls, &conn->io);
        if (conn->tls == NULL) {
            client_abort(client);
            return;
        }
        conn_set_state(conn, &client_handshake);
        conn_set_timeout(conn, EDGE_HANDSHAKE_MS);
        return;
    case LISTENER_HTTP:
        conn_set_state(conn, &client_idle);
        conn_set_timeout(conn, EDGE_HEAD_MS);
    }
}

void client_admit(struct client *client, const struct table_listener *config)
{
    struct conn *conn = &client->conn;
    bool late = conn->state != &client_idle; /* what has come brings no further event */

    if (config->limits != NULL && !limits_admit_client(client, config)) {
        client_abort(client);
        return;
    }
    start_kind(client, config);
    if (late && conn_is_open(conn))
        conn->state->on_readable(conn);
}

void client_open(struct worker *worker, const struct table_listener *config, int fd,
                 const union socket_address *address)
{
    struct client *client = NEW(struct client);
    char ip[SOCKET_TEXT_BYTES];

    client->listener_id = config->id;
    client->kind = (uint8_t)config->kind;
    size_t ip_len = socket_address_format_ip(address, ip);
    assert(ip_len <= sizeof client->ip);
    memcpy(client->ip, ip, ip_len);
    client->ip_len = (uint8_t)ip_len;
    if (!conn_open(&client->conn, worker, fd, &client_idle)) {
        (void)close(fd);
        free(client);
        return;
    }
    list_push(&worker->clients, &client->link);
    count_add(worker, COUNT_CONNECTIONS, 1);
    count_add(worker, COUNT_CONNECTIONS_OPEN, 1);
    if (config->limits != NULL && limits_awaits_proxy(client, config))
        client_await_proxy(client);
    else
        client_admit(client, config);
}
