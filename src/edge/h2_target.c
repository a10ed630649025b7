/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <unistd.h>

#include "base/err.h"
#include "edge/exchange.h"
#include "edge/h2_session.h"
#include "edge/h2_target.h"
#include "edge/worker.h"
#include "io/socket.h"

enum {
    READS_PER_TURN = 4,
    FLUSHES_PER_TURN = 8,
    LAST_ID = 1 << 30, /* a connection that gave out more numbers is replaced */
};

static const struct conn_state session_connecting, session_open;

static struct h2_target *h2_of(struct conn *conn)
{
    return CONTAINER_OF(conn, struct h2_target, conn);
}

static_assert(offsetof(struct h2_target, conn) == 0, "freed as an h2_target");

static uint64_t now_of(const struct h2_target *h2)
{
    return loop_now_ns(h2->conn.worker->loop);
}

uint32_t h2_target_now_ms(const struct h2_target *h2)
{
    return (uint32_t)(now_of(h2) / NS_PER_MS);
}

/* ---- its end ---- */

/* Its streams have left, or are orphans. */
static void close_session(struct h2_target *h2)
{
    const uint8_t *bytes;
    ssize_t len;

    if (!conn_is_open(&h2->conn))
        return;
    list_remove(&h2->link);
    list_remove(&h2->dirty);
    if (h2->connected && !h2->broken && h2->conn.out == NULL) {
        (void)nghttp2_session_terminate_session(
            h2->session, h2->exceeded != 0 ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_NO_ERROR);
        while (h2->conn.out == NULL && (len = nghttp2_session_mem_send(h2->session, &bytes)) > 0) {
            struct iovec iov = {.iov_len = (size_t)len};
            memcpy(&iov.iov_base, &bytes, sizeof iov.iov_base);
            if (!conn_write(&h2->conn, &iov, 1))
                break;
        }
    }
    h2_head_clear(&h2->head, &h2->conn.worker->spills);
    nghttp2_session_del(h2->session);
    h2->session = NULL;
    conn_close(&h2->conn);
}

/* Requests that wait for the connection, and those that have been sent, find out. */
static void fail(struct h2_target *h2, bool timed_out)
{
    struct list lost;

    list_init(&lost);
    while (!list_is_empty(&h2->streams)) {
        struct list *first = h2->streams.next;
        h2_target_stream_orphan(CONTAINER_OF(first, struct h2_target_stream, link));
        list_push(&lost, first);
    }
    h2->stream_count = 0;
    close_session(h2);
    while (!list_is_empty(&lost)) {
        struct h2_target_stream *stream = CONTAINER_OF(lost.next, struct h2_target_stream, link);
        struct conn *conn = &stream->server.conn;
        list_remove(&stream->link);
        if (stream->started)
            conn->state->on_readable(conn);
        else if (timed_out)
            conn->state->on_timeout(conn);
        else
            conn->state->on_error(conn);
    }
}

/* A limit was exceeded, which is counted, or the target does not keep the rules. */
static void fail_broken(struct h2_target *h2)
{
    struct worker *worker = h2->conn.worker;

    if (h2->exceeded != 0) {
        count_add(worker, (enum counter)h2->exceeded, 1);
        count_add(worker, COUNT_LIMITS, 1);
    } else {
        count_add(worker, COUNT_H2_TARGET_ERRORS, 1);
    }
    fail(h2, false);
}

void h2_target_close_all(struct target *target)
{
    LIST_FOR_EACH (link, &target->sessions)
        close_session(CONTAINER_OF(link, struct h2_target, link));
}

void h2_target_retire(struct target *target)
{
    LIST_FOR_EACH (link, &target->sessions) {
        struct h2_target *h2 = CONTAINER_OF(link, struct h2_target, link);
        if (h2->stream_count == 0)
            close_session(h2);
    }
}

/* ---- time ---- */

static bool is_over(uint64_t since_ns, uint32_t limit_ms, uint64_t now_ns)
{
    return since_ns != 0 && now_ns - since_ns >= limit_ms * NS_PER_MS;
}

