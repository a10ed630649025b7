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
#include "edge/meter.h"
#include "edge/pipe.h"
#include "edge/queue.h"
#include "edge/static_cache.h"
#include "edge/target.h"
#include "http/http1.h"
#include "http/http_negotiate.h"
#include "io/loop.h"
#include "io/reserve.h"

struct client;
struct coder;
struct exchange;

enum {
    WORKER_SCRATCH_BYTES = 256 * 1024, /* one read: large bodies want few system calls */
    WORKER_JOINED_BYTES = 32 * 1024,
    WORKER_FRAMES_BYTES = 32 * 1024,
    WORKER_CODED_BYTES = 32 * 1024,
    RULED_BYTES = 60 * 1024,
    WORKER_HEAD_BYTES = 48 * 1024, /* a response head of EDGE_HEAD_BYTES, rewritten */
    EDGE_HEAD_BYTES = 16 * 1024,   /* most bytes of a request or response head */
    EDGE_RESPONSE_HEAD_BYTES = 32 * 1024,
    EDGE_INTERIM_BYTES = 64 * 1024,   /* most bytes of heads before the real answer's */
    EDGE_SLOW_READ_BYTES = 32 * 1024, /* one read once its other side was slow */
    EDGE_HEAD_MS = 10000,             /* first to last byte of a request head */
    EDGE_HANDSHAKE_MS = 10000,
    EDGE_KEEP_ALIVE_MS = 75000,
    EDGE_WRITE_MS = 60000, /* a client that takes less than this of its answer: */
    EDGE_TAKEN_BYTES = 4096,
    EDGE_UNSENT_BYTES = 128 * 1024, /* that the kernel keeps for a client that reads slowly */
    EDGE_TARGET_IDLE_MS = 60000,
    EDGE_TARGET_WARM_MS = 250,  /* idle for less: what cannot be repeated may be sent there */
    EDGE_HALF_CLOSED_MS = 5000, /* a client that sends no more, and is sent nothing */
    EDGE_LINGER_MS = 2000,
    EDGE_STOP_MS = 30000,
    EDGE_ACCEPT_PAUSE_MS = 100,
    EDGE_RESERVE_BYTES = 4 * 1024 * 1024, /* of each thread, of address space */
    EDGE_WARY_MS = 10000,                 /* after a shortage of memory: accepts a few at a time */
    EDGE_SHED_MS = 1000, /* while memory is short: a client that has not asked yet */
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
    COUNT_EJECTIONS, /* targets left out for a while */
    COUNT_QUEUED,    /* requests that waited for a target */
    COUNT_QUEUE_REJECTED,
    COUNT_RETRIES_DENIED, /* by the retry budget */
    COUNT_RETRIES,
    COUNT_CLIENT_ABORTS,
    COUNT_TIMEOUTS,
    COUNT_LIMITS,
    COUNT_HANDSHAKES,
    COUNT_HANDSHAKE_FAILURES,
    COUNT_TUNNELS,
    COUNT_LOG_DROPS,
    COUNT_MEMORY_SHORT, /* times an allocation failed that had not before */
    COUNT_CACHE_HITS,
    COUNT_CACHE_MISSES,
    COUNT_CACHE_STALE,       /* of the hits, and in the place of failures */
    COUNT_CACHE_REVALIDATED, /* 304 */
    COUNT_CACHE_COLLAPSED,   /* waited for somebody else's fetch */
    COUNT_CACHE_BYPASSES,
    COUNT_CACHE_STORED,
    COUNT_CACHE_REFUSED, /* for a limit: key, variant, object, room, background */
    COUNT_CACHE_SLOW,    /* waited in vain: for CACHE_WAIT_MS, or CACHE_WAITS_MAX times */
    COUNT_H2_CONNECTIONS,
    COUNT_H2_REFUSED_STREAMS, /* above H2_MAX_STREAMS */
    COUNT_H2_HEADER_LISTS,    /* above H2_HEADER_LIST_BYTES */
    COUNT_H2_STALLS,          /* streams whose window stayed closed */
    COUNT_H2_ERRORS,          /* connections of clients that broke the rules */
    COUNT_COMPRESSED,         /* answers */
    COUNT_COMPRESS_SKIPPED,   /* OUTLET_MAX_CODERS at once, or no memory */
    COUNT_CORS_REFUSED,       /* preflights */
    COUNT_AUTH_FAILURES,
    COUNT_AUTH_QUEUE, /* passwords that could not be checked: too many waited, or memory */
    COUNT_MAINTENANCE,
    COUNT_RATES,               /* requests answered with 429 */
    COUNT_RATES_DRY_RUN,       /* that would have been */
    COUNT_ADDRESSES,           /* requests from addresses that are denied */
    COUNT_LONG_URLS,           /* above the listener's or the route's limit */
    COUNT_LARGE_HEADS,         /* as above */
    COUNT_MISDIRECTED,         /* for another host than the connection was opened for */
    COUNT_CLIENT_CERTIFICATES, /* requests without one that is needed */
    COUNT_CONNECTIONS_PER_IP,  /* connections refused, as the two below */
    COUNT_LISTENER_FULL,
    COUNT_PROXY_PROTOCOL, /* that did not begin with its header */
    COUNT_DESCRIPTORS,    /* times that a listener could accept nobody more */
    COUNT_SLOW_HEADS,
    COUNT_SLOW_BODIES,
    COUNT_SLOW_READERS,
    COUNT_RESUMED, /* handshakes that went on with an old session */
    COUNT_H2_TARGET_CONNECTIONS,
    COUNT_H2_TARGET_HEADER_LISTS, /* above H2_TARGET_HEAD_BYTES */
    COUNT_H2_TARGET_ERRORS,       /* connections to targets that broke the rules */
    COUNT_H2_TARGET_RESETS,       /* requests */
    COUNT_H2_TARGET_COSTS,        /* as below, of targets */
    COUNT_H2_COSTS = COUNT_H2_TARGET_COSTS + H2_COSTS, /* and one for each of enum h2_cost */
    COUNTERS = COUNT_H2_COSTS + H2_COSTS,
};

