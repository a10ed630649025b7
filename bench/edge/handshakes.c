/* SPDX-License-Identifier: Apache-2.0
 *
 * TLS handshakes as a load: `handshakes PORT CONNECTIONS SECONDS full|resume HOST PATH`. Each of
 * the CONNECTIONS is opened, asks once, reads to the end and begins anew; with "resume" it shows
 * the ticket that it was given the last time. Prints one line:
 *
 *     requests 1234 errors 0 resumed 1200 seconds 4.001
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 256, READ_BYTES = 16384 };

struct connection {
    int fd;
    bool asked;
    size_t received;
    SSL *tls;
    SSL_SESSION *session;
};

static struct {
    SSL_CTX *context;
    int poll_fd, port;
    bool resumes;
    const char *host;
    char request[1024];
    int request_len;
    long done, errors, resumed;
} load;

static double seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int on_session(SSL *tls, SSL_SESSION *session)
{
    struct connection *connection = SSL_get_app_data(tls);

    SSL_SESSION_free(connection->session);
    connection->session = session;
    return 1; /* it is ours now */
}

static void begin(struct connection *connection)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)load.port),
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET | EPOLLRDHUP,
                                .data.ptr = connection};
    int on = 1;

    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    connection->tls = SSL_new(load.context);
    if (connection->fd < 0 || connection->tls == NULL) {
        perror("handshakes: cannot open a connection");
        exit(1);
    }
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)connect(connection->fd, (const struct sockaddr *)&address, sizeof address);
    SSL_set_fd(connection->tls, connection->fd);
    SSL_set_connect_state(connection->tls);
    SSL_set_app_data(connection->tls, connection);
    SSL_set_tlsext_host_name(connection->tls, load.host);
    if (load.resumes && connection->session != NULL)
        SSL_set_session(connection->tls, connection->session);
    connection->asked = false;
    connection->received = 0;
    epoll_ctl(load.poll_fd, EPOLL_CTL_ADD, connection->fd, &event);
}

static void end(struct connection *connection, bool good)
{
    load.done += good;
    load.errors += !good;
    load.resumed += SSL_session_reused(connection->tls);
    SSL_set_quiet_shutdown(connection->tls, 1);
    SSL_shutdown(connection->tls);
    SSL_free(connection->tls);
    close(connection->fd);
    begin(connection);
}

static bool wants_more(const struct connection *connection, int result)
{
    int why = SSL_get_error(connection->tls, result);
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE;
}

static void on_event(struct connection *connection)
{
    char bytes[READ_BYTES];
    int result;

    ERR_clear_error();
    if (!connection->asked) {
        result = SSL_do_handshake(connection->tls);
        if (result != 1) {
            if (!wants_more(connection, result))
                end(connection, false);
            return;
        }
        connection->asked = true;
        if (SSL_write(connection->tls, load.request, load.request_len) != load.request_len) {
            end(connection, false);
            return;
        }
    }
    while ((result = SSL_read(connection->tls, bytes, sizeof bytes)) > 0)
        connection->received += (size_t)result;
    if (!wants_more(connection, result))
        end(connection, connection->received > 600);
}

static void prepare(char **argv)
{
    load.port = (int)strtol(argv[1], NULL, 10);
    load.resumes = strcmp(argv[4], "resume") == 0;
    load.host = argv[5];
    load.request_len =
        snprintf(load.request, sizeof load.request,
                 "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", argv[6], argv[5]);
    load.context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_min_proto_version(load.context, TLS1_3_VERSION);
    SSL_CTX_set1_groups_list(load.context, "X25519");
    SSL_CTX_set_session_cache_mode(load.context,
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(load.context, on_session);
    load.poll_fd = epoll_create1(EPOLL_CLOEXEC);
}

int main(int argc, char **argv)
{
    struct epoll_event events[EVENTS];

    if (argc != 7) {
        fputs("usage: handshakes PORT CONNECTIONS SECONDS full|resume HOST PATH\n", stderr);
        return 2;
    }
    prepare(argv);
    size_t count = (size_t)strtol(argv[2], NULL, 10);
    double seconds = strtod(argv[3], NULL), started = seconds_now(), now;
    struct connection *connections = calloc(count, sizeof *connections);
    if (connections == NULL)
        return 1;
    for (size_t i = 0; i < count; i++)
        begin(&connections[i]);
    while ((now = seconds_now()) - started < seconds) {
        int ready = epoll_wait(load.poll_fd, events, EVENTS, 100);
        for (int i = 0; i < ready; i++)
            on_event(events[i].data.ptr);
    }
    printf("requests %ld errors %ld resumed %ld seconds %.3f\n", load.done, load.errors,
           load.resumed, now - started);
    return 0;
}
