/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "edge/exchange.h"
#include "edge/h2.h"
#include "edge/h2_session.h"
#include "edge/h2_target.h"
#include "edge/worker.h"

static_assert(offsetof(struct h2_target_stream, server) == 0, "freed as an h2_target_stream");

static struct h2_target_stream *stream_of(struct conn *conn)
{
    return CONTAINER_OF(conn, struct h2_target_stream, server.conn);
}

static struct h2_target_stream *stream_of_server(struct target_conn *server)
{
    return CONTAINER_OF(server, struct h2_target_stream, server);
}

static void add_once(struct list *head, struct list *node)
{
    if (list_is_empty(node))
        list_push(head, node);
}

/* ---- as a conn ---- */

static void consume(struct h2_target_stream *stream, size_t len)
{
    if (stream->h2 == NULL || len == 0)
        return;
    if (stream->closed)
        (void)nghttp2_session_consume_connection(stream->h2->session, len);
    else
        (void)nghttp2_session_consume(stream->h2->session, stream->id, len);
    h2_target_touch(stream->h2);
}

static ssize_t stream_read(struct conn *conn, void *bytes, size_t len)
{
    struct h2_target_stream *stream = stream_of(conn);
    struct str waits = spill_str(stream->received);
    size_t n = MIN(len, waits.len);
    bool over = stream->remote_ended || stream->closed;

    if (n == 0) {
        conn->drained = true;
        if (stream->remote_ended || !over)
            return over ? CONN_EOF : CONN_AGAIN;
        stream->server.exchange->reset_code = stream->reset_code;
        count_add(conn->worker, COUNT_H2_TARGET_RESETS, stream->reset_code != 0);
        return CONN_BROKEN;
    }
    memcpy(bytes, waits.ptr, n);
    spill_drop(&conn->worker->spills, &stream->received, n);
    conn->drained = stream->received == NULL && !over;
    size_t text = MIN(n, (size_t)stream->text_bytes);
    stream->text_bytes -= (uint32_t)text;
    consume(stream, n - text);
    return (ssize_t)n;
}

/* The library asks again for data it was told to wait for. */
static void resume(struct h2_target_stream *stream)
{
    if (stream->deferred && !stream->closed)
        (void)nghttp2_session_resume_data(stream->h2->session, stream->id);
    stream->deferred = false;
    if (stream->h2 != NULL)
        h2_target_touch(stream->h2);
}

static bool stream_write(struct conn *conn, const struct iovec *iov, int count)
{
    struct h2_target_stream *stream = stream_of(conn);

    if (stream->closed)
        return false;
    for (int i = 0; i < count; i++)
        if (iov[i].iov_len > 0)
            spill_add(&conn->worker->spills, &conn->out, iov[i].iov_base, iov[i].iov_len);
    resume(stream);
    return true;
}

static void stream_shutdown_write(struct conn *conn)
{
    struct h2_target_stream *stream = stream_of(conn);
    struct str trailers = stream->server.exchange->request.trailers_out;

    if (trailers.len > 0)
        spill_add(&conn->worker->spills, &stream->request_trailers, trailers.ptr, trailers.len);
    stream->local_ended = true;
    resume(stream);
}

static void stream_rearm(struct conn *conn)
{
    struct h2_target_stream *stream = stream_of(conn);

    if (stream->h2 == NULL)
        return; /* h2_target_stream_orphan(): what there is is read in one go */
    add_once(&stream->h2->readable, &stream->readable);
    h2_target_touch(stream->h2);
}

const struct conn_ops h2_target_ops = {
    .read = stream_read,
    .write = stream_write,
    .shutdown_write = stream_shutdown_write,
    .rearm = stream_rearm,
};

/* ---- for the connection ---- */

struct h2_target_stream *h2_target_stream_new(struct h2_target *h2)
{
    struct h2_target_stream *stream = NEW(struct h2_target_stream);

