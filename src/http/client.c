/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/file.h"
#include "http/client.h"
#include "http/http1.h"
#include "io/socket.h"

enum { RECEIVE_BYTES = 64 << 10 };

/* What reading a piece of the body led to. */
enum taken { TAKEN_MORE, TAKEN_ENOUGH, TAKEN_FAILED };

struct reader {
    const struct http_call *call;
    int fd;
    struct buf in; /* received */
    size_t in_at;  /* used up of it */
    struct http1_head *head;
    struct buf *body; /* whole answer, or the start of a line */
    size_t limit_bytes;
    http_line_fn *fn; /* NULL: whole answer */
    void *arg;
};

/* Waits until <events> can happen on the socket. */
static bool wait_for(const struct http_call *call, int fd, short events, struct err *err)
{
    struct pollfd fds[] = {{.fd = fd, .events = events}, {.fd = call->stop_fd, .events = POLLIN}};
    int count;

    do {
        count = poll(fds, ARRAY_LEN(fds), call->timeout_ms > 0 ? call->timeout_ms : -1);
    } while (count < 0 && errno == EINTR);
    if (count < 0)
        return err_sys(err, "cannot wait for the server");
    if (count == 0)
        return err_set(err, ERR_TIMEOUT, "no answer within %d ms", call->timeout_ms);
    if (fds[1].revents != 0)
        return err_set(err, ERR_CLOSED, "interrupted");
    return true;
}

/* A server that refuses a request does not read all of it: what it answered is
 * there to be read, so a broken pipe is no failure yet. */
static bool send_all(const struct http_call *call, int fd, struct str bytes, struct err *err)
{
    while (bytes.len > 0) {
        if (!wait_for(call, fd, POLLOUT, err))
            return false;
        ssize_t sent = send(fd, bytes.ptr, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent >= 0)
            bytes = str_sub(bytes, (size_t)sent, bytes.len);
        else if (errno == EPIPE || errno == ECONNRESET)
            return true;
        else if (errno != EINTR && errno != EAGAIN)
            return err_sys(err, "cannot send the request");
    }
    return true;
}

static bool send_request(const struct http_call *call, int fd, struct err *err)
{
    AUTO(buf_done) struct buf bytes = {0};

    buf_addf(&bytes, "%s %s HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n",
             call->method, call->target);
    buf_add_text(&bytes, "Connection: close\r\n");
    if (call->json.ptr != NULL)
        buf_addf(&bytes, "Content-Type: application/json\r\nContent-Length: %zu\r\n",
                 call->json.len);
    buf_add_text(&bytes, "\r\n");
    buf_add_str(&bytes, call->json);
    return send_all(call, fd, buf_str(&bytes), err);
}

/* Appends to reader->in; *ret_end when the server has nothing more to say. */
static bool receive(struct reader *reader, bool *ret_end, struct err *err)
{
    ssize_t received;

    do {
        if (!wait_for(reader->call, reader->fd, POLLIN, err))
            return false;
        char *at = buf_reserve(&reader->in, RECEIVE_BYTES);
        received = recv(reader->fd, at, RECEIVE_BYTES, MSG_DONTWAIT);
    } while (received < 0 && (errno == EINTR || errno == EAGAIN));
    if (received < 0 && errno != ECONNRESET)
        return err_sys(err, "cannot read the answer");
    if (received > 0)
        buf_grew(&reader->in, (size_t)received);
    *ret_end = received <= 0;
    return true;
}

/* Reads up to the head of the final answer; 1xx before it is dropped. */
static bool read_head(struct reader *reader, struct err *err)
{
    enum http_method method = http_method_find(str_of(reader->call->method));
    bool end = false;

    for (;;) {
        const char *why = NULL;
        enum http1_result result =
            http1_parse_response(buf_str(&reader->in), method, reader->head, &why);
        if (result == HTTP1_DONE) {
            buf_drop(&reader->in, reader->head->head_bytes);
            if (reader->head->status >= 200)
                return true;
            continue;
        }
        if (result != HTTP1_MORE)
            return err_set(err, ERR_INVALID, "malformed answer from '%s': %s",
                           reader->call->socket_path, why);
        if (reader->in.len > HTTP_CLIENT_MAX_HEAD_BYTES)
            return err_set(err, ERR_LIMIT, "head of the answer is larger than %d bytes",
                           HTTP_CLIENT_MAX_HEAD_BYTES);
        if (end)
            return err_set(err, ERR_CLOSED, "'%s' closed the connection without an answer",
                           reader->call->socket_path);
        if (!receive(reader, &end, err))
            return false;
    }
}

/* Gives the complete lines in reader->body to the caller. */
static bool give_lines(struct reader *reader)
{
    struct str rest = buf_str(reader->body);
    bool wanted = true;

    while (wanted) {
        size_t at = str_find(rest, '\n');
        if (at == rest.len)
            break;
        wanted = reader->fn(reader->arg, str_sub(rest, 0, at));
        rest = str_sub(rest, at + 1, rest.len);
    }
    buf_drop(reader->body, reader->body->len - rest.len);
    return wanted;
}

