/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "edge/exchange.h"
#include "edge/h2.h"
#include "edge/h2_session.h"
#include "edge/head.h"
#include "edge/worker.h"

static const struct conn_state stream_busy, stream_ending;

static struct h2_stream *stream_of(struct conn *conn)
{
    return CONTAINER_OF(conn, struct h2_stream, conn);
}

static_assert(offsetof(struct h2_stream, conn) == 0, "freed as an h2_stream");

/* ---- as a conn ---- */

static ssize_t stream_read(struct conn *conn, void *bytes, size_t len)
{
    struct h2_stream *stream = stream_of(conn);
    struct str waits = spill_str(stream->received);
    size_t n = MIN(len, waits.len);

    if (n == 0) {
        conn->drained = true;
        return stream->remote_ended ? CONN_EOF : CONN_AGAIN;
    }
    memcpy(bytes, waits.ptr, n);
    spill_drop(&conn->worker->spills, &stream->received, n);
    conn->drained = stream->received == NULL && !stream->remote_ended;
    (void)nghttp2_session_consume(stream->h2->session, stream->id, n);
    h2_touch(stream->h2);
    return (ssize_t)n;
}

/* The library asks again for data it was told to wait for. */
static void resume(struct h2_stream *stream)
{
    if (stream->deferred)
        (void)nghttp2_session_resume_data(stream->h2->session, stream->id);
    stream->deferred = false;
    h2_touch(stream->h2);
}

static bool stream_write(struct conn *conn, const struct iovec *iov, int count)
{
    for (int i = 0; i < count; i++)
        if (iov[i].iov_len > 0)
            spill_add(&conn->worker->spills, &conn->out, iov[i].iov_base, iov[i].iov_len);
    resume(stream_of(conn));
    return true;
}

static void stream_shutdown_write(struct conn *conn)
{
    struct h2_stream *stream = stream_of(conn);

    stream->local_ended = true;
    resume(stream);
}

static void add_once(struct list *head, struct list *node)
{
    if (list_is_empty(node))
        list_push(head, node);
}

static void stream_rearm(struct conn *conn)
{
    struct h2_stream *stream = stream_of(conn);

    add_once(&stream->h2->readable, &stream->readable);
    h2_touch(stream->h2);
}

static const struct conn_ops stream_ops = {
    .read = stream_read,
    .write = stream_write,
    .shutdown_write = stream_shutdown_write,
    .rearm = stream_rearm,
};

/* ---- its states ---- */

static void busy_readable(struct conn *conn)
{
    conn->input_waits = true;
    exchange_client_readable(stream_of(conn)->exchange);
}

static void busy_writable(struct conn *conn)
{
    conn->awaits_room = false;
    exchange_client_writable(stream_of(conn)->exchange);
}

static void busy_timeout(struct conn *conn)
{
    exchange_client_timeout(stream_of(conn)->exchange);
}

/* A stream without a socket does not fail by itself. */
static void nothing(struct conn *conn)
{
    (void)conn;
}

/* An answer that is complete before its request asks for no more of that (RFC 9113, 8.1). */
static void ask_for_no_more(struct h2_stream *stream)
{
    (void)nghttp2_submit_rst_stream(stream->h2->session, NGHTTP2_FLAG_NONE, stream->id,
                                    NGHTTP2_NO_ERROR);
    h2_touch(stream->h2);
}

/* Nobody wants the rest of the request. */
static void ending_readable(struct conn *conn)
{
    struct h2_stream *stream = stream_of(conn);
    ssize_t n;

    while ((n = conn_read(conn, conn->worker->scratch, WORKER_SCRATCH_BYTES)) > 0)
        stream->dropped_bytes += (uint32_t)n;
    if (stream->lingers && stream->dropped_bytes > H2_LINGER_BYTES)
        ask_for_no_more(stream);
}

/* Not at once: some clients that are still sending a small body would miss the answer. */
void h2_stream_linger(struct h2_stream *stream)
{
    stream->lingers = true;
    conn_set_timeout(&stream->conn, EDGE_LINGER_MS);
}