/* Looked at as often as the shortest of them: nothing here is in a hurry. */
static void set_timeout(struct h2_target *h2)
{
    uint64_t now_ns = now_of(h2), waits = spill_str(h2->conn.out).len;

    if (!h2_guard_is_waiting(&h2->guard))
        h2->waiting_since_ns = 0;
    else if (h2->waiting_since_ns == 0)
        h2->waiting_since_ns = now_ns;
    if (waits == 0 || waits < h2->stuck_bytes)
        h2->stuck_since_ns = 0;
    if (waits > 0 && h2->stuck_since_ns == 0)
        h2->stuck_since_ns = now_ns;
    h2->stuck_bytes = waits;
    if (h2->settled) /* until then the time is the one to connect */
        conn_set_timeout(&h2->conn, EDGE_HEAD_MS);
}

static void on_timeout(struct conn *conn)
{
    struct h2_target *h2 = h2_of(conn);
    uint64_t now_ns = now_of(h2);

    if (!h2->settled) {
        fail(h2, true);
        return;
    }
    set_timeout(h2);
    if (is_over(h2->waiting_since_ns, EDGE_HEAD_MS, now_ns) ||
        is_over(h2->stuck_since_ns, EDGE_WRITE_MS, now_ns)) {
        count_add(conn->worker, COUNT_TIMEOUTS, 1);
        fail(h2, true);
    } else if (h2->stream_count == 0 && is_over(h2->idle_since_ns, EDGE_TARGET_IDLE_MS, now_ns)) {
        close_session(h2);
    }
}

/* ---- sending ---- */

static void send_gathered(struct h2_target *h2)
{
    struct worker *worker = h2->conn.worker;
    struct iovec iov = {worker->frames_out, worker->frames_len};

    if (worker->frames_len > 0 && !h2->broken && !conn_write(&h2->conn, &iov, 1))
        h2->broken = true;
    worker->frames_len = 0;
}

static void gather(struct h2_target *h2, const void *bytes, size_t len)
{
    struct worker *worker = h2->conn.worker;

    if (worker->frames_len + len > WORKER_FRAMES_BYTES)
        send_gathered(h2);
    assert(len <= WORKER_FRAMES_BYTES); /* one frame */
    memcpy(worker->frames_out + worker->frames_len, bytes, len);
    worker->frames_len += len;
}

/* True: more can be sent at once. */
static bool send_turn(struct h2_target *h2)
{
    const uint8_t *bytes;
    ssize_t len = 0;

    while (h2->conn.out == NULL && !h2->broken && h2->exceeded == 0 &&
           (len = nghttp2_session_mem_send(h2->session, &bytes)) > 0)
        gather(h2, bytes, (size_t)len);
    send_gathered(h2);
    h2->broken = h2->broken || len < 0;
    if (h2->broken || h2->exceeded != 0)
        return false;
    h2_target_streams_run(h2);
    return conn_is_open(&h2->conn) && h2->conn.out == NULL &&
           (nghttp2_session_want_write(h2->session) != 0 || !list_is_empty(&h2->drained) ||
            !list_is_empty(&h2->readable));
}

static bool is_finished(const struct h2_target *h2)
{
    return h2->stream_count == 0 && (h2->leaving || h2->target->draining);
}

/* The library has ended it, and has said why. */
static bool is_ended(const struct h2_target *h2)
{
    return nghttp2_session_want_read(h2->session) == 0 &&
           nghttp2_session_want_write(h2->session) == 0;
}

static void flush(struct h2_target *h2)
{
    bool more = true;

    if (!h2->connected) {
        if (h2->stream_count == 0) /* nobody waits for it any more */
            close_session(h2);
        return;
    }
    for (int turn = 0; more && turn < FLUSHES_PER_TURN; turn++)
        more = send_turn(h2);
    if (!conn_is_open(&h2->conn))
        return;
    if (h2->broken || is_finished(h2)) {
        fail(h2, false);
    } else if (h2->exceeded != 0 || is_ended(h2)) {
        fail_broken(h2);
    } else {
        if (more)
            conn_rearm(&h2->conn);
        set_timeout(h2);
    }
}

