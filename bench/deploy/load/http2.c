/* SPDX-License-Identifier: Apache-2.0
 *
 * A client of HTTP/2 with prior knowledge: a few connections, each with as many
 * streams as there are requests under way. A connection that the server takes
 * leave of (GOAWAY) gets no new stream and is replaced.
 */
#include "base/base.h"

#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "load.h"

enum { CONNECTIONS = 4, READ_BYTES = 65536 };

struct http2 {
    struct kind *kind;
    struct watch watch;
    struct deferred gone;
    nghttp2_session *session;
    bool connected;
    bool closed;
    bool leaving;
    struct list streams;
    struct buf out;
};

struct stream {
    struct list link;
    struct http2 *http2;
    struct timer limit;
    int32_t id;
    uint64_t due_ns;
    int status;
    char version[VERSION_BYTES];
};

static struct http2 *places[CONNECTIONS];
static size_t turn;

static void stream_end(struct stream *stream, enum outcome outcome, const char *why)
{
    const struct ending ending = {.outcome = outcome,
                                  .status = stream->status,
                                  .version = stream->version,
                                  .why = why,
                                  .due_ns = stream->due_ns};

    list_remove(&stream->link);
    timer_clear(&stream->limit);
    load_end(stream->http2->kind, &ending);
    free(stream);
}

static void on_gone(struct deferred *deferred)
{
    struct http2 *http2 = CONTAINER_OF(deferred, struct http2, gone);

    nghttp2_session_del(http2->session);
    buf_done(&http2->out);
    free(http2);
}

static void drop(struct http2 *http2, enum outcome outcome, const char *why)
{
    struct loop *loop = http2->kind->load->loop;

    if (http2->closed)
        return;
    http2->closed = true;
    for (size_t i = 0; i < CONNECTIONS; i++)
        if (places[i] == http2)
            places[i] = NULL;
    LIST_FOR_EACH (node, &http2->streams)
        stream_end(CONTAINER_OF(node, struct stream, link), outcome, why);
    if (http2->watch.fd >= 0) {
        watch_remove(loop, &http2->watch);
        close(http2->watch.fd);
    }
    loop_defer(loop, &http2->gone, on_gone);
}