    stream->server.conn.worker = h2->conn.worker;
    stream->server.conn.io.fd = -1;
    stream->server.conn.read_less = true; /* many streams, each with a piece that waits */
    stream->server.target = h2->target;
    stream->server.reused = h2->answered;
    list_init(&stream->server.link);
    list_init(&stream->readable);
    list_init(&stream->drained);
    stream->h2 = h2;
    list_push(&h2->streams, &stream->link);
    h2->stream_count++;
    return stream;
}

void h2_target_stream_take_head(struct h2_target_stream *stream, struct spill *text)
{
    struct str bytes = spill_str(text);

    stream->text_bytes += (uint32_t)bytes.len;
    spill_add(&stream->server.conn.worker->spills, &stream->received, bytes.ptr, bytes.len);
    add_once(&stream->h2->readable, &stream->readable);
}

void h2_target_stream_receive(struct h2_target_stream *stream, const void *bytes, size_t len)
{
    spill_add(&stream->server.conn.worker->spills, &stream->received, bytes, len);
    add_once(&stream->h2->readable, &stream->readable);
}

void h2_target_stream_end(struct h2_target_stream *stream)
{
    stream->remote_ended = true;
    stream->h2->answered = true;
    add_once(&stream->h2->readable, &stream->readable);
}

/* What waits to be sent goes nowhere; who waits for that finds out when it writes on. */
void h2_target_stream_close(struct h2_target_stream *stream, uint32_t code)
{
    struct conn *conn = &stream->server.conn;

    stream->closed = true;
    stream->refused = (code == NGHTTP2_REFUSED_STREAM || stream->unsent) && !stream->head_came;
    if (conn->out != NULL && !stream->local_ended)
        add_once(&stream->h2->drained, &stream->drained);
    spill_free(&conn->worker->spills, TAKE(conn->out));
    add_once(&stream->h2->readable, &stream->readable);
}

void h2_target_stream_orphan(struct h2_target_stream *stream)
{
    if (stream->id > 0 && !stream->closed)
        (void)nghttp2_session_set_stream_user_data(stream->h2->session, stream->id, NULL);
    list_remove(&stream->link);
    list_remove(&stream->readable);
    list_remove(&stream->drained);
    stream->h2 = NULL;
    stream->closed = true;
    stream->server.conn.read_less = false;
    spill_free(&stream->server.conn.worker->spills, TAKE(stream->server.conn.out));
}

void h2_target_streams_run(struct h2_target *h2)
{
    h2_run_list(&h2->readable, offsetof(struct h2_target_stream, readable), true);
    h2_run_list(&h2->drained, offsetof(struct h2_target_stream, drained), false);
}

/* The end of the data, which is the stream's unless trailers follow. */
static uint32_t end_flags(struct h2_target_stream *stream)
{
    struct spill *lines = stream->request_trailers;
    nghttp2_nv fields[H2_FIELDS_MAX];

    stream->end_sent = true;
    if (lines == NULL)
        return NGHTTP2_DATA_FLAG_EOF;
    size_t count = h2_head_read_trailers(lines->bytes + lines->from, spill_str(lines).len, fields);
    if (count == 0 || nghttp2_submit_trailer(stream->h2->session, stream->id, fields, count) != 0)
        return NGHTTP2_DATA_FLAG_EOF;
    return NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
}

