/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "http/server_priv.h"

enum { ACCEPTS_PER_ROUND = 32, RETRY_MS = 100 };

static void free_exchange(struct deferred *deferred)
{
    struct http_exchange *exchange = CONTAINER_OF(deferred, struct http_exchange, deferred);

    buf_done(&exchange->in);
    buf_done(&exchange->target);
    buf_done(&exchange->body);
    buf_done(&exchange->out);
    free(exchange);
}

/* Off the loop and the server, with the handler told; the memory stays. */
static void cut(struct http_exchange *exchange)
{
    bool unanswered =
        exchange->state == EXCHANGE_ANSWERING || exchange->state == EXCHANGE_STREAMING;
    http_exchange_fn *on_close = exchange->on_close;

    timer_clear(&exchange->timer);
    if (watch_is_active(&exchange->watch)) {
        watch_remove(exchange->loop, &exchange->watch);
        fd_close(exchange->watch.fd);
    }
    list_remove(&exchange->link);
    exchange->server->count--;
    exchange->server = NULL;
    exchange->state = EXCHANGE_GONE;
    if (unanswered && on_close != NULL)
        on_close(exchange->arg);
}

/* The end of a round: free what was abandoned, or read what came with the last request. */
static void on_round_end(struct deferred *deferred)
{
    struct http_exchange *exchange = CONTAINER_OF(deferred, struct http_exchange, deferred);
    struct http_server *server = exchange->server;

    if (server == NULL) { /* cut by http_server_close() */
        free_exchange(deferred);
    } else if (!watch_is_active(&exchange->watch)) {
        cut(exchange);
        watch_set(server->loop, &server->watch, EPOLLIN);
        free_exchange(deferred);
    } else if (exchange->state == EXCHANGE_READING && exchange->in.len > 0) {
        exchange_read(exchange);
    }
}

void exchange_abandon(struct http_exchange *exchange)
{
    if (!watch_is_active(&exchange->watch))
        return;
    timer_clear(&exchange->timer);
    watch_remove(exchange->loop, &exchange->watch);
    fd_close(exchange->watch.fd);
    loop_defer(exchange->loop, &exchange->deferred, on_round_end);
}

static void on_timeout(struct timer *timer, uint64_t now_ns)
{
    struct http_exchange *exchange = CONTAINER_OF(timer, struct http_exchange, timer);

    (void)now_ns;
    if (exchange->state == EXCHANGE_READING && (exchange->has_head || exchange->in.len > 0))
        http_exchange_refuse(exchange, 408, "request was not complete in time");
    else
        exchange_abandon(exchange);
}

void exchange_set_timeout(struct http_exchange *exchange, unsigned seconds)
{
    timer_set(exchange->loop, &exchange->timer,
              loop_now_ns(exchange->loop) + seconds * NS_PER_SECOND, on_timeout);
}

void exchange_enter(struct http_exchange *exchange, enum exchange_state state, unsigned seconds)
{
    bool reads = state == EXCHANGE_READING || state == EXCHANGE_LINGERING;

    exchange->state = state;
    if (!watch_is_active(&exchange->watch))
        return;
    watch_set(exchange->loop, &exchange->watch, reads ? EPOLLIN : 0);
    timer_clear(&exchange->timer);
    if (seconds > 0)
        exchange_set_timeout(exchange, seconds);
    if (state == EXCHANGE_READING && exchange->in.len > 0)
        loop_defer(exchange->loop, &exchange->deferred, on_round_end);
}

static void drop_received(struct http_exchange *exchange)
{
    if (!exchange_receive(exchange))
        exchange_abandon(exchange);
    buf_clear(&exchange->in);
}

/* A hang-up counts only where nothing is left to be read: a client may send its
 * request and shut down its side. */
