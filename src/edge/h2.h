/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTP/2 from clients, over nghttp2, which reads and writes frames, keeps windows
 * and compresses headers. A connection (h2_conn.c) belongs to a struct client; a
 * stream (h2_stream.c) is a conn for its exchange, which does not see the
 * difference: bytes to read are DATA that came, bytes written become DATA.
 *
 * Back-pressure both ways is the windows': what an exchange has not read is not
 * given back to the client, and what a window holds up waits in the stream's
 * <out>. The library's callbacks (h2_callbacks.c) may start and end exchanges,
 * but nothing is sent before the library has returned: h2_flush().
 */
#pragma once

#include <nghttp2/nghttp2.h>

#include "base/base.h"
#include "base/list.h"
#include "edge/client.h"
#include "edge/conn.h"
#include "edge/h2_guard.h"
#include "edge/h2_head.h"
#include "edge/h2_priority.h"

struct client_ops;
struct exchange;

enum {
    H2_MAX_STREAMS = 128,
    H2_STREAM_WINDOW_BYTES = 256 * 1024,
    H2_WINDOW_BYTES = 1024 * 1024, /* of the connection: all that its streams can hold unread */
    H2_LINGER_BYTES = 64 * 1024,   /* of a body nobody wants; then the stream is reset */
    H2_NOTICE_MS = 1000, /* from the notice of a shutdown to refusing new streams: a round trip */
    H2_SMALL_BYTES = 64, /* DATA this small, cut by the window, costs more than it brings */
};

struct h2 {
    nghttp2_session *session;
    struct client *client;
    struct list streams;
    struct list readable; /* streams with news: bytes, or the end */
    struct list drained;  /* streams whose <out> went empty */
    struct list dirty;    /* in worker.h2_dirty */
    struct h2_head head;  /* of the header block that is coming */
    struct h2_guard guard;
    uint32_t stream_count;
    uint64_t waiting_since_ns; /* 0: nothing is half sent, see h2_guard_is_waiting() */
    uint64_t idle_since_ns;    /* while there are no streams */
    uint64_t stuck_since_ns;   /* 0: the socket takes what is written */
    uint64_t notice_ns;        /* 0: no shutdown was announced */
    uint32_t exceeded;         /* the counter of a limit that was; 0: none */
    bool running;              /* h2_flush() will be called by who is on the stack */
    bool refusing;             /* the last GOAWAY was sent: no new streams */
    bool broken;               /* a write failed */
    bool yielding;             /* some stream yields */
    int32_t early_id;          /* 0, or the stream that is not open yet and has this priority */
    uint8_t early_urgency;
    bool early_incremental;
};

struct h2_stream {
    struct conn conn; /* without a socket; <out> waits for a window */
    struct list link; /* in h2.streams */
    struct list readable;
    struct list drained;
    struct h2 *h2;
    struct exchange *exchange; /* NULL: over; <out> is still being sent */
    struct spill *received;
    struct spill *request_trailers;
    struct spill *trailers; /* of the answer */
    uint64_t sent_bytes;
    uint64_t seen_bytes; /* <sent_bytes> at the last look */
    int32_t id;
    bool remote_ended;
    bool local_ended;
    bool passes_reset; /* its reset is the target's, not for what the client did */
    bool lingers;      /* all was sent, and the client may end its body */
    bool yields;       /* as <deferred>, until those that are more urgent had their turn */
    uint8_t urgency;   /* as the client said, and the next */
    bool incremental;
    uint8_t rank; /* the urgency that counts */
    bool ranked;  /* by the service's answer */
    uint32_t dropped_bytes;
    bool deferred; /* the library waits for nghttp2_session_resume_data() */
};

/* Does <bytes> begin like the preface, or is it the beginning of it? */
bool h2_is_preface(struct str bytes);
/* <client> speaks HTTP/2 from now on; <bytes> came already. */
void h2_start(struct client *client, struct str bytes);
/* Ends all streams; <client> is left without any protocol. */
void h2_free(struct client *client);
/* For a stop: lets streams end, allows no new ones after a moment. */
void h2_drain(struct client *client);
/* The same, but a connection without streams stays until the client has had time to hear of it. */
void h2_announce(struct client *client);

/* Sends what is to be sent. The connection may be gone after this. */
void h2_flush(struct h2 *h2);
/* There is something to send: now if h2_flush() will be called anyway, or at the end of the round.
 */
void h2_touch(struct h2 *h2);
/* The clock of h2_guard.h. */
uint32_t h2_now_ms(const struct h2 *h2);

/* h2_callbacks.c. <ret> lives as long as the process. */
const nghttp2_session_callbacks *h2_callbacks(void);
/* Sends what h2.client's worker has gathered of frames. */
void h2_send_gathered(struct h2 *h2);

/* h2_exchange.c */
extern const struct client_ops client_http2;

/* h2_stream.c */
struct h2_stream *h2_stream_new(struct h2 *h2, int32_t id);
/* After the library has closed it, or with the connection. */
void h2_stream_free(struct h2_stream *stream);
/* Its exchange is over: what still comes is dropped. */
void h2_stream_leave(struct h2_stream *stream);
/* The answer was sent, and the request has not ended. */
void h2_stream_linger(struct h2_stream *stream);
/* Was anything sent since the last call? */
bool h2_stream_has_moved(struct h2_stream *stream);
/* The client says how urgent its answer is. */
void h2_stream_rank(struct h2_stream *stream, const nghttp2_extpri *priority);
/* The service says so, in its answer: what it leaves open stays as the client wants it. */
void h2_stream_rank_answer(struct h2_stream *stream, struct str priority);
/* Bytes came, or the end. */
void h2_stream_receive(struct h2_stream *stream, const void *bytes, size_t len);
void h2_stream_end(struct h2_stream *stream);
/* Keeps <lines>, the request's trailers, without those that no target may see. */
void h2_stream_keep_trailers(struct h2_stream *stream, struct str lines);
/* Calls the handlers of streams with news, or with room. */
void h2_streams_run(struct h2 *h2);
/* nghttp2_data_source_read_callback: how much goes into the next frame. */
ssize_t h2_stream_measure(nghttp2_session *session, int32_t id, uint8_t *bytes, size_t len,
                          uint32_t *flags, nghttp2_data_source *source, void *user);
/* <len> of <out> were sent. */
void h2_stream_sent(struct h2_stream *stream, size_t len);
