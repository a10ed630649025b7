/* SPDX-License-Identifier: Apache-2.0
 *
 * Bytes from one socket to another without a copy: splice(2) through a pipe,
 * which a worker lends out while bytes are on their way. Worth it for large
 * pieces only: a short one costs two system calls more than it saves.
 */
#pragma once

#include <sys/types.h>

#include "base/base.h"

enum {
    PIPE_BYTES = 256 * 1024,
    PIPE_WORTH_BYTES = 32 * 1024, /* a read of this size is the start of more */
    PIPE_MAX_IDLE = 16,
};

struct pipe {
    struct pipe *next; /* in the worker's list of those that nobody has */
    int read_fd;
    int write_fd;
    size_t held; /* bytes in it */
};

/* Zero is the start. */
struct pipe_pool {
    struct pipe *idle;
    uint32_t count;
};

/* NULL when there are no descriptors left: whoever asks copies then. */
struct pipe *pipe_get(struct pipe_pool *pool);
/* Closes it when it holds bytes: they are nobody's. Takes NULL. */
void pipe_put(struct pipe_pool *pool, struct pipe *pipe);
void pipe_pool_done(struct pipe_pool *pool);

enum pipe_result {
    PIPE_MOVED, /* something was moved; there may be more */
    PIPE_EMPTY, /* the source has nothing now */
    PIPE_FULL,  /* the destination takes nothing now; <held> waits */
    PIPE_ENDED, /* the source has ended, and all of it was passed on */
    PIPE_BROKEN,
};

/* From <from> to <to>, at most <max> bytes; what the pipe holds goes first. <ret_moved> is what
 * <to> took. */
enum pipe_result pipe_move(struct pipe *pipe, int from, int to, size_t max, size_t *ret_moved);
