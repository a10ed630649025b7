/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "cli/cli.h"
#include "cli/cli_api.h"
#include "http/client.h"
#include "io/socket.h"
#include "json/json.h"

enum {
    ANSWER_BYTES = 32 << 20,
    ANSWER_TIMEOUT_MS = 60000,
    TICK_MS = 250,
    RECEIVE_BYTES = 64 << 10,
};

void cli_api_encode(const char *text, struct buf *ret)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";

    for (; *text != '\0'; text++) {
        if (strchr(plain, *text) != NULL)
            buf_add_char(ret, *text);
        else
            buf_addf(ret, "%%%02X", (unsigned)(uint8_t)*text);
    }
}

static enum err_code code_from_name(const char *name)
{
    for (enum err_code code = ERR_INVALID; code <= ERR_NO_SERVICE; code++)
        if (strcmp(err_code_name(code), name) == 0)
            return code;
    return ERR_PROGRAM;
}

/* {"error": {"code", "text"}} of an answer that is not 2xx. Returns false. */
static bool refuse(int status, struct str body, struct err *err)
{
    AUTO(json_unref) json_t *root = NULL;
    struct err ignored;
    const char *text;

    if (!json_parse(body, ANSWER_BYTES, &root, &ignored))
        return err_set(err, ERR_PROGRAM, "the daemon answered with status %d", status);
    const json_t *error = json_object_get(root, "error");
    text = json_find_text(error, "text", NULL);
    if (text == NULL)
        return err_set(err, ERR_PROGRAM, "the daemon answered with status %d", status);
    return err_set(err, code_from_name(json_find_text(error, "code", "")), "%s", text);
}

/* <text> holds the body as long as the call lasts. */
static void start_call(const struct cli *cli, const struct cli_api_request *request,
                       struct buf *text, struct http_call *ret)
{
    *ret = (struct http_call){.socket_path = cli->socket,
                              .method = request->method,
                              .target = request->target,
                              .stop_fd = -1};
    if (request->body != NULL) {
        json_format(request->body, false, text);
        ret->json = buf_str(text);
    }
}

bool cli_api_call(const struct cli *cli, const char *method, const char *target, const json_t *body,
                  json_t **ret, struct err *err)
{
    const struct cli_api_request request = {method, target, body};
    AUTO(buf_done) struct buf text = {0};
    AUTO(buf_done) struct buf answer = {0};
    struct http_call call;
    int status = 0;

    start_call(cli, &request, &text, &call);
    call.timeout_ms = ANSWER_TIMEOUT_MS;
    if (!http_client_call(&call, ANSWER_BYTES, &status, &answer, err))
        return err_prefix(err, "the daemon");
    if (status < 200 || status > 299)
        return refuse(status, buf_str(&answer), err);
    if (!json_parse(buf_str(&answer), ANSWER_BYTES, ret, err))
        return err_prefix(err, "the daemon's answer");
    return true;
}

bool cli_api_is_up(const struct cli *cli)
{
    struct err err;

    AUTO(fd_close) int fd = socket_connect_unix(cli->socket, &err);
    return fd >= 0;
}

/* The thread reads the stream and passes its lines on through a socket, so that the main thread can
 * wait for lines, signals and time together. */
struct stream_thread {
    struct http_call call;
    int lines_fd;
    bool ok;
    int status;
    struct buf body; /* of an answer that is not 2xx */
    struct err err;
};

static bool pass_line(void *arg, struct str line)
{
    const struct stream_thread *thread = arg;
    struct str pieces[] = {line, STR("\n")};

    for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
        while (pieces[i].len > 0) {
            ssize_t sent = send(thread->lines_fd, pieces[i].ptr, pieces[i].len, MSG_NOSIGNAL);
            if (sent < 0 && errno == EINTR)
                continue;
            if (sent < 0) /* the main thread had enough */
                return false;
            pieces[i] = str_sub(pieces[i], (size_t)sent, pieces[i].len);
        }
    }
    return true;
}

static void *read_stream(void *arg)
{
    struct stream_thread *thread = arg;

    thread->ok = http_client_stream(&thread->call, pass_line, thread, &thread->status,
                                    &thread->body, &thread->err);
    (void)shutdown(thread->lines_fd, SHUT_RDWR);
    return NULL;
}

/* What the main thread waits for. */
struct stream_wait {
    int lines_fd;
    int signal_fd;
    const struct cli_api_reader *reader;
    struct buf in;
    int signal;
    bool over;
};

static bool give_line(struct stream_wait *wait, struct str raw, struct err *err)
{
    AUTO(json_unref) json_t *line = NULL;

    if (raw.len == 0)
        return true;
    if (!json_parse(raw, HTTP_CLIENT_MAX_LINE_BYTES, &line, err))
        return err_prefix(err, "the daemon's answer");
    if (!wait->reader->on_line(wait->reader->arg, raw, line))
        wait->over = true;
    return true;
}

