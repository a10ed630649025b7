/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "edge/cache.h"
#include "edge/crash.h"
#include "edge/exchange.h"
#include "edge/head.h"
#include "edge/limits.h"
#include "edge/queue.h"
#include "edge/route.h"
#include "edge/rules.h"
#include "edge/static_cache.h"
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
        .request.done = true,
        .is_secure = client->kind == LISTENER_HTTPS,
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
    if (exchange->client->kind == LISTENER_TCP) {
        access_log_add(worker, exchange);
    } else if (!exchange->ops->is_background) {
        static const enum counter classes[] = {COUNT_5XX, COUNT_1XX, COUNT_2XX,
                                               COUNT_3XX, COUNT_4XX, COUNT_5XX};
        count_add(worker, classes[MIN(exchange->status / 100, 5)], 1);
        access_log_add(worker, exchange);
    }
    count_add(worker, COUNT_BYTES_OUT, exchange->sent_bytes);
    exchange_meter(exchange);
    if (exchange->queue != NULL)
        queue_leave(exchange);
    if (exchange->pipe_in != NULL || exchange->pipe_out != NULL)
        tunnel_free_pipes(exchange);
    static_entry_unref(exchange->file);
    free(exchange->parts);
    if (exchange->cache != NULL || exchange->hit != NULL)
        cache_forget(exchange);
    spill_free(&worker->spills, exchange->head);
    spill_free(&worker->spills, exchange->trailers);
    spill_free(&worker->spills, exchange->forwarded);
    if (exchange->rules != NULL)
        rules_free(exchange->rules);
    view_unref(worker, exchange->view);
    if (exchange->later != NULL)
        view_unref(worker, exchange->later);
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

bool exchange_is_last(const struct exchange *exchange)
{
    const struct worker *worker = exchange->worker;
    const struct conn *side = exchange->side;

    return worker->closing && !(worker->retiring && (side->in != NULL || side->input_waits));
}

