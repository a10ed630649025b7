/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "cli/attach.h"
#include "cli/attach_end.h"
#include "cli/cli.h"
#include "cli/cli_api.h"
#include "cli/cli_operation.h"
#include "cli/detach_keys.h"
#include "json/json.h"

enum {
    PACKET_BYTES = 32768,
    INPUT_BYTES = 4096,
    STREAM_STDOUT = 2, /* conmon's numbers */
    STREAM_STDERR = 3,
    DRAIN_MS = 2000, /* output that is still on its way after the end */
};

struct session {
    struct cli *cli;
    const struct attach *attach;
    struct attach_end end;
    struct detach_keys keys;
    int socket_fd; /* -1: no more output */
    int signal_fd;
    bool reads_stdin;
    bool detached;
    int interrupted; /* signal that ended it */
    struct termios before;
    bool is_raw;
};

/* ---- the socket ---- */

/* Its path may be longer than an address: it is reached through its folder. */
static int connect_socket(const char *path, struct err *err)
{
    AUTO(arena_done) struct arena arena = {0};
    const char *slash = strrchr(path, '/');
    AUTO(fd_close)
    int folder = open(arena_str(&arena, str_from(path, (size_t)(slash - path))),
                      O_PATH | O_DIRECTORY | O_CLOEXEC);
    AUTO(fd_close) int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    str_format(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d%s", folder, slash);
    if (folder < 0 || fd < 0 ||
        connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        err_sys(err, "cannot attach to '%s'", path);
        return -1;
    }
    return TAKE_FD(fd);
}

static bool take_output(struct session *session, struct err *err)
{
    char packet[PACKET_BYTES];
    ssize_t n = recv(session->socket_fd, packet, sizeof packet, 0);

    if (n < 0 && errno == EINTR)
        return true;
    if (n <= 0) {
        fd_close(session->socket_fd);
        session->socket_fd = -1;
        return true;
    }
    int fd = packet[0] == STREAM_STDERR ? STDERR_FILENO : STDOUT_FILENO;
    return file_write_fd(fd, str_from(packet + 1, (size_t)n - 1), err);
}

static void send_input(struct session *session, struct str bytes)
{
    while (bytes.len > 0 && session->socket_fd >= 0) {
        ssize_t sent = send(session->socket_fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return; /* it ends; the rest is for nobody */
        bytes = str_sub(bytes, (size_t)sent, bytes.len);
    }
}

static void take_input(struct session *session)
{
    char bytes[INPUT_BYTES];
    AUTO(buf_done) struct buf passed = {0};
    ssize_t n = read(STDIN_FILENO, bytes, sizeof bytes);

    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n <= 0) {
        session->reads_stdin = false;
        if (session->socket_fd >= 0 && !session->attach->tty)
            (void)shutdown(session->socket_fd, SHUT_WR);
        return;
    }
    struct str input = str_from(bytes, (size_t)n);
    if (!session->is_raw) {
        send_input(session, input);
        return;
    }
    session->detached = detach_keys_feed(&session->keys, input, &passed);
    send_input(session, buf_str(&passed));
}

/* ---- the terminal ---- */

static void tell_size(const struct session *session)
{
    struct winsize size = {0};
    char line[64];
    struct err ignored;

    if (!session->attach->tty || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0)
        return;
    AUTO(fd_close)
    int fd = open(session->attach->control, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    str_format(line, sizeof line, "1 %u %u\n", (unsigned)size.ws_row, (unsigned)size.ws_col);
    if (fd >= 0)
        (void)!file_write_fd(fd, str_of(line), &ignored);
}

static void make_raw(struct session *session)
{
    struct termios raw;

    if (!session->attach->tty || !session->reads_stdin || !isatty(STDIN_FILENO) ||
        tcgetattr(STDIN_FILENO, &session->before) != 0)
        return;
    raw = session->before;
    cfmakeraw(&raw);
    session->is_raw = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

static void restore(struct session *session)
{
    if (session->is_raw)
        (void)tcsetattr(STDIN_FILENO, TCSANOW, &session->before);
    session->is_raw = false;
}

/* ---- signals ---- */

static const int passed_on[] = {SIGINT,  SIGTERM, SIGHUP,  SIGQUIT, SIGUSR1,
                                SIGUSR2, SIGALRM, SIGCONT, SIGWINCH};

static int open_signals(sigset_t *before)
{
    sigset_t set;

    (void)sigemptyset(&set);
    for (size_t i = 0; i < ARRAY_LEN(passed_on); i++)
        (void)sigaddset(&set, passed_on[i]);
    (void)pthread_sigmask(SIG_BLOCK, &set, before);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void pass_on(const struct session *session, int signo)
{
    struct cli *cli = session->cli;
    AUTO(json_unref) json_t *answer = NULL;
    AUTO(json_unref)
    json_t *body = json_pack("{s:s, s:o}", "instance", session->attach->id, "signal",
                             json_sprintf("%d", signo));
    struct err err;

    if (!cli_api_call(cli, "POST", cli_operation_path(cli, session->attach->system, "/kill"), body,
                      &answer, &err))
        cli_warn(cli, err.text);
}

static void take_signal(struct session *session)
{
    struct signalfd_siginfo info;

    if (read(session->signal_fd, &info, sizeof info) != (ssize_t)sizeof info)
        return;
    if (info.ssi_signo == SIGWINCH)
        tell_size(session);
    else if (session->attach->proxies_signals)
        pass_on(session, (int)info.ssi_signo);
    else if (info.ssi_signo != SIGCONT)
        session->interrupted = (int)info.ssi_signo;
}

/* ---- the session ---- */

static bool is_over(const struct session *session)
{
    return session->detached || session->interrupted != 0 ||
           (session->end.known && session->socket_fd < 0);
}

static bool go_on(struct session *session, struct err *err)
{
    while (!is_over(session)) {
        struct pollfd fds[] = {
            {.fd = session->socket_fd, .events = POLLIN},
            {.fd = session->reads_stdin ? STDIN_FILENO : -1, .events = POLLIN},
            {.fd = session->signal_fd, .events = POLLIN},
            {.fd = session->end.known ? -1 : session->end.event_fd, .events = POLLIN}};
        int count = poll(fds, ARRAY_LEN(fds), session->end.known ? DRAIN_MS : -1);
        if (count < 0 && errno != EINTR)
            return err_sys(err, "cannot wait for the instance");
        if (count == 0)
            return true; /* somebody else holds the output */
        if (fds[2].revents != 0)
            take_signal(session);
        if (fds[0].revents != 0 && !take_output(session, err))
            return false;
        if (fds[1].revents != 0)
            take_input(session);
        if (fds[3].revents != 0 && !attach_end_take(&session->end, err))
            return false;
    }
    return true;
}

static int judge(const struct session *session)
{
    struct err err;

    if (session->detached)
        return EXIT_OK;
    if (session->interrupted != 0)
        return 128 + session->interrupted;
    if (session->end.error[0] != '\0') {
        err_set(&err, ERR_PROGRAM, "%s", session->end.error);
        (void)cli_fail(session->cli, &err);
    }
    return session->end.exit_status;
}

int attach_run(struct cli *cli, const struct attach *attach)
{
    struct session session = {.cli = cli,
                              .attach = attach,
                              .socket_fd = -1,
                              .reads_stdin = attach->with_stdin && attach->socket != NULL};
    sigset_t before;
    struct err err;

    if (!detach_keys_parse(attach->detach_keys, &session.keys, &err))
        return cli_fail(cli, &err);
    if (attach->socket != NULL && (session.socket_fd = connect_socket(attach->socket, &err)) < 0)
        return cli_fail(cli, &err);
    session.signal_fd = open_signals(&before);
    make_raw(&session);
    tell_size(&session);
    bool ok = attach_end_start(&session.end, cli, attach, &err) && go_on(&session, &err);
    restore(&session);
    attach_end_stop(&session.end);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    fd_close(session.signal_fd);
    fd_close(session.socket_fd);
    return ok ? judge(&session) : cli_fail(cli, &err);
}
