/* SPDX-License-Identifier: Apache-2.0
 *
 * Loaded before libc (LD_PRELOAD) into the edge: its monotonic clock is ahead by the nanoseconds at
 * the start of the file FAULTS, shared with the test that sets it forward. Where the next number is
 * not 0 the clock stands at that, and is as much ahead of it. A loop never sleeps longer than
 * LOOK_MS, so it sees that soon. A program other than FAULTS_IN is left alone.
 */
#include "base/base.h"

#include <dlfcn.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <time.h>

#include "base/clock.h"
#include "shim.h"

enum { LOOK_MS = 10 };

static uint64_t *shared; /* NULL: left alone; ahead by, stands at */

__attribute__((constructor)) static void begin(void)
{
    shared = shim_map(2 * sizeof *shared);
}

int clock_gettime(clockid_t id, struct timespec *now)
{
    static int (*real)(clockid_t, struct timespec *);

    if (real == NULL)
        real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(id, now);
    if (result == 0 && id == CLOCK_MONOTONIC && shared != NULL) {
        uint64_t stands_ns = __atomic_load_n(&shared[1], __ATOMIC_RELAXED);
        uint64_t ns = stands_ns != 0
                          ? stands_ns
                          : (uint64_t)now->tv_sec * NS_PER_SECOND + (uint64_t)now->tv_nsec;
        ns += __atomic_load_n(&shared[0], __ATOMIC_RELAXED);
        now->tv_sec = (time_t)(ns / NS_PER_SECOND);
        now->tv_nsec = (long)(ns % NS_PER_SECOND);
    }
    return result;
}

int epoll_wait(int poll_fd, struct epoll_event *events, int count, int timeout_ms)
{
    static int (*real)(int, struct epoll_event *, int, int);

    if (real == NULL)
        real = (int (*)(int, struct epoll_event *, int, int))dlsym(RTLD_NEXT, "epoll_wait");
    if (shared != NULL && (timeout_ms < 0 || timeout_ms > LOOK_MS))
        timeout_ms = LOOK_MS;
    return real(poll_fd, events, count, timeout_ms);
}
