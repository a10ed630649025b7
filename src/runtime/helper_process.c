/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "runtime/helper_process.h"

/* What comes back on the pipe. */
struct result {
    bool done;
    struct err err;
};

struct worker {
    struct loop *loop;
    pid_t pid;
    struct watch watch;
    struct deferred ending;
    struct result result;
    size_t len; /* bytes of it that came */
    helper_process_done_fn *done;
    void *arg;
};

static void on_ending(struct deferred *deferred)
{
    struct worker *worker = CONTAINER_OF(deferred, struct worker, ending);

    if (worker->len < sizeof worker->result) {
        worker->result.done = false;
        err_set(&worker->result.err, ERR_PROGRAM, "a process of the daemon ended too early");
    }
    worker->done(worker->arg, worker->result.done ? NULL : &worker->result.err);
    free(worker);
}

static void on_result(struct watch *watch, uint32_t events, uint64_t now_ns)
{
    struct worker *worker = CONTAINER_OF(watch, struct worker, watch);
    int fd = watch->fd;

    (void)events;
    (void)now_ns;
    ssize_t n =
        read(fd, (char *)&worker->result + worker->len, sizeof worker->result - worker->len);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0)
        worker->len += (size_t)n;
    if (n > 0 && worker->len < sizeof worker->result)
        return;
    watch_remove(worker->loop, watch);
    fd_close(fd);
    while (waitpid(worker->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    loop_defer(worker->loop, &worker->ending, on_ending);
}

static void run(helper_process_fn *fn, void *arg, int fd)
{
    struct result result = {0};
    struct err ignored;

    result.done = fn(arg, &result.err);
    _exit(file_write_fd(fd, str_from(&result, sizeof result), &ignored) ? 0 : 1);
}

bool helper_process_start(struct loop *loop, helper_process_fn *fn, helper_process_done_fn *done,
                          void *arg, struct err *err)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) != 0)
        return err_sys(err, "cannot create a pipe");
    AUTO(fd_close) int reader = ends[0];
    AUTO(fd_close) int writer = ends[1];
    struct worker *worker = NEW(struct worker);
    *worker = (struct worker){.loop = loop, .done = done, .arg = arg};
    if (!watch_add(loop, &worker->watch, reader, EPOLLIN, on_result, err)) {
        free(worker);
        return false;
    }
    worker->pid = fork();
    if (worker->pid == 0)
        run(fn, arg, writer);
    if (worker->pid < 0) {
        err_sys(err, "cannot start a process");
        watch_remove(loop, &worker->watch);
        free(worker);
        return false;
    }
    (void)TAKE_FD(reader);
    return true;
}
