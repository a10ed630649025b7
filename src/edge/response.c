/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/err.h"
#include "edge/cache.h"
#include "edge/crash.h"
#include "edge/exchange.h"
#include "edge/h2_target.h"
#include "edge/head.h"
#include "edge/rules.h"
#include "edge/worker.h"
#include "http/http_mime.h"

enum {
    READS_PER_TURN = 4,
    JOIN_BYTES = 4096, /* a body up to here is copied behind its head: cheaper than sendmsg() */
};

/* What head_write_response() adds of its own, cookies and the route's headers. */
static_assert((int)EDGE_RESPONSE_HEAD_BYTES + (int)TABLE_MAX_VALUE_BYTES +
                      (int)BALANCE_COOKIES_BYTES + 1024 + (int)JOIN_BYTES <
                  (int)WORKER_HEAD_BYTES,
              "head and body fit");

static const struct conn_state response_relaying_h2;

static bool is_waiting(const struct conn *conn)
{
    return conn->state == &response_waiting || conn->state == &response_waiting_h2;
}

static bool is_stream(const struct exchange *exchange)
{
    return exchange->server->conn.state->ops != NULL;
}

static struct exchange *exchange_of(struct conn *conn)
{
    return CONTAINER_OF(conn, struct target_conn, conn)->exchange;
}

/* Closed or reset before a response. */
static void lost_before_head(struct exchange *exchange)
{
    if (proxy_is_retryable(exchange) && exchange->server->conn.in == NULL) {
        proxy_retry(exchange, 502);
        return;
    }
    proxy_blame(exchange);
    if (exchange->reset_code != 0 && exchange->ops->is_http2)
        exchange->status = 502; /* as the target did: a reset says more than a page */
    exchange_fail(exchange, 502);
}

static void waiting_error(struct conn *conn)
{
    lost_before_head(exchange_of(conn));
}

/* The clock of the response starts when the request was sent. */
static void waiting_timeout(struct conn *conn)
{
    struct exchange *exchange = exchange_of(conn);

    if (!exchange->request.done && conn->out == NULL && !exchange->is_streamed) {
        conn_set_timeout(conn, exchange->route->response_timeout_ms);
        return;
    }
    count_add(exchange->worker, COUNT_TIMEOUTS, 1);
    proxy_blame(exchange);
    exchange_fail(exchange, 504);
}

/* How the body goes to the client: as it came, or as chunks where only the
 * target's closing marks the end; to HTTP/1.0, which has no chunks, until the close. HTTP/2 has
 * frames for all of it. */
static void plan_body(struct exchange *exchange, const struct http1_head *head)
{
    bool counted = head->framing == HTTP_LENGTH || head->framing == HTTP_NO_BODY;

    bool frames = exchange->rules != NULL && exchange->rules->frames; /* the outlet does */
    body_init(&exchange->response, head, !counted && exchange->minor_version == 1 && !frames);
    if (!counted && exchange->minor_version == 0)
        exchange->keep_alive = false;
    if (is_stream(exchange) && head->framing == HTTP_LENGTH) {
        exchange->response.framing = HTTP_UNTIL_CLOSE; /* the library holds the target to it */
        exchange->response.done = false;
    }
    if (!exchange->request.done || exchange_is_last(exchange))
        exchange->keep_alive = false;
    /* A body in answer to HEAD, against the rules, would be taken for the next answer. */
    exchange->server_keep_alive =
        head->keep_alive && head->framing != HTTP_UNTIL_CLOSE && exchange->method != HTTP_HEAD;
}

/* HTTP/1.1 clients do not get trailers: they would have to ask for them, and nobody does. */
static void keep_trailers(struct exchange *exchange)
{
    struct str piece = exchange->response.trailers;

    if (exchange->ops->write_trailers != NULL)
        spill_add(&exchange->worker->spills, &exchange->trailers, piece.ptr, piece.len);
}

/* The stream of a target has ended, perhaps with trailers. */
static void end_stream(struct exchange *exchange)
{
    struct spill *trailers = h2_target_take_trailers(exchange->server);

    exchange->response.done = true;
    if (exchange->ops->write_trailers != NULL)
        exchange->trailers = trailers;
    else
        spill_free(&exchange->worker->spills, trailers);
}

