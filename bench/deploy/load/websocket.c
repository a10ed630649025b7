/* SPDX-License-Identifier: Apache-2.0
 *
 * WebSockets (RFC 6455) that live for some seconds, send a message twice a
 * second and want it back. One that ends before this side wanted it was cut.
 * Frames are masked with zeros, since nothing here has to be hidden.
 */
#include "base/base.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "http/http1.h"
#include "load.h"

enum { READ_BYTES = 4096, MESSAGE_BYTES = 16, FRAME_MAX = 125, OPCODE_TEXT = 1, OPCODE_CLOSE = 8 };
#define MESSAGE_NS   (500 * NS_PER_MS)
#define FAREWELL_NS  (3 * NS_PER_SECOND)
#define TRY_AGAIN_NS (200 * NS_PER_MS)

enum stage { CONNECTING, ASKING, OPEN, LEAVING };

struct websocket {
    struct kind *kind;
    struct watch watch;
    struct timer timer; /* handshake, next message, or the farewell's limit */
    struct deferred gone;
    enum stage stage;
    bool closed;
    bool unanswered; /* a message was sent and has not come back */
    uint64_t due_ns;
    uint64_t leave_ns; /* when this side ends it */
    uint64_t sent_ns;
    int status;
    char version[VERSION_BYTES];
    struct buf in;
    struct http1_head head;
};

/* A place whose WebSocket ended: the next one begins a little later. */
struct successor {
    struct kind *kind;
    struct timer timer;
};

static void on_successor(struct timer *timer, uint64_t now_ns)
{
    struct successor *successor = CONTAINER_OF(timer, struct successor, timer);
    struct kind *kind = successor->kind;

    free(successor);
    if (!kind->load->stopping)
        websocket_begin(kind, now_ns);
}

static void on_gone(struct deferred *deferred)
{
    struct websocket *websocket = CONTAINER_OF(deferred, struct websocket, gone);

    buf_done(&websocket->in);
    free(websocket);
}

static void end(struct websocket *websocket, enum outcome outcome, const char *why)
{
    struct load *load = websocket->kind->load;
    const struct ending ending = {.outcome = outcome,
                                  .status = websocket->status,
                                  .version = websocket->version,
                                  .why = why,
                                  .due_ns = websocket->due_ns};

    if (websocket->closed)
        return;
    websocket->closed = true;
    load_end(websocket->kind, &ending);
    timer_clear(&websocket->timer);
    if (websocket->watch.fd >= 0) {
        watch_remove(load->loop, &websocket->watch);
        close(websocket->watch.fd);
    }
    loop_defer(load->loop, &websocket->gone, on_gone);
    if (!load->stopping) {
        struct successor *successor = NEW(struct successor);
        successor->kind = websocket->kind;
        timer_set(load->loop, &successor->timer,
                  loop_now_ns(load->loop) + (outcome == OUTCOME_OK ? 0 : TRY_AGAIN_NS),
                  on_successor);
    }
}

static void send_frame(struct websocket *websocket, int opcode, const char *text, size_t len)
{
    unsigned char frame[6 + FRAME_MAX] = {(unsigned char)(0x80 | opcode),
                                          (unsigned char)(0x80 | len)};

    assert(len <= FRAME_MAX);
    if (len > 0)
        memcpy(frame + 6, text, len);
    /* So small that a socket that takes none of it is stuck; the limit then ends it. */
    (void)send(websocket->watch.fd, frame, 6 + len, MSG_NOSIGNAL);
}

static void leave(struct websocket *websocket, uint64_t now_ns);

static void on_turn(struct timer *timer, uint64_t now_ns)
{
    struct websocket *websocket = CONTAINER_OF(timer, struct websocket, timer);
    struct load *load = websocket->kind->load;
    static const char message[MESSAGE_BYTES] = "there and back.";

    if (websocket->stage == LEAVING) { /* a server need not answer a farewell */
        end(websocket, OUTCOME_OK, "");
    } else if (websocket->stage != OPEN) {
        end(websocket, OUTCOME_TIMEOUT, "no answer to the handshake");
    } else if (websocket->unanswered) {
        if (now_ns > websocket->sent_ns + load->options.timeout_ns)
            end(websocket, OUTCOME_TIMEOUT, "a message did not come back");
        else
            timer_set(load->loop, timer, now_ns + MESSAGE_NS, on_turn);
    } else if (now_ns >= websocket->leave_ns || load->stopping) {
        leave(websocket, now_ns);
    } else {
        send_frame(websocket, OPCODE_TEXT, message, sizeof message);
        websocket->unanswered = true;
        websocket->sent_ns = now_ns;
        timer_set(load->loop, timer, now_ns + MESSAGE_NS, on_turn);
    }
}

