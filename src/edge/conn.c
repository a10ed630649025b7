/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "edge/conn.h"
#include "edge/worker.h"

enum { TLS_JOIN_BYTES = 16384, WRITE_IOV_MAX = 8 };

static void ignore(struct conn *conn)
{
    (void)conn;
}

static const struct conn_state conn_closed = {
    .name = "closed",
    .on_readable = ignore,
    .on_writable = ignore,
    .on_timeout = ignore,
    .on_error = ignore,
};

bool conn_is_open(const struct conn *conn)
{
    return conn->state != &conn_closed;
}

static void on_event(struct watch *watch, uint32_t events, uint64_t now_ns)
{
    struct conn *conn = CONTAINER_OF(watch, struct conn, watch);

    (void)now_ns;
    if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
        conn->peer_closed = true;
    if ((events & EPOLLOUT) != 0) {
        bool awaited = conn->out != NULL || conn->awaits_room;
        if (!conn_flush(conn)) {
            conn->state->on_error(conn);
        } else if (awaited && conn->out == NULL) {
            conn->awaits_room = false;
            conn->state->on_writable(conn);
        }
    }
    if ((events & ~(uint32_t)EPOLLOUT) != 0 || conn->rearmed) {
        conn->rearmed = false;
        conn->io.drained = false;
        conn->state->on_readable(conn);
    }
}

static void on_timer(struct timer *timer, uint64_t now_ns)
{
    struct conn *conn = CONTAINER_OF(timer, struct conn, timer);

    if (conn->deadline_ns > now_ns)
        timer_set(conn->worker->loop, timer, conn->deadline_ns, on_timer);
    else
        conn->state->on_timeout(conn);
}

void conn_set_timeout(struct conn *conn, uint32_t timeout_ms)
{
    conn->deadline_ns = loop_now_ns(conn->worker->loop) + timeout_ms * NS_PER_MS;
    if (!timer_is_set(&conn->timer) || conn->timer.due_ns > conn->deadline_ns)
        timer_set(conn->worker->loop, &conn->timer, conn->deadline_ns, on_timer);
}

bool conn_open(struct conn *conn, struct worker *worker, int fd, const struct conn_state *state)
{
    struct err err;

    conn->worker = worker;
    conn->state = state;
    conn->io.fd = fd;
    return watch_add(worker->loop, &conn->watch, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                     on_event, &err);
}

static void release(struct conn *conn)
{
    struct worker *worker = conn->worker;

    if (conn->state->ops == NULL)
        watch_remove(worker->loop, &conn->watch);
    timer_clear(&conn->timer);
    spill_free(&worker->spills, conn->in);
    spill_free(&worker->spills, conn->out);
    conn->in = conn->out = NULL;
    if (conn->tls != NULL)
        tls_stream_free(conn->tls);
    conn->tls = NULL;
    if (conn->state->ops == NULL)
        (void)close(conn->io.fd);
    conn->io.fd = -1;
    conn->state = &conn_closed;
    worker_bury(worker, conn);
}

void conn_close(struct conn *conn)
{
    if (!conn_is_open(conn))
        return;
    if (conn->tls != NULL)
        tls_stream_shutdown(conn->tls);
    release(conn);
}

void conn_abort(struct conn *conn)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};

    if (!conn_is_open(conn))
        return;
    if (conn->state->ops == NULL)
        (void)setsockopt(conn->io.fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    release(conn);
}

static ssize_t read_tls(struct conn *conn, void *bytes, size_t len)
{
    ssize_t n = tls_stream_read(conn->tls, bytes, len);

    conn->drained = n <= 0 || (conn->io.drained && !tls_stream_has_pending(conn->tls));
    if (n == TLS_AGAIN)
        return CONN_AGAIN;
    return n == TLS_BROKEN ? CONN_BROKEN : n;
}

ssize_t conn_read(struct conn *conn, void *bytes, size_t len)
{
    ssize_t n;

    if (conn->state->ops != NULL)
        return conn->state->ops->read(conn, bytes, len);
    if (conn->tls != NULL) {
        n = read_tls(conn, bytes, len);
    } else {
        do
            n = recv(conn->io.fd, bytes, len, 0);
        while (n < 0 && errno == EINTR);
        conn->drained = n < (ssize_t)len;
        if (n < 0)
            n = errno == EAGAIN ? CONN_AGAIN : CONN_BROKEN;
    }
    /* The end comes behind the last bytes without an event of its own. */
    if (n > 0 && conn->peer_closed)
        conn->drained = false;
    return n;
}

