/* SPDX-License-Identifier: Apache-2.0
 *
 * Connections to targets that wait for their next request. What a target says there that nobody
 * asked for ends the connection: it must not become the answer to somebody.
 */
#include "base/base.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "edge/proxy_priv.h"

static struct target_conn *target_conn_of(struct conn *conn)
{
    return CONTAINER_OF(conn, struct target_conn, conn);
}

static void idle_close(struct conn *conn)
{
    struct target_conn *server = target_conn_of(conn);

    list_remove(&server->link);
    server->target->idle_count--;
    conn_close(conn);
}

static void idle_ignore(struct conn *conn)
{
    (void)conn;
}

/* Bytes that nobody asked for, or the end: neither can be used. */
static const struct conn_state target_idle = {
    .name = "target idle",
    .on_readable = idle_close,
    .on_writable = idle_ignore,
    .on_timeout = idle_close,
    .on_error = idle_close,
};

bool proxy_keep_idle(struct target_conn *server)
{
    struct target *target = server->target;
    struct conn *conn = &server->conn;

    if (conn->out != NULL || conn->in != NULL || !conn->drained || conn->peer_closed ||
        target->draining || target->idle_count >= TARGET_MAX_IDLE)
        return false;
    server->reused = true;
    conn->read_less = conn->rearmed = false;
    conn_set_state(conn, &target_idle);
    conn_set_timeout(conn, EDGE_TARGET_IDLE_MS);
    list_push_front(&target->idle, &server->link);
    target->idle_count++;
    return true;
}

/* Has the other side closed it, or said something? Asked before what cannot be sent twice. */
static bool is_stale(const struct conn *conn)
{
    char byte;
    ssize_t n = recv(conn->io.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

    return n >= 0 || errno != EAGAIN;
}

/* Has it been idle since before this round? Then its event of this round is not of an answer. */
static bool has_rested(const struct conn *conn)
{
    return conn->deadline_ns != loop_now_ns(conn->worker->loop) + EDGE_TARGET_IDLE_MS * NS_PER_MS;
}

/* Has it been used so lately that no target has a reason to close it at this moment? */
static bool is_warm(const struct conn *conn)
{
    uint64_t rested_ns =
        loop_now_ns(conn->worker->loop) + EDGE_TARGET_IDLE_MS * NS_PER_MS - conn->deadline_ns;

    return rested_ns < EDGE_TARGET_WARM_MS * NS_PER_MS;
}

/* A request that may be repeated is sent without a look, which would be a system call: where the
 * event that tells of the end, or of bytes that nobody asked for, is behind that of the client in
 * the same round, response_waiting takes it for what it is.
 *
 * One that cannot be repeated is lost when the target closes the connection while it is on its way
 * (RFC 9112, 9.5), which a look before does not see. Applications close idle connections after
 * some seconds, most after 2 to 75: so it goes where something went a moment ago, or over a new
 * one, in the place of the one that has rested. */
struct target_conn *proxy_take_idle(struct exchange *exchange, bool can_repeat)
{
    struct target *target = exchange->target;

    while (!list_is_empty(&target->idle)) {
        struct target_conn *server = CONTAINER_OF(target->idle.next, struct target_conn, link);
        list_remove(&server->link);
        target->idle_count--;
        if (can_repeat) {
            exchange->unseen_ns =
                has_rested(&server->conn) ? loop_now_ns(exchange->worker->loop) : 0;
            return server;
        }
        bool warm = is_warm(&server->conn);
        if (warm && !is_stale(&server->conn))
            return server;
        conn_close(&server->conn);
        if (!warm) /* the others have rested longer */
            break;
    }
    return NULL;
}
