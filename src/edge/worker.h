/* SPDX-License-Identifier: Apache-2.0
 *
 * A worker: one thread with its own loop, listening sockets, connections and
 * pools. Workers share nothing on the request path; what they have in common is
 * the immutable table, and what they tell the main thread goes by letter.
 */
#pragma once

#include <pthread.h>

#include "base/base.h"
#include "base/clock.h"
#include "base/list.h"
#include "edge/access_log.h"
#include "edge/conn.h"
#include "edge/h2_guard.h"
#include "edge/mailbox.h"
#include "edge/target.h"
#include "http/http1.h"
#include "io/loop.h"

struct client;
struct exchange;

enum {
    WORKER_SCRATCH_BYTES = 256 * 1024, /* one read: large bodies want few system calls */
    WORKER_JOINED_BYTES = 32 * 1024,
    WORKER_FRAMES_BYTES = 32 * 1024,
    WORKER_HEAD_BYTES = 48 * 1024, /* a response head of EDGE_HEAD_BYTES, rewritten */
    EDGE_HEAD_BYTES = 16 * 1024,   /* most bytes of a request or response head */
    EDGE_RESPONSE_HEAD_BYTES = 32 * 1024,
    EDGE_INTERIM_BYTES = 64 * 1024,   /* most bytes of heads before the real answer's */
    EDGE_SLOW_READ_BYTES = 32 * 1024, /* one read once its other side was slow */
    EDGE_HEAD_MS = 10000,             /* first to last byte of a request head */
    EDGE_HANDSHAKE_MS = 10000,
    EDGE_KEEP_ALIVE_MS = 75000,
    EDGE_WRITE_MS = 60000, /* a client that takes nothing of its answer */
    EDGE_TARGET_IDLE_MS = 60000,
    EDGE_LINGER_MS = 2000,
    EDGE_STOP_MS = 30000,
    EDGE_ACCEPT_PAUSE_MS = 100,
};

/* Written by the worker, read by the main thread: relaxed atomics. One name each in stats.c. */
enum counter {
    COUNT_CONNECTIONS,
    COUNT_CONNECTIONS_OPEN,
    COUNT_REQUESTS,
    COUNT_1XX,
    COUNT_2XX,
    COUNT_3XX,
    COUNT_4XX,
    COUNT_5XX,
    COUNT_BYTES_OUT,
    COUNT_TARGET_CONNECTIONS,
    COUNT_TARGET_FAILURES,
    COUNT_RETRIES,
    COUNT_CLIENT_ABORTS,
    COUNT_TIMEOUTS,
    COUNT_LIMITS,
    COUNT_HANDSHAKES,
    COUNT_HANDSHAKE_FAILURES,
    COUNT_TUNNELS,
    COUNT_LOG_DROPS,
    COUNT_H2_CONNECTIONS,
    COUNT_H2_REFUSED_STREAMS, /* above H2_MAX_STREAMS */
    COUNT_H2_HEADER_LISTS,    /* above H2_HEADER_LIST_BYTES */
    COUNT_H2_STALLS,          /* streams whose window stayed closed */
    COUNT_H2_COSTS,           /* and one for each of enum h2_cost */
    COUNTERS = COUNT_H2_COSTS + H2_COSTS,
};

struct listener {
    struct watch watch;
    struct timer pause; /* no descriptor was left: accepts again after it */
    struct list link;
    struct worker *worker;
    uint32_t id;
    int fd;
};

struct worker {
    struct loop *loop;
    unsigned index;
    pthread_t thread;
    struct mailbox inbox;
    struct mailbox *main; /* the main thread's */
    struct view *view;    /* the newest; NULL until the first table */
    struct list listeners;
    struct list clients;
    struct list targets;
    struct spill_pool spills;
    struct exchange *free_exchanges;
    struct conn *dead;
    struct deferred burial;
    struct list h2_dirty; /* connections with frames to send when the round is over */
    struct deferred h2_flush;
    size_t frames_len;
    struct timer stop_timer;
    bool stopping;
    struct http1_head head; /* of the message being read */
    uint64_t random[2];
    uint64_t date_second; /* of monotonic time, when <http_date> was made */
    char http_date[CLOCK_TEXT_BYTES];
    int64_t log_time_ms; /* when <log_time> was made */
    char log_time[CLOCK_TEXT_BYTES];
    struct access_log access_log;
    uint64_t counters[COUNTERS];
    char scratch[WORKER_SCRATCH_BYTES];
    char head_bytes[WORKER_HEAD_BYTES];
    char joined[WORKER_JOINED_BYTES];
    char frames_in[WORKER_FRAMES_BYTES];  /* of HTTP/2: read from one connection */
    char frames_out[WORKER_FRAMES_BYTES]; /* and to be written to one */
};

static inline void count_add(struct worker *worker, enum counter counter, uint64_t n)
{
    uint64_t now = __atomic_load_n(&worker->counters[counter], __ATOMIC_RELAXED);
    __atomic_store_n(&worker->counters[counter], now + n, __ATOMIC_RELAXED);
}

/* Starts the thread. <flusher> is where access log lines go. */
struct worker *worker_start(unsigned index, struct mailbox *main, struct log_flusher *flusher,
                            struct err *err);
/* After LETTER_STOPPED. */
void worker_join(struct worker *worker);

/* Frees the memory of a closed connection when the round is over. */
void worker_bury(struct worker *worker, struct conn *conn);
void worker_report(struct worker *worker, enum letter_kind kind, uint64_t number, struct str text);
/* A client is gone; ends the worker when it was the last one and the worker stops. */
void worker_forget_client(struct worker *worker);

/* Text of the Date header, renewed once a second. */
const char *worker_date(struct worker *worker);
/* 32 hex digits. */
void worker_random_id(struct worker *worker, char *ret);

/* listener.c: accepts on <fd>, which becomes the worker's. */
void listener_open(struct worker *worker, uint32_t id, int fd);
/* Closes those that are not in the newest table; all when <all>. */
void listener_close_unused(struct worker *worker, bool all);
