/* SPDX-License-Identifier: Apache-2.0
 *
 * Sockets: addresses, listening, connecting. Non-blocking and close-on-exec
 * from birth.
 */
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/base.h"

struct err;

union socket_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

enum { SOCKET_TEXT_BYTES = 56 }; /* "[address]:port" and NUL */

/* "10.0.0.1", "::1"; no names are looked up. */
MUST_CHECK bool socket_address_parse(const char *ip, uint16_t port, union socket_address *ret,
                                     struct err *err);
socklen_t socket_address_len(const union socket_address *address);
uint16_t socket_address_port(const union socket_address *address);
/* "10.0.0.1:80" or "[::1]:80"; IPv4-mapped addresses are written as IPv4. */
void socket_address_format(const union socket_address *address, char *ret);
/* The same without the port. Returns the length. */
size_t socket_address_format_ip(const union socket_address *address, char *ret);

/* A TCP listener with SO_REUSEADDR and, when <shared>, SO_REUSEPORT, so that
 * several may share the port. IPv6 sockets take IPv6 only. -1 on failure;
 * ERR_EXISTS when the port is in use. */
int socket_listen_tcp(const union socket_address *address, bool shared, int backlog,
                      struct err *err);

/* A UDP socket that holds its port. -1 on failure; ERR_EXISTS when the port is in use. */
int socket_hold_udp(const union socket_address *address, struct err *err);

/* A listener at <path>, made for root only (0600); one left over from before is replaced. */
int socket_listen_unix(const char *path, struct err *err);
/* A blocking connection; ERR_NOT_FOUND when nobody listens there. */
int socket_connect_unix(const char *path, struct err *err);
/* The same for SOCK_SEQPACKET, as io/channel.h speaks; the connection does not block. */
int socket_listen_unix_packets(const char *path, struct err *err);
int socket_connect_unix_packets(const char *path, struct err *err);

/* Starts to connect: writable means decided, socket_connect_result() tells. -1 on failure. */
int socket_connect_tcp(const union socket_address *address, struct err *err);
MUST_CHECK bool socket_connect_result(int fd, struct err *err);

/* "nginx (pid 812)" for the process that listens on TCP <port>, from /proc;
 * false when it cannot be told. */
bool socket_port_owner(uint16_t port, char *ret, size_t ret_bytes);
bool socket_udp_port_owner(uint16_t port, char *ret, size_t ret_bytes);

struct socket_listener {
    uint16_t port;
    bool only_local; /* on a loopback address, and on no other */
};
struct socket_listeners {
    struct socket_listener items[16]; /* more are left out */
    size_t count;
};
/* The TCP ports that are listened on in the network of process <pid>; none when it is gone. */
void socket_find_listeners(pid_t pid, struct socket_listeners *ret);