bool h2_stream_has_moved(struct h2_stream *stream)
{
    bool moved = stream->sent_bytes != stream->seen_bytes;

    stream->seen_bytes = stream->sent_bytes;
    return moved;
}

static void ending_timeout(struct conn *conn)
{
    struct h2_stream *stream = stream_of(conn);

    if (stream->lingers) {
        ask_for_no_more(stream);
        return;
    }
    if (h2_stream_has_moved(stream)) {
        conn_set_timeout(conn, EDGE_WRITE_MS);
        return;
    }
    count_add(conn->worker, COUNT_TIMEOUTS, 1);
    count_add(conn->worker, COUNT_H2_STALLS, 1);
    (void)nghttp2_submit_rst_stream(stream->h2->session, NGHTTP2_FLAG_NONE, stream->id,
                                    NGHTTP2_CANCEL);
    h2_touch(stream->h2);
}

static const struct conn_state stream_busy = {
    .name = "stream",
    .ops = &stream_ops,
    .on_readable = busy_readable,
    .on_writable = busy_writable,
    .on_timeout = busy_timeout,
    .on_error = nothing,
};

static const struct conn_state stream_ending = {
    .name = "stream ending",
    .ops = &stream_ops,
    .on_readable = ending_readable,
    .on_writable = nothing,
    .on_timeout = ending_timeout,
    .on_error = nothing,
};

/* ---- for the connection ---- */

void h2_stream_leave(struct h2_stream *stream)
{
    stream->exchange = NULL;
    conn_set_state(&stream->conn, &stream_ending);
    conn_set_timeout(&stream->conn, EDGE_WRITE_MS);
    ending_readable(&stream->conn);
}

struct h2_stream *h2_stream_new(struct h2 *h2, int32_t id)
{
    struct h2_stream *stream = NEW(struct h2_stream);

    stream->conn.worker = h2->client->conn.worker;
    stream->conn.state = &stream_busy;
    stream->conn.io.fd = -1;
    stream->conn.read_less = true; /* many streams, each with a piece that waits */
    stream->h2 = h2;
    stream->id = id;
    stream->urgency = stream->rank = NGHTTP2_EXTPRI_DEFAULT_URGENCY;
    list_init(&stream->readable);
    list_init(&stream->drained);
    list_push(&h2->streams, &stream->link);
    h2->stream_count++;
    return stream;
}

void h2_stream_free(struct h2_stream *stream)
{
    struct h2 *h2 = stream->h2;
    struct exchange *exchange = TAKE(stream->exchange);
    struct str unread = spill_str(stream->received);
    struct spill_pool *pool = &stream->conn.worker->spills;

    if (unread.len > 0)
        (void)nghttp2_session_consume_connection(h2->session, unread.len);
    list_remove(&stream->link);
    list_remove(&stream->readable);
    list_remove(&stream->drained);
    spill_free(pool, TAKE(stream->received));
    spill_free(pool, TAKE(stream->request_trailers));
    spill_free(pool, TAKE(stream->trailers));
    if (--h2->stream_count == 0)
        h2->idle_since_ns = loop_now_ns(stream->conn.worker->loop);
    if (exchange != NULL)
        exchange_client_gone(exchange);
    conn_close(&stream->conn);
}

void h2_stream_rank(struct h2_stream *stream, const nghttp2_extpri *priority)
{
    stream->urgency = (uint8_t)priority->urgency;
    stream->incremental = priority->inc != 0;
    if (!stream->ranked)
        stream->rank = stream->urgency;
}

void h2_stream_rank_answer(struct h2_stream *stream, struct str priority)
{
    nghttp2_extpri said = {.urgency = stream->urgency, .inc = stream->incremental};

    h2_priority_merge(&said, priority);
    stream->rank = (uint8_t)said.urgency;
    stream->ranked = true;
    (void)nghttp2_session_change_extpri_stream_priority(stream->h2->session, stream->id, &said, 1);
}

void h2_stream_receive(struct h2_stream *stream, const void *bytes, size_t len)
{
    spill_add(&stream->conn.worker->spills, &stream->received, bytes, len);
    add_once(&stream->h2->readable, &stream->readable);
}

