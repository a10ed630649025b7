/* SPDX-License-Identifier: Apache-2.0
 *
 * Clients of HTTP/1.1: on connections that stay, on new ones, and with bodies
 * that are sent slowly.
 */
#include "base/base.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "http/http1.h"
#include "load.h"

enum { READ_BYTES = 65536, HEAD_MAX = 65536, UPLOAD_PIECES = 20, UPLOAD_PIECE_BYTES = 2048 };

struct http1 {
    struct kind *kind;
    struct list link; /* in kind->idle */
    struct watch watch;
    struct timer limit;
    struct timer piece; /* when the next piece of an upload goes */
    struct deferred gone;
    bool connected;
    bool busy;
    bool reused;
    bool closed;
    uint64_t due_ns;
    size_t pieces_left;
    struct buf out;
    struct buf in;
    bool has_head;
    bool keep_alive;
    struct http1_chunks chunks;
    uint64_t body_left;
    enum http_framing framing;
    int status;
    char version[VERSION_BYTES];
    struct http1_head head;
};

static void on_gone(struct deferred *deferred)
{
    struct http1 *http1 = CONTAINER_OF(deferred, struct http1, gone);

    buf_done(&http1->out);
    buf_done(&http1->in);
    free(http1);
}

static void drop(struct http1 *http1)
{
    struct loop *loop = http1->kind->load->loop;

    if (http1->closed)
        return;
    http1->closed = true;
    list_remove(&http1->link);
    timer_clear(&http1->limit);
    timer_clear(&http1->piece);
    if (http1->watch.fd >= 0) {
        watch_remove(loop, &http1->watch);
        close(http1->watch.fd);
    }
    loop_defer(loop, &http1->gone, on_gone);
}

static void end(struct http1 *http1, enum outcome outcome, const char *why)
{
    const struct ending ending = {.outcome = outcome,
                                  .status = http1->status,
                                  .version = http1->version,
                                  .why = why,
                                  .due_ns = http1->due_ns};

    if (!http1->busy)
        return;
    http1->busy = false;
    timer_clear(&http1->limit);
    timer_clear(&http1->piece);
    load_end(http1->kind, &ending);
}

static void fail(struct http1 *http1, enum outcome outcome, const char *why)
{
    if (!http1->busy && !http1->closed)
        http1->kind->idle_closed++;
    end(http1, outcome, why);
    drop(http1);
}

static void on_limit(struct timer *timer, uint64_t now_ns)
{
    struct http1 *http1 = CONTAINER_OF(timer, struct http1, limit);

    (void)now_ns;
    fail(http1, OUTCOME_TIMEOUT, http1->has_head ? "within the answer" : "no answer");
}

static void finish(struct http1 *http1)
{
    bool stays = http1->keep_alive && http1->kind->id == KIND_KEEPALIVE;
    bool whole = http1->out.len == 0 && http1->pieces_left == 0;
    uint64_t wanted =
        http1->kind->id == KIND_UPLOAD ? http1->kind->load->options.upload_status : 200;

    end(http1, (uint64_t)http1->status == wanted ? OUTCOME_OK : OUTCOME_STATUS, "");
    if (!stays || !whole || http1->kind->load->stopping) {
        drop(http1);
        return;
    }
    buf_clear(&http1->in);
    list_push_front(&http1->kind->idle, &http1->link);
}

static struct str find_version(const struct http1_head *head)
{
    for (size_t i = 0; i < head->header_count; i++)
        if (str_eq_nocase(head->headers[i].name, STR("X-Version")))
            return head->headers[i].value;
    return (struct str){0};
}

/* False: more bytes are needed, or it is over. */
static bool read_head(struct http1 *http1)
{
    struct http1_head *head = &http1->head;
    const char *why = "";
    bool posts = http1->kind->id == KIND_UPLOAD;

    switch (http1_parse_response(buf_str(&http1->in), posts ? HTTP_POST : HTTP_GET, head, &why)) {
    case HTTP1_DONE:
        break;
    case HTTP1_MORE:
        if (http1->in.len > HEAD_MAX)
            fail(http1, OUTCOME_BAD, "the head is too long");
        return false;
    case HTTP1_BAD:
    case HTTP1_TOO_LARGE:
    case HTTP1_UNSUPPORTED:
        fail(http1, OUTCOME_BAD, why);
        return false;
    }
    http1->status = head->status;
    http1->keep_alive = head->keep_alive;
    http1->framing = head->framing;
    http1->body_left = head->content_length;
    version_copy(find_version(head), http1->version);
    buf_drop(&http1->in, head->head_bytes);
    http1->has_head = true;
    return true;
}

static void read_chunks(struct http1 *http1)
{
    const char *why = "";
    enum http1_result result = HTTP1_MORE;

    while (http1->in.len > 0 && result == HTTP1_MORE) {
        struct str piece;
        size_t used = 0;
        result = http1_chunks_read(&http1->chunks, buf_str(&http1->in), &used, &piece, &why);
        buf_drop(&http1->in, used);
        if (used == 0)
            break;
    }
    if (result == HTTP1_DONE)
        finish(http1);
    else if (result != HTTP1_MORE)
        fail(http1, OUTCOME_BAD, why);
}

static void read_answer(struct http1 *http1)
{
    if (!http1->busy) {
        fail(http1, OUTCOME_BAD, "an answer to nothing");
        return;
    }
    if (!http1->has_head && !read_head(http1))
        return;
    if (http1->framing == HTTP_NO_BODY) {
        finish(http1);
    } else if (http1->framing == HTTP_LENGTH) {
        size_t len = MIN(http1->in.len, http1->body_left);
        buf_drop(&http1->in, len);
        http1->body_left -= len;
        if (http1->body_left == 0)
            finish(http1);
    } else if (http1->framing == HTTP_CHUNKED) {
        read_chunks(http1);
    } else {
        buf_clear(&http1->in);
    }
}

