/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "edge/client.h"
#include "edge/worker.h"

enum { ACCEPTS_PER_ROUND = 64 };

static void on_readable(struct watch *watch, uint32_t events, uint64_t now_ns);

static void start_accepting(struct listener *listener)
{
    struct err err;

    if (watch_is_active(&listener->watch) || timer_is_set(&listener->pause))
        return;
    if (!watch_add(listener->worker->loop, &listener->watch, listener->fd, EPOLLIN, on_readable,
                   &err))
        log_error("edge", "listener %u: %s", listener->id, err.text);
}

static void on_pause_over(struct timer *timer, uint64_t now_ns)
{
    (void)now_ns;
    start_accepting(CONTAINER_OF(timer, struct listener, pause));
}

/* Out of descriptors or memory: those who wait stay in the backlog, and the
 * socket, which remains readable, must not keep the loop busy. */
static void pause_accepting(struct listener *listener)
{
    struct worker *worker = listener->worker;

    log_warn("edge", "listener %u: cannot accept for a moment: too many open connections",
             listener->id);
    watch_remove(worker->loop, &listener->watch);
    timer_set(worker->loop, &listener->pause,
              loop_now_ns(worker->loop) + EDGE_ACCEPT_PAUSE_MS * NS_PER_MS, on_pause_over);
}

static void on_readable(struct watch *watch, uint32_t events, uint64_t now_ns)
{
    struct listener *listener = CONTAINER_OF(watch, struct listener, watch);
    const struct table_listener *config =
        table_find_listener(listener->worker->view->table, listener->id);

    (void)events;
    (void)now_ns;
    for (int i = 0; i < ACCEPTS_PER_ROUND; i++) {
        union socket_address address;
        socklen_t len = sizeof address;
        int fd = accept4(listener->fd, &address.any, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            client_open(listener->worker, config, fd, &address);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            pause_accepting(listener);
            return;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            return;
        }
    }
}

/* Accepting begins with a table that knows the listener. */
static bool is_known(const struct listener *listener)
{
    const struct view *view = listener->worker->view;

    return view != NULL && table_find_listener(view->table, listener->id) != NULL;
}

void listener_open(struct worker *worker, uint32_t id, int fd)
{
    struct listener *listener = NEW(struct listener);
    int one = 1, unsent = EDGE_UNSENT_BYTES;

    listener->worker = worker;
    listener->id = id;
    listener->fd = fd;
    list_push(&worker->listeners, &listener->link);
    /* Accepted ones inherit both. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
    if (is_known(listener))
        start_accepting(listener);
}

static void listener_free(struct listener *listener)
{
    watch_remove(listener->worker->loop, &listener->watch);
    timer_clear(&listener->pause);
    fd_close(listener->fd);
    list_remove(&listener->link);
    free(listener);
}

void listener_close_unused(struct worker *worker, bool all)
{
    LIST_FOR_EACH (link, &worker->listeners) {
        struct listener *listener = CONTAINER_OF(link, struct listener, link);
        if (all || !is_known(listener))
            listener_free(listener);
        else
            start_accepting(listener);
    }
}
