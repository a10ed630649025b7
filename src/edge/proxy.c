/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "edge/cache.h"
#include "edge/h2_target.h"
#include "edge/proxy_priv.h"
#include "edge/proxy_protocol.h"
#include "edge/queue.h"
#include "edge/share.h"
#include "edge/worker.h"
#include "io/socket.h"

static const struct conn_state target_connecting, target_connecting_h2;

static struct target_conn *target_conn_of(struct conn *conn)
{
    return CONTAINER_OF(conn, struct target_conn, conn);
}

static void ignore(struct conn *conn)
{
    (void)conn;
}

static void note_ejection(const struct exchange *exchange)
{
    count_add(exchange->worker, COUNT_EJECTIONS, 1);
    proxy_meter(exchange, METER_EJECTIONS, 1);
}

static bool is_tcp(const struct exchange *exchange)
{
    return exchange->client->kind == LISTENER_TCP;
}

/* What the end of an exchange says about its target. Of TCP all was said when the connection was
 * made, or not. */
static void note_result(struct exchange *exchange, struct target *target)
{
    const struct upstream_balance *balance = proxy_balance(exchange);
    uint64_t now_ns = loop_now_ns(exchange->worker->loop);

    proxy_meter(exchange, METER_ACTIVE, UINT64_MAX); /* one less */
    if (!proxy_has_fail_limit(exchange))
        return;
    bool has_answered = exchange->first_byte_ns != 0;
    if (exchange->failed || (has_answered && exchange->status >= 500 && !is_tcp(exchange))) {
        if (target_note_failure(target, balance, now_ns))
            note_ejection(exchange);
    } else if (has_answered && !is_tcp(exchange)) {
        target_note_success(target, now_ns);
    }
    if (exchange->on_trial)
        target->on_trial = false; /* it may have told nothing: the next one tries */
    exchange->on_trial = false;
}

void proxy_blame(struct exchange *exchange)
{
    exchange->failed = true;
    count_add(exchange->worker, COUNT_TARGET_FAILURES, 1);
    proxy_meter(exchange, METER_RESPONSE_FAILURES, 1);
}

static void note_connect_failure(struct exchange *exchange)
{
    proxy_meter(exchange, METER_CONNECT_FAILURES, 1);
    note_ejection(exchange);
    target_eject(exchange->target, proxy_balance(exchange), loop_now_ns(exchange->worker->loop));
    exchange->on_trial = false;
}

bool proxy_is_connecting(const struct exchange *exchange)
{
    const struct conn_state *state = exchange->server->conn.state;

    return state == &target_connecting || state == &target_connecting_h2;
}

void proxy_release(struct exchange *exchange, bool reuse)
{
    struct target_conn *server = exchange->server;
    struct target *target = exchange->target;
    bool was_connected = server != NULL && !proxy_is_connecting(exchange);

    if (server != NULL) {
        server->exchange = NULL;
        if (proxy_is_stream(server))
            h2_target_leave(server);
        else if (!reuse || proxy_header_is_sent(exchange) || !proxy_keep_idle(server))
            conn_close(&server->conn);
    }
    exchange->server = NULL;
    exchange->target = NULL;
    note_result(exchange, target);
    struct share *share = TAKE(exchange->share);
    if (share != NULL)
        share_release(share);
    target_release(exchange->worker, target);
    /* Of one that takes no connections there is no more room than before: those who wait, here or
     * with other workers, would call each other in circles. They try every QUEUE_TRIAL_MS. */
    if (!was_connected)
        return;
    if (share != NULL)
        share_tell(share, exchange->worker);
    queue_wake(exchange->worker);
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
    bool is_counted = body->framing == HTTP_LENGTH || body->framing == HTTP_NO_BODY;
    bool body_begun = body->bytes > 0 || (!is_counted && body->done); /* its end was sent */

    if (exchange->server != NULL && proxy_is_stream(exchange->server) &&
        h2_target_has_refused(exchange->server))
        return exchange->status == 0 && !body_begun;

    return exchange->server != NULL && exchange->server->reused && exchange->status == 0 &&
           !body_begun && is_idempotent(exchange->method);
}

