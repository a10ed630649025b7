/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "edge/exchange.h"
#include "edge/worker.h"
#include "io/socket.h"

static const struct conn_state target_idle, target_connecting;

static struct target_conn *target_conn_of(struct conn *conn)
{
    return CONTAINER_OF(conn, struct target_conn, conn);
}

static void idle_close(struct conn *conn)
{
    struct target_conn *server = target_conn_of(conn);

    list_remove(&server->link);
    server->target->idle_count--;
    conn_close(conn);
}

static void idle_ignore(struct conn *conn)
{
    (void)conn;
}

/* Bytes that nobody asked for, or the end: neither can be used. */
static const struct conn_state target_idle = {
    .name = "target idle",
    .on_readable = idle_close,
    .on_writable = idle_ignore,
    .on_timeout = idle_close,
    .on_error = idle_close,
};

static bool can_go_on(const struct exchange *exchange)
{
    const struct conn *conn = &exchange->server->conn;

    return conn->out == NULL && conn->in == NULL && conn->drained && !conn->peer_closed &&
           !exchange->target->draining && exchange->target->idle_count < TARGET_MAX_IDLE;
}

void proxy_release(struct exchange *exchange, bool reuse)
{
    struct target_conn *server = exchange->server;
    struct target *target = exchange->target;

    if (server != NULL) {
        server->exchange = NULL;
        if (reuse && can_go_on(exchange)) {
            server->reused = true;
            server->conn.read_less = false;
            conn_set_state(&server->conn, &target_idle);
            conn_set_timeout(&server->conn, EDGE_TARGET_IDLE_MS);
            list_push_front(&target->idle, &server->link);
            target->idle_count++;
        } else {
            conn_close(&server->conn);
        }
    }
    exchange->server = NULL;
    exchange->target = NULL;
    target_release(exchange->worker, target);
}

static bool is_idempotent(enum http_method method)
{
    switch (method) {
    case HTTP_GET:
    case HTTP_HEAD:
    case HTTP_PUT:
    case HTTP_DELETE:
    case HTTP_OPTIONS:
    case HTTP_TRACE:
        return true;
    case HTTP_POST:
    case HTTP_PATCH:
    case HTTP_CONNECT:
    case HTTP_METHOD_OTHER:
        return false;
    }
    return false;
}

bool proxy_is_retryable(const struct exchange *exchange)
{
    const struct body *body = &exchange->request;
    bool body_begun = body->bytes > 0 || (body->chunk_out && body->done);

    return exchange->server != NULL && exchange->server->reused && exchange->status == 0 &&
           !body_begun && is_idempotent(exchange->method);
}

