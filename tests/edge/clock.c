/* SPDX-License-Identifier: Apache-2.0
 *
 * Loaded before libc (LD_PRELOAD) into the edge: its monotonic clock is ahead by the nanoseconds at
 * the start of the file FAULTS, shared with the test that sets it forward. A loop never sleeps
 * longer than LOOK_MS, so it sees that soon. A program other than FAULTS_IN is left alone.
 */
#include "base/base.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

enum { LOOK_MS = 10 };

static uint64_t *ahead_ns; /* NULL: left alone */

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("FAULTS"), *program = getenv("FAULTS_IN");
    void *memory;
    int fd;

    if (path == NULL || program == NULL || strcmp(program, program_invocation_short_name) != 0 ||
        (fd = open(path, O_RDWR | O_CLOEXEC)) < 0)
        return;
    memory = mmap(NULL, sizeof *ahead_ns, PROT_READ, MAP_SHARED, fd, 0);
    if (memory != MAP_FAILED)
        ahead_ns = memory;
    close(fd);
}

int clock_gettime(clockid_t id, struct timespec *now)
{
    static int (*real)(clockid_t, struct timespec *);

    if (real == NULL)
        real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(id, now);
    if (result == 0 && id == CLOCK_MONOTONIC && ahead_ns != NULL) {
        uint64_t ns = (uint64_t)now->tv_nsec + __atomic_load_n(ahead_ns, __ATOMIC_RELAXED);
        now->tv_sec += (time_t)(ns / NS_PER_SECOND);
        now->tv_nsec = (long)(ns % NS_PER_SECOND);
    }
    return result;
}

int epoll_wait(int poll_fd, struct epoll_event *events, int count, int timeout_ms)
{
    static int (*real)(int, struct epoll_event *, int, int);

    if (real == NULL)
        real = (int (*)(int, struct epoll_event *, int, int))dlsym(RTLD_NEXT, "epoll_wait");
    if (ahead_ns != NULL && (timeout_ms < 0 || timeout_ms > LOOK_MS))
        timeout_ms = LOOK_MS;
    return real(poll_fd, events, count, timeout_ms);
}
