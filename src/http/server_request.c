/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <errno.h>
#include <sys/socket.h>

#include "http/path.h"
#include "http/server_priv.h"

enum { RECEIVE_BYTES = 64 << 10 };

bool exchange_receive(struct http_exchange *exchange)
{
    char *at = buf_reserve(&exchange->in, RECEIVE_BYTES);
    ssize_t received = recv(exchange->watch.fd, at, RECEIVE_BYTES, MSG_DONTWAIT);

    if (received > 0)
        buf_grew(&exchange->in, (size_t)received);
    return received > 0 || (received < 0 && (errno == EAGAIN || errno == EINTR));
}

/* Copies what the request says of itself, as exchange->in will move. */
static bool keep_target(struct http_exchange *exchange, const struct http1_head *head,
                        const char **ret_why)
{
    struct buf *target = &exchange->target;
    struct http_request *request = &exchange->request;
    size_t path_len = 0;

    buf_clear(target);
    char *bytes = buf_reserve(target, head->path.len + head->method_text.len + head->query.len);
    if (!http_path_normalize(head->path, bytes, &path_len, ret_why))
        return false;
    buf_grew(target, path_len);
    buf_add_str(target, head->method_text);
    buf_add_str(target, head->query);
    request->method = head->method;
    request->path = str_sub(buf_str(target), 0, path_len);
    request->method_text = str_sub(buf_str(target), path_len, head->method_text.len);
    request->query = (struct str){0};
    if (head->query.ptr != NULL)
        request->query = str_sub(buf_str(target), path_len + head->method_text.len, SIZE_MAX);
    return true;
}

/* False: not complete, or refused. */
static bool read_head(struct http_exchange *exchange)
{
    struct http1_head *head = &exchange->server->head;
    const char *why = NULL;
    enum http1_result result = http1_parse_request(buf_str(&exchange->in), head, &why);

    if (result == HTTP1_MORE && exchange->in.len <= HTTP_SERVER_MAX_HEAD_BYTES)
        return false;
    exchange->minor_version = 1;
    exchange->request.method = HTTP_METHOD_OTHER;
    if (result == HTTP1_MORE ||
        (result == HTTP1_DONE && head->head_bytes > HTTP_SERVER_MAX_HEAD_BYTES))
        http_exchange_refuse(exchange, 431, "head of the request is too large");
    else if (result != HTTP1_DONE)
        http_exchange_refuse(exchange, head->status, why);
    else if (head->expect_unknown)
        http_exchange_refuse(exchange, 417, "unknown expectation");
    else if (head->framing == HTTP_LENGTH && head->content_length > HTTP_SERVER_MAX_BODY_BYTES)
        http_exchange_refuse(exchange, 413, "body of the request is too large");
    else if (!keep_target(exchange, head, &why))
        http_exchange_refuse(exchange, 400, why);
    else
        exchange->has_head = true;
    if (!exchange->has_head)
        return false;

    exchange->minor_version = head->minor_version;
    exchange->keep_alive = head->keep_alive;
    exchange->framing = head->framing;
    exchange->length = (size_t)head->content_length;
    exchange->chunks = (struct http1_chunks){0};
    buf_clear(&exchange->body);
    buf_drop(&exchange->in, head->head_bytes);
    if (head->expect_continue && exchange->in.len == 0) {
        buf_add_text(&exchange->out, "HTTP/1.1 100 Continue\r\n\r\n");
        exchange_flush(exchange);
    }
    return exchange->state == EXCHANGE_READING;
}

static bool read_chunks(struct http_exchange *exchange)
{
    struct str rest = buf_str(&exchange->in), data;
    enum http1_result result = HTTP1_MORE;
    const char *why = NULL;
    size_t used;

    while (result == HTTP1_MORE && rest.len > 0) {
        result = http1_chunks_read(&exchange->chunks, rest, &used, &data, &why);
        rest = str_sub(rest, used, rest.len);
        if (exchange->body.len + data.len > HTTP_SERVER_MAX_BODY_BYTES) {
            http_exchange_refuse(exchange, 413, "body of the request is too large");
            return false;
        }
        buf_add_str(&exchange->body, data);
    }
    if (result == HTTP1_BAD) {
        http_exchange_refuse(exchange, 400, why);
        return false;
    }
    buf_drop(&exchange->in, exchange->in.len - rest.len);
    exchange->request.body = buf_str(&exchange->body);
    return result == HTTP1_DONE;
}

static bool read_body(struct http_exchange *exchange)
{
    exchange->request.body = (struct str){0};
    if (exchange->framing == HTTP_CHUNKED)
        return read_chunks(exchange);
    if (exchange->framing != HTTP_LENGTH)
        return true;
    exchange->request.body = str_sub(buf_str(&exchange->in), 0, exchange->length);
    return exchange->in.len >= exchange->length;
}

void exchange_read(struct http_exchange *exchange)
{
    struct http_server *server = exchange->server;

    if (!exchange->has_head) {
        if (!exchange->has_started)
            exchange_set_timeout(exchange, HTTP_SERVER_READ_SECONDS);
        exchange->has_started = true;
        if (!read_head(exchange))
            return;
    }
    if (!read_body(exchange))
        return;
    exchange_enter(exchange, EXCHANGE_ANSWERING, 0);
    server->fn(server->arg, exchange, &exchange->request);
    assert(exchange->state != EXCHANGE_ANSWERING || exchange->on_close != NULL);
}