/* Has the other side closed it? Asked before what cannot be sent twice. */
static bool is_stale(const struct conn *conn)
{
    char byte;
    ssize_t n = recv(conn->io.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

    return n >= 0 || errno != EAGAIN;
}

static struct target_conn *pop_idle(struct exchange *exchange)
{
    struct target *target = exchange->target;
    bool can_repeat = is_idempotent(exchange->method) && exchange->request.done;

    while (!list_is_empty(&target->idle)) {
        struct target_conn *server = CONTAINER_OF(target->idle.next, struct target_conn, link);
        list_remove(&server->link);
        target->idle_count--;
        if (can_repeat || !is_stale(&server->conn))
            return server;
        conn_close(&server->conn);
    }
    return NULL;
}

static uint32_t connect_timeout_ms(const struct exchange *exchange)
{
    return exchange->route != NULL ? exchange->route->connect_timeout_ms : 5000;
}

static struct target_conn *connect_new(struct exchange *exchange)
{
    struct err err;
    int fd = socket_connect_tcp(&exchange->target->address, &err);

    if (fd < 0)
        return NULL;
    struct target_conn *server = NEW(struct target_conn);
    list_init(&server->link);
    if (!conn_open(&server->conn, exchange->worker, fd, &target_connecting)) {
        (void)close(fd);
        free(server);
        return NULL;
    }
    server->target = exchange->target;
    server->conn.awaits_room = true;
    count_add(exchange->worker, COUNT_TARGET_CONNECTIONS, 1);
    return server;
}

/* Head and, when it came in one piece with it, the start of the body: one system
 * call. What was kept is used up only when the write worked. */
static bool send_head(struct exchange *exchange)
{
    struct conn *conn = &exchange->server->conn;
    struct spill **kept = &exchange->side->in;
    struct iovec iov[2];
    int count = 1;
    size_t body_len = 0;

    struct str head = spill_str(exchange->head);
    iov[0] = (struct iovec){exchange->head->bytes, head.len};
    if (exchange->request.framing == HTTP_LENGTH && *kept != NULL) {
        struct str bytes = spill_str(*kept);
        body_len = (size_t)MIN((uint64_t)bytes.len, exchange->request.left);
        iov[count++] = (struct iovec){(*kept)->bytes + (*kept)->from, body_len};
    }
    if (!conn_write(conn, iov, count))
        return false;
    if (count == 2) {
        struct str taken;
        size_t used;
        bool good = body_take(&exchange->request, iov[1].iov_base, body_len, &used, &taken);
        assert(good && used == body_len);
        spill_drop(&exchange->worker->spills, kept, body_len);
    }
    return true;
}

static void await_response(struct exchange *exchange)
{
    conn_set_timeout(&exchange->server->conn, exchange->route->response_timeout_ms);
}

static void send_request(struct exchange *exchange)
{
    conn_set_state(&exchange->server->conn, &response_waiting);
    if (!send_head(exchange)) {
        proxy_retry(exchange, 502);
        return;
    }
    await_response(exchange);
    if (exchange->request.done)
        return;
    conn_set_timeout(exchange->side, exchange->route->body_timeout_ms);
    if (exchange->side->in != NULL || exchange->side->input_waits)
        proxy_pump_request(exchange);
}

static void connected(struct conn *conn)
{
    struct target_conn *server = target_conn_of(conn);
    struct exchange *exchange = server->exchange;
    struct err err;

    if (!socket_connect_result(conn->io.fd, &err)) {
        conn->state->on_error(conn);
        return;
    }
    if (exchange->is_tunnel)
        tunnel_start(exchange);
    else
        send_request(exchange);
}

static void connect_failed(struct conn *conn)
{
    struct exchange *exchange = target_conn_of(conn)->exchange;

    target_eject(exchange->target, loop_now_ns(exchange->worker->loop));
    proxy_retry(exchange, 502);
}

static void connect_timeout(struct conn *conn)
{
    struct exchange *exchange = target_conn_of(conn)->exchange;

    count_add(exchange->worker, COUNT_TIMEOUTS, 1);
    target_eject(exchange->target, loop_now_ns(exchange->worker->loop));
    proxy_retry(exchange, 504);
}

/* An end or an error that comes before the connection. */
static void connect_readable(struct conn *conn)
{
    if (conn->peer_closed)
        connect_failed(conn);
}

static const struct conn_state target_connecting = {
    .name = "target connecting",
    .on_readable = connect_readable,
    .on_writable = connected,
    .on_timeout = connect_timeout,
    .on_error = connect_failed,
};

/* Connects to exchange->target, or takes an idle connection. False: it refused at once. */
static bool engage(struct exchange *exchange)
{
    struct target_conn *server =
        exchange->is_tunnel || exchange->fresh_only ? NULL : pop_idle(exchange);
    bool idle = server != NULL;

    if (server == NULL)
        server = connect_new(exchange);
    exchange->server = server;
    if (server == NULL)
        return false;
    server->exchange = exchange;
    if (idle)
        send_request(exchange);
    else
        conn_set_timeout(&server->conn, connect_timeout_ms(exchange));
    return true;
}

static void try_next(struct exchange *exchange, const struct target *avoid, int status)
{
    uint64_t now_ns = loop_now_ns(exchange->worker->loop);

    while (exchange->attempts < EXCHANGE_MAX_ATTEMPTS) {
        exchange->attempts++;
        struct target *target = view_pick(exchange->view, exchange->upstream, avoid, now_ns);
        if (target == NULL) {
            exchange_fail(exchange, 503);
            return;
        }
        exchange->target = target;
        exchange->target_text = target->address_text;
        target_take(target);
        if (engage(exchange))
            return;
        target_eject(target, now_ns);
        proxy_release(exchange, false);
        avoid = target;
    }
    count_add(exchange->worker, COUNT_TARGET_FAILURES, 1);
    exchange_fail(exchange, status);
}

void proxy_start(struct exchange *exchange)
{
    try_next(exchange, NULL, 502);
}

void proxy_retry(struct exchange *exchange, int status)
{
    struct target_conn *server = exchange->server;
    const struct target *target = exchange->target;
    bool was_reused = server != NULL && server->reused;

    /* A stale connection says nothing about its target, and costs no attempt. */
    if (was_reused) {
        exchange->attempts--;
        exchange->fresh_only = true;
    }
    proxy_release(exchange, false);
    count_add(exchange->worker, COUNT_RETRIES, 1);
    try_next(exchange, was_reused ? NULL : target, status);
}

/* The target does not read on: it may have answered before it closed. */
static void abandon_body(struct exchange *exchange)
{
    exchange->keep_alive = false;
    exchange->request_abandoned = true;
    exchange->server->conn.state->on_readable(&exchange->server->conn);
}

/* False: stop, the exchange may be gone. What is behind the body in <bytes> is lost then: no
 * request can follow. */
static bool forward(struct exchange *exchange, char *bytes, size_t len, size_t *ret_used)
{
    struct iovec iov[BODY_PIECES];
    char line[BODY_LINE_BYTES];
    struct str data;

    if (!body_take(&exchange->request, bytes, len, ret_used, &data)) {
        exchange_fail(exchange, 400);
        return false;
    }
    if (exchange->request.bytes > exchange->route->body_limit_bytes) {
        count_add(exchange->worker, COUNT_LIMITS, 1);
        exchange->keep_alive = false;
        exchange_fail(exchange, 413);
        return false;
    }
    int count = body_frame(&exchange->request, data, line, iov);
    if (!conn_write(&exchange->server->conn, iov, count)) {
        abandon_body(exchange);
        return false;
    }
    return true;
}

/* Of what was kept when the head was read. */
static bool forward_kept(struct exchange *exchange)
{
    struct spill *kept = TAKE(exchange->side->in);
    struct worker *worker = exchange->worker;
    struct conn *side = exchange->side;
    size_t used, len = kept->end - kept->from;

    if (forward(exchange, kept->bytes + kept->from, len, &used)) {
        kept->from += (uint32_t)used;
        if (used < len)
            side->in = TAKE(kept);
        spill_free(&worker->spills, kept);
        return true;
    }
    spill_free(&worker->spills, kept);
    return false;
}

/* Reads once from the client. False: nothing to read now, or the exchange is gone. */
static bool forward_read(struct exchange *exchange)
{
    struct worker *worker = exchange->worker;
    struct conn *conn = exchange->side;
    size_t used, limit = conn->read_less ? EDGE_SLOW_READ_BYTES : WORKER_SCRATCH_BYTES;

    conn->input_waits = false;
    ssize_t n = conn_read(conn, worker->scratch, limit);
    if (n == CONN_AGAIN)
        return false;
    if (n == CONN_EOF && exchange->request.framing == HTTP_UNTIL_CLOSE) {
        exchange->request.done = true;
        exchange->request.trailers_out = exchange->ops->read_trailers(exchange);
    } else if (n <= 0) {
        exchange_drop(exchange);
        return false;
    }
    conn->input_waits = !conn->drained;
    conn_set_timeout(conn, exchange->route->body_timeout_ms);
    if (!forward(exchange, worker->scratch, (size_t)n, &used))
        return false;
    if (used < (size_t)n)
        spill_add(&worker->spills, &conn->in, worker->scratch + used, (size_t)n - used);
    return conn->input_waits;
}

enum { READS_PER_TURN = 4 };

void proxy_pump_request(struct exchange *exchange)
{
    struct conn *client = exchange->side, *server;
    int turn = 0;

    if (exchange->server == NULL || exchange->server->conn.state == &target_connecting ||
        exchange->request_abandoned)
        return;
    server = &exchange->server->conn;
    while (server->out == NULL) {
        if (client->in != NULL ? !forward_kept(exchange) : !forward_read(exchange))
            return;
        if (exchange->request.done) {
            await_response(exchange);
            return;
        }
        if (++turn == READS_PER_TURN) {
            conn_rearm(client);
            return;
        }
    }
    client->read_less = true;
}
