/* SPDX-License-Identifier: Apache-2.0
 *
 * The API server, driven round by round in this thread against plain sockets,
 * and the blocking client against it in a second thread.
 */
#include "base/base.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "http/client.h"
#include "http/server.h"
#include "io/loop.h"
#include "io/socket.h"

enum { ROUNDS = 50, LARGE = 4 << 20 };

static char folder[] = "/tmp/test-http-XXXXXX";
static char path[64];
static struct loop *loop;
static struct http_server *server;
static uint64_t now_ns;

/* What the handler saw and did. */
static struct {
    int requests, closed, drained;
    struct http_exchange *exchange; /* of "/later" and "/stream" */
    struct buf log;
} seen;

static uint64_t fake_clock(void)
{
    return now_ns;
}

static void on_close(void *arg)
{
    (void)arg;
    seen.closed++;
    seen.exchange = NULL;
}

static void on_drain(void *arg)
{
    (void)arg;
    seen.drained++;
}

static void push_lines(struct http_exchange *exchange)
{
    http_stream_start(exchange, 200, "text/plain");
    assert_true(http_stream_push(exchange, STR("one\ntw")));
    assert_true(http_stream_push(exchange, STR("o\n")));
    assert_true(http_stream_push(exchange, STR("")));
    assert_true(http_stream_push(exchange, STR("\nlast")));
    http_stream_end(exchange);
}

static void on_request(void *arg, struct http_exchange *exchange,
                       const struct http_request *request)
{
    AUTO(buf_done) struct buf json = {0};

    (void)arg;
    seen.requests++;
    buf_addf(&seen.log, STR_FMT " " STR_FMT " ?" STR_FMT " %zu %d\n", STR_ARG(request->method_text),
             STR_ARG(request->path), STR_ARG(request->query), request->body.len,
             (int)request->peer_uid);
    if (str_is(request->path, "/stop"))
        loop_stop(loop);
    if (str_is(request->path, "/later") || str_is(request->path, "/stream") ||
        str_is(request->path, "/lines"))
        http_exchange_watch(exchange, on_close, on_drain, NULL);
    if (str_is(request->path, "/lines")) {
        push_lines(exchange);
    } else if (str_is(request->path, "/later")) {
        seen.exchange = exchange;
    } else if (str_is(request->path, "/stream")) {
        seen.exchange = exchange;
        http_stream_start(exchange, 200, "text/plain");
    } else if (str_is(request->path, "/large")) {
        memset(buf_reserve(&json, LARGE), 'x', LARGE);
        buf_grew(&json, LARGE);
        http_answer(exchange, 200, buf_str(&json));
    } else if (str_is(request->path, "/missing")) {
        http_answer(exchange, 404, STR("{\"error\":\"none\"}\n"));
    } else {
        buf_addf(&json, "{\"len\":%zu}\n", request->body.len);
        http_answer(exchange, 200, buf_str(&json));
    }
}

static int start_with(loop_clock_fn *clock)
{
    struct err err;

    memset(&seen, 0, sizeof seen);
    now_ns = 5 * NS_PER_SECOND;
    loop = loop_new(clock, &err);
    assert_non_null(loop);
    server = http_server_open(loop, socket_listen_unix(path, &err), on_request, NULL, &err);
    assert_non_null(server);
    return 0;
}

static int start(void **state)
{
    (void)state;
    return start_with(NULL);
}

static int start_fake(void **state)
{
    (void)state;
    return start_with(fake_clock);
}

static int stop(void **state)
{
    (void)state;
    http_server_close(server);
    loop_round(loop, 0);
    loop_free(loop);
    buf_done(&seen.log);
    return 0;
}

static int make_folder(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL)
        return -1;
    (void)snprintf(path, sizeof path, "%s/api.sock", folder);
    return 0;
}

static int remove_folder(void **state)
{
    struct err err;

    (void)state;
    return file_remove_tree(folder, &err) ? 0 : -1;
}

static int connect_raw(void)
{
    struct err err;
    int fd = socket_connect_unix(path, &err);

    assert_true(fd >= 0);
    return fd;
}