/* False: the exchange is over. */
static bool relay(struct exchange *exchange, char *bytes, size_t len, struct str head)
{
    struct iovec iov[1 + BODY_PIECES];
    char line[BODY_LINE_BYTES];
    struct str data;
    size_t used;
    int count = 0;

    if (!body_take(&exchange->response, bytes, len, &used, &data)) {
        proxy_blame(exchange);
        if (head.len > 0)
            exchange->status = 0; /* nothing was sent yet: it can still be said */
        exchange_fail(exchange, 502);
        return false;
    }
    if (used < len)
        exchange->server_keep_alive = false; /* more than a response: not to be trusted */
    if (exchange->cache != NULL)
        cache_keep(exchange, data);
    if (head.len > 0) {
        iov[count].iov_base = exchange->worker->head_bytes;
        iov[count++].iov_len = head.len;
    }
    int pieces = body_frame(&exchange->response, data, line, iov + count);
    if (head.len > 0 && pieces == 1 && data.len <= JOIN_BYTES) {
        memcpy(exchange->worker->head_bytes + head.len, data.ptr, data.len);
        iov[0].iov_len += data.len;
    } else {
        count += pieces;
    }
    exchange->sent_bytes += data.len;
    if (exchange->response.trailers.len > 0)
        keep_trailers(exchange);
    bool whole = exchange->response.done && data.len == 0 && exchange->trailers == NULL;
    if (head.len > 0 ? !exchange_write_head(exchange, head.len, iov, count, whole)
                     : !exchange_write(exchange, iov, count))
        return false;
    if (exchange->response.done) {
        if (exchange->trailers != NULL)
            exchange->ops->write_trailers(exchange, TAKE(exchange->trailers));
        exchange_done(exchange);
        return false;
    }
    return true;
}

/* 100 and 103 go before the real answer; HTTP/1.0 does not know them. They are passed on
 * whether the client reads or not, so there is an end to them. */
static bool pass_interim(struct exchange *exchange)
{
    exchange->interim_bytes += (uint32_t)exchange->worker->head.head_bytes;
    if (exchange->interim_bytes > EDGE_INTERIM_BYTES) {
        count_add(exchange->worker, COUNT_LIMITS, 1);
        exchange_fail(exchange, 502);
        return false;
    }
    if (exchange->minor_version == 0)
        return true;
    struct iovec iov = {exchange->worker->head_bytes, head_write_response(exchange)};
    return exchange_write_head(exchange, iov.iov_len, &iov, 1, false);
}

static void start_tunnel(struct exchange *exchange, char *rest, size_t rest_len)
{
    struct worker *worker = exchange->worker;
    struct iovec iov[2] = {{worker->head_bytes, head_write_response(exchange)}, {rest, rest_len}};

    exchange->status = 101;
    exchange->first_byte_ns = loop_now_ns(worker->loop);
    exchange->is_tunnel = true;
    exchange->sent_bytes += rest_len;
    if (exchange_write_head(exchange, iov[0].iov_len, iov, rest_len > 0 ? 2 : 1, false))
        tunnel_start(exchange);
}

static void keep_part(struct exchange *exchange, struct str bytes)
{
    struct conn *conn = &exchange->server->conn;

    if (bytes.len >= EDGE_RESPONSE_HEAD_BYTES) {
        count_add(exchange->worker, COUNT_LIMITS, 1);
        exchange_fail(exchange, 502);
    } else if (conn->in == NULL) {
        spill_add(&exchange->worker->spills, &conn->in, bytes.ptr, bytes.len);
    }
}

/* Events come when something happens, so their pauses are those of a tunnel. Their length is never
 * known before. */
static bool is_events(const struct http1_head *head)
{
    return (head->framing == HTTP_CHUNKED || head->framing == HTTP_UNTIL_CLOSE) &&
           http_mime_is(http1_header(head, HTTP_CONTENT_TYPE), STR("text/event-stream"));
}