static void on_end(struct http1 *http1, const char *why)
{
    if (http1->busy && http1->has_head && http1->framing == HTTP_UNTIL_CLOSE)
        finish(http1);
    else
        fail(http1, OUTCOME_CLOSED, http1->reused ? "a connection that was used before" : why);
}

static void receive(struct http1 *http1)
{
    while (!http1->closed) {
        char *place = buf_reserve(&http1->in, READ_BYTES);
        ssize_t len = recv(http1->watch.fd, place, READ_BYTES, 0);
        if (len < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (len <= 0) {
            on_end(http1, len == 0 ? "closed" : "reset");
            return;
        }
        buf_grew(&http1->in, (size_t)len);
        read_answer(http1);
        if (len < READ_BYTES)
            return;
    }
}

/* What the server says before it closes is still read: an error here is not the end. */
static void flush(struct http1 *http1)
{
    struct loop *loop = http1->kind->load->loop;

    while (http1->out.len > 0) {
        ssize_t len = send(http1->watch.fd, http1->out.ptr, http1->out.len, MSG_NOSIGNAL);
        if (len < 0) {
            if (errno != EAGAIN && errno != EINTR)
                buf_clear(&http1->out);
            break;
        }
        buf_drop(&http1->out, (size_t)len);
    }
    watch_set(loop, &http1->watch, http1->out.len > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static void on_piece(struct timer *timer, uint64_t now_ns)
{
    struct http1 *http1 = CONTAINER_OF(timer, struct http1, piece);
    static const char zeros[UPLOAD_PIECE_BYTES];

    if (http1->pieces_left == 0 || !http1->busy)
        return;
    http1->pieces_left--;
    buf_add(&http1->out, zeros, sizeof zeros);
    if (http1->connected)
        flush(http1);
    timer_set(http1->kind->load->loop, &http1->piece,
              now_ns + http1->kind->load->options.upload_ns / UPLOAD_PIECES, on_piece);
}

static void on_event(struct watch *watch, uint32_t events, uint64_t now_ns)
{
    struct http1 *http1 = CONTAINER_OF(watch, struct http1, watch);
    struct err err;

    (void)now_ns;
    if (http1->closed)
        return;
    if (!http1->connected) {
        if (!socket_connect_result(watch->fd, &err)) {
            fail(http1, OUTCOME_REFUSED, "no connection");
            return;
        }
        http1->connected = true;
    }
    if ((events & EPOLLOUT) != 0 || http1->out.len > 0)
        flush(http1);
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
        receive(http1);
}

static struct http1 *open_one(struct kind *kind)
{
    struct http1 *http1 = NEW(struct http1);
    struct load *load = kind->load;
    struct err err;

    http1->kind = kind;
    list_init(&http1->link);
    http1->watch.fd = socket_connect_tcp(&load->options.address, &err);
    if (http1->watch.fd >= 0 && !watch_add(load->loop, &http1->watch, http1->watch.fd,
                                           EPOLLIN | EPOLLOUT, on_event, &err)) {
        close(http1->watch.fd);
        http1->watch.fd = -1;
    }
    return http1;
}

static struct http1 *take_idle(struct kind *kind)
{
    struct http1 *http1 = NULL;

    if (!list_is_empty(&kind->idle)) {
        http1 = CONTAINER_OF(kind->idle.prev, struct http1, link);
        list_remove(&http1->link);
        http1->reused = true;
        http1->has_head = false;
        http1->status = 0;
        http1->version[0] = '\0';
        http1->chunks = (struct http1_chunks){0};
    }
    return http1;
}

static void add_head(struct http1 *http1)
{
    const struct load_options *options = &http1->kind->load->options;

    if (http1->kind->id == KIND_UPLOAD)
        buf_addf(&http1->out, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n",
                 options->upload_path, options->host, UPLOAD_PIECES * UPLOAD_PIECE_BYTES);
    else
        buf_addf(&http1->out, "GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n", options->path, options->host,
                 http1->kind->id == KIND_FRESH ? "Connection: close\r\n" : "");
}

void http1_begin(struct kind *kind, uint64_t due_ns)
{
    struct load *load = kind->load;
    uint64_t now_ns = loop_now_ns(load->loop);
    struct http1 *http1 = kind->id == KIND_KEEPALIVE ? take_idle(kind) : NULL;

    if (http1 == NULL)
        http1 = open_one(kind);
    http1->busy = true;
    http1->due_ns = due_ns;
    load_begin(kind, due_ns);
    if (http1->watch.fd < 0) {
        fail(http1, OUTCOME_CLIENT, "no socket");
        return;
    }
    add_head(http1);
    uint64_t limit_ns = load->options.timeout_ns;
    if (kind->id == KIND_UPLOAD) {
        http1->pieces_left = UPLOAD_PIECES;
        limit_ns += load->options.upload_ns;
        timer_set(load->loop, &http1->piece, now_ns, on_piece);
    }
    timer_set(load->loop, &http1->limit, MAX(due_ns, now_ns) + limit_ns, on_limit);
    if (http1->connected)
        flush(http1);
}

void http1_close_idle(struct kind *kind)
{
    LIST_FOR_EACH (node, &kind->idle)
        drop(CONTAINER_OF(node, struct http1, link));
}