static void rounds(void)
{
    for (int i = 0; i < ROUNDS; i++)
        loop_round(loop, 0);
}

/* Sends all of <bytes>, letting the server read, and collects what comes back.
 * Returns whether the server closed the connection. */
static bool talk(int fd, struct str bytes, struct buf *ret)
{
    bool closed = false;

    for (int idle = 0; idle < ROUNDS && !closed; idle++) {
        ssize_t sent =
            bytes.len == 0 ? 0 : send(fd, bytes.ptr, bytes.len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent > 0) {
            bytes = str_sub(bytes, (size_t)sent, bytes.len);
            idle = 0;
        }
        loop_round(loop, 0);
        ssize_t received = recv(fd, buf_reserve(ret, 1 << 16), 1 << 16, MSG_DONTWAIT);
        if (received > 0) {
            buf_grew(ret, (size_t)received);
            idle = 0;
        }
        closed = received == 0;
    }
    return closed;
}

/* One connection: <text> out, what comes back is compared with its start and end. */
static void check_talk(const char *text, const char *start_with_text, const char *end_with)
{
    AUTO(fd_close) int fd = connect_raw();
    AUTO(buf_done) struct buf answer = {0};

    (void)talk(fd, str_of(text), &answer);
    if (!str_starts(buf_str(&answer), str_of(start_with_text)) ||
        !str_ends(buf_str(&answer), str_of(end_with)))
        fail_msg("'%s' was answered '%s'", text, buf_text(&answer));
}

static void a_request_cut_at_any_byte_is_answered_the_same(void **state)
{
    (void)state;
    struct str text =
        STR("POST /a/../b%61?x=1 HTTP/1.1\r\nHost: l\r\nContent-Length: 5\r\n\r\nhello");
    AUTO(fd_close) int fd = connect_raw();
    AUTO(buf_done) struct buf line = {0};

    buf_addf(&line, "POST /ba ?x=1 5 %d\n", (int)getuid());
    for (size_t cut = 0; cut <= text.len; cut++) { /* on one connection, kept alive */
        AUTO(buf_done) struct buf answer = {0};
        buf_clear(&seen.log);
        assert_false(talk(fd, str_sub(text, 0, cut), &answer));
        assert_int_equal(answer.len > 0, cut == text.len);
        assert_false(talk(fd, str_sub(text, cut, text.len), &answer));
        assert_true(str_starts(buf_str(&answer), STR("HTTP/1.1 200 OK\r\n")));
        assert_true(str_ends(buf_str(&answer), STR("\r\n\r\n{\"len\":5}\n")));
        assert_string_equal(buf_text(&seen.log), buf_text(&line));
    }
}

static void requests_sent_in_one_piece_are_answered_in_order(void **state)
{
    (void)state;
    AUTO(fd_close) int fd = connect_raw();
    AUTO(buf_done) struct buf answer = {0};

    assert_true(talk(fd,
                     STR("PUT /1 HTTP/1.1\r\nHost: l\r\nContent-Length: 2\r\n\r\nab"
                         "PUT /2 HTTP/1.1\r\nHost: l\r\nTransfer-Encoding: chunked\r\n\r\n"
                         "2\r\nab\r\n1\r\nc\r\n0\r\n\r\nGET /3 HTTP/1.1\r\nHost: l\r\n\r\n"
                         "GET /4 HTTP/1.1\r\nHost: l\r\nConnection: close\r\n\r\n"
                         "GET /5 HTTP/1.1\r\nHost: l\r\n\r\n"),
                     &answer));
    assert_int_equal(seen.requests, 4);
    const char *at = buf_text(&answer);
    static const char *const bodies[] = {"{\"len\":2}", "{\"len\":3}", "{\"len\":0}",
                                         "{\"len\":0}"};
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        at = strstr(at, bodies[i]);
        assert_non_null(at);
        at++;
    }
}