/* By number: the stream may have been left meanwhile. */
ssize_t h2_target_stream_measure(nghttp2_session *session, int32_t id, uint8_t *bytes, size_t len,
                                 uint32_t *flags, nghttp2_data_source *source, void *user)
{
    struct h2_target_stream *stream = nghttp2_session_get_stream_user_data(session, id);
    struct h2_target *h2 = user;

    (void)source;
    if (stream == NULL)
        return NGHTTP2_ERR_DEFERRED;
    struct conn *conn = &stream->server.conn;
    struct str waits = spill_str(conn->out);
    size_t n = MIN(len, waits.len);
    if (n == 0 && !stream->local_ended) {
        stream->deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    if (n < waits.len && n < H2_SMALL_BYTES &&
        !h2_guard_spend(&h2->guard, H2_COST_SMALL, h2_target_now_ms(h2)))
        h2->exceeded = COUNT_H2_TARGET_COSTS + H2_COST_SMALL;
    memcpy(bytes, waits.ptr == NULL ? "" : waits.ptr, n);
    spill_drop(&conn->worker->spills, &conn->out, n);
    h2_guard_refund(&h2->guard, H2_COST_WINDOW, 2); /* one for the stream, one for all */
    h2_guard_refund(&h2->guard, H2_COST_PING, 1);   /* gRPC servers time each round trip */
    if (conn->out == NULL && stream->local_ended)
        *flags |= end_flags(stream);
    else if (conn->out == NULL)
        add_once(&h2->drained, &stream->drained);
    return (ssize_t)n;
}

/* ---- for the exchange ---- */

bool h2_target_is_settled(struct target_conn *server)
{
    return stream_of_server(server)->h2->settled;
}

bool h2_target_is_over(struct target_conn *server)
{
    const struct h2_target_stream *stream = stream_of_server(server);

    return stream->remote_ended && stream->received == NULL;
}

struct spill *h2_target_take_trailers(struct target_conn *server)
{
    return TAKE(stream_of_server(server)->trailers);
}

bool h2_target_has_refused(struct target_conn *server)
{
    return stream_of_server(server)->refused;
}

static bool submit(struct h2_target_stream *stream, struct exchange *exchange)
{
    static const nghttp2_data_provider provider = {.read_callback = h2_target_stream_measure};
    struct spill *text = exchange->head;
    bool whole = exchange->request.done && exchange->request.trailers_out.len == 0;
    nghttp2_nv fields[H2_FIELDS_MAX];

    size_t count = h2_head_read_request(text->bytes + text->from, spill_str(text).len,
                                        exchange->ops->write_trailers != NULL, fields);
    if (count == 0)
        return false;
    stream->id = nghttp2_submit_request(stream->h2->session, NULL, fields, count,
                                        whole ? NULL : &provider, stream);
    stream->local_ended = stream->end_sent = whole;
    return stream->id > 0;
}

bool h2_target_begin(struct exchange *exchange)
{
    struct h2_target_stream *stream = stream_of_server(exchange->server);

    stream->started = true;
    if (stream->h2 == NULL || !submit(stream, exchange)) {
        if (stream->h2 != NULL)
            stream->h2->leaving = true; /* no numbers are left, or it said that it goes */
        stream->id = 0;
        return false;
    }
    h2_guard_refund(&stream->h2->guard, H2_COST_RESET, 1);
    if (exchange->request.done && !stream->local_ended)
        conn_shutdown_write(&stream->server.conn);
    h2_target_touch(stream->h2);
    return true;
}

static void leave_connection(struct h2_target_stream *stream)
{
    struct h2_target *h2 = stream->h2;
    size_t unread = spill_str(stream->received).len - stream->text_bytes;

    consume(stream, unread);
    if (stream->id > 0 && !stream->closed) {
        (void)nghttp2_session_set_stream_user_data(h2->session, stream->id, NULL);
        if (!stream->remote_ended || !stream->end_sent)
            (void)nghttp2_submit_rst_stream(h2->session, NGHTTP2_FLAG_NONE, stream->id,
                                            NGHTTP2_CANCEL);
    }
    list_remove(&stream->link);
    list_remove(&stream->readable);
    list_remove(&stream->drained);
    if (--h2->stream_count == 0)
        h2->idle_since_ns = loop_now_ns(h2->conn.worker->loop);
    h2_target_touch(h2);
}

void h2_target_leave(struct target_conn *server)
{
    struct h2_target_stream *stream = stream_of_server(server);
    struct spill_pool *pool = &server->conn.worker->spills;

    if (stream->h2 != NULL)
        leave_connection(stream);
    spill_free(pool, TAKE(stream->received));
    spill_free(pool, TAKE(stream->trailers));
    spill_free(pool, TAKE(stream->request_trailers));
    conn_close(&server->conn);
}
