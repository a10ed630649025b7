/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "edge/limits.h"
#include "edge/proxy_priv.h"

enum { READS_PER_TURN = 4 };

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
    struct conn *server = &exchange->server->conn;
    if (!conn_write(server, iov, count)) {
        abandon_body(exchange);
        return false;
    }
    if (exchange->request.done && proxy_is_stream(exchange->server))
        conn_shutdown_write(server);
    if (exchange->is_streamed)
        conn_set_timeout(server, exchange_pause_ms(exchange));
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
    if (n == CONN_AGAIN) {
        limits_body_awaited(exchange);
        return false;
    }
    if (n == CONN_EOF && exchange->request.framing == HTTP_UNTIL_CLOSE) {
        exchange->request.done = true;
        exchange->request.trailers_out = exchange->ops->read_trailers(exchange);
    } else if (n <= 0) {
        exchange_drop(exchange);
        return false;
    }
    conn->input_waits = !conn->drained;
    conn_set_timeout(conn, exchange_pause_ms(exchange));
    if (!forward(exchange, worker->scratch, (size_t)n, &used))
        return false;
    if (!exchange->request.done && !exchange->is_streamed && !limits_body_came(exchange)) {
        exchange->keep_alive = false;
        exchange_fail(exchange, 408);
        return false;
    }
    if (used < (size_t)n)
        spill_add(&worker->spills, &conn->in, worker->scratch + used, (size_t)n - used);
    /* While the target takes no more nobody reads on: that is no time of the client's. */
    if (!conn->input_waits && exchange->server->conn.out == NULL)
        limits_body_awaited(exchange);
    return conn->input_waits;
}

void proxy_pump_request(struct exchange *exchange)
{
    struct conn *client = exchange->side, *server;
    int turn = 0;

    if (exchange->server == NULL || proxy_is_connecting(exchange) || exchange->request_abandoned)
        return;
    server = &exchange->server->conn;
    while (server->out == NULL) {
        if (client->in != NULL ? !forward_kept(exchange) : !forward_read(exchange))
            return;
        if (exchange->request.done) {
            proxy_await_response(exchange);
            return;
        }
        if (++turn == READS_PER_TURN) {
            conn_rearm(client);
            return;
        }
    }
    client->read_less = true;
}
