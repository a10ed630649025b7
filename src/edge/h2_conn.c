/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "edge/exchange.h"
#include "edge/h2.h"
#include "edge/h2_session.h"
#include "edge/worker.h"

enum {
    READS_PER_TURN = 4,
    FLUSHES_PER_TURN = 8,
};

static const struct conn_state h2_open;

static struct client *client_of(struct conn *conn)
{
    return CONTAINER_OF(conn, struct client, conn);
}

static uint64_t now_of(const struct h2 *h2)
{
    return loop_now_ns(h2->client->conn.worker->loop);
}

uint32_t h2_now_ms(const struct h2 *h2)
{
    return (uint32_t)(now_of(h2) / NS_PER_MS);
}

bool h2_is_preface(struct str bytes)
{
    size_t len = MIN(bytes.len, (size_t)H2_PREFACE_BYTES);

    static_assert(sizeof NGHTTP2_CLIENT_MAGIC - 1 == H2_PREFACE_BYTES, "the preface");
    return len > 0 && memcmp(bytes.ptr, NGHTTP2_CLIENT_MAGIC, len) == 0;
}

void h2_free(struct client *client)
{
    struct h2 *h2 = client->h2;

    h2->running = true; /* nobody needs to be told of what follows */
    list_remove(&h2->dirty);
    while (!list_is_empty(&h2->streams))
        h2_stream_free(CONTAINER_OF(h2->streams.next, struct h2_stream, link));
    h2_head_clear(&h2->head, &client->conn.worker->spills);
    nghttp2_session_del(h2->session);
    free(h2);
    client->is_http2 = false;
    client->exchange = NULL;
}

/* Says why, and closes; streams that run are ended. */
static void end(struct h2 *h2, uint32_t code)
{
    struct client *client = h2->client;

    h2->running = true;
    (void)nghttp2_session_terminate_session(h2->session, code);
    (void)nghttp2_session_send(h2->session);
    h2_send_gathered(h2);
    bool broken = h2->broken;
    h2_free(client);
    if (broken)
        client_abort(client);
    else
        client_finish(client);
}

static void end_exceeded(struct h2 *h2)
{
    count_add(h2->client->conn.worker, (enum counter)h2->exceeded, 1);
    count_add(h2->client->conn.worker, COUNT_LIMITS, 1);
    end(h2, NGHTTP2_ENHANCE_YOUR_CALM);
}

/* ---- time ---- */

static uint32_t sooner(uint32_t ms, uint64_t since_ns, uint32_t limit_ms, uint64_t now_ns)
{
    uint64_t passed_ms = (now_ns - since_ns) / NS_PER_MS;

    if (since_ns == 0)
        return ms;
    return MIN(ms, passed_ms >= limit_ms ? 1 : limit_ms - (uint32_t)passed_ms);
}

static bool is_over(uint64_t since_ns, uint32_t limit_ms, uint64_t now_ns)
{
    return since_ns != 0 && now_ns - since_ns >= limit_ms * NS_PER_MS;
}

static bool is_idle(const struct h2 *h2)
{
    return h2->stream_count == 0;
}

/* One timer for all that may take too long. */
static void set_timeout(struct h2 *h2)
{
    uint64_t now_ns = now_of(h2);
    uint32_t ms = EDGE_KEEP_ALIVE_MS;

    if (!h2_guard_is_waiting(&h2->guard))
        h2->waiting_since_ns = 0;
    else if (h2->waiting_since_ns == 0)
        h2->waiting_since_ns = now_ns;
    if (h2->client->conn.out == NULL)
        h2->stuck_since_ns = 0;
    else if (h2->stuck_since_ns == 0)
        h2->stuck_since_ns = now_ns;
    ms = sooner(ms, h2->waiting_since_ns, EDGE_HEAD_MS, now_ns);
    ms = sooner(ms, h2->stuck_since_ns, EDGE_WRITE_MS, now_ns);
    if (is_idle(h2))
        ms = sooner(ms, h2->idle_since_ns, EDGE_KEEP_ALIVE_MS, now_ns);
    if (!h2->refusing)
        ms = sooner(ms, h2->notice_ns, H2_NOTICE_MS, now_ns);
    conn_set_timeout(&h2->client->conn, ms);
}

