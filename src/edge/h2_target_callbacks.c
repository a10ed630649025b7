/* SPDX-License-Identifier: Apache-2.0
 *
 * What nghttp2 calls for a connection to a target. <user> is the struct
 * h2_target; a stream that nobody wants any more is NULL. Nothing is started or
 * ended here: streams with news are run when the library has returned.
 */
#include "base/base.h"

#include <pthread.h>

#include "base/mem.h"
#include "edge/h2_session.h"
#include "edge/h2_target.h"
#include "edge/queue.h"
#include "edge/worker.h"

static struct worker *worker_of(const struct h2_target *h2)
{
    return h2->conn.worker;
}

static struct h2_target_stream *find_stream(nghttp2_session *session, int32_t id)
{
    return nghttp2_session_get_stream_user_data(session, id);
}

static void reset(nghttp2_session *session, int32_t id, uint32_t code)
{
    (void)nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, code);
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct h2_target *h2 = user;

    (void)session, (void)frame;
    h2_head_clear(&h2->head, &worker_of(h2)->spills);
    return 0;
}

/* A list far above the limit is not even read to its end. */
static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *user)
{
    struct h2_target *h2 = user;

    (void)session, (void)frame, (void)flags;
    h2_head_add(&h2->head, &worker_of(h2)->spills, str_from(name, name_len),
                str_from(value, value_len));
    if (h2->head.list_bytes > 4 * H2_HEADER_LIST_BYTES)
        h2->exceeded = COUNT_H2_TARGET_HEADER_LISTS;
    return 0;
}

static void refuse_block(struct h2_target *h2, int32_t id)
{
    if (h2->head.too_large || h2->head.list_bytes > H2_TARGET_HEAD_BYTES) {
        count_add(worker_of(h2), COUNT_H2_TARGET_HEADER_LISTS, 1);
        count_add(worker_of(h2), COUNT_LIMITS, 1);
    }
    reset(h2->session, id, NGHTTP2_PROTOCOL_ERROR);
}

/* Heads above the limit, or that are none, were not read: the stream is broken. */
static bool take_block(struct h2_target *h2, struct h2_target_stream *stream)
{
    struct spill_pool *pool = &worker_of(h2)->spills;
    bool interim = h2_head_is_interim(&h2->head);
    struct spill *text = NULL;

    if (stream->head_came)
        return h2_head_take_trailers(&h2->head, H2_TARGET_HEAD_BYTES, &stream->trailers);
    if (!h2_head_write_response(&h2->head, pool, H2_TARGET_HEAD_BYTES, &text))
        return false;
    stream->head_came = !interim;
    h2_target_stream_take_head(stream, text);
    spill_free(pool, text);
    return true;
}

static void take_frame(struct h2_target *h2, struct h2_target_stream *stream,
                       const nghttp2_frame *frame)
{
    if (frame->hd.type == NGHTTP2_RST_STREAM)
        stream->reset_code = frame->rst_stream.error_code;
    if (frame->hd.type == NGHTTP2_HEADERS && !take_block(h2, stream)) {
        refuse_block(h2, frame->hd.stream_id);
        return;
    }
    if ((frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS) &&
        (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
        h2_target_stream_end(stream);
}

static int on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct h2_target *h2 = user;
    int32_t id = frame->hd.stream_id;
    struct h2_target_stream *stream = id == 0 ? NULL : find_stream(session, id);

    if (frame->hd.type == NGHTTP2_SETTINGS && (frame->hd.flags & NGHTTP2_FLAG_ACK) == 0) {
        h2->settled = true;
        queue_wake(worker_of(h2)); /* it may take more than before */
    } else if (frame->hd.type == NGHTTP2_GOAWAY) {
        h2->leaving = true;
    } else if (stream != NULL) {
        take_frame(h2, stream, frame);
    }
    if (frame->hd.type == NGHTTP2_HEADERS)
        h2_head_clear(&h2->head, &worker_of(h2)->spills);
    return 0;
}

/* A request that a GOAWAY has overtaken: another connection may have it. */
static int on_frame_not_send(nghttp2_session *session, const nghttp2_frame *frame, int error,
                             void *user)
{
    struct h2_target_stream *stream =
        frame->hd.type == NGHTTP2_HEADERS ? find_stream(session, frame->hd.stream_id) : NULL;

    (void)error, (void)user;
    if (stream != NULL)
        stream->unsent = true;
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes,
                   size_t len, void *user)
{
    struct h2_target_stream *stream = find_stream(session, id);

    (void)flags, (void)user;
    if (stream != NULL)
        h2_target_stream_receive(stream, bytes, len);
    else
        (void)nghttp2_session_consume(session, id, len);
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *user)
{
    struct h2_target_stream *stream = find_stream(session, id);

    (void)user;
    if (stream != NULL)
        h2_target_stream_close(stream, code);
    return 0;
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static nghttp2_session_callbacks *callbacks;

static void make_callbacks(void)
{
    while (nghttp2_session_callbacks_new(&callbacks) != 0)
        mem_make_room();
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, h2_on_invalid_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame_recv);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, on_frame_not_send);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
}

const nghttp2_session_callbacks *h2_target_callbacks(void)
{
    (void)pthread_once(&once, make_callbacks);
    return callbacks;
}
