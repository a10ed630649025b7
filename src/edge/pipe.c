/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "edge/pipe.h"

static void close_pipe(struct pipe *pipe)
{
    (void)close(pipe->read_fd);
    (void)close(pipe->write_fd);
    free(pipe);
}

struct pipe *pipe_get(struct pipe_pool *pool)
{
    struct pipe *pipe = pool->idle;
    int fds[2];

    if (pipe != NULL) {
        pool->idle = pipe->next;
        pool->count--;
        return pipe;
    }
    if (pipe2(fds, O_NONBLOCK | O_CLOEXEC) != 0)
        return NULL;
    (void)fcntl(fds[1], F_SETPIPE_SZ, PIPE_BYTES); /* 64 KiB do as well, only slower */
    pipe = NEW(struct pipe);
    pipe->read_fd = fds[0];
    pipe->write_fd = fds[1];
    return pipe;
}

void pipe_put(struct pipe_pool *pool, struct pipe *pipe)
{
    if (pipe == NULL)
        return;
    if (pipe->held > 0 || pool->count == PIPE_MAX_IDLE) {
        close_pipe(pipe);
        return;
    }
    pipe->next = pool->idle;
    pool->idle = pipe;
    pool->count++;
}

void pipe_pool_done(struct pipe_pool *pool)
{
    while (pool->idle != NULL) {
        struct pipe *first = pool->idle;
        pool->idle = first->next;
        close_pipe(first);
    }
    pool->count = 0;
}

static ssize_t move_some(int from, int to, size_t len)
{
    ssize_t n;

    do
        n = splice(from, NULL, to, NULL, len, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    while (n < 0 && errno == EINTR);
    return n;
}

/* PIPE_MOVED: it is empty. */
static enum pipe_result flush(struct pipe *pipe, int to, size_t *moved)
{
    while (pipe->held > 0) {
        ssize_t n = move_some(pipe->read_fd, to, pipe->held);
        if (n < 0)
            return errno == EAGAIN ? PIPE_FULL : PIPE_BROKEN;
        pipe->held -= (size_t)n;
        *moved += (size_t)n;
    }
    return PIPE_MOVED;
}

enum pipe_result pipe_move(struct pipe *pipe, int from, int to, size_t max, size_t *ret_moved)
{
    *ret_moved = 0;
    enum pipe_result result = flush(pipe, to, ret_moved);
    if (result != PIPE_MOVED || max == 0)
        return result;
    ssize_t n = move_some(from, pipe->write_fd, MIN(max, (size_t)PIPE_BYTES));
    if (n < 0)
        return errno == EAGAIN ? PIPE_EMPTY : PIPE_BROKEN;
    if (n == 0)
        return PIPE_ENDED;
    pipe->held = (size_t)n;
    return flush(pipe, to, ret_moved);
}
