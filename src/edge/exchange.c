/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <unistd.h>

#include "base/file.h"
#include "edge/exchange.h"
#include "edge/head.h"
#include "edge/route.h"
#include "edge/worker.h"
#include "http/path.h"

static struct exchange *exchange_new(struct client *client, struct conn *side,
                                     const struct client_ops *ops)
{
    struct worker *worker = client->conn.worker;
    struct exchange *exchange = worker->free_exchanges;

    if (exchange != NULL)
        worker->free_exchanges = exchange->next_free;
    else
        exchange = mem_grow(NULL, sizeof *exchange);
    *exchange = (struct exchange){
        .worker = worker,
        .client = client,
        .side = side,
        .ops = ops,
        .view = view_ref(worker->view),
        .start_ns = loop_now_ns(worker->loop),
        .file_fd = -1,
        .request.done = true,
    };
    ops->bind(exchange);
    conn_set_timeout(side, EDGE_KEEP_ALIVE_MS); /* whoever waits for it sets a shorter one */
    count_add(worker, COUNT_REQUESTS, 1);
    return exchange;
}

/* After the target's side was released. The client is told by the caller. */
static void exchange_free(struct exchange *exchange)
{
    struct worker *worker = exchange->worker;

    assert(exchange->server == NULL && exchange->target == NULL);
    if (exchange->client->kind != LISTENER_TCP) {
        static const enum counter classes[] = {COUNT_5XX, COUNT_1XX, COUNT_2XX,
                                               COUNT_3XX, COUNT_4XX, COUNT_5XX};
        count_add(worker, classes[MIN(exchange->status / 100, 5)], 1);
        access_log_add(worker, exchange);
    }
    count_add(worker, COUNT_BYTES_OUT, exchange->sent_bytes);
    fd_close(exchange->file_fd);
    spill_free(&worker->spills, exchange->head);
    spill_free(&worker->spills, exchange->trailers);
    view_unref(worker, exchange->view);
    exchange->next_free = worker->free_exchanges;
    worker->free_exchanges = exchange;
}

void exchange_free_all(struct worker *worker)
{
    while (worker->free_exchanges != NULL) {
        struct exchange *first = worker->free_exchanges;
        worker->free_exchanges = first->next_free;
        free(first);
    }
}

static bool is_acme(struct str path)
{
    return str_starts(path, STR("/.well-known/acme-challenge/"));
}

static bool wants_json(const struct http1_head *head)
{
    for (size_t i = 0; i < head->header_count; i++)
        if (head->headers[i].id == HTTP_OTHER && head->headers[i].name.len == 6 &&
            str_eq_nocase(head->headers[i].name, STR("accept")))
            return str_starts(head->headers[i].value, STR("application/json"));
    return false;
}

static void take_request(struct exchange *exchange, const struct http1_head *head)
{
    exchange->method = head->method;
    exchange->minor_version = exchange->ops->is_http2 ? 2 : (uint8_t)head->minor_version;
    exchange->keep_alive = head->keep_alive;
    exchange->wants_json = wants_json(head);
    body_init(&exchange->request, head, head->framing == HTTP_CHUNKED);
    if (exchange->ops->is_http2 && head->framing == HTTP_CHUNKED)
        exchange->request.framing = HTTP_UNTIL_CLOSE; /* frames mark the end, not chunks */
}

static bool starts_nocase(struct str text, struct str start)
{
    return str_eq_nocase(str_sub(text, 0, start.len), start);
}

/* A protocol of its own behind the edge's back is not for tunnels: with h2c a
 * client could send requests that no route has seen. */
static bool may_upgrade(const struct http1_head *head)
{
    struct str protocol = head->upgrade_protocol;

    return head->upgrade && protocol.len > 0 && str_find(protocol, ',') == protocol.len &&
           !starts_nocase(protocol, STR("h2c")) && !starts_nocase(protocol, STR("tls")) &&
           !starts_nocase(protocol, STR("http")) && head->method == HTTP_GET &&
           head->framing == HTTP_NO_BODY;
}

/* An answer that needs no route or must not have one. True: it was given. */
static bool answer_early(struct exchange *exchange, const struct http1_head *head)
{
    if (head->expect_unknown) {
        answer_error(exchange, 417);
        return true;
    }
    if (head->method == HTTP_CONNECT || head->method == HTTP_TRACE) {
        answer_error(exchange, 405);
        return true;
    }
    return false;
}

/* What a route may have before its action; each may answer in its place. In this order:
 * maintenance, addresses, rates, who it is, what other sites may do, the cache. A route without any
 * of it pays a test for NULL. */
static bool is_admitted(struct exchange *exchange, struct str path)
{
    (void)exchange;
    (void)path;
    return true;
}

static void start_action(struct exchange *exchange, struct str path)
{
    const struct route *route = exchange->route;
    const struct http1_head *head = &exchange->worker->head;

    if (head->framing == HTTP_LENGTH && head->content_length > route->body_limit_bytes) {
        count_add(exchange->worker, COUNT_LIMITS, 1);
        answer_error(exchange, 413);
        return;
    }
    if (!is_admitted(exchange, path))
        return;
    switch (route->action) {
    case ROUTE_PROXY:
        exchange->upstream = route->upstream;
        exchange->upgrade = may_upgrade(head);
        head_write_request(exchange);
        proxy_start(exchange);
        break;
    case ROUTE_FILES:
        head_keep_texts(exchange);
        static_start(exchange, path);
        break;
    case ROUTE_REDIRECT:
        head_keep_texts(exchange);
        answer_redirect(exchange, route->redirect_status, route->redirect);
    }
}

