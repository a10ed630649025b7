/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "io/socket.h"

bool socket_address_parse(const char *ip, uint16_t port, union socket_address *ret, struct err *err)
{
    union socket_address address = {0};

    if (inet_pton(AF_INET, ip, &address.v4.sin_addr) == 1) {
        address.v4.sin_family = AF_INET;
        address.v4.sin_port = htons(port);
    } else if (inet_pton(AF_INET6, ip, &address.v6.sin6_addr) == 1) {
        address.v6.sin6_family = AF_INET6;
        address.v6.sin6_port = htons(port);
    } else {
        return err_set(err, ERR_INVALID, "'%s' is not an IP address", ip);
    }
    *ret = address;
    return true;
}

socklen_t socket_address_len(const union socket_address *address)
{
    return address->any.sa_family == AF_INET6 ? sizeof address->v6 : sizeof address->v4;
}

uint16_t socket_address_port(const union socket_address *address)
{
    return ntohs(address->any.sa_family == AF_INET6 ? address->v6.sin6_port : address->v4.sin_port);
}

size_t socket_address_format_ip(const union socket_address *address, char *ret)
{
    const char *text;

    if (address->any.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&address->v6.sin6_addr))
        text = inet_ntop(AF_INET, &address->v6.sin6_addr.s6_addr[12], ret, SOCKET_TEXT_BYTES);
    else if (address->any.sa_family == AF_INET6)
        text = inet_ntop(AF_INET6, &address->v6.sin6_addr, ret, SOCKET_TEXT_BYTES);
    else
        text = inet_ntop(AF_INET, &address->v4.sin_addr, ret, SOCKET_TEXT_BYTES);
    assert(text != NULL);
    return strlen(ret);
}

void socket_address_format(const union socket_address *address, char *ret)
{
    char ip[SOCKET_TEXT_BYTES];

    (void)socket_address_format_ip(address, ip);
    bool bracket = strchr(ip, ':') != NULL;
    (void)snprintf(ret, SOCKET_TEXT_BYTES, "%s%.45s%s:%u", bracket ? "[" : "", ip,
                   bracket ? "]" : "", (unsigned)socket_address_port(address));
}

static bool set_option(int fd, int level, int option)
{
    int one = 1;
    return setsockopt(fd, level, option, &one, sizeof one) == 0;
}

int socket_listen_tcp(const union socket_address *address, bool shared, int backlog,
                      struct err *err)
{
    char text[SOCKET_TEXT_BYTES];
    int family = address->any.sa_family;
    AUTO(fd_close) int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    socket_address_format(address, text);
    if (fd < 0 || !set_option(fd, SOL_SOCKET, SO_REUSEADDR) ||
        !set_option(fd, IPPROTO_TCP, TCP_NODELAY) || /* accepted sockets inherit it */
        (shared && !set_option(fd, SOL_SOCKET, SO_REUSEPORT)) ||
        (family == AF_INET6 && !set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY)) ||
        bind(fd, &address->any, socket_address_len(address)) != 0 || listen(fd, backlog) != 0) {
        bool in_use = errno == EADDRINUSE;
        err_sys(err, "cannot listen on %s", text);
        if (in_use)
            err->code = ERR_EXISTS;
        return -1;
    }
    return TAKE_FD(fd);
}

int socket_hold_udp(const union socket_address *address, struct err *err)
{
    char text[SOCKET_TEXT_BYTES];
    int family = address->any.sa_family;
    AUTO(fd_close) int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    socket_address_format(address, text);
    if (fd < 0 || (family == AF_INET6 && !set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY)) ||
        bind(fd, &address->any, socket_address_len(address)) != 0) {
        bool in_use = errno == EADDRINUSE;
        err_sys(err, "cannot hold UDP %s", text);
        if (in_use)
            err->code = ERR_EXISTS;
        return -1;
    }
    return TAKE_FD(fd);
}

static bool unix_address(const char *path, struct sockaddr_un *ret, struct err *err)
{
    size_t len = strlen(path);

    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (len >= sizeof ret->sun_path)
        return err_set(err, ERR_LIMIT, "socket path '%s' is longer than %zu bytes", path,
                       sizeof ret->sun_path - 1);
    memcpy(ret->sun_path, path, len + 1);
    return true;
}

static int listen_unix(const char *path, int type, struct err *err)
{
    struct sockaddr_un address;

    if (!unix_address(path, &address, err))
        return -1;
    AUTO(fd_close) int fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    (void)unlink(path);
    mode_t former = umask(0177);
    bool bound = fd >= 0 && bind(fd, (const struct sockaddr *)&address, sizeof address) == 0;
    int saved = errno;
    (void)umask(former);
    errno = saved;
    if (!bound || listen(fd, 128) != 0) {
        err_sys(err, "cannot listen on '%s'", path);
        return -1;
    }
    return TAKE_FD(fd);
}

static int connect_unix(const char *path, int type, struct err *err)
{
    struct sockaddr_un address;

    if (!unix_address(path, &address, err))
        return -1;
    AUTO(fd_close) int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        bool absent = errno == ENOENT || errno == ECONNREFUSED;
        err_sys(err, "cannot connect to '%s'", path);
        if (absent)
            err->code = ERR_NOT_FOUND;
        return -1;
    }
    return TAKE_FD(fd);
}

int socket_listen_unix(const char *path, struct err *err)
{
    return listen_unix(path, SOCK_STREAM, err);
}

int socket_connect_unix(const char *path, struct err *err)
{
    return connect_unix(path, SOCK_STREAM, err);
}

int socket_listen_unix_packets(const char *path, struct err *err)
{
    return listen_unix(path, SOCK_SEQPACKET, err);
}

int socket_connect_unix_packets(const char *path, struct err *err)
{
    return connect_unix(path, SOCK_SEQPACKET | SOCK_NONBLOCK, err);
}

int socket_connect_tcp(const union socket_address *address, struct err *err)
{
    AUTO(fd_close)
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        err_sys(err, "cannot create a socket");
        return -1;
    }
    (void)set_option(fd, IPPROTO_TCP, TCP_NODELAY);
    if (connect(fd, &address->any, socket_address_len(address)) != 0 && errno != EINPROGRESS) {
        err_sys(err, "cannot connect");
        return -1;
    }
    return TAKE_FD(fd);
}

bool socket_connect_result(int fd, struct err *err)
{
    int error = 0;
    socklen_t len = sizeof error;

    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error == 0)
        return true;
    errno = error;
    return err_sys(err, "cannot connect");
}