void h2_stream_end(struct h2_stream *stream)
{
    stream->remote_ended = true;
    add_once(&stream->h2->readable, &stream->readable);
}

void h2_stream_keep_trailers(struct h2_stream *stream, struct str lines)
{
    struct spill_pool *pool = &stream->conn.worker->spills;
    struct str rest = lines;

    if (lines.len > HTTP1_MAX_TRAILER_BYTES) {
        count_add(stream->conn.worker, COUNT_LIMITS, 1);
        return;
    }
    while (rest.len > 0) {
        size_t len = str_find(rest, '\n') + 1;
        struct str line = str_sub(rest, 0, len);
        if (head_allows_trailer(str_sub(line, 0, str_find(line, ':'))))
            spill_add(pool, &stream->request_trailers, line.ptr, line.len);
        rest = str_sub(rest, len, rest.len);
    }
}

/* ---- who comes first ---- */

/* The library knows of no more data of the streams in <drained>, though most will have some at
 * once: without this the least urgent would get their turn each time. */
static bool is_behind(const struct h2_stream *stream)
{
    LIST_FOR_EACH (node, &stream->h2->drained)
        if (CONTAINER_OF(node, struct h2_stream, drained)->rank < stream->rank)
            return true;
    return false;
}

static void resume_yielding(struct h2 *h2)
{
    if (!h2->yielding)
        return;
    h2->yielding = false;
    LIST_FOR_EACH (node, &h2->streams) {
        struct h2_stream *stream = CONTAINER_OF(node, struct h2_stream, link);
        if (stream->yields)
            (void)nghttp2_session_resume_data(h2->session, stream->id);
        stream->yields = false;
    }
}

void h2_streams_run(struct h2 *h2)
{
    h2_run_list(&h2->readable, offsetof(struct h2_stream, readable), true);
    if (h2->client->conn.out != NULL)
        return;
    h2_run_list(&h2->drained, offsetof(struct h2_stream, drained), false);
    resume_yielding(h2);
}

/* The end of the data, which is the stream's unless trailers follow. */
static uint32_t end_flags(struct h2_stream *stream)
{
    struct str text = spill_str(stream->trailers);
    nghttp2_nv fields[H2_FIELDS_MAX];

    if (text.len == 0)
        return NGHTTP2_DATA_FLAG_EOF;
    char *bytes = stream->trailers->bytes + stream->trailers->from;
    size_t count = h2_head_read_trailers(bytes, text.len, fields);
    if (count == 0 || nghttp2_submit_trailer(stream->h2->session, stream->id, fields, count) != 0)
        return NGHTTP2_DATA_FLAG_EOF;
    return NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
}

ssize_t h2_stream_measure(nghttp2_session *session, int32_t id, uint8_t *bytes, size_t len,
                          uint32_t *flags, nghttp2_data_source *source, void *user)
{
    struct h2_stream *stream = source->ptr;
    struct h2 *h2 = user;
    size_t waits = spill_str(stream->conn.out).len, n = MIN(len, waits);

    (void)session, (void)id, (void)bytes;
    if (n == 0 && !stream->local_ended) {
        stream->deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    if (!list_is_empty(&h2->drained) && is_behind(stream)) {
        stream->yields = h2->yielding = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    if (n < waits && n < H2_SMALL_BYTES &&
        !h2_guard_spend(&h2->guard, H2_COST_SMALL, h2_now_ms(h2)))
        h2->exceeded = COUNT_H2_COSTS + H2_COST_SMALL;
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (n == waits && stream->local_ended)
        *flags |= end_flags(stream);
    return (ssize_t)n;
}

void h2_stream_sent(struct h2_stream *stream, size_t len)
{
    struct conn *conn = &stream->conn;

    stream->sent_bytes += len;
    spill_drop(&conn->worker->spills, &conn->out, len);
    if (conn->out == NULL && !stream->local_ended)
        add_once(&stream->h2->drained, &stream->drained);
}
