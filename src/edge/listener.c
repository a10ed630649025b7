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

static void accept_one(struct listener *listener, const struct table_listener *config, int fd,
                       const union socket_address *address)
{
    client_open(listener->worker, config, fd, address);
}

static void on_readable(struct watch *watch, uint32_t events, uint64_t now_ns)
{
    struct listener *listener = CONTAINER_OF(watch, struct listener, watch);
    struct view *view = listener->worker->view;
    const struct table_listener *config =
        view == NULL ? NULL : table_find_listener(view->table, listener->id);

    (void)events;
    (void)now_ns;
    for (int i = 0; config != NULL && i < ACCEPTS_PER_ROUND; i++) {
        union socket_address address;
        socklen_t len = sizeof address;
        int fd = accept4(watch->fd, &address.any, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0)
            accept_one(listener, config, fd, &address);
        else if (errno != EINTR && errno != ECONNABORTED)
            break;
    }
}

void listener_open(struct worker *worker, uint32_t id, int fd)
{
    struct listener *listener = NEW(struct listener);
    struct err err;
    int one = 1;

    listener->worker = worker;
    listener->id = id;
    listener->watch.fd = fd;
    list_push(&worker->listeners, &listener->link);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); /* accepted ones inherit it */
    /* Accepting begins with a table that knows the listener. */
    if (worker->view != NULL && table_find_listener(worker->view->table, id) != NULL &&
        !watch_add(worker->loop, &listener->watch, fd, EPOLLIN, on_readable, &err))
        log_error("edge", "listener %u: %s", id, err.text);
}

static void listener_free(struct listener *listener)
{
    watch_remove(listener->worker->loop, &listener->watch);
    fd_close(listener->watch.fd);
    list_remove(&listener->link);
    free(listener);
}

void listener_close_unused(struct worker *worker, bool all)
{
    struct err err;

    LIST_FOR_EACH (link, &worker->listeners) {
        struct listener *listener = CONTAINER_OF(link, struct listener, link);
        if (all || table_find_listener(worker->view->table, listener->id) == NULL)
            listener_free(listener);
        else if (!watch_is_active(&listener->watch) &&
                 !watch_add(worker->loop, &listener->watch, listener->watch.fd, EPOLLIN,
                            on_readable, &err))
            log_error("edge", "listener %u: %s", listener->id, err.text);
    }
}
