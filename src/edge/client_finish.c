/* SPDX-License-Identifier: Apache-2.0
 *
 * The end of a client's connection: what waits is written, then what still comes
 * is read and thrown away.
 */
#include "base/base.h"

#include "edge/client.h"
#include "edge/worker.h"

enum { LINGER_READS_PER_TURN = 16 };

static const struct conn_state client_flush, client_linger;

static struct client *client_of(struct conn *conn)
{
    return CONTAINER_OF(conn, struct client, conn);
}

static void close_conn(struct conn *conn)
{
    client_close(client_of(conn));
}

static void abort_conn(struct conn *conn)
{
    client_abort(client_of(conn));
}

static void nothing(struct conn *conn)
{
    (void)conn;
}

static void note_input(struct conn *conn)
{
    conn->input_waits = true;
}

/* The answer was written: says so, and reads what still comes, because closing
 * with unread bytes would reset the connection and lose the answer. */
static void start_linger(struct client *client)
{
    struct conn *conn = &client->conn;

    conn_shutdown_write(conn);
    conn_set_state(conn, &client_linger);
    conn_set_timeout(conn, EDGE_LINGER_MS);
    if (conn->in != NULL || conn->input_waits || !conn->drained || conn->peer_closed)
        client_linger.on_readable(conn); /* else an event tells when there is something */
}

static void flush_done(struct conn *conn)
{
    if (conn->out == NULL)
        start_linger(client_of(conn));
}

static void flush_timeout(struct conn *conn)
{
    if (client_takes(client_of(conn)))
        conn_set_timeout(conn, EDGE_WRITE_MS);
    else
        client_abort(client_of(conn));
}

static void linger_readable(struct conn *conn)
{
    ssize_t n = 1;

    spill_free(&conn->worker->spills, TAKE(conn->in));
    for (int turn = 0; n > 0 && turn < LINGER_READS_PER_TURN; turn++)
        n = conn_read(conn, conn->worker->scratch, EDGE_SLOW_READ_BYTES);
    if (n > 0)
        conn_rearm(conn);
    else if (n != CONN_AGAIN)
        client_close(client_of(conn));
}

static const struct conn_state client_flush = {
    .name = "flush",
    .on_readable = note_input,
    .on_writable = flush_done,
    .on_timeout = flush_timeout,
    .on_error = abort_conn,
};

static const struct conn_state client_linger = {
    .name = "linger",
    .on_readable = linger_readable,
    .on_writable = nothing,
    .on_timeout = close_conn,
    .on_error = close_conn,
};

void client_finish(struct client *client)
{
    struct conn *conn = &client->conn;

    if (conn->out != NULL) {
        conn_set_state(conn, &client_flush);
        conn_set_timeout(conn, EDGE_WRITE_MS);
    } else {
        start_linger(client);
    }
}

bool client_is_finishing(const struct client *client)
{
    return client->conn.state == &client_flush || client->conn.state == &client_linger;
}
