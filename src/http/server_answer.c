/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <errno.h>
#include <sys/socket.h>

#include "http/server_priv.h"

enum { LINGER_SECONDS = 2 };

static size_t waiting_bytes(const struct http_exchange *exchange)
{
    return exchange->out.len - exchange->out_at;
}

/* Ready for the next request on the same connection. */
static void start_over(struct http_exchange *exchange)
{
    if (exchange->framing == HTTP_LENGTH)
        buf_drop(&exchange->in, exchange->length);
    exchange->framing = HTTP_NO_BODY;
    exchange->has_head = false;
    exchange->has_started = false;
    exchange->refused_piece = false;
    exchange->on_close = NULL;
    exchange->on_drain = NULL;
    buf_done(&exchange->body); /* may be large, and the connection may stay idle */
    if (exchange->in.len == 0)
        buf_done(&exchange->in);
    buf_done(&exchange->out);
    exchange_enter(exchange, EXCHANGE_READING, HTTP_SERVER_IDLE_SECONDS);
}

static void finish(struct http_exchange *exchange)
{
    if (exchange->keep_alive) {
        start_over(exchange);
        return;
    }
    (void)shutdown(exchange->watch.fd, SHUT_WR);
    exchange_enter(exchange, EXCHANGE_LINGERING, LINGER_SECONDS);
}

void exchange_flush(struct http_exchange *exchange)
{
    if (!watch_is_active(&exchange->watch))
        return;
    while (waiting_bytes(exchange) > 0) {
        ssize_t sent = send(exchange->watch.fd, exchange->out.ptr + exchange->out_at,
                            waiting_bytes(exchange), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent >= 0) {
            exchange->out_at += (size_t)sent;
        } else if (errno == EAGAIN) {
            buf_drop(&exchange->out, exchange->out_at);
            exchange->out_at = 0;
            if (exchange->state == EXCHANGE_FLUSHING) /* from the last progress on */
                exchange_enter(exchange, EXCHANGE_FLUSHING, HTTP_SERVER_WRITE_SECONDS);
            watch_set(exchange->loop, &exchange->watch, exchange->watch.events | EPOLLOUT);
            return;
        } else if (errno != EINTR) {
            exchange_abandon(exchange);
            return;
        }
    }
    buf_clear(&exchange->out);
    exchange->out_at = 0;
    watch_set(exchange->loop, &exchange->watch, exchange->watch.events & ~(uint32_t)EPOLLOUT);
    if (exchange->state == EXCHANGE_FLUSHING)
        finish(exchange);
}

void http_exchange_watch(struct http_exchange *exchange, http_exchange_fn *on_close,
                         http_exchange_fn *on_drain, void *arg)
{
    assert(exchange->state == EXCHANGE_ANSWERING);
    exchange->on_close = on_close;
    exchange->on_drain = on_drain;
    exchange->arg = arg;
}

static void add_head(struct http_exchange *exchange, int status, const char *content_type)
{
    buf_addf(&exchange->out, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nCache-Control: no-store\r\n",
             status, http_status_text(status), content_type);
    if (!exchange->keep_alive)
        buf_add_text(&exchange->out, "Connection: close\r\n");
    else if (exchange->minor_version == 0)
        buf_add_text(&exchange->out, "Connection: keep-alive\r\n");
}

void http_answer(struct http_exchange *exchange, int status, struct str json)
{
    assert(exchange->state == EXCHANGE_ANSWERING);
    add_head(exchange, status, "application/json");
    buf_addf(&exchange->out, "Content-Length: %zu\r\n\r\n", json.len);
    if (exchange->request.method != HTTP_HEAD)
        buf_add_str(&exchange->out, json);
    exchange_enter(exchange, EXCHANGE_FLUSHING, HTTP_SERVER_WRITE_SECONDS);
    exchange_flush(exchange);
}

void http_exchange_refuse(struct http_exchange *exchange, int status, const char *why)
{
    AUTO(buf_done) struct buf json = {0};

    buf_addf(&json, "{\"error\":{\"code\":\"%s\",\"text\":\"%s\"}}\n",
             status == 413 || status == 431 ? "limit" : "invalid", why);
    exchange->keep_alive = false;
    exchange->state = EXCHANGE_ANSWERING;
    http_answer(exchange, status, buf_str(&json));
}

void http_stream_start(struct http_exchange *exchange, int status, const char *content_type)
{
    assert(exchange->state == EXCHANGE_ANSWERING && exchange->on_close != NULL);
    if (exchange->minor_version == 0)
        exchange->keep_alive = false; /* no chunks in 1.0: the end is the end of the connection */
    add_head(exchange, status, content_type);
    if (exchange->minor_version == 1)
        buf_add_text(&exchange->out, "Transfer-Encoding: chunked\r\n");
    buf_add_text(&exchange->out, "\r\n");
    exchange_enter(exchange, EXCHANGE_STREAMING, 0);
    exchange_flush(exchange);
}

bool http_stream_push(struct http_exchange *exchange, struct str piece)
{
    assert(exchange->state == EXCHANGE_STREAMING);
    if (piece.len == 0 || exchange->request.method == HTTP_HEAD ||
        !watch_is_active(&exchange->watch))
        return true;
    if (waiting_bytes(exchange) >= HTTP_SERVER_MAX_WAITING_BYTES) {
        exchange->refused_piece = true;
        return false;
    }
    if (exchange->minor_version == 1)
        buf_addf(&exchange->out, "%zx\r\n", piece.len);
    buf_add_str(&exchange->out, piece);
    if (exchange->minor_version == 1)
        buf_add_text(&exchange->out, "\r\n");
    if ((exchange->watch.events & EPOLLOUT) == 0) /* otherwise the socket is full: no use trying */
        exchange_flush(exchange);
    return true;
}

void http_stream_end(struct http_exchange *exchange)
{
    assert(exchange->state == EXCHANGE_STREAMING);
    if (exchange->minor_version == 1 && exchange->request.method != HTTP_HEAD)
        buf_add_text(&exchange->out, "0\r\n\r\n");
    exchange_enter(exchange, EXCHANGE_FLUSHING, HTTP_SERVER_WRITE_SECONDS);
    exchange_flush(exchange);
}
