/* SPDX-License-Identifier: Apache-2.0
 *
 * Health probes: one connection each, made by the main thread, so that a busy
 * worker does not make a healthy target look sick.
 */
#include "base/base.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "edge/control.h"
#include "edge/proxy_protocol.h"
#include "http/http1.h"
#include "io/socket.h"
#include "json/json.h"

enum {
    PROBE_ANSWER_BYTES = 16 * 1024, /* more is not read */
    PROBE_PATH_BYTES = 1024,
    PROBE_DETAIL_BYTES = 200,
    PROBE_DEFAULT_MS = 5000,
};

struct probe {
    struct watch watch;
    struct timer timer;
    struct deferred freeing;
    struct edge *edge;
    uint64_t number;
    bool connected;
    size_t sent;
    struct buf request; /* empty: a connection is enough */
    struct buf answer;
    struct http1_head head;
};

static void probe_free(struct deferred *deferred)
{
    struct probe *probe = CONTAINER_OF(deferred, struct probe, freeing);

    buf_done(&probe->request);
    buf_done(&probe->answer);
    free(probe);
}

/* Control characters and bytes of other alphabets would make the daemon's lines unreadable. */
static size_t put_printable(char *ret, struct str text)
{
    size_t len = 0;

    for (size_t i = 0; i < text.len && len < PROBE_DETAIL_BYTES; i++) {
        char c = text.ptr[i];
        ret[len++] = c >= ' ' && c < 0x7f ? c : ' ';
    }
    ret[len] = '\0';
    return len;
}

static void finish(struct probe *probe, bool good, int status, struct str detail)
{
    struct edge *edge = probe->edge;
    char text[PROBE_DETAIL_BYTES + 1];

    (void)put_printable(text, detail);
    control_send(edge,
                 json_pack("{s:s, s:I, s:b, s:i, s:s}", "event", "probe", "probe",
                           (json_int_t)probe->number, "ok", good, "status", status, "detail", text),
                 NULL, 0);
    watch_remove(edge->loop, &probe->watch);
    fd_close(probe->watch.fd);
    timer_clear(&probe->timer);
    edge->probe_count--;
    loop_defer(edge->loop, &probe->freeing, probe_free);
}

static void on_timeout(struct timer *timer, uint64_t now_ns)
{
    struct probe *probe = CONTAINER_OF(timer, struct probe, timer);

    (void)now_ns;
    finish(probe, false, 0,
           probe->connected ? STR("no answer in time") : STR("no connection in time"));
}

/* A good answer is decided by its head; of a bad one the start of the body is told. */
static bool decide(struct probe *probe, bool ended)
{
    struct str text = buf_str(&probe->answer);
    const char *why = "answer is not HTTP";
    enum http1_result result = http1_parse_response(text, HTTP_GET, &probe->head, &why);

    if (result == HTTP1_MORE && !ended && text.len < PROBE_ANSWER_BYTES)
        return false;
    if (result != HTTP1_DONE) {
        finish(probe, false, 0, result == HTTP1_MORE ? STR("answer is incomplete") : str_of(why));
        return true;
    }
    int status = probe->head.status;
    struct str body = str_sub(text, probe->head.head_bytes, SIZE_MAX);
    if (status >= 200 && status < 400) {
        finish(probe, true, status, (struct str){0});
        return true;
    }
    bool whole = probe->head.framing == HTTP_NO_BODY ||
                 (probe->head.framing == HTTP_LENGTH && body.len >= probe->head.content_length);
    if (!ended && !whole && body.len < PROBE_DETAIL_BYTES)
        return false;
    finish(probe, false, status, body.len > 0 ? body : probe->head.reason);
    return true;
}

static void read_answer(struct probe *probe)
{
    for (;;) {
        char *room = buf_reserve(&probe->answer, 4096);
        ssize_t n = recv(probe->watch.fd, room, 4096, 0);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0 && probe->answer.len == 0) {
            finish(probe, false, 0, STR("connection reset"));
            return;
        }
        buf_grew(&probe->answer, (size_t)MAX(n, 0));
        if (decide(probe, n <= 0))
            return;
    }
}

