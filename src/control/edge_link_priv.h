/* SPDX-License-Identifier: Apache-2.0
 *
 * The daemon's side of the edge, shared by edge_link.c (its process and its
 * channel) and edge_listeners.c (the ports of this machine).
 */
#pragma once

#include "base/vec.h"
#include "control/daemon_priv.h"
#include "io/channel.h"
#include "io/socket.h"

enum {
    WORKERS_MAX = 8,
    BACKLOG = 4096,
    EDGE_UID = 699999, /* below the systems' */
    RESTART_MAX_MS = 5000,
    STABLE_MS = 10000,
    HELLO_MS = 2000,
    ACCESS_LOG_BYTES = 10 << 20,
    ACCESS_LOG_FILES = 3,
};

/* A port this machine listens on: one socket for each worker; UDP: one that nobody reads. */
struct held {
    uint32_t id;
    bool udp;
    uint16_t port;
    char ip[SOCKET_TEXT_BYTES];
    int fds[WORKERS_MAX];
    bool sent;   /* to the edge that runs */
    bool named;  /* by the table that was sent last */
    bool wanted; /* scratch: by a release that counts */
};

/* A question to the edge that was not answered yet. */
struct probe {
    uint64_t number;
    uint32_t check;
    char instance[RUNTIME_ID_MAX + 1];
};

struct edge_link {
    struct daemon *daemon;
    int workers;
    struct watch channel; /* to the edge */
    struct child *child;  /* NULL: none, or one that a former daemon started */
    pid_t pid;
    bool introduced;  /* an edge found running has said who it is */
    size_t announced; /* the listeners it has */
    uint64_t started_ns;
    uint64_t generation; /* of the table that was sent last */
    bool healing;        /* after a table was refused, everything was sent again */
    uint64_t applied;    /* the newest the edge works by */
    uint64_t restart_ms; /* pause before the next start */
    struct timer restart_timer;
    uint32_t last_id;
    uint64_t last_probe;
    VEC(struct held) held;
    VEC(struct probe) probes;
    struct channel_message message;
};

/* edge_listeners.c */
void edge_listener_close(const struct edge_link *link, struct held *held);
/* <ip> NULL: every address. */
bool edge_listener_is_held(const struct edge_link *link, const char *ip, uint16_t port, bool udp);
bool edge_listener_is_free(const char *ip, uint16_t port, bool udp);
/* A number that nobody uses at this moment; 0: none. */
uint16_t edge_listener_find_free(const char *ip, bool udp);
/* Lets go of the ports that no release asks for any more. */
void edge_listeners_prune(struct edge_link *link);
