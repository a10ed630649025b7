/* SPDX-License-Identifier: Apache-2.0
 *
 * The clients of bench/deploy: five kinds that ask at a constant rate, whatever
 * the server does (an open loop), so that a server that stops for a second
 * shows a second. One thread, one loop.
 *
 * What failed is said to be the server's only when it is: a request that began
 * late, or whose time ran out while this process itself stood still, is counted
 * apart. A request has exactly one outcome.
 */
#pragma once

#include "base/base.h"
#include "base/clock.h"
#include "base/map.h"
#include "base/str.h"
#include "io/loop.h"
#include "io/socket.h"

struct load;

enum kind_id {
    KIND_KEEPALIVE, /* one request after the other on connections that stay */
    KIND_FRESH,     /* a connection for each request */
    KIND_HTTP2,     /* streams of a few connections, with prior knowledge */
    KIND_UPLOAD,    /* a body that comes in small pieces over seconds */
    KIND_WEBSOCKET, /* connections that live for seconds and echo */
    KIND_COUNT
};

enum outcome {
    OUTCOME_OK,
    OUTCOME_STATUS,  /* another status than 200 (101 for a WebSocket) */
    OUTCOME_REFUSED, /* no connection */
    OUTCOME_CLOSED,  /* the connection ended before the answer did */
    OUTCOME_TIMEOUT,
    OUTCOME_BAD,    /* not HTTP, or not what was asked for */
    OUTCOME_CLIENT, /* this process failed: it stood still, or has no descriptors left */
    OUTCOME_COUNT
};

enum {
    LATENCY_SLOTS = 20000, /* of 100 us; the last one is "longer" */
    VERSION_BYTES = 32,
    VERSIONS_MAX = 8192,
    FAILURES_SHOWN = 500,
};

struct kind {
    struct load *load;
    enum kind_id id;
    uint32_t per_second; /* of KIND_WEBSOCKET: connections at a time */
    uint64_t next_ns;
    struct timer timer;
    struct list idle; /* struct http1 */
    uint64_t started;
    uint64_t open; /* begun and without an outcome */
    uint64_t late; /* begun more than LATE_NS after their time: the client's fault */
    uint64_t outcomes[OUTCOME_COUNT];
    uint64_t messages;    /* echoes of WebSockets */
    uint64_t idle_closed; /* connections that the server closed between two requests */
    uint64_t longest_ns;
    uint32_t latencies[LATENCY_SLOTS];
};

struct load_options {
    union socket_address address;
    const char *host;
    const char *path;
    const char *upload_path;
    const char *websocket_path;
    uint64_t upload_status; /* what a good answer to an upload has */
    uint64_t timeout_ns;
    uint64_t upload_ns;    /* how long an upload takes to send */
    uint64_t websocket_ns; /* how long a WebSocket lives; half to one and a half of it */
    uint64_t run_ns;       /* 0: until a signal */
};

struct load {
    struct loop *loop;
    struct load_options options;
    struct kind kinds[KIND_COUNT];
    struct map versions; /* text -> struct version */
    size_t version_count;
    size_t failures_shown;
    bool stopping;
    struct timer beat;
    uint64_t beat_ns;      /* when the beat should come */
    uint64_t stall_ns;     /* the longest it came too late */
    uint64_t last_late_ns; /* when it last came more than LATE_NS too late */
    struct timer end;
    uint64_t random;
};

enum { LATE_NS = 50000000, BEAT_NS = 10000000 };

/* How one request ended. */
struct ending {
    enum outcome outcome;
    int status;          /* 0: none came */
    const char *version; /* the answer's X-Version; may be empty */
    const char *why;
    uint64_t due_ns; /* when it should have begun */
};

/* Counts a start and an end. A failure is printed as a line of JSON. */
void load_begin(struct kind *kind, uint64_t due_ns);
void load_end(struct kind *kind, const struct ending *ending);
/* Prints the result as a line of JSON. */
void load_report(const struct load *load);
void load_done(struct load *load);
const char *kind_name(enum kind_id id);
uint64_t load_random(struct load *load, uint64_t below);
/* Notes the value of X-Version; <ret> has VERSION_BYTES. */
void version_copy(struct str text, char *ret);

/* KIND_KEEPALIVE, KIND_FRESH and KIND_UPLOAD. */
void http1_begin(struct kind *kind, uint64_t due_ns);
void http1_close_idle(struct kind *kind);

/* KIND_HTTP2 */
void http2_begin(struct kind *kind, uint64_t due_ns);
void http2_close_all(struct load *load);

/* KIND_WEBSOCKET: opens one that is replaced when it ends, until load->stopping. */
void websocket_begin(struct kind *kind, uint64_t due_ns);