static void flush_dirty(struct deferred *deferred)
{
    struct worker *worker = CONTAINER_OF(deferred, struct worker, h2_target_flush);

    while (!list_is_empty(&worker->h2_target_dirty)) {
        struct list *first = worker->h2_target_dirty.next;
        list_remove(first);
        flush(CONTAINER_OF(first, struct h2_target, dirty));
    }
}

void h2_target_touch(struct h2_target *h2)
{
    struct worker *worker = h2->conn.worker;

    if (!list_is_empty(&h2->dirty))
        return;
    list_push(&worker->h2_target_dirty, &h2->dirty);
    loop_defer(worker->loop, &worker->h2_target_flush, flush_dirty);
}

/* ---- receiving ---- */

/* Those that waited for the first SETTINGS; each begins, leaves, or goes elsewhere. */
static void begin_waiting(struct h2_target *h2)
{
    for (struct list *link = h2->streams.next; link != &h2->streams;) {
        struct h2_target_stream *stream = CONTAINER_OF(link, struct h2_target_stream, link);
        link = link->next;
        if (stream->started)
            continue;
        stream->server.conn.state->on_writable(&stream->server.conn);
        link = h2->streams.next; /* whatever that has changed */
    }
}

/* False: the connection is gone. */
static bool receive(struct h2_target *h2, struct str bytes)
{
    enum h2_cost cost = h2_guard_read(&h2->guard, bytes.ptr, bytes.len, h2_target_now_ms(h2));
    bool was_settled = h2->settled;

    if (cost != H2_COST_NONE) {
        h2->exceeded = COUNT_H2_TARGET_COSTS + cost;
        fail_broken(h2);
        return false;
    }
    ssize_t used = nghttp2_session_mem_recv(h2->session, (const uint8_t *)bytes.ptr, bytes.len);
    if (used < 0 || h2->exceeded != 0) {
        fail_broken(h2);
        return false;
    }
    if (h2->settled && !was_settled)
        begin_waiting(h2);
    if (conn_is_open(&h2->conn))
        h2_target_streams_run(h2);
    return conn_is_open(&h2->conn);
}

static void session_readable(struct conn *conn)
{
    struct h2_target *h2 = h2_of(conn);
    bool more = true;

    for (int turn = 0; more; turn++) {
        if (turn == READS_PER_TURN) {
            conn_rearm(conn);
            break;
        }
        ssize_t n = conn_read(conn, conn->worker->frames_in, WORKER_FRAMES_BYTES);
        if (n == CONN_AGAIN)
            break;
        if (n <= 0) {
            h2->broken = true;
            fail(h2, false);
            return;
        }
        more = !conn->drained;
        if (!receive(h2, str_from(conn->worker->frames_in, (size_t)n)))
            return;
    }
    h2_target_touch(h2);
}

static void session_writable(struct conn *conn)
{
    h2_target_touch(h2_of(conn));
}

static void session_error(struct conn *conn)
{
    h2_of(conn)->broken = true;
    fail(h2_of(conn), false);
}

static const struct conn_state session_open = {
    .name = "http2 to a target",
    .on_readable = session_readable,
    .on_writable = session_writable,
    .on_timeout = on_timeout,
    .on_error = session_error,
};

/* ---- its beginning ---- */

static void submit_settings(struct h2_target *h2)
{
    static const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, H2_TARGET_WINDOW_BYTES},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, H2_TARGET_HEAD_BYTES},
    };

    (void)nghttp2_submit_settings(h2->session, NGHTTP2_FLAG_NONE, settings, ARRAY_LEN(settings));
    (void)nghttp2_session_set_local_window_size(h2->session, NGHTTP2_FLAG_NONE, 0,
                                                H2_TARGET_MAX_STREAMS * H2_TARGET_WINDOW_BYTES);
}