/* False: the connection is gone. */
static bool check_stuck(struct h2 *h2, uint64_t now_ns)
{
    if (!is_over(h2->stuck_since_ns, EDGE_WRITE_MS, now_ns))
        return true;
    if (client_takes(h2->client)) {
        h2->stuck_since_ns = now_ns;
        return true;
    }
    count_add(h2->client->conn.worker, COUNT_TIMEOUTS, 1);
    client_abort(h2->client);
    return false;
}

static void on_timeout(struct conn *conn)
{
    struct h2 *h2 = client_of(conn)->h2;
    uint64_t now_ns = now_of(h2);

    if (!check_stuck(h2, now_ns))
        return;
    if (is_over(h2->waiting_since_ns, EDGE_HEAD_MS, now_ns)) {
        count_add(conn->worker, COUNT_TIMEOUTS, 1);
        end(h2, NGHTTP2_NO_ERROR);
        return;
    }
    if (is_idle(h2) && is_over(h2->idle_since_ns, EDGE_KEEP_ALIVE_MS, now_ns)) {
        end(h2, NGHTTP2_NO_ERROR);
        return;
    }
    if (!h2->refusing && is_over(h2->notice_ns, H2_NOTICE_MS, now_ns)) {
        h2->refusing = true;
        (void)nghttp2_submit_goaway(h2->session, NGHTTP2_FLAG_NONE,
                                    nghttp2_session_get_last_proc_stream_id(h2->session),
                                    NGHTTP2_NO_ERROR, NULL, 0);
    }
    h2_flush(h2);
}

void h2_drain(struct client *client)
{
    struct h2 *h2 = client->h2;

    if (is_idle(h2))
        end(h2, NGHTTP2_NO_ERROR);
    else
        h2_announce(client);
}

void h2_announce(struct client *client)
{
    struct h2 *h2 = client->h2;

    if (h2->notice_ns != 0)
        return;
    h2->notice_ns = now_of(h2);
    (void)nghttp2_submit_shutdown_notice(h2->session);
    h2_flush(h2);
}

/* ---- sending ---- */

/* True: more can be sent at once. */
static bool send_turn(struct h2 *h2)
{
    if (nghttp2_session_send(h2->session) != 0)
        h2->broken = true;
    h2_send_gathered(h2);
    if (h2->broken || h2->exceeded != 0)
        return false;
    h2_streams_run(h2);
    return h2->client->conn.out == NULL &&
           (nghttp2_session_want_write(h2->session) != 0 || !list_is_empty(&h2->drained) ||
            !list_is_empty(&h2->readable));
}

static bool is_finished(const struct h2 *h2)
{
    if (h2->client->conn.out != NULL)
        return false;
    if (h2->notice_ns != 0 && is_idle(h2))
        return h2->refusing || !h2->client->conn.worker->retiring;
    return nghttp2_session_want_read(h2->session) == 0 &&
           nghttp2_session_want_write(h2->session) == 0;
}

void h2_flush(struct h2 *h2)
{
    bool more = true;

    h2->running = true;
    list_remove(&h2->dirty);
    for (int turn = 0; more && turn < FLUSHES_PER_TURN; turn++)
        more = send_turn(h2);
    h2->running = false;
    if (h2->broken) {
        client_abort(h2->client);
    } else if (h2->exceeded != 0) {
        end_exceeded(h2);
    } else if (is_finished(h2)) {
        end(h2, NGHTTP2_NO_ERROR);
    } else {
        if (more)
            conn_rearm(&h2->client->conn);
        set_timeout(h2);
    }
}

static void flush_dirty(struct deferred *deferred)
{
    struct worker *worker = CONTAINER_OF(deferred, struct worker, h2_flush);

    while (!list_is_empty(&worker->h2_dirty))
        h2_flush(CONTAINER_OF(worker->h2_dirty.next, struct h2, dirty));
}

void h2_touch(struct h2 *h2)
{
    struct worker *worker = h2->client->conn.worker;

    if (h2->running || !list_is_empty(&h2->dirty))
        return;
    list_push(&worker->h2_dirty, &h2->dirty);
    loop_defer(worker->loop, &worker->h2_flush, flush_dirty);
}

/* ---- receiving ---- */