/* May the request be sent once more, as it stands now? */
static bool can_repeat(const struct exchange *exchange)
{
    return is_idempotent(exchange->method) && exchange->request.done;
}

static uint32_t connect_timeout_ms(const struct exchange *exchange)
{
    return exchange->route->connect_timeout_ms;
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

void proxy_await_response(struct exchange *exchange)
{
    conn_set_timeout(&exchange->server->conn, exchange->is_streamed
                                                  ? exchange_pause_ms(exchange)
                                                  : exchange->route->response_timeout_ms);
}

static void send_request(struct exchange *exchange)
{
    bool stream = proxy_is_stream(exchange->server);

    conn_set_state(&exchange->server->conn, stream ? &response_waiting_h2 : &response_waiting);
    if (!(stream ? h2_target_begin(exchange) : send_head(exchange))) {
        proxy_retry(exchange, 502);
        return;
    }
    proxy_await_response(exchange);
    if (exchange->request.done)
        return;
    conn_set_timeout(exchange->side, exchange_pause_ms(exchange));
    if (exchange->side->in != NULL || exchange->side->input_waits)
        proxy_pump_request(exchange);
}

/* Of TCP: that it was taken is all the good that can be said of a target. */
static void start_tunnel(struct exchange *exchange)
{
    uint64_t now_ns = loop_now_ns(exchange->worker->loop);

    exchange->first_byte_ns = now_ns;
    exchange->on_trial = false;
    target_note_success(exchange->target, now_ns);
    tunnel_start(exchange);
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
    if (exchange->wait_until_ns != 0)
        queue_wake(exchange->worker); /* it takes connections: the others can come */
    if (!proxy_header_send(exchange))
        proxy_retry(exchange, 502);
    else if (exchange->is_tunnel)
        start_tunnel(exchange);
    else
        send_request(exchange);
}

static void connect_failed(struct conn *conn)
{
    struct exchange *exchange = target_conn_of(conn)->exchange;

    note_connect_failure(exchange);
    proxy_retry(exchange, 502);
}

static void connect_timeout(struct conn *conn)
{
    struct exchange *exchange = target_conn_of(conn)->exchange;

    count_add(exchange->worker, COUNT_TIMEOUTS, 1);
    note_connect_failure(exchange);
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

/* A stream of a connection, which may have to be made first. False: it refused at once. */
static bool engage_h2(struct exchange *exchange)
{
    struct target_conn *server =
        h2_target_join(exchange, &target_connecting_h2, connect_timeout_ms(exchange));

    exchange->server = server;
    if (server == NULL)
        return false;
    server->exchange = exchange;
    server->reused = server->reused && !exchange->fresh_only;
    exchange->request.chunk_out = false; /* frames mark the end */
    exchange->reset_code = 0;
    if (h2_target_is_settled(server))
        send_request(exchange);
    return true;
}

/* Connects to exchange->target, or takes an idle connection. False: it refused at once. */
static bool engage(struct exchange *exchange)
{
    if (proxy_speaks_h2(exchange))
        return engage_h2(exchange);
    struct target_conn *server =
        exchange->is_tunnel || exchange->fresh_only || proxy_header_is_sent(exchange)
            ? NULL
            : proxy_take_idle(exchange, can_repeat(exchange));
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

/* Nobody takes it now. What a second upstream was asked for is not worth waiting; and where targets
 * are gone, not busy, a stored answer may do. */
static void await_target(struct exchange *exchange, int status)
{
    if (exchange->asked_again)
        exchange_fail(exchange, status);
    else if (status == 503 || exchange->cache == NULL || !cache_on_failure(exchange, status))
        queue_wait(exchange, status);
}

/* The target has said how many streams it takes, and this one is too many: another connection. */
static void move_h2(struct exchange *exchange)
{
    h2_target_leave(TAKE(exchange->server));
    if (h2_target_has_room(exchange->target) && engage_h2(exchange))
        return;
    proxy_release(exchange, false);
    await_target(exchange, 503);
}

static void connected_h2(struct conn *conn)
{
    struct exchange *exchange = target_conn_of(conn)->exchange;

    if (exchange->wait_until_ns != 0)
        queue_wake(exchange->worker);
    if (h2_target_may_begin(exchange->server))
        send_request(exchange);
    else
        move_h2(exchange);
}

static const struct conn_state target_connecting_h2 = {
    .name = "target connecting, http2",
    .ops = &h2_target_ops,
    .on_readable = ignore, /* nothing comes before the connection has begun */
    .on_writable = connected_h2,
    .on_timeout = connect_timeout,
    .on_error = connect_failed,
};

/* Is it the edge that has no descriptor left, and not the target that takes no connections? */
static bool lacks_descriptors(const struct exchange *exchange)
{
    AUTO(fd_close) int fd = fcntl(exchange->client->conn.io.fd, F_DUPFD_CLOEXEC, 0);

    return fd < 0 && (errno == EMFILE || errno == ENFILE);
}

static void try_next(struct exchange *exchange, const struct target *avoid, int status)
{
    while (exchange->attempts < EXCHANGE_MAX_ATTEMPTS) {
        exchange->attempts++;
        if (!proxy_take_target(exchange, avoid)) {
            await_target(exchange, 503);
            return;
        }
        if (engage(exchange))
            return;
        if (lacks_descriptors(exchange)) {
            proxy_release(exchange, false);
            await_target(exchange, 503);
            return;
        }
        note_connect_failure(exchange);
        avoid = exchange->target;
        proxy_release(exchange, false);
    }
    count_add(exchange->worker, COUNT_TARGET_FAILURES, 1);
    await_target(exchange, status);
}

void proxy_start(struct exchange *exchange)
{
    retry_budget_add(&exchange->worker->retry_budget, loop_now_ns(exchange->worker->loop));
    try_next(exchange, NULL, 502);
}

void proxy_resume(struct exchange *exchange)
{
    exchange->attempts = EXCHANGE_MAX_ATTEMPTS - 1; /* one more; it comes back to the queue */
    (void)proxy_use_newest_view(exchange);
    try_next(exchange, NULL, exchange->wait_status);
}

void proxy_retry(struct exchange *exchange, int status)
{
    struct worker *worker = exchange->worker;
    struct target_conn *server = exchange->server;
    const struct target *target = exchange->target;
    bool was_reused = server != NULL && server->reused;

    /* A stale connection says nothing about its target, and costs no attempt. */
    if (was_reused) {
        exchange->attempts--;
        exchange->fresh_only = true;
    }
    proxy_release(exchange, false);
    if (exchange->attempts < EXCHANGE_MAX_ATTEMPTS) {
        if (!retry_budget_take(&worker->retry_budget, loop_now_ns(worker->loop))) {
            count_add(worker, COUNT_RETRIES_DENIED, 1);
            await_target(exchange, status);
            return;
        }
        count_add(worker, COUNT_RETRIES, 1);
        proxy_meter(exchange, METER_RETRIES, 1);
    }
    try_next(exchange, was_reused ? NULL : target, status);
}

static bool has_targets(const struct view *view, uint32_t upstream)
{
    return view->table->upstreams[upstream].target_count > 0;
}

bool proxy_ask_again(struct exchange *exchange)
{
    uint32_t other = exchange->route->fallback_upstream;

    if (exchange->asked_again || (exchange->method != HTTP_GET && exchange->method != HTTP_HEAD) ||
        exchange->request.framing != HTTP_NO_BODY || exchange->later != NULL ||
        !has_targets(exchange->view, other))
        return false; /* a body has gone to the first one, and is not there any more */
    proxy_release(exchange, false); /* the rest of the 404 is not read */
    exchange->asked_again = true;
    exchange->upstream = other;
    exchange->pick = (struct pick){.takes_draining = true};
    exchange->attempts = 0;
    try_next(exchange, NULL, 404);
    return true;
}