static void flush(struct http2 *http2)
{
    const uint8_t *bytes;
    ssize_t len;

    if (!http2->connected || http2->closed)
        return;
    while ((len = nghttp2_session_mem_send(http2->session, &bytes)) > 0)
        buf_add(&http2->out, bytes, (size_t)len);
    while (http2->out.len > 0) {
        len = send(http2->watch.fd, http2->out.ptr, http2->out.len, MSG_NOSIGNAL);
        if (len <= 0)
            break;
        buf_drop(&http2->out, (size_t)len);
    }
    watch_set(http2->kind->load->loop, &http2->watch,
              http2->out.len > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static void on_limit(struct timer *timer, uint64_t now_ns)
{
    struct stream *stream = CONTAINER_OF(timer, struct stream, limit);
    struct http2 *http2 = stream->http2;

    (void)now_ns;
    (void)nghttp2_submit_rst_stream(http2->session, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_CANCEL);
    (void)nghttp2_session_set_stream_user_data(http2->session, stream->id, NULL);
    stream_end(stream, OUTCOME_TIMEOUT, stream->status != 0 ? "within the answer" : "no answer");
    flush(http2);
}

/* ---- what nghttp2 calls ---- */

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *arg)
{
    struct stream *stream = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    struct str key = str_from(name, name_len), text = str_from(value, value_len);
    uint64_t status;

    (void)flags;
    (void)arg;
    if (stream == NULL)
        return 0;
    if (str_eq(key, STR(":status")) && str_to_u64(text, 999, &status))
        stream->status = (int)status;
    else if (str_eq(key, STR("x-version")))
        version_copy(text, stream->version);
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *arg)
{
    struct stream *stream = nghttp2_session_get_stream_user_data(session, id);

    (void)arg;
    if (stream == NULL)
        return 0;
    if (code != NGHTTP2_NO_ERROR)
        stream_end(stream, OUTCOME_CLOSED, nghttp2_http2_strerror(code));
    else
        stream_end(stream, stream->status == 200 ? OUTCOME_OK : OUTCOME_STATUS, "");
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct http2 *http2 = arg;

    (void)session;
    if (frame->hd.type != NGHTTP2_GOAWAY)
        return 0;
    http2->leaving = true;
    for (size_t i = 0; i < CONNECTIONS; i++)
        if (places[i] == http2)
            places[i] = NULL;
    return 0;
}

static void session_start(struct http2 *http2)
{
    nghttp2_session_callbacks *callbacks = NULL;

    if (nghttp2_session_callbacks_new(&callbacks) != 0)
        abort();
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    if (nghttp2_session_client_new(&http2->session, callbacks, http2) != 0)
        abort();
    nghttp2_session_callbacks_del(callbacks);
    if (nghttp2_submit_settings(http2->session, NGHTTP2_FLAG_NONE, NULL, 0) != 0)
        abort();
}

/* ---- the connection ---- */

static void receive(struct http2 *http2)
{
    static uint8_t bytes[READ_BYTES];
    ssize_t len = recv(http2->watch.fd, bytes, sizeof bytes, 0);

    if (len < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (len <= 0) {
        if (list_is_empty(&http2->streams))
            http2->kind->idle_closed += !http2->leaving;
        drop(http2, OUTCOME_CLOSED, len == 0 ? "closed" : "reset");
        return;
    }
    if (nghttp2_session_mem_recv(http2->session, bytes, (size_t)len) < 0) {
        drop(http2, OUTCOME_BAD, "not HTTP/2");
        return;
    }
    flush(http2);
    if (http2->leaving && list_is_empty(&http2->streams))
        drop(http2, OUTCOME_CLOSED, "");
}

static void on_event(struct watch *watch, uint32_t events, uint64_t now_ns)
{
    struct http2 *http2 = CONTAINER_OF(watch, struct http2, watch);
    struct err err;

    (void)now_ns;
    if (http2->closed)
        return;
    if (!http2->connected) {
        if (!socket_connect_result(watch->fd, &err)) {
            drop(http2, OUTCOME_REFUSED, "no connection");
            return;
        }
        http2->connected = true;
    }
    flush(http2);
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
        receive(http2);
}

/* NULL when there is no socket. */
static struct http2 *open_one(struct kind *kind)
{
    struct http2 *http2 = NEW(struct http2);
    struct load *load = kind->load;
    struct err err;

    http2->kind = kind;
    list_init(&http2->streams);
    http2->watch.fd = socket_connect_tcp(&load->options.address, &err);
    if (http2->watch.fd < 0 || !watch_add(load->loop, &http2->watch, http2->watch.fd,
                                          EPOLLIN | EPOLLOUT, on_event, &err)) {
        if (http2->watch.fd >= 0)
            close(http2->watch.fd);
        free(http2);
        return NULL;
    }
    session_start(http2);
    return http2;
}

static nghttp2_nv header(const char *name, const char *value)
{
    union {
        const char *text;
        uint8_t *bytes; /* nghttp2 does not write there */
    } key = {.text = name}, text = {.text = value};

    return (nghttp2_nv){.name = key.bytes,
                        .namelen = strlen(name),
                        .value = text.bytes,
                        .valuelen = strlen(value),
                        .flags = NGHTTP2_NV_FLAG_NONE};
}

void http2_begin(struct kind *kind, uint64_t due_ns)
{
    struct load *load = kind->load;
    const struct load_options *options = &load->options;
    struct http2 **place = &places[turn++ % CONNECTIONS];
    const nghttp2_nv head[] = {header(":method", "GET"), header(":scheme", "http"),
                               header(":authority", options->host), header(":path", options->path)};
    const struct ending no_socket = {
        .outcome = OUTCOME_CLIENT, .why = "no socket", .due_ns = due_ns};

    load_begin(kind, due_ns);
    if (*place == NULL)
        *place = open_one(kind);
    if (*place == NULL) {
        load_end(kind, &no_socket);
        return;
    }
    struct stream *stream = NEW(struct stream);
    stream->http2 = *place;
    stream->due_ns = due_ns;
    list_push(&stream->http2->streams, &stream->link);
    stream->id =
        nghttp2_submit_request(stream->http2->session, NULL, head, ARRAY_LEN(head), NULL, stream);
    if (stream->id < 0) {
        stream_end(stream, OUTCOME_CLIENT, nghttp2_strerror(stream->id));
        return;
    }
    timer_set(load->loop, &stream->limit,
              MAX(due_ns, loop_now_ns(load->loop)) + options->timeout_ns, on_limit);
    flush(stream->http2);
}

void http2_close_all(struct load *load)
{
    (void)load;
    for (size_t i = 0; i < CONNECTIONS; i++)
        if (places[i] != NULL)
            drop(places[i], OUTCOME_CLIENT, "the end");
}