struct listener {
    struct watch watch;
    struct timer pause; /* no descriptor or too little memory was left: accepts again after it */
    struct list link;
    struct worker *worker;
    uint32_t id;
    int fd;
    bool is_full; /* there is no descriptor for more clients */
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
    struct list queues; /* of requests that wait for a target: queue.c */
    struct deferred queue_wake;
    uint64_t queue_round;
    struct retry_budget retry_budget;
    unsigned peers;          /* workers in all */
    struct worker **workers; /* all of them, by index */
    struct spill_pool spills;
    struct pipe_pool pipes;
    struct static_cache static_cache;
    struct exchange *free_exchanges;
    struct cache *cache;          /* of all workers */
    struct list cache_waiters;    /* exchanges that wait for somebody else's fetch */
    struct list cache_background; /* revalidations to be started when the round is over */
    struct deferred cache_start;
    uint32_t cache_background_count;
    struct conn *dead;
    struct deferred burial;
    struct list h2_dirty; /* connections with frames to send when the round is over */
    struct deferred h2_flush;
    struct list h2_target_dirty; /* the same for connections to targets */
    struct deferred h2_target_flush;
    size_t frames_len;
    struct timer stop_timer;
    bool stopping;
    bool retiring; /* with <stopping>: idle connections wait for a last request */
    bool closing;  /* every answer is its connection's last: it stops, or memory is short */
    struct reserve reserve;
    uint64_t shortage_said_ns; /* in the log */
    uint64_t shortage_over_ns; /* the last one; 0: there was none */
    uint32_t coder_count;
    struct coder *kept_coders[HTTP_CODING_IDENTITY]; /* for the next answers */
    uint32_t auth_waiting;                           /* jobs whose letter has not come */
    struct auth_memory *auth_memory;                 /* NULL until it is needed */
    struct http1_head head;                          /* of the message being read */
    uint64_t random[2];
    uint64_t date_second; /* of monotonic time, when <http_date> was made */
    char http_date[CLOCK_TEXT_BYTES];
    int64_t log_time_ms; /* when <log_time> was made */
    char log_time[CLOCK_TEXT_BYTES];
    struct access_log access_log;
    uint64_t counters[COUNTERS];
    struct meter *meters; /* METER_SLOTS, of this worker */
    char scratch[WORKER_SCRATCH_BYTES];
    char head_bytes[WORKER_HEAD_BYTES];
    char ruled[RULED_BYTES];        /* a response head that a route's rules have changed */
    char coded[WORKER_CODED_BYTES]; /* compressed */
    char joined[WORKER_JOINED_BYTES];
    char frames_in[WORKER_FRAMES_BYTES];  /* of HTTP/2: read from one connection */
    char frames_out[WORKER_FRAMES_BYTES]; /* and to be written to one */
};

static inline void count_add(struct worker *worker, enum counter counter, uint64_t n)
{
    uint64_t now = __atomic_load_n(&worker->counters[counter], __ATOMIC_RELAXED);
    __atomic_store_n(&worker->counters[counter], now + n, __ATOMIC_RELAXED);
}

/* <flusher> is where access log lines go. */
struct worker *worker_new(unsigned index, struct mailbox *main, struct log_flusher *flusher,
                          struct err *err);
/* Starts the thread, which has everything from then on. */
MUST_CHECK bool worker_start(struct worker *worker, struct err *err);
/* After LETTER_STOPPED. */
void worker_join(struct worker *worker);

/* Frees the memory of a closed connection when the round is over. */
void worker_bury(struct worker *worker, struct conn *conn);
void worker_report(struct worker *worker, enum letter_kind kind, uint64_t number, struct str text);
/* A client is gone; ends the worker when it was the last one and the worker stops. */
void worker_forget_client(struct worker *worker);

/* shortage.c: what the worker does without while memory is short. */
void shortage_begin(struct worker *worker); /* in the worker's thread, before anything else */
void shortage_end(struct worker *worker);

/* Text of the Date header, renewed once a second. */
const char *worker_date(struct worker *worker);
/* Well spread, not secret. */
uint64_t worker_random(struct worker *worker);
/* 32 hex digits. */
void worker_random_id(struct worker *worker, char *ret);

/* listener.c: accepts on <fd>, which becomes the worker's. */
void listener_open(struct worker *worker, uint32_t id, int fd);
/* Those that were paused go on, if they may. */
void listener_resume_all(struct worker *worker);
/* Some descriptors are not for clients but for what they ask for. Called once, before workers and
 * before the process is confined. */
void listener_reserve_descriptors(void);
/* Closes those that are not in the newest table; all when <all>. */
void listener_close_unused(struct worker *worker, bool all);