/* Bytes written, CONN_AGAIN or CONN_BROKEN. */
static ssize_t write_some(struct conn *conn, struct iovec *iov, int count)
{
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = (size_t)count};
    int flags = MSG_NOSIGNAL | (conn->more ? MSG_MORE : 0);
    ssize_t n;

    if (conn->tls != NULL) {
        n = tls_stream_write(conn->tls, iov->iov_base, iov->iov_len);
        return n == TLS_AGAIN ? CONN_AGAIN : n == TLS_BROKEN ? CONN_BROKEN : n;
    }
    do
        n = count == 1 ? send(conn->io.fd, iov->iov_base, iov->iov_len, flags)
                       : sendmsg(conn->io.fd, &msg, flags);
    while (n < 0 && errno == EINTR);
    if (n >= 0)
        return n;
    return errno == EAGAIN ? CONN_AGAIN : CONN_BROKEN;
}

ssize_t conn_write_some(struct conn *conn, struct iovec *iov, int count)
{
    assert(conn_is_plain(conn) && conn->out == NULL);
    return write_some(conn, iov, count);
}

/* One record instead of one for each piece, when they are small. */
static int join_for_tls(struct conn *conn, struct iovec *iov, int count)
{
    char *joined = conn->worker->joined;
    size_t len = 0;

    for (int i = 0; i < count; i++)
        len += iov[i].iov_len;
    if (count == 1 || len > TLS_JOIN_BYTES)
        return count;
    len = 0;
    for (int i = 0; i < count; i++) {
        memcpy(joined + len, iov[i].iov_base, iov[i].iov_len);
        len += iov[i].iov_len;
    }
    iov[0] = (struct iovec){joined, len};
    return 1;
}

static_assert((int)WORKER_JOINED_BYTES >= (int)TLS_JOIN_BYTES, "a joined record fits");

bool conn_write(struct conn *conn, const struct iovec *given, int count)
{
    struct iovec copy[WRITE_IOV_MAX], *iov = copy;
    int left = 0;

    assert(count <= WRITE_IOV_MAX);
    if (conn->state->ops != NULL)
        return conn->state->ops->write(conn, given, count);
    for (int i = 0; i < count; i++)
        if (given[i].iov_len > 0)
            copy[left++] = given[i];
    if (conn->tls != NULL && conn->out == NULL && left > 1)
        left = join_for_tls(conn, copy, left);
    while (left > 0 &&
           conn->out == NULL) { /* after a partial write too: only EAGAIN arms the edge */
        ssize_t n = write_some(conn, iov, left);
        if (n == CONN_BROKEN)
            return false;
        if (n == CONN_AGAIN)
            break;
        for (; left > 0 && (size_t)n >= iov->iov_len; iov++, left--)
            n -= (ssize_t)iov->iov_len;
        if (left > 0) {
            iov->iov_base = (char *)iov->iov_base + n;
            iov->iov_len -= (size_t)n;
        }
    }
    for (; left > 0; iov++, left--)
        spill_add(&conn->worker->spills, &conn->out, iov->iov_base, iov->iov_len);
    return true;
}

bool conn_flush(struct conn *conn)
{
    while (conn->out != NULL) {
        struct iovec iov = {conn->out->bytes + conn->out->from, conn->out->end - conn->out->from};
        ssize_t n = write_some(conn, &iov, 1);
        if (n == CONN_AGAIN)
            return true;
        if (n == CONN_BROKEN)
            return false;
        spill_drop(&conn->worker->spills, &conn->out, (size_t)n);
    }
    return true;
}

void conn_shutdown_write(struct conn *conn)
{
    if (conn->state->ops != NULL) {
        conn->state->ops->shutdown_write(conn);
        return;
    }
    if (conn->tls != NULL)
        tls_stream_shutdown(conn->tls);
    (void)shutdown(conn->io.fd, SHUT_WR);
}

void conn_rearm(struct conn *conn)
{
    if (conn->state->ops != NULL) {
        conn->state->ops->rearm(conn);
        return;
    }
    conn->rearmed =
        true; /* what waits may be in <in> or in the TLS stream: no event of the socket */
    watch_set(conn->worker->loop, &conn->watch, conn->watch.events ^ EPOLLPRI);
}
