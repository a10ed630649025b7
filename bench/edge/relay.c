/* SPDX-License-Identifier: Apache-2.0
 *
 * What a proxy cannot do without: bytes of a client to a connection of its own to the server, and
 * back. One thread, epoll, no HTTP. What is small is read and written; of what is not, the rest
 * goes through a pipe by splice(2). `relay PORT SERVER-PORT`, both of 127.0.0.1.
 *
 * The end of one side is the end of both: it is for clients that wait for their answers.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SOCKETS_MAX = 65536, EVENTS = 256, SMALL = 32 * 1024, PIPE = 1024 * 1024 };

/* By descriptor: where what is read from it goes. */
static struct side {
    int peer;    /* -1: closed */
    int pipe[2]; /* 0: not needed so far */
    size_t held; /* in the pipe: the peer has no room, and there may be more to read */
} sides[SOCKETS_MAX];

static void close_side(int fd)
{
    if (sides[fd].pipe[1] != 0) {
        close(sides[fd].pipe[0]);
        close(sides[fd].pipe[1]);
    }
    sides[fd] = (struct side){.peer = -1};
    close(fd);
}

static void drop(int fd)
{
    int peer = sides[fd].peer;

    close_side(fd);
    close_side(peer);
}

static bool make_pipe(struct side *side)
{
    if (side->pipe[1] != 0)
        return true;
    if (pipe2(side->pipe, O_NONBLOCK | O_CLOEXEC) != 0)
        return false;
    return fcntl(side->pipe[1], F_SETPIPE_SZ, PIPE) > 0;
}

/* False: it is broken. */
static bool empty_pipe(struct side *side)
{
    while (side->held > 0) {
        ssize_t n = splice(side->pipe[0], NULL, side->peer, NULL, side->held,
                           SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
        if (n < 0)
            return errno == EAGAIN;
        side->held -= (size_t)n;
    }
    return true;
}

/* What the peer does not take is kept in the pipe. */
static bool pass_small(struct side *side, const char *bytes, size_t len)
{
    ssize_t n = send(side->peer, bytes, len, MSG_NOSIGNAL);

    if (n < 0 && errno != EAGAIN)
        return false;
    size_t taken = n < 0 ? 0 : (size_t)n;
    if (taken == len)
        return true;
    side->held = len - taken;
    return make_pipe(side) &&
           write(side->pipe[1], bytes + taken, side->held) == (ssize_t)side->held;
}

/* 0: it has ended, or is broken. */
static ssize_t pass_some(int fd, bool is_large)
{
    static char bytes[SMALL];
    struct side *side = &sides[fd];
    ssize_t n;

    if (!is_large) {
        n = recv(fd, bytes, sizeof bytes, 0);
        if (n > 0 && !pass_small(side, bytes, (size_t)n))
            return 0;
    } else {
        if (!make_pipe(side))
            return 0;
        n = splice(fd, NULL, side->pipe[1], NULL, PIPE, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
        if (n > 0)
            side->held = (size_t)n;
        if (n > 0 && !empty_pipe(side))
            return 0;
    }
    return n;
}

static void pass(int fd)
{
    struct side *side = &sides[fd];
    bool is_large = side->held > 0;

    if (!empty_pipe(side)) {
        drop(fd);
        return;
    }
    while (side->held == 0) {
        ssize_t n = pass_some(fd, is_large);
        if (n == 0 || (n < 0 && errno != EAGAIN)) {
            drop(fd);
            return;
        }
        if (n < 0 || (!is_large && n < SMALL))
            return;
        is_large = true;
    }
}

static void on_event(int fd, uint32_t events)
{
    int peer = sides[fd].peer;

    if (peer < 0) /* closed by an event before this one */
        return;
    if ((events & EPOLLOUT) != 0 && sides[peer].held > 0)
        pass(peer);
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 && sides[fd].peer >= 0)
        pass(fd);
}

static struct sockaddr_in address_of(int port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr = {htonl(INADDR_LOOPBACK)}};
}

static bool watch(int poll_fd, int fd, int peer)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.fd = fd};
    int on = 1;

    sides[fd] = (struct side){.peer = peer};
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

static void on_connection(int poll_fd, int listen_fd, int server_port)
{
    struct sockaddr_in server = address_of(server_port);
    int client;

    while ((client = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (client >= SOCKETS_MAX || fd < 0 || fd >= SOCKETS_MAX ||
            (connect(fd, (const struct sockaddr *)&server, sizeof server) != 0 &&
             errno != EINPROGRESS) ||
            !watch(poll_fd, client, fd) || !watch(poll_fd, fd, client)) {
            perror("relay: cannot relay");
            exit(1);
        }
    }
}

static int listen_on(int port)
{
    struct sockaddr_in address = address_of(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (const struct sockaddr *)&address, sizeof address) != 0 ||
        listen(fd, 65535) != 0) {
        perror("relay: cannot listen");
        exit(1);
    }
    return fd;
}

int main(int argc, char **argv)
{
    struct epoll_event events[EVENTS];

    if (argc != 3) {
        fputs("usage: relay PORT SERVER-PORT\n", stderr);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN); /* splice(2) has no flag for it */
    int poll_fd = epoll_create1(EPOLL_CLOEXEC), listen_fd = listen_on(atoi(argv[1]));
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listen_fd};
    if (poll_fd < 0 || epoll_ctl(poll_fd, EPOLL_CTL_ADD, listen_fd, &event) != 0) {
        perror("relay: cannot watch");
        return 1;
    }
    for (int count; (count = epoll_wait(poll_fd, events, EVENTS, -1)) >= 0 || errno == EINTR;)
        for (int i = 0; i < count; i++)
            if (events[i].data.fd == listen_fd)
                on_connection(poll_fd, listen_fd, atoi(argv[2]));
            else
                on_event(events[i].data.fd, events[i].events);
    perror("relay: cannot wait");
    return 1;
}
