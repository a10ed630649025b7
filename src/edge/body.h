/* SPDX-License-Identifier: Apache-2.0
 *
 * One direction of an exchange's body: finds its end by the framing it came in,
 * and frames it anew for the other side, so that what is passed on can be read
 * in one way only. Holds no bytes.
 */
#pragma once

#include <sys/uio.h>

#include "base/base.h"
#include "http/http1.h"

struct body {
    enum http_framing framing; /* as it comes */
    bool chunk_out;            /* as it goes: chunks, or the bytes alone */
    bool done;                 /* all of it came */
    uint64_t left;             /* HTTP_LENGTH */
    uint64_t bytes;            /* of data so far */
    struct http1_chunks chunks;
    struct str trailers;     /* of chunks: what the last body_take() read of their trailer section,
                                as it came; the blank line is part of it */
    struct str trailers_out; /* lines to go behind the last chunk */
};

void body_init(struct body *body, const struct http1_head *head, bool chunk_out);

/* Takes what belongs to the body from the start of <bytes>, removing chunk framing in place.
 * <ret_data> may be empty; <ret_used> is less than <len> only when the body is done. False: the
 * chunks are malformed. */
MUST_CHECK bool body_take(struct body *body, char *bytes, size_t len, size_t *ret_used,
                          struct str *ret_data);

enum { BODY_LINE_BYTES = 20, BODY_PIECES = 5 };
/* The pieces that pass <data> on, with the end when the body is done; <line> must live until they
 * are written. Returns their count, perhaps 0. */
int body_frame(const struct body *body, struct str data, char line[BODY_LINE_BYTES],
               struct iovec ret[BODY_PIECES]);