static void what_is_wrong_with_a_request_is_answered(void **state)
{
    (void)state;
    check_talk("GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n",
               "{\"error\":{\"code\":\"invalid\",\"text\":\"no Host\"}}\n");
    check_talk("GET /%00 HTTP/1.1\r\nHost: l\r\n\r\n", "HTTP/1.1 400 ", "}}\n");
    check_talk("GET /../x HTTP/1.1\r\nHost: l\r\n\r\n", "HTTP/1.1 400 ", "}}\n");
    check_talk("GET / HTTP/3.0\r\nHost: l\r\n\r\n", "HTTP/1.1 505 ", "}}\n");
    check_talk("GET / HTTP/1.1\r\nHost: l\r\nExpect: x\r\n\r\n", "HTTP/1.1 417 ", "}}\n");
    check_talk("PUT / HTTP/1.1\r\nHost: l\r\nTransfer-Encoding: chunked\r\n\r\nx", "HTTP/1.1 400 ",
               "}}\n");
    check_talk("PUT / HTTP/1.1\r\nHost: l\r\nContent-Length: 16777217\r\n\r\n", "HTTP/1.1 413 ",
               "}}\n");
    assert_int_equal(seen.requests, 0);
}

static void head_and_http_1_0_get_what_they_can_read(void **state)
{
    (void)state;
    check_talk("HEAD / HTTP/1.1\r\nHost: l\r\n\r\n", "HTTP/1.1 200 OK\r\n",
               "Content-Length: 10\r\n\r\n");
    check_talk("GET / HTTP/1.0\r\n\r\n", "HTTP/1.1 200 OK\r\n", "\r\n\r\n{\"len\":0}\n");
    check_talk("GET /lines HTTP/1.0\r\n\r\n", "HTTP/1.1 200 OK\r\n", "\r\n\r\none\ntwo\n\nlast");
    check_talk("GET /lines HTTP/1.1\r\nHost: l\r\n\r\n", "HTTP/1.1 200 OK\r\n",
               "6\r\none\ntw\r\n2\r\no\n\r\n5\r\n\nlast\r\n0\r\n\r\n");
    check_talk("PUT / HTTP/1.1\r\nHost: l\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n",
               "HTTP/1.1 100 Continue\r\n\r\n", "100 Continue\r\n\r\n");
}

static void a_head_above_the_limit_is_refused(void **state)
{
    (void)state;
    for (int over = 0; over <= 1; over++) {
        AUTO(fd_close) int fd = connect_raw();
        AUTO(buf_done) struct buf text = {0};
        AUTO(buf_done) struct buf answer = {0};
        buf_add_text(&text, "GET / HTTP/1.1\r\nHost: l\r\nX: ");
        while (text.len < (size_t)(HTTP_SERVER_MAX_HEAD_BYTES - 4 + over))
            buf_add_char(&text, 'x');
        buf_add_text(&text, "\r\n\r\n");
        (void)talk(fd, buf_str(&text), &answer);
        assert_true(
            str_starts(buf_str(&answer), over ? STR("HTTP/1.1 431 ") : STR("HTTP/1.1 200 ")));
    }
}

static void a_chunked_body_above_the_limit_is_refused(void **state)
{
    (void)state;
    for (int over = 0; over <= 1; over++) {
        AUTO(fd_close) int fd = connect_raw();
        AUTO(buf_done) struct buf text = {0};
        AUTO(buf_done) struct buf answer = {0};
        size_t len = (size_t)(HTTP_SERVER_MAX_BODY_BYTES + over);
        buf_addf(&text, "PUT / HTTP/1.1\r\nHost: l\r\nTransfer-Encoding: chunked\r\n\r\n%zx\r\n",
                 len);
        memset(buf_reserve(&text, len), 'x', len);
        buf_grew(&text, len);
        buf_add_text(&text, "\r\n0\r\n\r\n");
        (void)talk(fd, buf_str(&text), &answer);
        assert_true(
            str_starts(buf_str(&answer), over ? STR("HTTP/1.1 413 ") : STR("HTTP/1.1 200 ")));
    }
    assert_int_equal(seen.requests, 1);
}