static enum taken take(struct reader *reader, struct str data, struct err *err)
{
    if (reader->fn == NULL && data.len > reader->limit_bytes - reader->body->len) {
        err_set(err, ERR_LIMIT, "answer is larger than %zu bytes", reader->limit_bytes);
        return TAKEN_FAILED;
    }
    buf_add_str(reader->body, data);
    if (reader->fn == NULL)
        return TAKEN_MORE;
    if (!give_lines(reader))
        return TAKEN_ENOUGH;
    if (reader->body->len > HTTP_CLIENT_MAX_LINE_BYTES) {
        err_set(err, ERR_LIMIT, "line of the answer is longer than %d bytes",
                HTTP_CLIENT_MAX_LINE_BYTES);
        return TAKEN_FAILED;
    }
    return TAKEN_MORE;
}

/* The next piece of body in reader->in; *ret_done at its end. */
static bool next_data(struct reader *reader, struct http1_chunks *chunks, struct str *ret_data,
                      bool *ret_done, struct err *err)
{
    struct http1_head *head = reader->head;
    struct str in = str_sub(buf_str(&reader->in), reader->in_at, SIZE_MAX);
    const char *why = NULL;
    size_t used = in.len;

    *ret_data = in;
    if (head->framing == HTTP_CHUNKED) {
        enum http1_result result = http1_chunks_read(chunks, in, &used, ret_data, &why);
        if (result == HTTP1_BAD)
            return err_set(err, ERR_INVALID, "malformed answer from '%s': %s",
                           reader->call->socket_path, why);
        *ret_done = result == HTTP1_DONE;
    } else if (head->framing == HTTP_LENGTH) {
        *ret_data = str_sub(in, 0, (size_t)MIN(head->content_length, (uint64_t)in.len));
        used = ret_data->len;
        head->content_length -= used;
        *ret_done = head->content_length == 0;
    } else {
        *ret_done = head->framing == HTTP_NO_BODY;
    }
    reader->in_at += used;
    return true;
}

static bool read_body(struct reader *reader, struct err *err)
{
    struct http1_chunks chunks = {0};
    bool end = false, done = false;

    while (!done) {
        struct str data = {0};
        if (!next_data(reader, &chunks, &data, &done, err))
            return false;
        enum taken taken = take(reader, data, err);
        if (taken != TAKEN_MORE)
            return taken == TAKEN_ENOUGH;
        if (done || reader->in_at < reader->in.len)
            continue;
        buf_clear(&reader->in);
        reader->in_at = 0;
        if (end && reader->head->framing == HTTP_UNTIL_CLOSE)
            break;
        if (end)
            return err_set(err, ERR_CLOSED, "'%s' closed the connection in the middle of an answer",
                           reader->call->socket_path);
        if (!receive(reader, &end, err))
            return false;
    }
    if (reader->fn != NULL && reader->body->len > 0) /* a last line without LF */
        (void)reader->fn(reader->arg, buf_str(reader->body));
    return true;
}

/* Connects, asks and reads the head; <reader> owns fd, in and head. */
static bool start(struct reader *reader, struct err *err)
{
    reader->fd = socket_connect_unix(reader->call->socket_path, err);
    if (reader->fd < 0)
        return false;
    return send_request(reader->call, reader->fd, err) && read_head(reader, err);
}

static void reader_done(struct reader *reader)
{
    fd_close(reader->fd);
    buf_done(&reader->in);
    free(reader->head);
}
AUTO_VALUE(struct reader, reader_done)

bool http_client_call(const struct http_call *call, size_t limit_bytes, int *ret_status,
                      struct buf *ret_body, struct err *err)
{
    AUTO(buf_done) struct buf body = {0};
    AUTO(reader_done)
    struct reader reader = {.call = call, .fd = -1, .body = &body, .limit_bytes = limit_bytes};

    reader.head = NEW(struct http1_head);
    if (!start(&reader, err) || !read_body(&reader, err))
        return false;
    *ret_status = reader.head->status;
    buf_add_str(ret_body, buf_str(&body));
    return true;
}

bool http_client_stream(const struct http_call *call, http_line_fn *fn, void *arg, int *ret_status,
                        struct buf *ret_body, struct err *err)
{
    AUTO(buf_done) struct buf body = {0};
    AUTO(reader_done)
    struct reader reader = {
        .call = call, .fd = -1, .body = &body, .limit_bytes = HTTP_CLIENT_MAX_LINE_BYTES};

    reader.head = NEW(struct http1_head);
    if (!start(&reader, err))
        return false;
    bool streams = reader.head->status < 300;
    reader.fn = streams ? fn : NULL;
    reader.arg = arg;
    if (!read_body(&reader, err))
        return false;
    *ret_status = reader.head->status;
    if (!streams)
        buf_add_str(ret_body, buf_str(&body));
    return true;
}