static void connected(struct conn *conn)
{
    struct h2_target *h2 = h2_of(conn);
    struct err err;

    if (!socket_connect_result(conn->io.fd, &err)) {
        session_error(conn);
        return;
    }
    h2->connected = true;
    conn_set_state(conn, &session_open);
    submit_settings(h2);
    h2_target_touch(h2);
}

/* An end or an error that comes before the connection. */
static void connect_readable(struct conn *conn)
{
    if (conn->peer_closed)
        session_error(conn);
}

static void connect_timeout(struct conn *conn)
{
    fail(h2_of(conn), true);
}

static const struct conn_state session_connecting = {
    .name = "http2 to a target, connecting",
    .on_readable = connect_readable,
    .on_writable = connected,
    .on_timeout = connect_timeout,
    .on_error = session_error,
};

static struct h2_target *session_new(struct worker *worker, struct target *target)
{
    struct h2_target *h2;
    struct err err;
    int fd = socket_connect_tcp(&target->address, &err);

    if (fd < 0)
        return NULL;
    h2 = NEW(struct h2_target);
    if (!conn_open(&h2->conn, worker, fd, &session_connecting)) {
        (void)close(fd);
        free(h2);
        return NULL;
    }
    int failed = nghttp2_session_client_new3(&h2->session, h2_target_callbacks(), h2,
                                             h2_session_options(), h2_session_memory());
    assert(failed == 0); /* it fails for want of memory only */
    h2->conn.awaits_room = true;
    h2->target = target;
    h2->guard.preface = H2_PREFACE_BYTES; /* a server has none */
    h2->guard.from_target = true;
    list_init(&h2->streams);
    list_init(&h2->readable);
    list_init(&h2->drained);
    list_init(&h2->dirty);
    list_push(&target->sessions, &h2->link);
    count_add(worker, COUNT_TARGET_CONNECTIONS, 1);
    count_add(worker, COUNT_H2_TARGET_CONNECTIONS, 1);
    return h2;
}

/* ---- for exchanges ---- */

static uint32_t most_streams(const struct h2_target *h2)
{
    uint32_t theirs = H2_TARGET_MAX_STREAMS;

    if (h2->leaving || nghttp2_session_get_next_stream_id(h2->session) > LAST_ID)
        return 0;
    if (h2->settled)
        theirs = nghttp2_session_get_remote_settings(h2->session,
                                                     NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
    return MIN(theirs, (uint32_t)H2_TARGET_MAX_STREAMS);
}

/* The first connection with room; how many there are. */
static struct h2_target *find_room(struct target *target, uint32_t *ret_count)
{
    *ret_count = 0;
    LIST_FOR_EACH (link, &target->sessions) {
        struct h2_target *h2 = CONTAINER_OF(link, struct h2_target, link);
        if (h2->stream_count < most_streams(h2))
            return h2;
        ++*ret_count;
    }
    return NULL;
}

bool h2_target_has_room(struct target *target)
{
    uint32_t count;

    return find_room(target, &count) != NULL || count < H2_TARGET_MAX_CONNECTIONS;
}

struct target_conn *h2_target_join(struct exchange *exchange, const struct conn_state *state,
                                   uint32_t timeout_ms)
{
    uint32_t count;
    struct h2_target *h2 = find_room(exchange->target, &count);

    if (h2 == NULL) {
        h2 = session_new(exchange->worker, exchange->target);
        if (h2 == NULL)
            return NULL;
        conn_set_timeout(&h2->conn, timeout_ms);
    }
    struct h2_target_stream *stream = h2_target_stream_new(h2);
    conn_set_state(&stream->server.conn, state);
    return &stream->server;
}

bool h2_target_may_begin(struct target_conn *server)
{
    const struct h2_target *h2 = CONTAINER_OF(server, struct h2_target_stream, server)->h2;

    return h2->stream_count <= most_streams(h2);
}
