/* SPDX-License-Identifier: Apache-2.0
 *
 * A tunnel: after an upgrade, or for a TCP listener from the start. Each way
 * ends by itself (half-close); when both have, or one breaks, it is over.
 */
#include "base/base.h"

#include "edge/exchange.h"
#include "edge/pipe.h"
#include "edge/worker.h"

enum { READS_PER_TURN = 8 };

static const struct conn_state tunnel_target;

static void touch(struct exchange *exchange)
{
    conn_set_timeout(&exchange->server->conn, exchange->route->tunnel_timeout_ms);
}

static void end_by(struct exchange *exchange, int status)
{
    if (exchange->status == 0)
        exchange->status = status; /* of TCP; an upgrade has been answered */
    exchange_drop(exchange);
}

/* <from> broke off. */
static void break_off(struct exchange *exchange, const struct conn *from)
{
    end_by(exchange, from == exchange->side ? EXCHANGE_ABORTED : 502);
}

static void finish(struct exchange *exchange)
{
    exchange->keep_alive = false;
    exchange->server_keep_alive = false;
    if (exchange->status == 0)
        exchange->status = 200;
    exchange_done(exchange);
}

/* Both ways are over and written. */
static bool check_over(struct exchange *exchange)
{
    if (!exchange->client_ended || !exchange->server_ended)
        return false;
    if (exchange->side->out != NULL || exchange->server->conn.out != NULL ||
        exchange->pipe_in != NULL || exchange->pipe_out != NULL)
        return false;
    finish(exchange);
    return true;
}

static void note_moved(struct exchange *exchange, const struct conn *to, size_t n)
{
    touch(exchange);
    if (to == exchange->side)
        exchange->sent_bytes += n;
    else
        exchange->request.bytes += n;
}

static void end_way(struct exchange *exchange, struct conn *to, bool *ended)
{
    *ended = true;
    conn_shutdown_write(to);
    (void)check_over(exchange);
}

/* ---- large pieces: without a copy ---- */

static bool is_worth_a_pipe(const struct conn *from, const struct conn *to, ssize_t n)
{
    return n >= PIPE_WORTH_BYTES && conn_is_plain(from) && conn_is_plain(to) && to->out == NULL;
}

/* True: there may be more; false: nothing can be moved now, or the exchange is gone. The pipe is
 * given back as soon as there is nothing to move. */
static bool move_once(struct exchange *exchange, struct conn *from, struct conn *to,
                      struct pipe **pipe, bool *ended)
{
    struct worker *worker = exchange->worker;
    size_t moved;
    enum pipe_result result =
        pipe_move(*pipe, from->io.fd, to->io.fd, WORKER_SCRATCH_BYTES, &moved);

    if (moved > 0)
        note_moved(exchange, to, moved);
    switch (result) {
    case PIPE_MOVED:
        return true;
    case PIPE_FULL:
        to->awaits_room = true;
        return false;
    case PIPE_EMPTY:
        pipe_put(&worker->pipes, TAKE(*pipe));
        return false;
    case PIPE_ENDED:
        pipe_put(&worker->pipes, TAKE(*pipe));
        end_way(exchange, to, ended);
        return false;
    case PIPE_BROKEN:
        break;
    }
    exchange_drop(exchange);
    return false;
}

static void pump_by_pipe(struct exchange *exchange, struct conn *from, struct conn *to,
                         struct pipe **pipe, bool *ended)
{
    for (int turn = 0; turn < READS_PER_TURN; turn++)
        if (!move_once(exchange, from, to, pipe, ended))
            return;
    conn_rearm(from);
}

void tunnel_free_pipes(struct exchange *exchange)
{
    pipe_put(&exchange->worker->pipes, TAKE(exchange->pipe_in));
    pipe_put(&exchange->worker->pipes, TAKE(exchange->pipe_out));
}

/* ---- by copy ---- */

