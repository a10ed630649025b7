/* SPDX-License-Identifier: Apache-2.0
 *
 * The daemon's side of the edge, shared by edge_link.c (tables, probes and what
 * an edge says), edge_process.c (one process and its channel), edge_handover.c
 * (a new one in the place of another) and edge_listeners.c (the ports of this
 * machine).
 *
 * There is one edge that accepts. Beside it there may be one that is to take its
 * place, and those that gave theirs up and finish what they have.
 */
#pragma once

#include "base/list.h"
#include "base/vec.h"
#include "control/daemon_priv.h"
#include "io/channel.h"
#include "io/socket.h"

enum {
    WORKERS_MAX = 8,
    BACKLOG = 4096,
    EDGE_UID = RUNTIME_EDGE_UID,
    EDGES_MAX = 64, /* with those that finish what they have */
    RESTART_MAX_MS = 5000,
    STABLE_MS = 10000,
    HELLO_MS = 2000,
    IDLE_MAX = 10000,
    HANDOVER_MS = 20000, /* for a new edge to work by the table */
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
    bool named;  /* by the table that was sent last */
    bool wanted; /* scratch: by a release that counts */
};

/* An edge. Made by edge_process_start() and edge_process_find(). */
struct edge_process {
    struct edge_link *owner;
    struct list link;
    struct watch channel;
    struct child *child; /* NULL: its end is told by the channel alone */
    pid_t pid;
    bool found;       /* it ran before this daemon did */
    bool introduced;  /* and has said who it is */
    bool retired;     /* it accepts no more */
    bool healing;     /* after a table was refused, everything was sent again */
    bool deaf;        /* retired, and does not understand the tables of this program */
    size_t announced; /* the listeners it has */
    uint64_t started_ns;
    uint64_t applied;   /* the newest table it works by */
    VEC(uint32_t) sent; /* listeners that it has */
    struct map idle;    /* targets that leave, and that it has nothing of any more */
    int page_fd;        /* where it says what it did when it crashed; -1: none */
    int meters_fd;      /* its counters, until they are attached; -1: none */
    struct deferred freeing;
};

/* A question to an edge that was not answered yet. */
struct probe {
    struct edge_process *process;
    uint64_t number;
    uint32_t check;
    char instance[RUNTIME_ID_MAX + 1];
};

struct edge_link {
    struct daemon *daemon;
    int workers;
    struct list processes;       /* struct edge_process: all of them */
    struct edge_process *active; /* accepts; NULL: none at this moment */
    struct edge_process *next;   /* is to take its place; NULL: none */
    uint64_t generation;         /* of the table that was sent last */
    uint64_t restart_ms;         /* pause before the next start */
    struct timer restart_timer;
    uint32_t last_id;
    uint64_t last_probe;
    VEC(struct held) held;
    VEC(struct probe) probes;
    struct list asks; /* questions of requests, see edge_ask.c */
    uint64_t last_ask;
    struct {
        struct timer timer;
        uint64_t drain_ms;
        edge_replaced_fn *done;
        void *arg;
    } handover; /* while there is a <next> */
    struct channel_message message;
};

/* ---- edge_process.c ---- */

/* Starts one and sends it what it needs but the table. NULL: failed. */
MUST_CHECK struct edge_process *edge_process_start(struct edge_link *link, struct err *err);
/* Those that run already: <active> and others are set, and what they have is in held. */
void edge_process_find_all(struct edge_link *link);
/* Sends and frees <json>. */
bool edge_process_send(struct edge_process *process, json_t *json, const int *fds, size_t count);
/* Listeners that the table names and it has not. */
void edge_process_send_listeners(struct edge_process *process);
void edge_process_send_access_log(struct edge_process *process);
/* Its counters are those that count. */
void edge_process_attach_meters(struct edge_process *process);
/* A later daemon finds it first. */
void edge_process_lead(struct edge_process *process);
/* It is told to finish. */
void edge_process_retire(struct edge_process *process, uint64_t drain_ms);
/* Nobody hears of it any more; the process itself goes on. Its memory goes with the round. */
void edge_process_free(struct edge_process *process);
void edge_process_kill(struct edge_process *process);
bool edge_process_is_heard(const struct edge_process *process);

/* ---- edge_link.c ---- */

void edge_link_take_event(struct edge_process *process, const json_t *event);
/* It is gone. */
void edge_link_ended(struct edge_process *process, int exit_status);
/* One that accepts, at once or after a pause. */
void edge_link_start_later(struct edge_link *link);
/* Every edge that counts has nothing of a target: its instance may end. */
void edge_link_check_idle(struct edge_link *link);

/* ---- edge_ask.c ---- */

struct api_call;
struct edge_answers {
    const json_t *active; /* of the edge that accepts; NULL: it has not answered */
    uint64_t purged;      /* "purged" of all */
};
/* <err> NULL: all have answered, or are gone, and the one that accepts is among those that did. */
typedef void edge_ask_fn(struct api_call *call, const struct edge_answers *answers,
                         const struct err *err);
/* Sends <message>, which it frees, to every edge; <done>, which answers <call>, is not called when
 * the client has gone. <numbered>: answers repeat the "id" that it adds. */
void edge_ask(const struct api_call *call, json_t *message, bool numbered, edge_ask_fn *done);
void edge_ask_take(struct edge_process *process, const json_t *event);
/* It is gone: nobody waits for its answer any more. */
void edge_ask_forget(const struct edge_process *process);

/* ---- edge_hello.c: events ---- */

void edge_hello_take_hello(struct edge_process *process, const json_t *event);
void edge_hello_take_listener(struct edge_process *process, const json_t *event);
void edge_hello_take_meters(struct edge_process *process, const json_t *event);
void edge_hello_take_crash_page(struct edge_process *process, const json_t *event);

/* ---- edge_handover.c ---- */

/* <process> works by the newest table. */
void edge_handover_applied(struct edge_process *process);
/* The next one refused the table, or ended. */
void edge_handover_failed(struct edge_link *link, const char *why);

/* ---- edge_listeners.c ---- */

/* The sockets that the former program left open; <list> NULL: none. */
void edge_listeners_take_over(struct edge_link *link, const json_t *list);
void edge_listener_close(const struct edge_link *link, struct held *held);
/* <ip> NULL: every address. */
bool edge_listener_is_held(const struct edge_link *link, const char *ip, uint16_t port, bool udp);
bool edge_listener_is_free(const char *ip, uint16_t port, bool udp);
/* A number that nobody uses at this moment; 0: none. */
uint16_t edge_listener_find_free(const char *ip, bool udp);
/* Lets go of the ports that no release asks for any more. */
void edge_listeners_prune(struct edge_link *link);