static void on_event(struct watch *watch, uint32_t events, uint64_t now_ns)
{
    struct http_exchange *exchange = CONTAINER_OF(watch, struct http_exchange, watch);

    (void)now_ns;
    if (exchange->state == EXCHANGE_LINGERING) {
        drop_received(exchange);
    } else if (exchange->state == EXCHANGE_READING) {
        if ((events & EPOLLOUT) != 0)
            exchange_flush(exchange);
        if (exchange_receive(exchange))
            exchange_read(exchange);
        else
            exchange_abandon(exchange);
    } else if ((events & (EPOLLHUP | EPOLLERR)) != 0) {
        exchange_abandon(exchange);
    } else if ((events & EPOLLOUT) != 0) {
        exchange_flush(exchange);
        bool has_room = exchange->out.len - exchange->out_at <= HTTP_SERVER_MAX_WAITING_BYTES / 2;
        if (exchange->refused_piece && has_room && exchange->state == EXCHANGE_STREAMING) {
            exchange->refused_piece = false;
            if (exchange->on_drain != NULL)
                exchange->on_drain(exchange->arg);
        }
    }
}

static void add_connection(struct http_server *server, int accepted)
{
    AUTO(fd_close) int fd = accepted;
    struct ucred peer = {0};
    socklen_t len = sizeof peer;
    struct err err;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0)
        return;
    struct http_exchange *exchange = NEW(struct http_exchange);
    if (!watch_add(server->loop, &exchange->watch, fd, EPOLLIN, on_event, &err)) {
        free(exchange);
        return;
    }
    (void)TAKE_FD(fd);
    exchange->server = server;
    exchange->loop = server->loop;
    exchange->request.peer_uid = peer.uid;
    exchange->request.peer_pid = peer.pid;
    list_push(&server->exchanges, &exchange->link);
    server->count++;
    exchange_enter(exchange, EXCHANGE_READING, HTTP_SERVER_IDLE_SECONDS);
}

static void on_retry(struct timer *timer, uint64_t now_ns)
{
    struct http_server *server = CONTAINER_OF(timer, struct http_server, retry);

    (void)now_ns;
    watch_set(server->loop, &server->watch, EPOLLIN);
}

static void on_connection(struct watch *watch, uint32_t events, uint64_t now_ns)
{
    struct http_server *server = CONTAINER_OF(watch, struct http_server, watch);

    (void)events;
    for (int i = 0; i < ACCEPTS_PER_ROUND; i++) {
        if (server->count >= HTTP_SERVER_MAX_CONNECTIONS) {
            watch_set(server->loop, watch, 0); /* until one ends */
            return;
        }
        int fd = accept4(watch->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            add_connection(server, fd);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            watch_set(server->loop, watch, 0); /* it stays readable: do not spin */
            timer_set(server->loop, &server->retry, now_ns + RETRY_MS * NS_PER_MS, on_retry);
            return;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            return;
        }
    }
}

struct http_server *http_server_open(struct loop *loop, int listen_fd, http_request_fn *fn,
                                     void *arg, struct err *err)
{
    AUTO(fd_close) int fd = listen_fd;
    struct http_server *server = NEW(struct http_server);

    server->loop = loop;
    server->fn = fn;
    server->arg = arg;
    list_init(&server->exchanges);
    if (!watch_add(loop, &server->watch, fd, EPOLLIN, on_connection, err)) {
        free(server);
        return NULL;
    }
    (void)TAKE_FD(fd);
    return server;
}

static void free_server(struct deferred *deferred)
{
    free(CONTAINER_OF(deferred, struct http_server, deferred));
}

void http_server_close(struct http_server *server)
{
    if (server == NULL)
        return;
    while (!list_is_empty(&server->exchanges)) {
        struct http_exchange *exchange =
            CONTAINER_OF(server->exchanges.next, struct http_exchange, link);
        cut(exchange);
        loop_defer(exchange->loop, &exchange->deferred, on_round_end);
    }
    timer_clear(&server->retry);
    watch_remove(server->loop, &server->watch);
    fd_close(server->watch.fd);
    loop_defer(server->loop, &server->deferred, free_server);
}
