/* SPDX-License-Identifier: Apache-2.0
 *
 * One TCP connection of a worker, to a client or to a target, plain or TLS: the
 * part both share. It is registered with epoll once, edge-triggered for
 * everything. What it does with an event is told by its state, a constant
 * struct of handlers in which none may be missing.
 *
 * What a write could not place is kept in <out> and sent when there is room;
 * until then the side it came from must not be read (back-pressure).
 *
 * A stream of HTTP/2 is a conn too, without a socket: its states bring functions
 * of their own for reading and writing (h2_stream.c).
 */
#pragma once

#include <sys/types.h>
#include <sys/uio.h>

#include "base/base.h"
#include "edge/spill.h"
#include "io/loop.h"
#include "tls/tls.h"

struct conn;
struct worker;

/* In the place of a socket. */
struct conn_ops {
    ssize_t (*read)(struct conn *conn, void *bytes, size_t len);
    bool (*write)(struct conn *conn, const struct iovec *iov, int count);
    void (*shutdown_write)(struct conn *conn);
    void (*rearm)(struct conn *conn);
};

struct conn_state {
    const char *name;
    const struct conn_ops *ops;             /* NULL: a socket */
    void (*on_readable)(struct conn *conn); /* bytes or the end wait to be read */
    void (*on_writable)(
        struct conn *conn); /* <out> went empty, or there is room that <awaits_room> */
    void (*on_timeout)(struct conn *conn);
    void (*on_error)(struct conn *conn); /* reset, or a write failed: it can only be closed */
};

struct conn {
    struct watch watch;
    struct timer timer;
    uint64_t deadline_ns;
    const struct conn_state *state;
    struct worker *worker;
    struct tls_stream *tls; /* NULL: plain */
    struct tls_io io;
    struct spill *in;  /* read, not used yet */
    struct spill *out; /* to be written */
    struct conn *next_dead;
    bool peer_closed; /* the other side sends no more */
    bool drained;     /* the last read emptied the socket */
    bool input_waits; /* an event came that was not answered by reading to the end */
    bool awaits_room; /* on_writable is wanted though nothing is kept: connecting, handshake */
    bool rearmed;     /* by conn_rearm() */
    bool more;        /* what is being written has a continuation that comes at once */
    bool read_less;   /* its writer is slow: keep what may have to wait small */
};

/* Owns <fd> on success. */
MUST_CHECK bool conn_open(struct conn *conn, struct worker *worker, int fd,
                          const struct conn_state *state);
/* Gives everything back and closes; the memory is freed when the round is over. */
void conn_close(struct conn *conn);
/* The same, with a reset instead of an orderly end: the other side must see that something is
 * missing. */
void conn_abort(struct conn *conn);
bool conn_is_open(const struct conn *conn);
/* What is written comes out of the socket as it is. */
static inline bool conn_is_plain(const struct conn *conn)
{
    return conn->tls == NULL && conn->state->ops == NULL;
}

static inline void conn_set_state(struct conn *conn, const struct conn_state *state)
{
    conn->state = state;
}

/* Moves the moment of on_timeout. Only an assignment unless the moment comes nearer. */
void conn_set_timeout(struct conn *conn, uint32_t timeout_ms);

enum { CONN_EOF = 0, CONN_AGAIN = -1, CONN_BROKEN = -2 };
/* More than 0: that many bytes, and more may wait unless <drained>. */
ssize_t conn_read(struct conn *conn, void *bytes, size_t len);

/* Sends or keeps all of it, after what is kept already. False: the connection is dead. */
MUST_CHECK bool conn_write(struct conn *conn, const struct iovec *iov, int count);
/* Of a plain connection with nothing kept: sends what it takes now and keeps nothing. Bytes, 0 to
 * all, or CONN_AGAIN (then on_writable comes when <awaits_room>), or CONN_BROKEN. */
ssize_t conn_write_some(struct conn *conn, struct iovec *iov, int count);
/* Tries to send what is kept. False: dead. */
MUST_CHECK bool conn_flush(struct conn *conn);
/* No more will be written; what is kept was sent before. */
void conn_shutdown_write(struct conn *conn);

/* on_readable is called again in the next round: for whoever stops reading before
 * the end so that others get their turn. */
void conn_rearm(struct conn *conn);