static void leave(struct websocket *websocket, uint64_t now_ns)
{
    websocket->stage = LEAVING;
    send_frame(websocket, OPCODE_CLOSE, "", 0);
    timer_set(websocket->kind->load->loop, &websocket->timer, now_ns + FAREWELL_NS, on_turn);
}

static void open_now(struct websocket *websocket, uint64_t now_ns)
{
    struct load *load = websocket->kind->load;
    uint64_t life_ns = load->options.websocket_ns;

    for (size_t i = 0; i < websocket->head.header_count; i++)
        if (str_eq_nocase(websocket->head.headers[i].name, STR("X-Version")))
            version_copy(websocket->head.headers[i].value, websocket->version);
    buf_drop(&websocket->in, websocket->head.head_bytes);
    websocket->stage = OPEN;
    websocket->leave_ns = now_ns + life_ns / 2 + load_random(load, life_ns + 1);
    timer_set(load->loop, &websocket->timer, now_ns + load_random(load, MESSAGE_NS), on_turn);
}

static void read_handshake(struct websocket *websocket, uint64_t now_ns)
{
    const char *why = "";
    enum http1_result result =
        http1_parse_response(buf_str(&websocket->in), HTTP_GET, &websocket->head, &why);

    if (result == HTTP1_MORE)
        return;
    if (result != HTTP1_DONE) {
        end(websocket, OUTCOME_BAD, why);
        return;
    }
    websocket->status = websocket->head.status;
    if (websocket->status != 101)
        end(websocket, OUTCOME_STATUS, "the handshake was refused");
    else
        open_now(websocket, now_ns);
}

/* Servers do not mask; the messages are short. */
static void read_frames(struct websocket *websocket)
{
    while (!websocket->closed && websocket->in.len >= 2) {
        const unsigned char *bytes = (const unsigned char *)websocket->in.ptr;
        size_t len = bytes[1];
        int opcode = bytes[0] & 15;

        if (len > FRAME_MAX) {
            end(websocket, OUTCOME_BAD, "a frame that was not asked for");
            return;
        }
        if (websocket->in.len < 2 + len)
            return;
        buf_drop(&websocket->in, 2 + len);
        if (opcode == OPCODE_CLOSE) {
            end(websocket, websocket->stage == LEAVING ? OUTCOME_OK : OUTCOME_CLOSED,
                "the server said farewell");
            return;
        }
        websocket->unanswered = false;
        websocket->kind->messages++;
    }
}

static void receive(struct websocket *websocket, uint64_t now_ns)
{
    char *place = buf_reserve(&websocket->in, READ_BYTES);
    ssize_t len = recv(websocket->watch.fd, place, READ_BYTES, 0);

    if (len < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (len <= 0) {
        end(websocket, websocket->stage == LEAVING ? OUTCOME_OK : OUTCOME_CLOSED,
            websocket->stage == OPEN ? "cut" : "within the handshake");
        return;
    }
    buf_grew(&websocket->in, (size_t)len);
    if (websocket->stage == ASKING)
        read_handshake(websocket, now_ns);
    if (!websocket->closed && websocket->stage != ASKING)
        read_frames(websocket);
}

static bool ask(struct websocket *websocket)
{
    const struct load_options *options = &websocket->kind->load->options;
    AUTO(buf_done) struct buf out = {0};

    buf_addf(&out,
             "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
             options->websocket_path, options->host);
    return send(websocket->watch.fd, out.ptr, out.len, MSG_NOSIGNAL) == (ssize_t)out.len;
}

static void on_event(struct watch *watch, uint32_t events, uint64_t now_ns)
{
    struct websocket *websocket = CONTAINER_OF(watch, struct websocket, watch);
    struct err err;

    if (websocket->closed)
        return;
    if (websocket->stage == CONNECTING) {
        if (!socket_connect_result(watch->fd, &err) || !ask(websocket)) {
            end(websocket, OUTCOME_REFUSED, "no connection");
            return;
        }
        websocket->stage = ASKING;
        watch_set(websocket->kind->load->loop, watch, EPOLLIN);
    }
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
        receive(websocket, now_ns);
}

void websocket_begin(struct kind *kind, uint64_t due_ns)
{
    struct websocket *websocket = NEW(struct websocket);
    struct load *load = kind->load;
    struct err err;

    websocket->kind = kind;
    websocket->due_ns = due_ns;
    load_begin(kind, due_ns);
    websocket->watch.fd = socket_connect_tcp(&load->options.address, &err);
    if (websocket->watch.fd < 0 || !watch_add(load->loop, &websocket->watch, websocket->watch.fd,
                                              EPOLLIN | EPOLLOUT, on_event, &err)) {
        end(websocket, OUTCOME_CLIENT, "no socket");
        return;
    }
    timer_set(load->loop, &websocket->timer, loop_now_ns(load->loop) + load->options.timeout_ns,
              on_turn);
}