/* Begins the real answer with what of its body came along. False: the exchange is over. */
static bool begin_response(struct exchange *exchange, char *bytes, size_t len)
{
    const struct http1_head *head = &exchange->worker->head;

    if (exchange->cache != NULL &&
        !cache_on_response(exchange, head->keep_alive && len == head->head_bytes))
        return false;
    plan_body(exchange, head);
    exchange->status = head->status;
    exchange->first_byte_ns = loop_now_ns(exchange->worker->loop);
    conn_set_state(&exchange->server->conn,
                   is_stream(exchange) ? &response_relaying_h2 : &response_relaying);
    if (exchange->request.done && is_events(head))
        exchange->is_streamed = true;
    conn_set_timeout(&exchange->server->conn, exchange_pause_ms(exchange));
    if (is_stream(exchange) && len == head->head_bytes && h2_target_is_over(exchange->server))
        end_stream(exchange);
    struct str text = str_from(exchange->worker->head_bytes, head_write_response(exchange));
    return relay(exchange, bytes + head->head_bytes, len - head->head_bytes, text);
}

/* Was what is to be read there before the request was? Nobody looked when an idle connection was
 * asked (proxy.c), and the event that speaks now is of the same round, so it is older. */
static bool is_stale(const struct exchange *exchange)
{
    return exchange->unseen_ns == loop_now_ns(exchange->worker->loop) && exchange->server->reused &&
           !is_stream(exchange);
}

/* A 408 by which a target ends an idle connection may cross the request that is just being sent
 * there. All of that has gone, and the target says that it saw no whole one, and closes: it is not
 * the answer. Repeating is what RFC 9110, 15.5.9, allows a client then, and what browsers do. On
 * a new connection, while the body is still on its way, or where the connection goes on, as it
 * does when an application says so, a 408 means what it says.
 *
 * What is not idempotent a proxy must not repeat by itself (9.2.2, and RFC 9112, 9.3.1), whatever
 * the target says of it; its body is not there any more either. So the client gets the 408: he may
 * repeat what he sent, which a 502 would not tell him. */
static bool is_late_timeout(const struct exchange *exchange, const struct http1_head *head)
{
    return head->status == 408 && !head->keep_alive && exchange->server->reused &&
           exchange->request.done && exchange->interim_bytes == 0 && !is_stream(exchange);
}

/* Reads heads at the start of <bytes>. True: relaying goes on. */
static bool read_head(struct exchange *exchange, char *bytes, size_t len)
{
    struct http1_head *head = &exchange->worker->head;
    const char *why;

    for (;;) {
        enum http1_result result =
            http1_parse_response(str_from(bytes, len), exchange->method, head, &why);
        if (result == HTTP1_MORE) {
            keep_part(exchange, str_from(bytes, len));
            return false;
        }
        bool is_large = result == HTTP1_DONE && head->head_bytes > EDGE_RESPONSE_HEAD_BYTES;
        if (is_large)
            count_add(exchange->worker, COUNT_LIMITS, 1);
        if (result != HTTP1_DONE || is_large ||
            (head->status == 101 && (!exchange->upgrade || head->upgrade_protocol.len == 0))) {
            proxy_blame(exchange);
            exchange_fail(exchange, 502);
            return false;
        }
        if (is_late_timeout(exchange, head)) {
            if (proxy_is_retryable(exchange)) {
                lost_before_head(exchange);
                return false;
            }
            exchange->keep_alive = false;
        }
        if (head->status == 101) {
            start_tunnel(exchange, bytes + head->head_bytes, len - head->head_bytes);
            return false;
        }
        if (head->status == 404 && exchange->route->fallback_upstream != UINT32_MAX &&
            proxy_ask_again(exchange))
            return false;
        if (head->status >= 200)
            return begin_response(exchange, bytes, len);
        if (!pass_interim(exchange))
            return false;
        bytes += head->head_bytes;
        len -= head->head_bytes;
        if (len == 0)
            return false;
    }
}

/* What came in parts is put together; the spill is freed by the caller. */
static bool read_head_kept(struct exchange *exchange, const char *more, size_t len)
{
    struct worker *worker = exchange->worker;
    struct conn *conn = &exchange->server->conn;

    spill_add(&worker->spills, &conn->in, more, len);
    struct spill *whole = TAKE(conn->in);
    bool goes_on = read_head(exchange, whole->bytes + whole->from, whole->end - whole->from);
    spill_free(&worker->spills, whole);
    return goes_on;
}

