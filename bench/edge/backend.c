/* SPDX-License-Identifier: Apache-2.0
 *
 * The server behind the proxies of this bench: one thread, epoll, keep-alive, an answer that was
 * made beforehand. `backend PORT` listens on 127.0.0.1.
 *
 *     GET .../echo     the head of the request, to see what a proxy made of it
 *     GET .../16k, /1m  that much, and
 *     any other        600 bytes of JSON; with ".../cached" they may be kept for an hour
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

enum { CONNECTIONS_MAX = 20000, REQUEST_MAX = 16384, EVENTS = 256 };

struct answer {
    const char *suffix; /* of the path; the last one is for all others */
    size_t body_bytes;
    const char *header;
    char *bytes;
    size_t len;
};

static struct answer answers[] = {
    {"/16k", 16 * 1024, "", NULL, 0},
    {"/1m", 1024 * 1024, "", NULL, 0},
    {"/cached", 600, "Cache-Control: public, max-age=3600\r\n", NULL, 0},
    {"", 600, "", NULL, 0},
};

struct connection {
    const char *out; /* what is left of the answer */
    size_t out_len;
    size_t len; /* of a head that is not complete */
    char head[REQUEST_MAX];
};

static struct connection *connections[CONNECTIONS_MAX]; /* by descriptor */

static void make_answer(struct answer *answer)
{
    static const char item[] = "{\"id\":4711,\"name\":\"teapot\",\"price\":2800},";
    char head[256];
    int len = snprintf(head, sizeof head,
                       "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                       "%sContent-Length: %zu\r\n\r\n",
                       answer->header, answer->body_bytes);

    answer->len = (size_t)len + answer->body_bytes;
    answer->bytes = malloc(answer->len);
    if (answer->bytes == NULL)
        exit(1);
    memcpy(answer->bytes, head, (size_t)len);
    for (size_t i = 0; i < answer->body_bytes; i++)
        answer->bytes[(size_t)len + i] = item[i % (sizeof item - 1)];
}

/* For the request line "GET /path HTTP/1.1". */
static const struct answer *find_answer(const char *head, size_t len)
{
    const char *end = len < 5 ? NULL : memchr(head + 4, ' ', len - 4);
    size_t i = 0;

    for (; end != NULL && i < sizeof answers / sizeof *answers - 1; i++) {
        size_t suffix = strlen(answers[i].suffix);
        if ((size_t)(end - head) > suffix && memcmp(end - suffix, answers[i].suffix, suffix) == 0)
            return &answers[i];
    }
    return &answers[sizeof answers / sizeof *answers - 1];
}

static void drop(int fd)
{
    free(connections[fd]);
    connections[fd] = NULL;
    close(fd);
}

/* The echo always fits the send buffer of a client that waits for it. */
static bool send_all(int fd, const char *bytes, size_t len)
{
    return send(fd, bytes, len, MSG_NOSIGNAL) == (ssize_t)len;
}

/* What does not fit waits for the event that there is room. False: the connection is broken. */
static bool send_more(int fd)
{
    struct connection *connection = connections[fd];

    while (connection->out_len > 0) {
        ssize_t n = send(fd, connection->out, connection->out_len, MSG_NOSIGNAL);
        if (n < 0)
            return errno == EAGAIN;
        connection->out += n;
        connection->out_len -= (size_t)n;
    }
    return true;
}

static bool send_echo(int fd, const char *head, size_t len)
{
    char line[128];
    int n =
        snprintf(line, sizeof line,
                 "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n\r\n", len);

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
    bool echo = memmem(connection->head, connection->len, "/echo HTTP/1.1\r\n", 16) != NULL;
    if (!echo) {
        const struct answer *answer = find_answer(connection->head, connection->len);
        connection->out = answer->bytes;
        connection->out_len = answer->len;
    }
    bool sent = echo ? send_echo(fd, connection->head, connection->len) : send_more(fd);
    connection->len = 0;
    if (!sent)
        drop(fd);
}

static void on_event(int fd, uint32_t events)
{
    if ((events & EPOLLOUT) != 0 && connections[fd]->out_len > 0 && !send_more(fd)) {
        drop(fd);
        return;
    }
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
        on_readable(fd);
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
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.fd = fd};
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
    if (bind(fd, (const struct sockaddr *)&address, sizeof address) != 0 ||
        listen(fd, 65535) != 0) {
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
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++)
        make_answer(&answers[i]);
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
                on_event(events[i].data.fd, events[i].events);
    }
}
