/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "io/signals.h"

struct signals {
    struct loop *loop;
    struct watch watch;
    signals_fn *fn;
    void *arg;
};

static void on_readable(struct watch *watch, uint32_t events, uint64_t now_ns)
{
    struct signals *signals = CONTAINER_OF(watch, struct signals, watch);
    struct signalfd_siginfo info;

    (void)events;
    (void)now_ns;
    while (read(watch->fd, &info, sizeof info) == (ssize_t)sizeof info)
        signals->fn(signals->arg, (int)info.ssi_signo);
}

struct signals *signals_open(struct loop *loop, const int *list, signals_fn *fn, void *arg,
                             struct err *err)
{
    sigset_t set;

    (void)sigemptyset(&set);
    for (; *list != 0; list++)
        (void)sigaddset(&set, *list);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    (void)sigaction(SIGPIPE, &ignore, NULL);

    AUTO(fd_close) int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0) {
        err_sys(err, "cannot create a signal descriptor");
        return NULL;
    }
    struct signals *signals = NEW(struct signals);
    *signals = (struct signals){.loop = loop, .fn = fn, .arg = arg};
    if (!watch_add(loop, &signals->watch, fd, EPOLLIN, on_readable, err)) {
        free(signals);
        return NULL;
    }
    (void)TAKE_FD(fd); /* the watch knows it */
    return signals;
}

void signals_close(struct signals *signals)
{
    if (signals == NULL)
        return;
    int fd = signals->watch.fd;
    watch_remove(signals->loop, &signals->watch);
    fd_close(fd);
    free(signals);
}