/* False: the connection is gone. */
static bool receive(struct h2 *h2, struct str bytes)
{
    enum h2_cost cost = h2_guard_read(&h2->guard, bytes.ptr, bytes.len, h2_now_ms(h2));

    if (cost == H2_COST_CLOSED || cost == H2_COST_PROTOCOL) {
        end(h2, cost == H2_COST_CLOSED ? NGHTTP2_STREAM_CLOSED : NGHTTP2_PROTOCOL_ERROR);
        return false;
    }
    if (cost != H2_COST_NONE) {
        h2->exceeded = COUNT_H2_COSTS + cost;
        end_exceeded(h2);
        return false;
    }
    h2->running = true;
    ssize_t used = nghttp2_session_mem_recv(h2->session, (const uint8_t *)bytes.ptr, bytes.len);
    if (used >= 0 && h2->exceeded == 0)
        h2_streams_run(h2);
    h2->running = false;
    if (h2->exceeded != 0) {
        end_exceeded(h2);
        return false;
    }
    if (used < 0) {
        end(h2, used == NGHTTP2_ERR_FLOODED ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_PROTOCOL_ERROR);
        return false;
    }
    return true;
}

static void on_readable(struct conn *conn)
{
    struct h2 *h2 = client_of(conn)->h2;
    bool more = true;

    conn->input_waits = conn->out != NULL; /* whoever does not read is not read either */
    for (int turn = 0; more && conn->out == NULL; turn++) {
        if (turn == READS_PER_TURN) {
            conn_rearm(conn);
            break;
        }
        ssize_t n = conn_read(conn, conn->worker->frames_in, WORKER_FRAMES_BYTES);
        if (n == CONN_AGAIN)
            break;
        if (n <= 0) {
            client_abort(h2->client);
            return;
        }
        more = !conn->drained;
        if (!receive(h2, str_from(conn->worker->frames_in, (size_t)n)))
            return;
    }
    h2_flush(h2);
}

static void on_writable(struct conn *conn)
{
    if (conn->input_waits)
        on_readable(conn);
    else
        h2_flush(client_of(conn)->h2);
}

static void on_error(struct conn *conn)
{
    client_abort(client_of(conn));
}

static const struct conn_state h2_open = {
    .name = "http2",
    .on_readable = on_readable,
    .on_writable = on_writable,
    .on_timeout = on_timeout,
    .on_error = on_error,
};

static void submit_settings(struct h2 *h2)
{
    static const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, H2_MAX_STREAMS},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, H2_STREAM_WINDOW_BYTES},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, H2_HEADER_LIST_BYTES},
        {NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
    };

    (void)nghttp2_submit_settings(h2->session, NGHTTP2_FLAG_NONE, settings, ARRAY_LEN(settings));
    (void)nghttp2_session_set_local_window_size(h2->session, NGHTTP2_FLAG_NONE, 0, H2_WINDOW_BYTES);
}

/* What was read as HTTP/1.1 may be in the worker's scratch space, which answers are written with.
 * At most one piece is: more than that has been kept elsewhere. */
static bool receive_first(struct h2 *h2, struct str bytes)
{
    char *copy = h2->client->conn.worker->frames_in;

    static_assert((int)EDGE_SLOW_READ_BYTES <= (int)WORKER_FRAMES_BYTES, "one piece");
    while (bytes.len > 0) {
        size_t n = MIN(bytes.len, (size_t)WORKER_FRAMES_BYTES);
        memcpy(copy, bytes.ptr, n);
        if (!receive(h2, str_from(copy, n)))
            return false;
        bytes = str_sub(bytes, n, bytes.len);
    }
    return true;
}

void h2_start(struct client *client, struct str bytes)
{
    struct conn *conn = &client->conn;
    struct h2 *h2 = NEW(struct h2);

    int failed = nghttp2_session_server_new3(&h2->session, h2_callbacks(), h2, h2_session_options(),
                                             h2_session_memory());
    assert(failed == 0); /* it fails for want of memory only */
    h2->client = client;
    list_init(&h2->streams);
    list_init(&h2->readable);
    list_init(&h2->drained);
    list_init(&h2->dirty);
    h2->idle_since_ns = now_of(h2);
    client->h2 = h2;
    client->is_http2 = true;
    count_add(conn->worker, COUNT_H2_CONNECTIONS, 1);
    conn_set_state(conn, &h2_open);
    submit_settings(h2);
    if (conn->worker->retiring) {
        h2->notice_ns = now_of(h2);
        (void)nghttp2_submit_shutdown_notice(h2->session);
    }
    if (receive_first(h2, bytes))
        on_readable(conn);
}