/* One way: from <from> to <to>. */
static void pump(struct exchange *exchange, struct conn *from, struct conn *to, bool *ended)
{
    struct worker *worker = exchange->worker;
    struct pipe **pipe = to == exchange->side ? &exchange->pipe_out : &exchange->pipe_in;

    for (int turn = 0; !*ended && to->out == NULL; turn++) {
        if (*pipe != NULL) {
            pump_by_pipe(exchange, from, to, pipe, ended);
            return;
        }
        if (turn == READS_PER_TURN) {
            conn_rearm(from);
            return;
        }
        ssize_t n = conn_read(from, worker->scratch,
                              from->read_less ? EDGE_SLOW_READ_BYTES : WORKER_SCRATCH_BYTES);
        if (n == CONN_AGAIN)
            return;
        if (n == CONN_BROKEN) {
            break_off(exchange, from);
            return;
        }
        if (n == 0) {
            end_way(exchange, to, ended);
            return;
        }
        note_moved(exchange, to, (size_t)n);
        struct iovec iov = {worker->scratch, (size_t)n};
        bool drained = from->drained;
        if (!conn_write(to, &iov, 1)) {
            break_off(exchange, to);
            return;
        }
        if (is_worth_a_pipe(from, to, n))
            *pipe = pipe_get(&worker->pipes);
        if (drained && *pipe == NULL)
            return;
    }
    from->read_less = true;
}

void tunnel_client_readable(struct exchange *exchange)
{
    if (exchange->server != NULL && exchange->server->conn.state == &tunnel_target)
        pump(exchange, exchange->side, &exchange->server->conn, &exchange->client_ended);
}

static void target_readable(struct conn *conn)
{
    struct exchange *exchange = CONTAINER_OF(conn, struct target_conn, conn)->exchange;

    pump(exchange, conn, exchange->side, &exchange->server_ended);
}

void tunnel_client_writable(struct exchange *exchange)
{
    if (exchange->server != NULL && exchange->server->conn.state == &tunnel_target &&
        !check_over(exchange))
        target_readable(&exchange->server->conn);
}

static void target_writable(struct conn *conn)
{
    struct exchange *exchange = CONTAINER_OF(conn, struct target_conn, conn)->exchange;

    if (!check_over(exchange))
        tunnel_client_readable(exchange);
}

static void target_timeout(struct conn *conn)
{
    struct exchange *exchange = CONTAINER_OF(conn, struct target_conn, conn)->exchange;

    count_add(conn->worker, COUNT_TIMEOUTS, 1);
    end_by(exchange, 408);
}

static void target_error(struct conn *conn)
{
    break_off(CONTAINER_OF(conn, struct target_conn, conn)->exchange, conn);
}

static const struct conn_state tunnel_target = {
    .name = "tunnel",
    .on_readable = target_readable,
    .on_writable = target_writable,
    .on_timeout = target_timeout,
    .on_error = target_error,
};

/* What the client sent before the tunnel stood. */
static bool send_kept(struct exchange *exchange)
{
    struct spill *kept = TAKE(exchange->side->in);
    struct worker *worker = exchange->worker;

    if (kept == NULL)
        return true;
    struct iovec iov = {kept->bytes + kept->from, kept->end - kept->from};
    bool written = conn_write(&exchange->server->conn, &iov, 1);
    spill_free(&worker->spills, kept);
    if (!written)
        break_off(exchange, &exchange->server->conn);
    return written;
}

void tunnel_start(struct exchange *exchange)
{
    struct conn *side = exchange->side, *server = &exchange->server->conn;

    count_add(exchange->worker, COUNT_TUNNELS, 1);
    conn_set_state(&exchange->server->conn, &tunnel_target);
    conn_set_timeout(side, EDGE_KEEP_ALIVE_MS);
    touch(exchange);
    if (!send_kept(exchange))
        return;
    tunnel_client_readable(exchange);
    if (server->state == &tunnel_target)
        target_readable(server);
}
