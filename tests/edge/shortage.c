/* SPDX-License-Identifier: Apache-2.0
 *
 * Loaded before libc (LD_PRELOAD) into the edge, together with clock.c: memory is short when a test
 * says so, and for as long. The next thread that accepts a connection finds its next FAILED_MAX
 * allocations refused, which is more of its reserve than it can do without, and the reserve is not
 * completed while <is_short>. Counts how many connections a thread accepts in one round of its
 * loop.
 */
#include "base/base.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "edge/worker.h"
#include "shim.h"

enum {
    PIECE_BYTES = EDGE_RESERVE_BYTES / MEM_RESERVE_PIECES,
    FAILED_MAX = MEM_RESERVE_PIECES - MEM_ENOUGH_PIECES + 1,
};

/* tests/edge/limits_shortage.py knows this layout: 64-bit numbers. */
static struct {
    uint64_t clock[2]; /* clock.c */
    uint64_t begins;   /* with the next connection; the edge clears it */
    uint64_t is_short;
    uint64_t accepted;
    uint64_t most;   /* in one round */
    uint64_t rounds; /* of who has accepted something */
} * shared;

#define THREAD_OWN static __thread __attribute__((tls_model("initial-exec")))

THREAD_OWN int fails_left;
THREAD_OWN bool has_accepted;
THREAD_OWN uint64_t accepted_now;

__attribute__((constructor)) static void begin(void)
{
    shared = shim_map(sizeof *shared);
}

#define NEXT(type, name, parameters)                                                               \
    static type(*next) parameters;                                                                 \
    if (next == NULL)                                                                              \
    next = (type(*) parameters)dlsym(RTLD_NEXT, #name)

static bool fails(void)
{
    if (fails_left == 0)
        return false;
    fails_left--;
    errno = ENOMEM;
    return true;
}

void *malloc(size_t size)
{
    NEXT(void *, malloc, (size_t));
    if (size == PIECE_BYTES && shared != NULL &&
        __atomic_load_n(&shared->is_short, __ATOMIC_SEQ_CST) != 0)
        return NULL;
    return next(size);
}

void *calloc(size_t count, size_t size)
{
    NEXT(void *, calloc, (size_t, size_t));
    return fails() ? NULL : next(count, size);
}

void *realloc(void *ptr, size_t size)
{
    NEXT(void *, realloc, (void *, size_t));
    return fails() ? NULL : next(ptr, size);
}

int accept4(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
    NEXT(int, accept4, (int, struct sockaddr *, socklen_t *, int));
    int accepted = next(fd, address, len, flags);

    if (accepted < 0 || shared == NULL)
        return accepted;
    has_accepted = true;
    accepted_now++;
    if (accepted_now > __atomic_load_n(&shared->most, __ATOMIC_SEQ_CST))
        __atomic_store_n(&shared->most, accepted_now, __ATOMIC_SEQ_CST);
    (void)__atomic_add_fetch(&shared->accepted, 1, __ATOMIC_SEQ_CST);
    if (__atomic_exchange_n(&shared->begins, 0, __ATOMIC_SEQ_CST) != 0)
        fails_left = FAILED_MAX;
    return accepted;
}

int epoll_wait(int poll_fd, struct epoll_event *events, int count, int timeout_ms)
{
    NEXT(int, epoll_wait, (int, struct epoll_event *, int, int));
    accepted_now = 0;
    if (has_accepted)
        (void)__atomic_add_fetch(&shared->rounds, 1, __ATOMIC_SEQ_CST);
    return next(poll_fd, events, count, timeout_ms);
}
