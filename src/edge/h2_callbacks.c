/* SPDX-License-Identifier: Apache-2.0
 *
 * What nghttp2 calls. <user> is the struct h2; a stream that has none of its own
 * yet, or any more, is NULL.
 */
#include "base/base.h"

#include <pthread.h>

#include "base/mem.h"
#include "edge/exchange.h"
#include "edge/h2.h"
#include "edge/h2_session.h"
#include "edge/worker.h"

static struct worker *worker_of(const struct h2 *h2)
{
    return h2->client->conn.worker;
}

static struct h2_stream *find_stream(nghttp2_session *session, int32_t id)
{
    return nghttp2_session_get_stream_user_data(session, id);
}

/* ---- coming in ---- */

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct h2 *h2 = user;

    (void)session, (void)frame;
    h2_head_clear(&h2->head, &worker_of(h2)->spills);
    return 0;
}

/* A list far above the limit is not even read to its end. */
static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *user)
{
    struct h2 *h2 = user;

    (void)session, (void)frame, (void)flags;
    h2_head_add(&h2->head, &worker_of(h2)->spills, str_from(name, name_len),
                str_from(value, value_len));
    if (h2->head.list_bytes > 4 * H2_HEADER_LIST_BYTES)
        h2->exceeded = COUNT_H2_HEADER_LISTS;
    return 0;
}

/* 22 digits of Base64 for 16 bytes: hexadecimal ones are as good, but the last has two bits only.
 */
static void make_key(struct worker *worker, char key[H2_KEY_BYTES])
{
    char id[REQUEST_ID_BYTES];

    worker_random_id(worker, id);
    memcpy(key, id, H2_KEY_BYTES - 3);
    memcpy(key + H2_KEY_BYTES - 3, "A==", 3);
}

/* Reads h2->head into worker->head by way of <ret_text>. 0, or the status that refuses it. */
static int read_head(struct h2 *h2, bool ended, struct spill **ret_text)
{
    struct worker *worker = worker_of(h2);
    struct http1_head *head = &worker->head;
    char key[H2_KEY_BYTES];
    const char *why;

    make_key(worker, key);
    int status = h2_head_write_request(&h2->head, &worker->spills, ended, key, ret_text);
    if (status == 431 && h2->exceeded == 0)
        count_add(worker, COUNT_H2_HEADER_LISTS, 1);
    h2_head_clear(&h2->head, &worker->spills);
    if (status != 0)
        return status;
    struct str text = spill_str(*ret_text);
    enum http1_result result = http1_parse_request(text, head, &why);
    if (result == HTTP1_DONE && head->head_bytes == text.len)
        return 0;
    return result == HTTP1_DONE || result == HTTP1_MORE ? 400 : head->status;
}

/* By what came in a frame before, and by the header over that. */
static void rank(struct h2_stream *stream, const struct http1_head *head)
{
    struct h2 *h2 = stream->h2;
    nghttp2_extpri said = {.urgency = NGHTTP2_EXTPRI_DEFAULT_URGENCY};

    if (h2->early_id == stream->id)
        said = (nghttp2_extpri){.urgency = h2->early_urgency, .inc = h2->early_incremental};
    for (size_t i = 0; i < head->header_count; i++)
        if (head->headers[i].id == HTTP_OTHER && str_is(head->headers[i].name, "priority"))
            h2_priority_merge(&said, head->headers[i].value);
    h2_stream_rank(stream, &said);
}

/* The library acts on it by itself; of streams that are not open yet one is remembered here. */
static void on_priority_update(struct h2 *h2, const nghttp2_frame *frame)
{
    const nghttp2_ext_priority_update *update = frame->ext.payload;
    struct h2_stream *stream = find_stream(h2->session, update->stream_id);
    nghttp2_extpri said = {.urgency = NGHTTP2_EXTPRI_DEFAULT_URGENCY};

    h2_priority_merge(&said, str_from(update->field_value, update->field_value_len));
    if (stream != NULL) {
        h2_stream_rank(stream, &said);
        return;
    }
    h2->early_id = update->stream_id;
    h2->early_urgency = (uint8_t)said.urgency;
    h2->early_incremental = said.inc != 0;
}

static void start_request(struct h2 *h2, int32_t id, bool ended)
{
    struct client *client = h2->client;
    struct h2_stream *stream = h2_stream_new(h2, id);
    struct spill *text = NULL;

    (void)nghttp2_session_set_stream_user_data(h2->session, id, stream);
    stream->remote_ended = ended;
    int status = read_head(h2, ended, &text);
    if (status == 0) {
        rank(stream, &client->conn.worker->head);
        exchange_start(client, &stream->conn, &client_http2);
    } else {
        count_add(client->conn.worker, COUNT_LIMITS, status == 431 || status == 414);
        exchange_refuse(client, &stream->conn, &client_http2, status);
    }
    spill_free(&client->conn.worker->spills, text);
}

static int on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct h2 *h2 = user;
    bool ended = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;

    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        start_request(h2, frame->hd.stream_id, ended);
    } else if (frame->hd.type == NGHTTP2_PRIORITY_UPDATE) {
        on_priority_update(h2, frame);
    } else if (ended && (frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS)) {
        struct h2_stream *stream = find_stream(session, frame->hd.stream_id);
        if (stream != NULL && frame->hd.type == NGHTTP2_HEADERS && !h2->head.malformed)
            h2_stream_keep_trailers(stream, spill_str(h2->head.lines));
        h2_head_clear(&h2->head, &worker_of(h2)->spills);
        if (stream != NULL)
            h2_stream_end(stream);
    }
    return 0;
}