static void an_idle_connection_is_closed_and_half_a_request_gets_408(void **state)
{
    (void)state;
    AUTO(fd_close) int idle = connect_raw();
    AUTO(fd_close) int half = connect_raw();
    AUTO(buf_done) struct buf answer = {0};

    rounds();
    assert_false(talk(half, STR("GET / HT"), &answer));
    now_ns += (HTTP_SERVER_READ_SECONDS - 1) * NS_PER_SECOND;
    assert_false(talk(half, STR("TP/1.1\r\n"), &answer)); /* a byte now and then is no excuse */
    now_ns += 2 * NS_PER_SECOND;
    (void)talk(half, STR(""), &answer);
    assert_true(str_starts(buf_str(&answer), STR("HTTP/1.1 408 ")));
    buf_clear(&answer);
    assert_false(talk(idle, STR(""), &answer));
    now_ns += (HTTP_SERVER_IDLE_SECONDS - HTTP_SERVER_READ_SECONDS) * NS_PER_SECOND;
    assert_true(talk(idle, STR(""), &answer));
    assert_int_equal(answer.len, 0);
}

static void a_client_that_goes_away_is_told_once(void **state)
{
    (void)state;
    static const char *const targets[] = {"later", "stream"};

    for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
        AUTO(buf_done) struct buf answer = {0};
        AUTO(buf_done) struct buf text = {0};
        int fd = connect_raw();
        seen.closed = 0;
        buf_addf(&text, "GET /%s HTTP/1.1\r\nHost: l\r\n\r\n", targets[i]);
        assert_false(talk(fd, buf_str(&text), &answer));
        assert_non_null(seen.exchange);
        assert_int_equal(seen.closed, 0);
        (void)close(fd);
        rounds();
        assert_int_equal(seen.closed, 1);
    }
}

static void a_push_to_a_client_that_left_is_no_failure(void **state)
{
    (void)state;
    AUTO(buf_done) struct buf answer = {0};
    int fd = connect_raw();

    (void)talk(fd, STR("GET /stream HTTP/1.1\r\nHost: l\r\n\r\n"), &answer);
    (void)close(fd);
    assert_true(http_stream_push(seen.exchange, STR("x"))); /* before any round saw it */
    assert_true(http_stream_push(seen.exchange, STR("y")));
    assert_int_equal(seen.closed, 0);
    rounds();
    assert_int_equal(seen.closed, 1);

    fd = connect_raw();
    (void)talk(fd, STR("GET /stream HTTP/1.1\r\nHost: l\r\n\r\n"), &answer);
    (void)close(fd);
    assert_true(http_stream_push(seen.exchange, STR("x")));
    http_stream_end(seen.exchange); /* ended by the handler: nothing more to tell it */
    rounds();
    assert_int_equal(seen.closed, 1);
}

static void a_client_that_shuts_down_its_side_still_gets_a_late_answer(void **state)
{
    (void)state;
    AUTO(fd_close) int fd = connect_raw();
    AUTO(buf_done) struct buf answer = {0};

    (void)talk(fd, STR("GET /later HTTP/1.1\r\nHost: l\r\n\r\n"), &answer);
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    rounds();
    assert_int_equal(seen.closed, 0);
    http_answer(seen.exchange, 202, STR("{}"));
    (void)talk(fd, STR(""), &answer);
    assert_true(str_starts(buf_str(&answer), STR("HTTP/1.1 202 Accepted\r\n")));
}

static void a_slow_reader_holds_back_its_stream_only_up_to_the_limit(void **state)
{
    (void)state;
    static char piece[10000];
    AUTO(fd_close) int fd = connect_raw();
    AUTO(buf_done) struct buf answer = {0};
    size_t pushed = 0;

    (void)talk(fd, STR("GET /stream HTTP/1.1\r\nHost: l\r\n\r\n"), &answer);
    memset(piece, 'x', sizeof piece);
    while (http_stream_push(seen.exchange, str_from(piece, sizeof piece))) {
        pushed++;
        assert_true(pushed * sizeof piece < 4 * HTTP_SERVER_MAX_WAITING_BYTES);
    }
    assert_true(pushed * sizeof piece >= HTTP_SERVER_MAX_WAITING_BYTES);
    rounds();
    assert_int_equal(seen.drained, 0);
    (void)talk(fd, STR(""), &answer);
    assert_int_equal(seen.drained, 1);
    assert_true(http_stream_push(seen.exchange, STR("end")));
    http_stream_end(seen.exchange);
    (void)talk(fd, STR(""), &answer);
    assert_true(str_ends(buf_str(&answer), STR("x\r\n3\r\nend\r\n0\r\n\r\n")));
    assert_true(answer.len > pushed * sizeof piece);
}

