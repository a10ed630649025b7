/* SPDX-License-Identifier: Apache-2.0
 *
 * Connections that ask once and then stay: `idle PORT COUNT plain|tls HOST PATH` prints "held N"
 * when all are open, and keeps them until its input ends. It opens as many as it can have: the line
 * says how many.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BODY_BYTES = 600, TIMEOUT_S = 10, LIFE_S = 180 };

static int open_connection(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct timeval timeout = {TIMEOUT_S, 0};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

/* The whole answer was read: head and body come as one. */
static bool ask(int fd, SSL *tls, const char *request)
{
    char bytes[16384];
    size_t len = strlen(request), received = 0;
    ssize_t n = tls != NULL ? SSL_write(tls, request, (int)len) : send(fd, request, len, 0);

    while (n > 0 && received < BODY_BYTES) {
        n = tls != NULL ? SSL_read(tls, bytes, sizeof bytes) : recv(fd, bytes, sizeof bytes, 0);
        received += n > 0 ? (size_t)n : 0;
    }
    return received >= BODY_BYTES;
}

int main(int argc, char **argv)
{
    char request[1024], byte;
    struct rlimit files;
    long held = 0;

    if (argc != 6) {
        fputs("usage: idle PORT COUNT plain|tls HOST PATH\n", stderr);
        return 2;
    }
    alarm(LIFE_S);
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    SSL_CTX *context = strcmp(argv[3], "tls") == 0 ? SSL_CTX_new(TLS_client_method()) : NULL;
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", argv[5], argv[4]);
    for (long count = strtol(argv[2], NULL, 10); held < count; held++) {
        int fd = open_connection((int)strtol(argv[1], NULL, 10));
        SSL *tls = NULL;
        if (fd >= 0 && context != NULL) {
            tls = SSL_new(context);
            SSL_set_fd(tls, fd);
            SSL_set_tlsext_host_name(tls, argv[4]);
        }
        if (fd < 0 || (tls != NULL && SSL_connect(tls) != 1) || !ask(fd, tls, request))
            break;
    }
    printf("held %ld\n", held);
    fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0) {
    }
    return 0;
}