/* The library refuses streams above the limit, and the whole connection when the client has
 * acknowledged that limit. */
static int on_invalid_frame(nghttp2_session *session, const nghttp2_frame *frame, int error,
                            void *user)
{
    struct h2 *h2 = user;

    (void)session, (void)error;
    if (frame->hd.type == NGHTTP2_HEADERS && h2->stream_count >= H2_MAX_STREAMS) {
        count_add(worker_of(h2), COUNT_H2_REFUSED_STREAMS, 1);
        count_add(worker_of(h2), COUNT_LIMITS, 1);
    }
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes,
                   size_t len, void *user)
{
    struct h2_stream *stream = find_stream(session, id);

    (void)flags, (void)user;
    if (stream != NULL)
        h2_stream_receive(stream, bytes, len);
    else
        (void)nghttp2_session_consume(session, id, len);
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *user)
{
    struct h2_stream *stream = find_stream(session, id);

    (void)code, (void)user;
    if (stream != NULL)
        h2_stream_free(stream);
    return 0;
}

/* ---- going out ---- */

void h2_send_gathered(struct h2 *h2)
{
    struct worker *worker = worker_of(h2);
    struct iovec iov = {worker->frames_out, worker->frames_len};

    if (worker->frames_len > 0 && !h2->broken && !conn_write(&h2->client->conn, &iov, 1))
        h2->broken = true;
    worker->frames_len = 0;
}

static void gather(struct h2 *h2, const void *bytes, size_t len)
{
    struct worker *worker = worker_of(h2);
    const char *at = bytes;

    while (len > 0) {
        size_t n = MIN(len, WORKER_FRAMES_BYTES - worker->frames_len);
        memcpy(worker->frames_out + worker->frames_len, at, n);
        worker->frames_len += n;
        at += n;
        len -= n;
        if (worker->frames_len == WORKER_FRAMES_BYTES)
            h2_send_gathered(h2);
    }
}

static int check_room(const struct h2 *h2)
{
    if (h2->broken)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    return h2->client->conn.out != NULL ? NGHTTP2_ERR_WOULDBLOCK : 0;
}

static ssize_t on_send(nghttp2_session *session, const uint8_t *bytes, size_t len, int flags,
                       void *user)
{
    struct h2 *h2 = user;
    int refused = check_room(h2);

    (void)session, (void)flags;
    if (refused != 0)
        return refused;
    gather(h2, bytes, len);
    return (ssize_t)len;
}

static int on_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *frame_head,
                        size_t len, nghttp2_data_source *source, void *user)
{
    struct h2 *h2 = user;
    struct h2_stream *stream = source->ptr;
    int refused = check_room(h2);

    (void)session, (void)frame;
    if (refused != 0)
        return refused;
    gather(h2, frame_head, H2_FRAME_HEAD_BYTES);
    gather(h2, spill_str(stream->conn.out).ptr, len);
    h2_guard_refund(&h2->guard, H2_COST_WINDOW, 2); /* one for the stream, one for all */
    h2_guard_refund(&h2->guard, H2_COST_PING, 1);   /* some clients time each round trip */
    h2_stream_sent(stream, len);
    return 0;
}

/* Resets that are no fault of the client's do not count against it. */
static void note_reset(struct h2 *h2, int32_t id, uint32_t code)
{
    const struct h2_stream *stream = find_stream(h2->session, id);

    if (stream != NULL && stream->passes_reset)
        return;
    if (code == NGHTTP2_NO_ERROR || code == NGHTTP2_INTERNAL_ERROR || code == NGHTTP2_CANCEL)
        return;
    if (!h2_guard_spend(&h2->guard, H2_COST_OWN_RESET, h2_now_ms(h2)))
        h2->exceeded = COUNT_H2_COSTS + H2_COST_OWN_RESET;
}

/* The end of a connection whose client broke the rules; limits that have a counter are not counted
 * here. */
static void note_goaway(const struct h2 *h2, uint32_t code)
{
    if (code != NGHTTP2_NO_ERROR && h2->exceeded == 0)
        count_add(worker_of(h2), COUNT_H2_ERRORS, 1);
}

static int on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    uint8_t type = frame->hd.type;

    if (type == NGHTTP2_GOAWAY)
        note_goaway(user, frame->goaway.error_code);
    if (type == NGHTTP2_RST_STREAM)
        note_reset(user, frame->hd.stream_id, frame->rst_stream.error_code);
    if ((type == NGHTTP2_DATA || type == NGHTTP2_HEADERS) &&
        (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0 &&
        nghttp2_session_get_stream_remote_close(session, frame->hd.stream_id) == 0) {
        struct h2_stream *stream = find_stream(session, frame->hd.stream_id);
        if (stream != NULL)
            h2_stream_linger(stream);
    }
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
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_callbacks_set_send_callback(callbacks, on_send);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, on_send_data);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_send);
}

const nghttp2_session_callbacks *h2_callbacks(void)
{
    (void)pthread_once(&once, make_callbacks);
    return callbacks;
}