static void write_request(struct probe *probe)
{
    struct str rest = str_sub(buf_str(&probe->request), probe->sent, SIZE_MAX);
    ssize_t n = send(probe->watch.fd, rest.ptr, rest.len, MSG_NOSIGNAL);

    if (n > 0)
        probe->sent += (size_t)n;
    if (probe->sent == probe->request.len)
        watch_set(probe->edge->loop, &probe->watch, EPOLLIN);
    else if (n < 0 && errno != EAGAIN)
        finish(probe, false, 0, STR("connection reset"));
}

static void on_event(struct watch *watch, uint32_t events, uint64_t now_ns)
{
    struct probe *probe = CONTAINER_OF(watch, struct probe, watch);
    struct err err;

    (void)now_ns;
    if (!probe->connected) {
        if (!socket_connect_result(watch->fd, &err)) {
            finish(probe, false, 0, str_of(err.text));
            return;
        }
        probe->connected = true;
        if (probe->request.len == 0) {
            finish(probe, true, 0, (struct str){0});
            return;
        }
    }
    if (probe->sent < probe->request.len && (events & EPOLLOUT) != 0)
        write_request(probe);
    else
        read_answer(probe);
}

static bool is_clean(const char *text, size_t max)
{
    size_t len = strlen(text);

    for (size_t i = 0; i < len; i++)
        if (!http_is(text[i], HTTP_CLASS_TARGET))
            return false;
    return len <= max;
}

/* False: <err> says what is wrong with the message. */
static bool build(struct probe *probe, const json_t *message, union socket_address *ret,
                  uint64_t *ret_timeout_ms, struct err *err)
{
    struct str address = str_of(json_find_text(message, "address", ""));
    const char *path = json_find_text(message, "path", NULL);
    const char *host = json_find_text(message, "host", "localhost");
    size_t colon = str_find_last(address, ':');
    char ip[SOCKET_TEXT_BYTES];
    uint64_t port;

    *ret_timeout_ms = json_find_u64(message, "timeout_ms", PROBE_DEFAULT_MS);
    if (colon >= sizeof ip || !str_to_u64(str_sub(address, colon + 1, SIZE_MAX), 65535, &port))
        return err_set(err, ERR_INVALID, "bad address '%.60s'", address.ptr);
    memcpy(ip, address.ptr, colon);
    ip[colon] = '\0';
    if (!socket_address_parse(ip, (uint16_t)port, ret, err))
        return false;
    if (path == NULL)
        return true;
    if (path[0] != '/' || !is_clean(path, PROBE_PATH_BYTES) || !is_clean(host, 255))
        return err_set(err, ERR_INVALID, "bad path '%.60s'", path);
    uint64_t version = json_find_u64(message, "send_proxy", 0);
    if (version == 1 || version == 2) {
        char *at = buf_reserve(&probe->request, PROXY_PROTOCOL_OUT_BYTES);
        buf_grew(&probe->request, proxy_protocol_format_own((unsigned)version, at));
    }
    buf_addf(&probe->request,
             "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: ishizue-probe\r\nAccept: */*\r\n"
             "Connection: close\r\n\r\n",
             path, host);
    return true;
}

void probe_start(struct edge *edge, const json_t *message)
{
    struct probe *probe = NEW(struct probe);
    union socket_address address;
    uint64_t timeout_ms;
    struct err err = {0};

    probe->edge = edge;
    probe->watch.fd = -1;
    probe->number = json_find_u64(message, "probe", 0);
    if (edge->probe_count++ >= PROBES_MAX) {
        finish(probe, false, 0, STR("too many probes at once"));
        return;
    }
    int fd = build(probe, message, &address, &timeout_ms, &err) ? socket_connect_tcp(&address, &err)
                                                                : -1;
    if (fd < 0 || !watch_add(edge->loop, &probe->watch, fd, EPOLLIN | EPOLLOUT, on_event, &err)) {
        fd_close(fd);
        finish(probe, false, 0, str_of(err.text));
        return;
    }
    timer_set(edge->loop, &probe->timer, loop_now_ns(edge->loop) + timeout_ms * NS_PER_MS,
              on_timeout);
}