static void waiting_readable(struct conn *conn)
{
    struct worker *worker = conn->worker;

    while (is_waiting(conn)) {
        struct exchange *exchange = exchange_of(conn); /* may be the next one after a round */
        crash_route = exchange->route;
        if (is_stale(exchange)) {
            lost_before_head(exchange);
            return;
        }
        ssize_t n = conn_read(conn, worker->scratch, WORKER_SCRATCH_BYTES);
        if (n == CONN_AGAIN)
            return;
        if (n <= 0) {
            lost_before_head(exchange);
            return;
        }
        bool drained = conn->drained;
        bool goes_on = conn->in == NULL ? read_head(exchange, worker->scratch, (size_t)n)
                                        : read_head_kept(exchange, worker->scratch, (size_t)n);
        if (goes_on && !drained)
            response_resume(exchange);
        if (goes_on || drained)
            return;
    }
}

static void waiting_writable(struct conn *conn)
{
    proxy_pump_request(exchange_of(conn));
}

const struct conn_state response_waiting = {
    .name = "waiting for a response",
    .on_readable = waiting_readable,
    .on_writable = waiting_writable,
    .on_timeout = waiting_timeout,
    .on_error = waiting_error,
};

const struct conn_state response_waiting_h2 = {
    .name = "waiting for a response, http2",
    .ops = &h2_target_ops,
    .on_readable = waiting_readable,
    .on_writable = waiting_writable,
    .on_timeout = waiting_timeout,
    .on_error = waiting_error,
};

/* The end of the connection is the end of the body only where nothing else marks it. */
static void relay_end(struct exchange *exchange, bool broken)
{
    if (broken || exchange->response.framing != HTTP_UNTIL_CLOSE) {
        proxy_blame(exchange);
        exchange_fail(exchange, 502);
        return;
    }
    if (is_stream(exchange))
        end_stream(exchange);
    exchange->response.done = true;
    (void)relay(exchange, NULL, 0, (struct str){0});
}

void response_resume(struct exchange *exchange)
{
    struct worker *worker = exchange->worker;
    struct conn *conn = &exchange->server->conn, *client = exchange->side;

    if (conn->state != &response_relaying && conn->state != &response_relaying_h2)
        return;
    if ((exchange->pipe_out != NULL || response_may_splice(exchange)) && response_splice(exchange))
        return;
    for (int turn = 0; client->out == NULL; turn++) {
        if (turn == READS_PER_TURN) {
            conn_rearm(conn);
            return;
        }
        ssize_t n = conn_read(conn, worker->scratch,
                              conn->read_less ? EDGE_SLOW_READ_BYTES : WORKER_SCRATCH_BYTES);
        if (n == CONN_AGAIN)
            return;
        if (n <= 0) {
            relay_end(exchange, n == CONN_BROKEN);
            return;
        }
        conn_set_timeout(conn, exchange_pause_ms(exchange));
        bool drained = conn->drained;
        if (!relay(exchange, worker->scratch, (size_t)n, (struct str){0}) || drained)
            return;
    }
    conn->read_less = true;
}

static void relaying_readable(struct conn *conn)
{
    crash_route = exchange_of(conn)->route;
    response_resume(exchange_of(conn));
}

static void relaying_timeout(struct conn *conn)
{
    struct exchange *exchange = exchange_of(conn);

    if (exchange->side->out != NULL ||
        exchange->pipe_out != NULL) { /* the client is slow, and has a timeout of its own */
        conn_set_timeout(conn, exchange_pause_ms(exchange));
        return;
    }
    count_add(exchange->worker, COUNT_TIMEOUTS, 1);
    proxy_blame(exchange);
    exchange_fail(exchange, 504);
}

static void relaying_error(struct conn *conn)
{
    relay_end(exchange_of(conn), true);
}

const struct conn_state response_relaying = {
    .name = "relaying a response",
    .on_readable = relaying_readable,
    .on_writable = waiting_writable,
    .on_timeout = relaying_timeout,
    .on_error = relaying_error,
};

static const struct conn_state response_relaying_h2 = {
    .name = "relaying a response, http2",
    .ops = &h2_target_ops,
    .on_readable = relaying_readable,
    .on_writable = waiting_writable,
    .on_timeout = relaying_timeout,
    .on_error = relaying_error,
};