static bool take_lines(struct stream_wait *wait, struct err *err)
{
    ssize_t got = recv(wait->lines_fd, buf_reserve(&wait->in, RECEIVE_BYTES), RECEIVE_BYTES, 0);

    if (got < 0 && errno == EINTR)
        return true;
    if (got <= 0) {
        wait->over = true;
        return true;
    }
    buf_grew(&wait->in, (size_t)got);

    struct str rest = buf_str(&wait->in);
    bool ok = true;
    while (ok && !wait->over) {
        size_t at = str_find(rest, '\n');
        if (at == rest.len)
            break;
        ok = give_line(wait, str_sub(rest, 0, at), err);
        rest = str_sub(rest, at + 1, rest.len);
    }
    buf_drop(&wait->in, wait->in.len - rest.len);
    return ok;
}

static void take_signal(struct stream_wait *wait)
{
    struct signalfd_siginfo info;

    if (read(wait->signal_fd, &info, sizeof info) != (ssize_t)sizeof info)
        return;
    wait->signal = (int)info.ssi_signo;
    wait->over = true;
}

static bool wait_for_lines(struct stream_wait *wait, struct err *err)
{
    while (!wait->over) {
        struct pollfd fds[] = {{.fd = wait->lines_fd, .events = POLLIN},
                               {.fd = wait->signal_fd, .events = POLLIN}};
        int count = poll(fds, ARRAY_LEN(fds), wait->reader->on_tick != NULL ? TICK_MS : -1);

        if (count < 0 && errno != EINTR)
            return err_sys(err, "cannot wait for the daemon");
        if (count > 0 && fds[1].revents != 0)
            take_signal(wait);
        else if (count > 0 && fds[0].revents != 0 && !take_lines(wait, err))
            return false;
        if (wait->reader->on_tick != NULL && !wait->over)
            wait->reader->on_tick(wait->reader->arg);
    }
    return true;
}

/* Between the start and the end of the thread. */
static bool run_stream(struct stream_thread *thread, struct stream_wait *wait, int stop_fd,
                       struct err *err)
{
    pthread_t id;
    int failed = pthread_create(&id, NULL, read_stream, thread);

    if (failed != 0) {
        errno = failed;
        return err_sys(err, "cannot start a thread");
    }
    bool ok = wait_for_lines(wait, err);
    const uint64_t one = 1;
    (void)shutdown(wait->lines_fd, SHUT_RDWR); /* a thread that waits to send is let go */
    ok &= write(stop_fd, &one, sizeof one) == (ssize_t)sizeof one;
    (void)pthread_join(id, NULL);
    return ok;
}

static bool judge(const struct stream_thread *thread, const struct stream_wait *wait,
                  bool had_enough, struct err *err)
{
    if (wait->signal != 0 || had_enough)
        return true;
    if (!thread->ok) {
        *err = thread->err;
        return err_prefix(err, "the daemon");
    }
    if (thread->status < 200 || thread->status > 299)
        return refuse(thread->status, buf_str(&thread->body), err);
    return true;
}

/* Keeps whether the reader ended the stream itself. */
struct guard {
    const struct cli_api_reader *reader;
    bool had_enough;
};

static bool guard_line(void *arg, struct str raw, const json_t *line)
{
    struct guard *guard = arg;

    guard->had_enough = !guard->reader->on_line(guard->reader->arg, raw, line);
    return !guard->had_enough;
}

static void guard_tick(void *arg)
{
    const struct guard *guard = arg;

    guard->reader->on_tick(guard->reader->arg);
}

static bool open_fds(const sigset_t *set, int *ret_signal_fd, int *ret_stop_fd, int *ret_pair,
                     struct err *err)
{
    *ret_signal_fd = signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK);
    *ret_stop_fd = eventfd(0, EFD_CLOEXEC);
    if (*ret_signal_fd < 0 || *ret_stop_fd < 0 ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ret_pair) < 0)
        return err_sys(err, "cannot make descriptors");
    return true;
}

bool cli_api_stream(const struct cli *cli, const struct cli_api_request *request,
                    const struct cli_api_reader *reader, int *ret_signal, struct err *err)
{
    AUTO(buf_done) struct buf text = {0};
    AUTO(fd_close) int signal_fd = -1;
    AUTO(fd_close) int stop_fd = -1;
    int pair[2] = {-1, -1};
    sigset_t set, before;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    if (!open_fds(&set, &signal_fd, &stop_fd, pair, err))
        return false;
    AUTO(fd_close) int read_end = pair[0];
    AUTO(fd_close) int write_end = pair[1];

    struct guard guard = {.reader = reader};
    struct cli_api_reader guarded = {guard_line, reader->on_tick == NULL ? NULL : guard_tick,
                                     &guard};
    struct stream_thread thread = {.lines_fd = write_end};
    struct stream_wait wait = {.lines_fd = read_end, .signal_fd = signal_fd, .reader = &guarded};
    start_call(cli, request, &text, &thread.call);
    thread.call.stop_fd = stop_fd;

    (void)pthread_sigmask(SIG_BLOCK, &set, &before);
    bool ok =
        run_stream(&thread, &wait, stop_fd, err) && judge(&thread, &wait, guard.had_enough, err);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    *ret_signal = wait.signal;
    buf_done(&wait.in);
    buf_done(&thread.body);
    return ok;
}