static void connections_above_the_limit_wait_for_one_to_end(void **state)
{
    (void)state;
    static int fds[HTTP_SERVER_MAX_CONNECTIONS + 1];
    AUTO(buf_done) struct buf answer = {0};

    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        fds[i] = connect_raw();
        loop_round(loop, 0);
    }
    int last = fds[ARRAY_LEN(fds) - 1];
    assert_false(talk(last, STR("GET / HTTP/1.1\r\nHost: l\r\n\r\n"), &answer));
    assert_int_equal(answer.len, 0);
    (void)close(fds[0]);
    assert_false(talk(last, STR(""), &answer));
    assert_true(str_starts(buf_str(&answer), STR("HTTP/1.1 200 ")));
    for (size_t i = 1; i < ARRAY_LEN(fds); i++)
        (void)close(fds[i]);
}

static void an_answer_that_is_not_read_is_given_up(void **state)
{
    (void)state;
    struct str text = STR("GET /large HTTP/1.1\r\nHost: l\r\n\r\n");
    AUTO(fd_close) int fd = connect_raw();
    AUTO(buf_done) struct buf answer = {0};

    assert_int_equal(send(fd, text.ptr, text.len, 0), (ssize_t)text.len);
    rounds();
    assert_int_equal(seen.requests, 1);
    now_ns += (HTTP_SERVER_WRITE_SECONDS - 1) * NS_PER_SECOND;
    assert_true(recv(fd, buf_reserve(&answer, 1 << 20), 1 << 20, MSG_DONTWAIT) > 0);
    rounds(); /* the client took something: the time starts anew */
    now_ns += (HTTP_SERVER_WRITE_SECONDS - 1) * NS_PER_SECOND;
    rounds();
    now_ns += 2 * NS_PER_SECOND;
    rounds();
    assert_true(talk(fd, STR(""), &answer));
    assert_true(answer.len < LARGE);
}

static void running_out_of_descriptors_only_delays_a_connection(void **state)
{
    (void)state;
    struct rlimit former, none = {0, 0};
    AUTO(fd_close) int fd = connect_raw();
    AUTO(buf_done) struct buf answer = {0};

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &former), 0);
    none.rlim_max = former.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    rounds();
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &former), 0);
    assert_false(talk(fd, STR("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"), &answer));
    assert_int_equal(answer.len, 0); /* not tried in every round: that would be spinning */
    now_ns += 90 * NS_PER_MS;
    assert_false(talk(fd, STR(""), &answer));
    assert_int_equal(answer.len, 0);
    now_ns += 11 * NS_PER_MS; /* RETRY_MS are over */
    assert_false(talk(fd, STR(""), &answer));
    assert_non_null(strstr(buf_text(&answer), "Connection: keep-alive\r\n"));
}

static void closing_the_server_tells_those_who_wait(void **state)
{
    (void)state;
    AUTO(fd_close) int fd = connect_raw();
    AUTO(buf_done) struct buf answer = {0};

    (void)talk(fd, STR("GET /later HTTP/1.1\r\nHost: l\r\n\r\n"), &answer);
    http_server_close(server);
    server = NULL;
    assert_int_equal(seen.closed, 1);
    rounds();
    assert_int_equal(recv(fd, buf_reserve(&answer, 10), 10, MSG_DONTWAIT), 0);
}

static void *run_loop(void *arg)
{
    (void)arg;
    loop_run(loop);
    return NULL;
}

static struct http_call call_of(const char *method, const char *target)
{
    return (struct http_call){.socket_path = path,
                              .method = method,
                              .target = target,
                              .timeout_ms = 10000,
                              .stop_fd = -1};
}

