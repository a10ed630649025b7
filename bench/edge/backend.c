/* SPDX-License-Identifier: Apache-2.0
 *
 * The server behind the proxies of this bench: one thread, epoll, keep-alive, an answer that was
 * made beforehand. `backend PORT` listens on 127.0.0.1.
 *
 *     GET /echo    the head of the request, to see what a proxy made of it
 *     any other    200 with 600 bytes of JSON
 *
 * It reads one request at a time, without a body, and trusts its client: it is not a web server.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BODY_BYTES = 600, CONNECTIONS_MAX = 4096, REQUEST_MAX = 16384, EVENTS = 256 };

struct connection {
    size_t len; /* of a head that is not complete */
    char head[REQUEST_MAX];
};

static struct connection *connections[CONNECTIONS_MAX]; /* by descriptor */
static char answer[1024];
static size_t answer_len;

static void make_answer(void)
{
    static const char item[] = "{\"id\":4711,\"name\":\"teapot\",\"price\":2800},";
    int head = snprintf(answer, sizeof answer,
                        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                        "Content-Length: %d\r\n\r\n",
                        BODY_BYTES);

    for (size_t i = 0; i < BODY_BYTES; i++)
        answer[(size_t)head + i] = item[i % (sizeof item - 1)];
    answer_len = (size_t)head + BODY_BYTES;
}

static void drop(int fd)
{
    free(connections[fd]);
    connections[fd] = NULL;
    close(fd);
}

/* A small answer always fits the send buffer of a client that waits for it. */
static bool send_all(int fd, const char *bytes, size_t len)
{
    return send(fd, bytes, len, MSG_NOSIGNAL) == (ssize_t)len;
}

static bool send_echo(int fd, const char *head, size_t len)
{
    char line[128];
    int n = snprintf(line, sizeof line,
                     "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n\r\n",
                     len);

    return send_all(fd, line, (size_t)n) && send_all(fd, head, len);
}

static void on_readable(int fd)
{
    struct connection *connection = connections[fd];
    ssize_t n = recv(fd, connection->head + connection->len, REQUEST_MAX - connection->len, 0);

    if (n <= 0) {
        if (n == 0 || errno != EAGAIN)
            drop(fd);
        return;
    }
    connection->len += (size_t)n;
    if (memmem(connection->head, connection->len, "\r\n\r\n", 4) == NULL) {
        if (connection->len == REQUEST_MAX)
            drop(fd);
        return;
    }
    bool echo = connection->len > 9 && memcmp(connection->head, "GET /echo", 9) == 0;
    bool sent = echo ? send_echo(fd, connection->head, connection->len)
                     : send_all(fd, answer, answer_len);
    connection->len = 0;
    if (!sent)
        drop(fd);
}

static void on_connection(int poll_fd, int listen_fd)
{
    for (;;) {
        int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), on = 1;
        if (fd < 0)
            return;
        if (fd >= CONNECTIONS_MAX) {
            close(fd);
            continue;
        }
        connections[fd] = calloc(1, sizeof *connections[fd]);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        if (connections[fd] == NULL || epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
            drop(fd);
    }
}

static int listen_on(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (const struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 4096) != 0) {
        perror("backend: cannot listen");
        exit(1);
    }
    return fd;
}

int main(int argc, char **argv)
{
    struct epoll_event events[EVENTS];

    if (argc != 2) {
        fputs("usage: backend PORT\n", stderr);
        return 2;
    }
    make_answer();
    int poll_fd = epoll_create1(EPOLL_CLOEXEC);
    int listen_fd = listen_on((int)strtol(argv[1], NULL, 10));
    struct epoll_event listening = {.events = EPOLLIN, .data.fd = listen_fd};
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, listen_fd, &listening);
    for (;;) {
        int count = epoll_wait(poll_fd, events, EVENTS, -1);
        for (int i = 0; i < count; i++)
            if (events[i].data.fd == listen_fd)
                on_connection(poll_fd, listen_fd);
            else
                on_readable(events[i].data.fd);
    }
}