/* Where the request goes by the newest table. */
static void start_routed(struct exchange *exchange, struct str host, struct str path)
{
    const struct table *table = exchange->view->table;
    const struct http1_head *head = &exchange->worker->head;
    const struct table_listener *listener =
        table_find_listener(table, exchange->client->listener_id);
    bool host_known;

    if (listener != NULL && listener->https_port != 0 && listener->kind == LISTENER_HTTP &&
        !is_acme(path)) {
        head_keep_texts(exchange);
        answer_to_https(exchange, listener->https_port, head);
        return;
    }
    exchange->route = route_find(table, exchange->client->listener_id, host, path, &host_known);
    if (exchange->route != NULL) {
        start_action(exchange, path);
        return;
    }
    head_keep_texts(exchange);
    answer_error(exchange, host_known ? 404 : 421);
}

void exchange_start(struct client *client, struct conn *side, const struct client_ops *ops)
{
    struct exchange *exchange = exchange_new(client, side, ops);
    struct worker *worker = exchange->worker;
    const struct http1_head *head = &worker->head;
    char *host = worker->head_bytes, *path = host + HTTP1_MAX_HOST_BYTES + 1;
    size_t host_len = 0, path_len = 1;
    const char *why;

    static_assert(WORKER_HEAD_BYTES > EDGE_HEAD_BYTES + HTTP1_MAX_HOST_BYTES + 1, "both fit");
    take_request(exchange, head);
    if (answer_early(exchange, head))
        return;
    path[0] = '/';
    if ((head->host.len > 0 && !http_host_normalize(head->host, host, &host_len)) ||
        (head->path.len > 0 && !http_path_normalize(head->path, path, &path_len, &why))) {
        head_keep_texts(exchange);
        answer_error(exchange, 400);
        return;
    }
    start_routed(exchange, str_from(host, host_len), str_from(path, path_len));
}

void exchange_refuse(struct client *client, struct conn *side, const struct client_ops *ops,
                     int status)
{
    struct exchange *exchange = exchange_new(client, side, ops);

    exchange->minor_version = 1;
    answer_error(exchange, status);
}

void exchange_start_tcp(struct client *client, const struct table_listener *config)
{
    struct exchange *exchange = exchange_new(client, &client->conn, &client_http1);

    exchange->upstream = config->upstream;
    exchange->is_tunnel = true;
    proxy_start(exchange);
}

void exchange_done(struct exchange *exchange)
{
    struct client *client = exchange->client;
    struct conn *side = exchange->side;
    const struct client_ops *ops = exchange->ops;
    bool keep_alive = exchange->keep_alive && exchange->request.done;

    if (exchange->target != NULL)
        proxy_release(exchange, exchange->server_keep_alive && exchange->request.done &&
                                    !exchange->request_abandoned);
    exchange_free(exchange);
    ops->done(client, side, keep_alive);
}

void exchange_client_gone(struct exchange *exchange)
{
    if (exchange->target != NULL)
        proxy_release(exchange, false);
    if (exchange->status == 0)
        exchange->status = 499; /* in the log: the client left before there was an answer */
    count_add(exchange->worker, COUNT_CLIENT_ABORTS, 1);
    exchange_free(exchange);
}

void exchange_drop(struct exchange *exchange)
{
    exchange->ops->abort(exchange);
}

void exchange_fail(struct exchange *exchange, int status)
{
    if (exchange->target != NULL)
        proxy_release(exchange, false);
    if (exchange->status != 0 || exchange->is_tunnel) {
        exchange_drop(exchange);
        return;
    }
    answer_error(exchange, status);
}

static bool note_written(struct exchange *exchange, bool written)
{
    if (!written) {
        exchange_drop(exchange);
        return false;
    }
    if (exchange->side->out != NULL)
        conn_set_timeout(exchange->side, EDGE_WRITE_MS);
    return true;
}

bool exchange_write(struct exchange *exchange, const struct iovec *iov, int count)
{
    return note_written(exchange, conn_write(exchange->side, iov, count));
}

bool exchange_write_head(struct exchange *exchange, size_t head_len, const struct iovec *iov,
                         int count, bool whole)
{
    return note_written(exchange, exchange->ops->write_head(exchange, head_len, iov, count, whole));
}

void exchange_client_readable(struct exchange *exchange)
{
    const struct conn *conn = exchange->side;

    if (exchange->is_tunnel)
        tunnel_client_readable(exchange);
    else if (!exchange->request.done && exchange->target != NULL)
        proxy_pump_request(exchange);
    else if (conn->peer_closed)
        exchange_drop(exchange); /* it does not wait for the answer any more */
}

void exchange_client_writable(struct exchange *exchange)
{
    if (exchange->is_tunnel)
        tunnel_client_writable(exchange);
    else if (exchange->file_fd >= 0)
        static_resume(exchange);
    else if (exchange->server != NULL)
        response_resume(exchange);
}

void exchange_client_timeout(struct exchange *exchange)
{
    struct conn *conn = exchange->side;
    bool reads_client = !exchange->request.done && exchange->server != NULL &&
                        exchange->server->conn.out == NULL && !exchange->request_abandoned;

    if (conn->out != NULL || exchange->file_fd >= 0) {
        if (exchange->ops->takes(exchange)) {
            conn_set_timeout(conn, EDGE_WRITE_MS);
            return;
        }
        count_add(exchange->worker, COUNT_TIMEOUTS, 1);
        exchange_drop(exchange);
    } else if (reads_client && !exchange->is_tunnel) {
        count_add(exchange->worker, COUNT_TIMEOUTS, 1);
        exchange_fail(exchange, 408);
    } else { /* the target's connection has the timeout that counts */
        conn_set_timeout(conn, EDGE_KEEP_ALIVE_MS);
    }
}
