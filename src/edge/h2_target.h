/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTP/2 to targets, without TLS and by prior knowledge, for upstreams that say
 * so. A connection (h2_target.c) belongs to a target and one worker and carries
 * many requests; a stream of it (h2_target_stream.c) is what an exchange has as
 * its target_conn, and it does not see the difference: what it writes becomes
 * DATA, and what it reads is a head as text of HTTP/1.1 and the bytes of DATA
 * behind it, which the strict parser of src/http reads.
 *
 * The mirror of h2.h. Requests wait for the target's first SETTINGS: only then is
 * it known that it speaks HTTP/2, and how many streams it takes at once.
 *
 * A stream that cannot hand its bytes on holds up to H2_TARGET_WINDOW_BYTES, and
 * the window of the connection is as large as those of all its streams: a slow
 * client does not hold up others.
 */
#pragma once

#include <nghttp2/nghttp2.h>

#include "base/base.h"
#include "base/list.h"
#include "edge/conn.h"
#include "edge/h2_guard.h"
#include "edge/h2_head.h"
#include "edge/target.h"

struct exchange;

enum {
    H2_TARGET_MAX_STREAMS = 100, /* on one connection, whatever the target would allow */
    H2_TARGET_MAX_CONNECTIONS = 32,
    H2_TARGET_WINDOW_BYTES = 128 * 1024,
    H2_TARGET_HEAD_BYTES = 32 * 1024, /* fields of a response, and of its trailers */
};

struct h2_target {
    struct conn conn;
    struct list link; /* in target.sessions */
    struct target *target;
    nghttp2_session *session;
    struct list streams;
    struct list readable; /* streams with news */
    struct list drained;  /* streams whose <out> went empty */
    struct list dirty;    /* in worker.h2_target_dirty */
    struct h2_head head;  /* of the header block that is coming */
    struct h2_guard guard;
    uint32_t stream_count;
    uint32_t exceeded;         /* the counter of a limit that was; 0: none */
    uint64_t idle_since_ns;    /* while there are no streams */
    uint64_t waiting_since_ns; /* 0: nothing is half come, see h2_guard_is_waiting() */
    uint64_t stuck_since_ns;   /* 0: the socket takes what is written */
    uint64_t stuck_bytes;      /* that waited then */
    bool connected;
    bool settled;  /* its SETTINGS came */
    bool answered; /* a request before */
    bool leaving;  /* by GOAWAY, or for want of numbers: takes no new streams */
    bool broken;
};

struct h2_target_stream {
    struct target_conn server; /* without a socket; <out> waits for a window */
    struct list link;          /* in h2_target.streams */
    struct list readable;
    struct list drained;
    struct h2_target *h2;           /* NULL: the connection is gone */
    struct spill *received;         /* <text_bytes> of heads, then DATA */
    struct spill *trailers;         /* of the response */
    struct spill *request_trailers; /* lines */
    uint32_t text_bytes;
    uint32_t reset_code; /* of the target's RST_STREAM */
    int32_t id;          /* 0: not begun */
    bool started;        /* the request was handed to the library */
    bool head_came;      /* of the answer itself, not of an interim one */
    bool remote_ended;
    bool local_ended; /* nothing more will be written */
    bool end_sent;
    bool closed;   /* the library has forgotten it */
    bool unsent;   /* it was never asked */
    bool refused;  /* the target says that it did nothing with it */
    bool deferred; /* the library waits for nghttp2_session_resume_data() */
};

/* Is there a connection with room, or may there be another one? */
bool h2_target_has_room(struct target *target);
/* A stream of exchange->target in <state>, whose on_writable comes when it may begin; on_error or
 * on_timeout when there will be no connection. At once when h2_target_is_settled(). NULL: the
 * target refused. */
struct target_conn *h2_target_join(struct exchange *exchange, const struct conn_state *state,
                                   uint32_t timeout_ms);
bool h2_target_is_settled(struct target_conn *server);
/* False: the target takes less streams than have joined. */
bool h2_target_may_begin(struct target_conn *server);
/* Sends exchange->head. False: it cannot be. */
MUST_CHECK bool h2_target_begin(struct exchange *exchange);
/* The exchange has no more to do with it: resets it unless both sides have ended. */
void h2_target_leave(struct target_conn *server);

/* Nothing is left of the answer but trailers. */
bool h2_target_is_over(struct target_conn *server);
/* The caller's; NULL: none. */
struct spill *h2_target_take_trailers(struct target_conn *server);
/* The target has not begun with the request, whatever its method is. */
bool h2_target_has_refused(struct target_conn *server);

/* Of a target that gets no more requests: idle ones now, the others when they are. */
void h2_target_retire(struct target *target);
/* They have no streams. */
void h2_target_close_all(struct target *target);

/* There is something to send when the round is over. */
void h2_target_touch(struct h2_target *h2);
uint32_t h2_target_now_ms(const struct h2_target *h2);
/* h2_target_callbacks.c; lives as long as the process. */
const nghttp2_session_callbacks *h2_target_callbacks(void);

/* h2_target_stream.c */
extern const struct conn_ops h2_target_ops;
struct h2_target_stream *h2_target_stream_new(struct h2_target *h2);
/* nghttp2_data_source_read_callback */
ssize_t h2_target_stream_measure(nghttp2_session *session, int32_t id, uint8_t *bytes, size_t len,
                                 uint32_t *flags, nghttp2_data_source *source, void *user);
/* Calls the handlers of streams with news, or with room. <h2> may be closed after it. */
void h2_target_streams_run(struct h2_target *h2);
void h2_target_stream_receive(struct h2_target_stream *stream, const void *bytes, size_t len);
void h2_target_stream_take_head(struct h2_target_stream *stream, struct spill *text);
/* The connection is gone; what came before can still be read. */
void h2_target_stream_orphan(struct h2_target_stream *stream);
/* The library is done with it. */
void h2_target_stream_close(struct h2_target_stream *stream, uint32_t code);
void h2_target_stream_end(struct h2_target_stream *stream);
