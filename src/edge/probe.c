/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "edge/control.h"
#include "edge/probe.h"
#include "edge/proxy_protocol.h"
#include "edge/table_reader.h"
#include "http/http1.h"
#include "io/socket.h"
#include "json/json.h"

enum {
    PROBE_ANSWER_BYTES = 16 * 1024, /* more is not read */
    PROBE_DETAIL_BYTES = 200,
    PROBE_DEFAULT_MS = 5000,
};

struct probe {
    struct watch watch;
    struct timer timer;
    struct deferred freeing;
    struct edge *edge;
    probe_fn *fn;
    void *arg;
    uint16_t status_from;
    uint16_t status_to;
    bool connected;
    size_t sent;
    struct buf request; /* empty: a connection is enough */
    struct buf answer;
    struct http1_head head;
};

static void probe_free(struct probe *probe)
{
    buf_done(&probe->request);
    buf_done(&probe->answer);
    free(probe);
}

static void on_round_over(struct deferred *deferred)
{
    probe_free(CONTAINER_OF(deferred, struct probe, freeing));
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

static void probe_close(struct probe *probe)
{
    struct edge *edge = probe->edge;

    watch_remove(edge->loop, &probe->watch);
    fd_close(probe->watch.fd);
    timer_clear(&probe->timer);
    edge->probe_count--;
}

void probe_cancel(struct probe *probe)
{
    probe_close(probe);
    probe_free(probe);
}

/* The callers still look at it: it is freed when the round is over. */
static void finish(struct probe *probe, bool good, int status, struct str detail)
{
    char text[PROBE_DETAIL_BYTES + 1];
    size_t len = put_printable(text, detail);

    probe_close(probe);
    loop_defer(probe->edge->loop, &probe->freeing, on_round_over);
    probe->fn(probe->arg, good, status, str_from(text, len));
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
    if (status >= probe->status_from && status <= probe->status_to) {
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

bool probe_is_clean(struct str text, size_t max)
{
    for (size_t i = 0; i < text.len; i++)
        if (!http_is(text.ptr[i], HTTP_CLASS_TARGET))
            return false;
    return text.len <= max;
}

static void build(struct probe *probe, const struct probe_question *question)
{
    if (question->path.len == 0)
        return;
    if (question->send_proxy != 0) {
        char *at = buf_reserve(&probe->request, PROXY_PROTOCOL_OUT_BYTES);
        buf_grew(&probe->request, proxy_protocol_format_own(question->send_proxy, at));
    }
    buf_addf(&probe->request,
             "GET " STR_FMT " HTTP/1.1\r\nHost: " STR_FMT
             "\r\nUser-Agent: ishizue-probe\r\nAccept: */*\r\nConnection: close\r\n\r\n",
             STR_ARG(question->path), STR_ARG(question->host));
}

struct probe *probe_open(struct edge *edge, const struct probe_question *question, probe_fn *fn,
                         void *arg)
{
    struct probe *probe = NEW(struct probe);
    struct err err = {0};

    *probe = (struct probe){.edge = edge,
                            .fn = fn,
                            .arg = arg,
                            .status_from = question->status_from,
                            .status_to = question->status_to};
    probe->watch.fd = -1;
    if (edge->probe_count++ >= PROBES_MAX) {
        finish(probe, false, 0, STR("too many probes at once"));
        return NULL;
    }
    build(probe, question);
    int fd = socket_connect_tcp(&question->address, &err);
    if (fd < 0 || !watch_add(edge->loop, &probe->watch, fd, EPOLLIN | EPOLLOUT, on_event, &err)) {
        fd_close(fd);
        finish(probe, false, 0, str_of(err.text));
        return NULL;
    }
    timer_set(edge->loop, &probe->timer, loop_now_ns(edge->loop) + question->timeout_ms * NS_PER_MS,
              on_timeout);
    return probe;
}

/* ---- the daemon's ---- */

struct asked {
    struct edge *edge;
    uint64_t number;
};

static void on_answered(void *arg, bool good, int status, struct str detail)
{
    struct asked *asked = arg;

    control_send(asked->edge,
                 json_pack("{s:s, s:I, s:b, s:i, s:o}", "event", "probe", "probe",
                           (json_int_t)asked->number, "ok", good, "status", status, "detail",
                           json_from_bytes(detail)),
                 NULL, 0);
    free(asked);
}

/* False: <err> says what is wrong with the message. */
static bool read_question(const json_t *message, struct probe_question *ret, struct err *err)
{
    struct str address = str_of(json_find_text(message, "address", ""));
    uint64_t version = json_find_u64(message, "send_proxy", 0);
    uint64_t timeout_ms = json_find_u64(message, "timeout_ms", PROBE_DEFAULT_MS);
    const json_t *status = json_object_get(message, "status");

    ret->path = str_of(json_find_text(message, "path", ""));
    ret->host = str_of(json_find_text(message, "host", "localhost"));
    ret->timeout_ms = (uint32_t)MIN(timeout_ms, (uint64_t)UINT32_MAX);
    ret->send_proxy = version > 2 ? 0 : (uint8_t)version;
    ret->status_from = PROBE_STATUS_FROM;
    ret->status_to = PROBE_STATUS_TO;
    if (json_array_size(status) == 2) {
        ret->status_from = (uint16_t)json_integer_value(json_array_get(status, 0));
        ret->status_to = (uint16_t)json_integer_value(json_array_get(status, 1));
    }
    if (!table_read_address(address, &ret->address, err))
        return false;
    return (ret->path.len == 0 ||
            (ret->path.ptr[0] == '/' && probe_is_clean(ret->path, PROBE_PATH_BYTES) &&
             probe_is_clean(ret->host, PROBE_HOST_BYTES))) ||
           err_set(err, ERR_INVALID, "bad path '%.60s'", ret->path.ptr);
}

void probe_take_message(struct edge *edge, const json_t *message)
{
    struct asked *asked = NEW(struct asked);
    struct probe_question question;
    struct err err = {0};

    asked->edge = edge;
    asked->number = json_find_u64(message, "probe", 0);
    if (read_question(message, &question, &err))
        (void)probe_open(edge, &question, on_answered, asked);
    else
        on_answered(asked, false, 0, str_of(err.text));
}
