/* SPDX-License-Identifier: Apache-2.0
 *
 * Counts the frames of an HTTP/2 connection before the library sees them, and
 * says when there are too many of a kind that costs the server work and the
 * client nothing. Each kind has a leaky bucket: so many at once, so many a second
 * after that. Pure: bytes and the time in, a verdict out.
 *
 * A connection that breaks a limit is closed with ENHANCE_YOUR_CALM; the limits
 * are several times what browsers and gRPC clients need.
 *
 * It also finds frames on streams that are over, which the library passes over in
 * silence once it has forgotten the stream (RFC 9113, 5.1 and 5.1.1): of the last
 * 64 streams it knows which the client opened, and which it ended itself. Frames
 * behind a reset that the server sent are no offence.
 */
#pragma once

#include "base/base.h"

enum {
    H2_MAX_CONTINUATIONS = 8, /* frames behind one HEADERS */
    H2_MAX_FRAME_BYTES = 16384,
    H2_PREFACE_BYTES = 24,
    H2_FRAME_HEAD_BYTES = 9,
    H2_FRAME_SEEN_BYTES = H2_FRAME_HEAD_BYTES + 4, /* of PRIORITY: what it depends on; of
                                                      PRIORITY_UPDATE: what it is about; of DATA
                                                      with padding: how much that is */
};

enum h2_cost {
    H2_COST_RESET,     /* RST_STREAM from the client: rapid reset */
    H2_COST_OWN_RESET, /* RST_STREAM that the client provoked by breaking the rules */
    H2_COST_SETTINGS,
    H2_COST_PING,   /* less those that may measure the way of DATA */
    H2_COST_EMPTY,  /* DATA (padding is nothing) and CONTINUATION without bytes, HEADERS without an
                       end and bytes */
    H2_COST_WINDOW, /* WINDOW_UPDATE, less those that answer DATA */
    H2_COST_SMALL,  /* DATA frames made tiny by a tiny window */
    H2_COST_OTHER,  /* PRIORITY, PRIORITY_UPDATE and whatever is unknown */
    H2_COST_CONTINUATION,
    H2_COSTS,
    /* No limits, but errors of the connection: */
    H2_COST_CLOSED = H2_COSTS, /* a frame on a stream that the client ended */
    H2_COST_PROTOCOL,          /* a stream identifier that may not be used */
    H2_COST_NONE,
};

struct h2_bucket {
    uint32_t used; /* in thousandths */
    uint32_t at_ms;
};

/* Zero is a valid start. */
struct h2_guard {
    struct h2_bucket buckets[H2_COSTS];
    uint32_t left; /* bytes of the frame's payload still to come */
    uint8_t preface;
    uint8_t head_len; /* bytes of <head> that came */
    uint8_t head[H2_FRAME_SEEN_BYTES];
    uint8_t continuations;
    bool from_target; /* frames of a server: which streams may have them is the library's to know */
    bool in_block;    /* the frames so far leave a header block open */
    uint32_t last_id; /* of the client's streams, the highest; 0: none yet */
    uint64_t opened;  /* a bit for each of the streams last_id, last_id - 2 and so on */
    uint64_t ended;
};

/* Follows the frames in <bytes>, the next that came. Returns the limit that they exceed, or
 * H2_COST_NONE. */
enum h2_cost h2_guard_read(struct h2_guard *guard, const void *bytes, size_t len, uint32_t now_ms);

/* One more of <kind>. False: that is too many. */
MUST_CHECK bool h2_guard_spend(struct h2_guard *guard, enum h2_cost kind, uint32_t now_ms);
/* <count> less. */
void h2_guard_refund(struct h2_guard *guard, enum h2_cost kind, uint32_t count);

/* The client has begun something that it must end soon: the preface, a header block, any frame but
 * one of DATA, for which the stream has a timeout. */
bool h2_guard_is_waiting(const struct h2_guard *guard);
