/* SPDX-License-Identifier: Apache-2.0
 *
 * Loaded before libc (LD_PRELOAD) into the edge: counts the system calls of its workers and lets
 * one of them fail. FAULTS names a file of struct plan, shared with the test that writes it; a
 * program other than FAULTS_IN is left alone. The main thread's calls are not counted: it talks to
 * the daemon.
 */
#include "base/base.h"

#include "shim.h"
#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

enum call {
    RECV,
    SEND,
    SENDMSG,
    ACCEPT4,
    CONNECT,
    SOCKET,
    EPOLL_CTL,
    PREAD,
    SENDFILE,
    SPLICE,
    CALLS
};

/* tests/edge/faults.py knows this layout: three 64-bit numbers a call. */
struct plan {
    struct {
        uint64_t calls;   /* counted by the edge */
        uint64_t fail_at; /* the call with this number fails; 0: none */
        uint64_t error;   /* with this errno */
    } of[CALLS];
};

static struct plan *plan;

__attribute__((constructor)) static void begin(void)
{
    plan = shim_map(sizeof *plan);
}

/* Not 0: this call fails with that errno. */
static int fault(enum call call)
{
    if (plan == NULL || gettid() == getpid())
        return 0;
    uint64_t number = __atomic_add_fetch(&plan->of[call].calls, 1, __ATOMIC_SEQ_CST);
    return number == plan->of[call].fail_at ? (int)plan->of[call].error : 0;
}

#define WRAP(call, type, name, parameters, arguments)                                              \
    type name parameters                                                                           \
    {                                                                                              \
        static type(*real) parameters;                                                             \
        int error = fault(call);                                                                   \
        if (error != 0) {                                                                          \
            errno = error;                                                                         \
            return -1;                                                                             \
        }                                                                                          \
        if (real == NULL)                                                                          \
            real = (type(*) parameters)dlsym(RTLD_NEXT, #name);                                    \
        return real arguments;                                                                     \
    }

/* clang-format off */
WRAP(RECV, ssize_t, recv, (int fd, void *bytes, size_t len, int flags), (fd, bytes, len, flags))
WRAP(SEND, ssize_t, send, (int fd, const void *bytes, size_t len, int flags), (fd, bytes, len, flags))
WRAP(SENDMSG, ssize_t, sendmsg, (int fd, const struct msghdr *msg, int flags), (fd, msg, flags))
WRAP(ACCEPT4, int, accept4, (int fd, __SOCKADDR_ARG address, socklen_t *len, int flags), (fd, address, len, flags))
WRAP(CONNECT, int, connect, (int fd, __CONST_SOCKADDR_ARG address, socklen_t len), (fd, address, len))
WRAP(SOCKET, int, socket, (int domain, int type, int protocol), (domain, type, protocol))
WRAP(PREAD, ssize_t, pread, (int fd, void *bytes, size_t len, off_t at), (fd, bytes, len, at))
WRAP(SENDFILE, ssize_t, sendfile, (int to, int from, off_t *at, size_t len), (to, from, at, len))
WRAP(SPLICE, ssize_t, splice, (int from, off64_t *from_at, int to, off64_t *to_at, size_t len, unsigned flags), (from, from_at, to, to_at, len, flags))
/* clang-format on */

/* Only what is added takes memory: a descriptor that is watched can always be watched otherwise. */
int epoll_ctl(int poll_fd, int what, int fd, struct epoll_event *event)
{
    static int (*real)(int, int, int, struct epoll_event *);
    int error = what == EPOLL_CTL_ADD ? fault(EPOLL_CTL) : 0;

    if (error != 0) {
        errno = error;
        return -1;
    }
    if (real == NULL)
        real = (int (*)(int, int, int, struct epoll_event *))dlsym(RTLD_NEXT, "epoll_ctl");
    return real(poll_fd, what, fd, event);
}