static void take_request(struct exchange *exchange, const struct http1_head *head)
{
    exchange->method = head->method;
    exchange->minor_version = exchange->ops->is_http2 ? 2 : (uint8_t)head->minor_version;
    exchange->wants_json =
        str_starts(http1_header_named(head, STR("accept")), STR("application/json"));
    body_init(&exchange->request, head, head->framing == HTTP_CHUNKED);
    exchange->keep_alive = head->keep_alive && !exchange_is_last(exchange);
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

static bool is_grpc(const struct http1_head *head)
{
    return str_starts(http1_header(head, HTTP_CONTENT_TYPE), STR("application/grpc"));
}

/* An answer that needs no route or must not have one. True: it was given. */
static bool answer_early(struct exchange *exchange, const struct http1_head *head)
{
    if (head->expect_unknown) {
        exchange->keep_alive = false;
        head_keep_texts(exchange);
        answer_error(exchange, 417);
        return true;
    }
    if (head->method == HTTP_CONNECT || head->method == HTTP_TRACE) {
        exchange->keep_alive = false; /* what follows may be meant for a tunnel */
        head_keep_texts(exchange);
        answer_error(exchange, 405);
        return true;
    }
    return false;
}

/* What a route may have before its action; each may answer in its place. In this order:
 * maintenance, addresses, rates, who it is, what other sites may do, the cache. A route without any
 * of it pays a test for NULL. */
static bool is_admitted(struct exchange *exchange)
{
    if (exchange->ops->is_background)
        return true; /* the client that it was started for was */
    if (exchange->rules != NULL && !rules_admit_maintenance(exchange))
        return false;
    if (exchange->route->limits != NULL && !limits_admit(exchange))
        return false;
    return exchange->rules == NULL || rules_admit(exchange);
}

static void start_redirect(struct exchange *exchange, struct str path)
{
    const struct route *route = exchange->route;
    bool keeps_path = exchange->rules != NULL && route->rules->keep_path;

    head_keep_texts(exchange);
    answer_redirect(exchange, route->redirect_status,
                    keeps_path ? rules_redirect(exchange, path) : route->redirect);
}

void exchange_start_proxy(struct exchange *exchange)
{
    exchange->upstream = exchange->route->upstream;
    if (exchange->view->table->upstreams[exchange->upstream].is_h2)
        exchange->is_streamed = is_grpc(&exchange->worker->head);
    else
        exchange->upgrade = may_upgrade(&exchange->worker->head);
    balance_begin(exchange);
    head_write_request(exchange);
    proxy_start(exchange);
}

static void start_action(struct exchange *exchange, struct str path)
{
    const struct route *route = exchange->route;

    switch (route->action) {
    case ROUTE_PROXY:
        if (route->cache == NULL || cache_admit(exchange))
            exchange_start_proxy(exchange);
        break;
    case ROUTE_FILES:
        head_keep_texts(exchange);
        static_start(exchange, path);
        break;
    case ROUTE_REDIRECT:
        start_redirect(exchange, path);
    }
}

static void start_route(struct exchange *exchange, struct str path)
{
    const struct route *route = exchange->route;
    const struct http1_head *head = &exchange->worker->head;

    if (route->rules != NULL && !rules_begin(exchange, path))
        return;
    if (head->framing == HTTP_LENGTH && head->content_length > route->body_limit_bytes) {
        count_add(exchange->worker, COUNT_LIMITS, 1);
        head_keep_texts(exchange);
        answer_error(exchange, 413);
        return;
    }
    if (is_admitted(exchange))
        start_action(exchange, path);
}

/* Where the request goes by the newest table. */
static void start_routed(struct exchange *exchange, struct str host, struct str path)
{
    const struct table *table = exchange->view->table;
    const struct http1_head *head = &exchange->worker->head;
    const struct table_listener *listener =
        table_find_listener(table, exchange->client->listener_id);
    bool host_known;

    if (listener != NULL && listener->limits != NULL &&
        !limits_admit_listener(exchange, listener->limits))
        return;
    if (exchange->client->conn.tls != NULL && !limits_admit_host(exchange, host))
        return;
    if (listener != NULL && listener->https_port != 0 && listener->kind == LISTENER_HTTP &&
        !is_acme(path) && !exchange->is_secure) {
        head_keep_texts(exchange);
        answer_to_https(exchange, listener->https_port, head);
        return;
    }
    exchange->route = route_find(table, exchange->client->listener_id, host, path, &host_known);
    static_assert((int)WORKER_JOINED_BYTES >= 2 * (int)EDGE_HEAD_BYTES, "both forms fit");
    if (exchange->route != NULL &&
        !route_is_certain(table, exchange->client->listener_id, host, path, exchange->route,
                          exchange->worker->joined)) {
        exchange->route = NULL;
        head_keep_texts(exchange);
        answer_error(exchange, 400);
        return;
    }
    crash_route = exchange->route;
    if (exchange->route != NULL) {
        start_route(exchange, path);
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

void exchange_reread(struct exchange *exchange, struct str head)
{
    const char *why;
    enum http1_result result = http1_parse_request(head, &exchange->worker->head, &why);

    assert(result == HTTP1_DONE); /* it was read before */
}

void exchange_resume(struct exchange *exchange, struct str head)
{
    struct worker *worker = exchange->worker;
    char *path = worker->head_bytes;
    size_t path_len = 1;
    const char *why;

    path[0] = '/';
    exchange_reread(exchange, head);
    bool normal =
        worker->head.path.len == 0 || http_path_normalize(worker->head.path, path, &path_len, &why);
    assert(normal);
    spill_free(&worker->spills, TAKE(exchange->head)); /* its texts are about to be made again */
    crash_route = exchange->route;
    start_action(exchange, str_from(path, path_len));
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

    exchange->route = config->route;
    exchange->upstream = config->upstream;
    exchange->is_tunnel = true;
    exchange->method_text = STR("TCP"); /* of its line in the log */
    crash_route = exchange->route;
    if (config->route->limits != NULL && !limits_admit_tcp(exchange))
        return;
    balance_begin(exchange);
    proxy_start(exchange);
}

void exchange_done(struct exchange *exchange)
{
    struct client *client = exchange->client;
    struct conn *side = exchange->side;
    const struct client_ops *ops = exchange->ops;
    bool keep_alive = exchange->keep_alive && exchange->request.done;

    if (exchange->rules != NULL && exchange->rules->outlet.active && !outlet_finish(exchange))
        return;
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
        exchange->status = EXCHANGE_ABORTED;
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
        if (exchange->status == 0)
            exchange->status = status;
        exchange_drop(exchange);
        return;
    }
    if (exchange->cache != NULL && status >= 500 && cache_on_failure(exchange, status))
        return;
    answer_error(exchange, exchange->asked_again ? 404 : status);
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
    if (exchange->rules != NULL && exchange->rules->outlet.active)
        return outlet_write(exchange, (struct str){0}, iov, count, false);
    return note_written(exchange, conn_write(exchange->side, iov, count));
}

bool exchange_write_head(struct exchange *exchange, size_t head_len, const struct iovec *iov,
                         int count, bool whole)
{
    if (exchange->rules != NULL)
        return rules_write_head(exchange, head_len, iov, count, whole);
    return exchange_send_head(exchange, head_len, iov, count, whole);
}

bool exchange_send(struct exchange *exchange, const struct iovec *iov, int count)
{
    return note_written(exchange, conn_write(exchange->side, iov, count));
}

bool exchange_send_head(struct exchange *exchange, size_t head_len, const struct iovec *iov,
                        int count, bool whole)
{
    return note_written(exchange, exchange->ops->write_head(exchange, head_len, iov, count, whole));
}

/* With a reset, and not with an end that may be half of one. */
static bool is_reset(const struct conn *conn)
{
    char byte;

    return conn->state->ops == NULL && recv(conn->io.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
           errno != EAGAIN;
}

void exchange_client_readable(struct exchange *exchange)
{
    const struct conn *conn = exchange->side;

    crash_route = exchange->route;
    if (exchange->is_tunnel) {
        tunnel_client_readable(exchange);
    } else if (!exchange->request.done && exchange->target != NULL) {
        proxy_pump_request(exchange);
    } else if (conn->peer_closed && is_reset(conn)) {
        exchange_drop(exchange);
    } else if (conn->peer_closed && !exchange->half_closed) {
        /* It may be gone or wait for its answer with a connection that is closed by half: only a
         * write tells. It gets time for both. */
        exchange->half_closed = true;
        exchange->quiet_bytes = exchange->sent_bytes;
        conn_set_timeout(exchange->side, EDGE_HALF_CLOSED_MS);
    }
}

/* A connection that is closed by half, on which nothing was sent for a while: nobody is there. */
static void half_closed_timeout(struct exchange *exchange)
{
    if (exchange->sent_bytes == exchange->quiet_bytes) {
        exchange_drop(exchange);
        return;
    }
    exchange->quiet_bytes = exchange->sent_bytes;
    conn_set_timeout(exchange->side, EDGE_HALF_CLOSED_MS);
}

void exchange_client_writable(struct exchange *exchange)
{
    crash_route = exchange->route;
    if (exchange->is_tunnel)
        tunnel_client_writable(exchange);
    else if (exchange->file != NULL)
        static_resume(exchange);
    else if (exchange->hit != NULL)
        cache_resume(exchange);
    else if (exchange->server != NULL)
        response_resume(exchange);
}

void exchange_client_timeout(struct exchange *exchange)
{
    struct conn *conn = exchange->side;
    bool reads_client = !exchange->request.done && exchange->server != NULL &&
                        exchange->server->conn.out == NULL && !exchange->request_abandoned;

    bool is_spliced = exchange->pipe_out != NULL && !exchange->is_tunnel;

    if (conn->out != NULL || is_spliced || exchange->file != NULL || exchange->hit != NULL) {
        if (exchange->ops->takes(exchange)) {
            conn_set_timeout(conn, EDGE_WRITE_MS);
            return;
        }
        count_add(exchange->worker, COUNT_TIMEOUTS, 1);
        exchange_drop(exchange);
    } else if (reads_client && !exchange->is_tunnel && !exchange->is_streamed) {
        count_add(exchange->worker, COUNT_TIMEOUTS, 1);
        exchange_fail(exchange, 408);
    } else if (exchange->half_closed) {
        half_closed_timeout(exchange);
    } else { /* the target's connection has the timeout that counts */
        conn_set_timeout(conn, EDGE_KEEP_ALIVE_MS);
    }
}