static bool keep_line(void *arg, struct str line)
{
    buf_addf(arg, "[" STR_FMT "]", STR_ARG(line));
    return !str_is(line, "enough");
}

static void the_client_reads_whole_answers_and_lines(void **state)
{
    (void)state;
    pthread_t thread;
    AUTO(buf_done) struct buf body = {0};
    AUTO(buf_done) struct buf lines = {0};
    struct http_call call = call_of("PUT", "/");
    struct err err;
    int status = 0;

    assert_int_equal(pthread_create(&thread, NULL, run_loop, NULL), 0);
    call.json = STR("{\"a\":1}");
    bool ok = http_client_call(&call, 10, &status, &body, &err);
    assert_true(ok && status == 200);
    assert_string_equal(buf_text(&body), "{\"len\":7}\n");

    ok = http_client_call(&call, 9, &status, &body, &err);
    assert_false(ok);
    assert_int_equal(err.code, ERR_LIMIT);

    call = call_of("GET", "/lines");
    ok = http_client_stream(&call, keep_line, &lines, &status, &body, &err);
    assert_true(ok && status == 200);
    assert_string_equal(buf_text(&lines), "[one][two][][last]");

    buf_clear(&body);
    call = call_of("GET", "/missing");
    ok = http_client_stream(&call, keep_line, &lines, &status, &body, &err);
    assert_true(ok && status == 404);
    assert_string_equal(buf_text(&body), "{\"error\":\"none\"}\n");

    call = call_of("GET", "/later");
    call.timeout_ms = 50;
    assert_false(http_client_call(&call, 10, &status, &body, &err));
    assert_int_equal(err.code, ERR_TIMEOUT);

    call.timeout_ms = 0;
    call.stop_fd = eventfd(1, EFD_CLOEXEC);
    assert_false(http_client_call(&call, 10, &status, &body, &err));
    assert_int_equal(err.code, ERR_CLOSED);
    fd_close(call.stop_fd);

    AUTO(buf_done) struct buf large = {0};
    memset(buf_reserve(&large, HTTP_SERVER_MAX_BODY_BYTES + 1), 'x',
           HTTP_SERVER_MAX_BODY_BYTES + 1);
    buf_grew(&large, HTTP_SERVER_MAX_BODY_BYTES + 1);
    call = call_of("PUT", "/");
    call.json = buf_str(&large);
    assert_true(http_client_call(&call, 1000, &status, &body, &err));
    assert_int_equal(status, 413);

    call = call_of("GET", "/stop");
    assert_true(http_client_call(&call, 1000, &status, &body, &err));
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void the_client_says_when_nobody_listens(void **state)
{
    (void)state;
    AUTO(buf_done) struct buf body = {0};
    struct http_call call = call_of("GET", "/");
    struct err err;
    int status;

    call.socket_path = "/tmp/no-such-folder/api.sock";
    assert_false(http_client_call(&call, 10, &status, &body, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
}

struct canned {
    int fd; /* listening */
    struct str answer;
};

/* Reads a request, sends what it was given, and closes. */
static void *answer_canned(void *arg)
{
    struct canned *canned = arg;
    char request[4096];
    int fd = accept(canned->fd, NULL, NULL);

    if (fd >= 0 && recv(fd, request, sizeof request, 0) > 0)
        (void)send(fd, canned->answer.ptr, canned->answer.len, MSG_NOSIGNAL);
    fd_close(fd);
    return NULL;
}

static void the_client_trusts_no_server(void **state)
{
    (void)state;
    AUTO(buf_done) struct buf long_line = {0};
    buf_add_text(&long_line, "HTTP/1.1 200 OK\r\n\r\n");
    memset(buf_reserve(&long_line, HTTP_CLIENT_MAX_LINE_BYTES + 1), 'x',
           HTTP_CLIENT_MAX_LINE_BYTES + 1);
    buf_grew(&long_line, HTTP_CLIENT_MAX_LINE_BYTES + 1);
    AUTO(buf_done) struct buf long_head = {0};
    buf_add_text(&long_head, "HTTP/1.1 200 OK\r\nX: ");
    for (int i = 0; i < HTTP_CLIENT_MAX_HEAD_BYTES; i++)
        buf_add_char(&long_head, 'x');

    const struct {
        struct str answer;
        enum err_code code;
        const char *lines;
    } table[] = {
        {STR("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: "
             "3\r\n\r\na\nbrest"),
         ERR_NONE, "[a][b]"},
        {STR("HTTP/1.1 200 OK\r\n\r\na\nb\n"), ERR_NONE, "[a][b]"},
        {STR("HTTP/1.1 204 No Content\r\n\r\n"), ERR_NONE, ""},
        {STR("HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\na\nenough\nb\n"), ERR_NONE,
         "[a][enough]"},
        {STR(""), ERR_CLOSED, ""},
        {STR("HTTP/1.1 200 OK\r\nContent-"), ERR_CLOSED, ""},
        {STR("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\na\nb"), ERR_CLOSED, "[a]"},
        {STR("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\na\n\r\n"), ERR_CLOSED,
         "[a]"},
        {STR("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n"), ERR_INVALID, ""},
        {STR("SSH-2.0-OpenSSH_9.2\r\n"), ERR_INVALID, ""},
        {buf_str(&long_line), ERR_LIMIT, ""},
        {buf_str(&long_head), ERR_LIMIT, ""},
    };
    struct err err = {0};
    AUTO(fd_close) int listener = socket_listen_unix(path, &err);
    assert_true(listener >= 0);
    assert_int_equal(fcntl(listener, F_SETFL, 0), 0); /* accept() in the thread waits */

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        AUTO(buf_done) struct buf body = {0};
        AUTO(buf_done) struct buf lines = {0};
        struct canned canned = {listener, table[i].answer};
        struct http_call call = call_of("GET", "/");
        pthread_t thread;
        int status = 0;
        err = (struct err){0};
        assert_int_equal(pthread_create(&thread, NULL, answer_canned, &canned), 0);
        bool ok = http_client_stream(&call, keep_line, &lines, &status, &body, &err);
        assert_int_equal(pthread_join(thread, NULL), 0);
        if (ok != (table[i].code == ERR_NONE) || err.code != table[i].code)
            fail_msg("answer %zu: code %d, '%s'", i, (int)err.code, err.text);
        assert_string_equal(buf_text(&lines), table[i].lines);
    }
}

int main(void)
{
#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, start, stop)
    const struct CMUnitTest tests[] = {
        WITH_SERVER(a_request_cut_at_any_byte_is_answered_the_same),
        WITH_SERVER(requests_sent_in_one_piece_are_answered_in_order),
        WITH_SERVER(what_is_wrong_with_a_request_is_answered),
        WITH_SERVER(head_and_http_1_0_get_what_they_can_read),
        WITH_SERVER(a_head_above_the_limit_is_refused),
        WITH_SERVER(a_chunked_body_above_the_limit_is_refused),
        cmocka_unit_test_setup_teardown(an_idle_connection_is_closed_and_half_a_request_gets_408,
                                        start_fake, stop),
        WITH_SERVER(a_client_that_goes_away_is_told_once),
        WITH_SERVER(a_push_to_a_client_that_left_is_no_failure),
        WITH_SERVER(a_client_that_shuts_down_its_side_still_gets_a_late_answer),
        WITH_SERVER(a_slow_reader_holds_back_its_stream_only_up_to_the_limit),
        WITH_SERVER(connections_above_the_limit_wait_for_one_to_end),
        cmocka_unit_test_setup_teardown(an_answer_that_is_not_read_is_given_up, start_fake, stop),
        cmocka_unit_test_setup_teardown(running_out_of_descriptors_only_delays_a_connection,
                                        start_fake, stop),
        WITH_SERVER(closing_the_server_tells_those_who_wait),
        WITH_SERVER(the_client_reads_whole_answers_and_lines),
        cmocka_unit_test(the_client_says_when_nobody_listens),
        cmocka_unit_test(the_client_trusts_no_server),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
