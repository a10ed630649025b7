/* SPDX-License-Identifier: Apache-2.0
 *
 * What an exchange does with a client that speaks HTTP/2.
 */
#include "base/base.h"

#include "edge/exchange.h"
#include "edge/h2.h"
#include "edge/worker.h"

static struct h2_stream *stream_of(struct conn *conn)
{
    return CONTAINER_OF(conn, struct h2_stream, conn);
}

static void bind_exchange(struct exchange *exchange)
{
    stream_of(exchange->side)->exchange = exchange;
}

static void submit_head(struct h2_stream *stream, char *text, size_t len, bool whole)
{
    nghttp2_nv fields[H2_FIELDS_MAX];
    nghttp2_data_provider provider = {.source.ptr = stream, .read_callback = h2_stream_measure};
    nghttp2_session *session = stream->h2->session;
    size_t count = h2_head_read_response(text, len, fields);

    for (size_t i = 1; i < count; i++)
        if (str_is(str_from(fields[i].name, fields[i].namelen), "priority"))
            h2_stream_rank_answer(stream, str_from(fields[i].value, fields[i].valuelen));
    if (fields[0].value[0] == '1')
        (void)nghttp2_submit_headers(session, NGHTTP2_FLAG_NONE, stream->id, NULL, fields, count,
                                     NULL);
    else
        (void)nghttp2_submit_response(session, stream->id, fields, count, whole ? NULL : &provider);
}

/* An interim head is no answer yet: the next one brings the data. */
static bool write_head(struct exchange *exchange, size_t head_len, const struct iovec *iov,
                       int count, bool whole)
{
    struct h2_stream *stream = stream_of(exchange->side);
    struct spill_pool *pool = &exchange->worker->spills;

    stream->local_ended = whole;
    submit_head(stream, iov[0].iov_base, head_len, whole);
    if (iov[0].iov_len > head_len)
        spill_add(pool, &stream->conn.out, (char *)iov[0].iov_base + head_len,
                  iov[0].iov_len - head_len);
    return conn_write(&stream->conn, iov + 1, count - 1);
}

static bool takes(struct exchange *exchange)
{
    bool moved = h2_stream_has_moved(stream_of(exchange->side));

    if (!moved)
        count_add(exchange->worker, COUNT_H2_STALLS, 1);
    return moved;
}

static struct str read_trailers(struct exchange *exchange)
{
    return spill_str(stream_of(exchange->side)->request_trailers);
}

static void write_trailers(struct exchange *exchange, struct spill *text)
{
    stream_of(exchange->side)->trailers = text;
}

static void done(struct client *client, struct conn *conn, bool keep_alive)
{
    (void)client, (void)keep_alive;
    h2_stream_leave(stream_of(conn));
    conn_shutdown_write(conn);
}

static void abort_exchange(struct exchange *exchange)
{
    struct h2_stream *stream = stream_of(exchange->side);

    uint32_t code = exchange->reset_code != 0 ? exchange->reset_code : NGHTTP2_INTERNAL_ERROR;
    stream->passes_reset = exchange->reset_code != 0;
    (void)nghttp2_submit_rst_stream(stream->h2->session, NGHTTP2_FLAG_NONE, stream->id, code);
    h2_stream_leave(stream);
    h2_touch(stream->h2);
    exchange_client_gone(exchange);
}

const struct client_ops client_http2 = {
    .is_http2 = true,
    .bind = bind_exchange,
    .write_head = write_head,
    .takes = takes,
    .done = done,
    .read_trailers = read_trailers,
    .write_trailers = write_trailers,
    .abort = abort_exchange,
};
