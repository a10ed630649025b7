/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "edge/client.h"
#include "edge/worker.h"

enum { ACCEPTS_PER_ROUND = 64, WARY_ACCEPTS_PER_ROUND = 4 };

/* Kept free for connections to targets: who was accepted must be able to ask for something. At most
 * so many, and no more than an eighth of what there is. */
enum { RESERVED_DESCRIPTORS = 256, RESERVED_SHARE = 8 };

/* The kernel gives out the lowest descriptor that is free: at this one it is time to pause. */
static int last_for_clients = INT32_MAX;

void listener_reserve_descriptors(void)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_max > INT32_MAX)
        return;
    last_for_clients =
        (int)(files.rlim_max - MIN(files.rlim_max / RESERVED_SHARE, (rlim_t)RESERVED_DESCRIPTORS));
}

static bool is_full(const struct listener *listener)
{
    AUTO(fd_close) int lowest = fcntl(listener->fd, F_DUPFD_CLOEXEC, 0);

    return lowest < 0 || lowest >= last_for_clients;
}

static void on_readable(struct watch *watch, uint32_t events, uint64_t now_ns);
static void pause_accepting(struct listener *listener);

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
    struct listener *listener = CONTAINER_OF(timer, struct listener, pause);

    (void)now_ns;
    if (listener->is_full && is_full(listener)) {
        pause_accepting(listener);
        return;
    }
    listener->is_full = false;
    start_accepting(listener);
}

/* Out of descriptors or memory: those who wait stay in the backlog, and the
 * socket, which remains readable, must not keep the loop busy. */
static void pause_accepting(struct listener *listener)
{
    struct worker *worker = listener->worker;

    watch_remove(worker->loop, &listener->watch);
    timer_set(worker->loop, &listener->pause,
              loop_now_ns(worker->loop) + EDGE_ACCEPT_PAUSE_MS * NS_PER_MS, on_pause_over);
}

/* It is said and counted once for each time that they run out. */
static void pause_until_room(struct listener *listener)
{
    if (!listener->is_full) {
        count_add(listener->worker, COUNT_DESCRIPTORS, 1);
        log_warn("edge", "listener %u: cannot accept for a moment: too many open connections",
                 listener->id);
    }
    listener->is_full = true;
    pause_accepting(listener);
}

/* While memory is short nobody comes to those who are there; one alone may, so that whatever keeps
 * it short does not end all service. */
static bool is_shut(const struct worker *worker)
{
    return mem_is_short() && !list_is_empty(&worker->clients);
}

/* Who was accepted cannot be refused any more what he needs next: soon after a shortage there are
 * never many of those. */
static int most_accepts(const struct worker *worker, uint64_t now_ns)
{
    bool is_wary = worker->shortage_over_ns != 0 &&
                   now_ns - worker->shortage_over_ns < EDGE_WARY_MS * NS_PER_MS;

    return is_wary ? WARY_ACCEPTS_PER_ROUND : ACCEPTS_PER_ROUND;
}

static void on_readable(struct watch *watch, uint32_t events, uint64_t now_ns)
{
    struct listener *listener = CONTAINER_OF(watch, struct listener, watch);
    const struct table_listener *config =
        table_find_listener(listener->worker->view->table, listener->id);

    (void)events;
    for (int i = most_accepts(listener->worker, now_ns); i > 0; i--) {
        if (is_shut(listener->worker)) {
            pause_accepting(listener);
            return;
        }
        union socket_address address;
        socklen_t len = sizeof address;
        int fd = accept4(listener->fd, &address.any, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            client_open(listener->worker, config, fd, &address);
            if (fd >= last_for_clients) {
                pause_until_room(listener);
                return;
            }
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            pause_until_room(listener);
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

void listener_resume_all(struct worker *worker)
{
    LIST_FOR_EACH (link, &worker->listeners) {
        struct listener *listener = CONTAINER_OF(link, struct listener, link);
        timer_clear(&listener->pause);
        if (is_known(listener))
            start_accepting(listener);
    }
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
