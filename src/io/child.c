/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "io/child.h"

enum { INPUT_MAX = 64 * 1024 }; /* what a pipe takes without a reader */

struct child {
    struct loop *loop;
    pid_t pid;
    struct watch exit_watch; /* pidfd */
    struct watch output_watch;
    struct timer timer;
    struct deferred ending;
    child_output_fn *output;
    child_exit_fn *exit;
    void *arg;
    int exit_status; /* -1: still running */
    bool timed_out;
};

static void close_watch(struct loop *loop, struct watch *watch)
{
    if (!watch_is_active(watch))
        return;
    int fd = watch->fd;
    watch_remove(loop, watch);
    fd_close(fd);
}

static void on_ended(struct deferred *deferred)
{
    struct child *child = CONTAINER_OF(deferred, struct child, ending);

    timer_clear(&child->timer);
    child->exit(child->arg, child->exit_status, child->timed_out);
    free(child);
}

/* Reads what is there; false at the end of the output. */
static bool read_output(struct child *child)
{
    char bytes[16384];

    for (;;) {
        ssize_t n = read(child->output_watch.fd, bytes, sizeof bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return true;
        if (n <= 0)
            return false;
        child->output(child->arg, str_from(bytes, (size_t)n));
    }
}

static void on_output(struct watch *watch, uint32_t events, uint64_t now_ns)
{
    struct child *child = CONTAINER_OF(watch, struct child, output_watch);

    (void)events;
    (void)now_ns;
    if (!read_output(child))
        close_watch(child->loop, watch);
}

/* A grandchild may hold the output open: what is there now is all we wait for. */
static void on_exited(struct watch *watch, uint32_t events, uint64_t now_ns)
{
    struct child *child = CONTAINER_OF(watch, struct child, exit_watch);
    siginfo_t info = {0};

    (void)events;
    (void)now_ns;
    if (waitid(P_PID, (id_t)child->pid, &info, WEXITED) != 0) {
        if (errno != ECHILD)
            return;
        child->exit_status = CHILD_STATUS_UNKNOWN; /* adopted: somebody else's child */
    } else {
        child->exit_status = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
    }
    if (watch_is_active(&child->output_watch)) {
        (void)read_output(child);
        close_watch(child->loop, &child->output_watch);
    }
    close_watch(child->loop, watch);
    loop_defer(child->loop, &child->ending, on_ended);
}

static void on_timeout(struct timer *timer, uint64_t now_ns)
{
    struct child *child = CONTAINER_OF(timer, struct child, timer);

    (void)now_ns;
    child->timed_out = true;
    child_kill(child);
}

void child_kill(struct child *child)
{
    if (child->exit_status < 0)
        (void)kill(-child->pid, SIGKILL);
}

pid_t child_pid(const struct child *child)
{
    return child->pid;
}

/* A descriptor for standard input: a given one, /dev/null or a filled pipe. */
static int open_input(const struct child_spec *spec, struct err *err)
{
    struct str input = spec->input;
    int ends[2];

    if (spec->input_fd > 0) {
        int fd = fcntl(spec->input_fd, F_DUPFD_CLOEXEC, 3);
        if (fd < 0)
            err_sys(err, "cannot duplicate a descriptor");
        return fd;
    }

    assert(input.len <= INPUT_MAX);
    if (input.len == 0) {
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            err_sys(err, "cannot open /dev/null");
        return fd;
    }
    if (pipe2(ends, O_CLOEXEC) != 0) {
        err_sys(err, "cannot create a pipe");
        return -1;
    }
    bool written = file_write_fd(ends[1], input, err);
    fd_close(ends[1]);
    if (!written) {
        fd_close(ends[0]);
        return -1;
    }
    return ends[0];
}

static bool spawn(const struct child_spec *spec, int in, int out, pid_t *ret, struct err *err)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none, all;

    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_adddup2(&actions, in, 0);
    (void)posix_spawn_file_actions_adddup2(&actions, out, 1);
    (void)posix_spawn_file_actions_adddup2(&actions, out, 2);
    (void)posix_spawn_file_actions_addclosefrom_np(&actions, 3);
    if (spec->working_dir != NULL)
        (void)posix_spawn_file_actions_addchdir_np(&actions, spec->working_dir);
    (void)posix_spawnattr_init(&attr);
    (void)sigemptyset(&none);
    (void)sigfillset(&all);
    (void)posix_spawnattr_setsigmask(&attr, &none);
    (void)posix_spawnattr_setsigdefault(&attr, &all);
    (void)posix_spawnattr_setpgroup(&attr, 0);
    (void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                              POSIX_SPAWN_SETPGROUP);
    char **argv;
    memcpy(&argv, &spec->argv,
           sizeof argv); /* posix_spawn takes char *const[] and changes nothing */
    int failed = posix_spawnp(ret, spec->program == NULL ? argv[0] : spec->program, &actions, &attr,
                              argv, spec->environment == NULL ? environ : spec->environment);
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)posix_spawnattr_destroy(&attr);
    if (failed == 0)
        return true;
    errno = failed;
    err_sys(err, "cannot run '%s'", argv[0]);
    if (failed == ENOENT)
        err->code = ERR_NOT_FOUND;
    return false;
}

static bool open_output(const struct child_spec *spec, int *ret_read, int *ret_write,
                        struct err *err)
{
    int ends[2];

    if (spec->output == NULL && spec->share_output) {
        *ret_write = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
        return *ret_write >= 0 ? true : err_sys(err, "cannot duplicate a descriptor");
    }
    if (spec->output == NULL) {
        *ret_write = open("/dev/null", O_WRONLY | O_CLOEXEC);
        return *ret_write >= 0 ? true : err_sys(err, "cannot open /dev/null");
    }
    if (pipe2(ends, O_CLOEXEC) != 0)
        return err_sys(err, "cannot create a pipe");
    (void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
    *ret_read = ends[0];
    *ret_write = ends[1];
    return true;
}

struct child *child_start(struct loop *loop, const struct child_spec *spec, struct err *err)
{
    AUTO(fd_close) int in = open_input(spec, err);
    AUTO(fd_close) int out_read = -1;
    AUTO(fd_close) int out_write = -1;
    pid_t pid;

    if (in < 0 || !open_output(spec, &out_read, &out_write, err) ||
        !spawn(spec, in, out_write, &pid, err))
        return NULL;
    AUTO(fd_close) int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct child *child = NEW(struct child);
    *child = (struct child){.loop = loop,
                            .pid = pid,
                            .output = spec->output,
                            .exit = spec->exit,
                            .arg = spec->arg,
                            .exit_status = -1};
    bool watched =
        pidfd >= 0 && watch_add(loop, &child->exit_watch, pidfd, EPOLLIN, on_exited, err);
    if (watched && out_read >= 0)
        watched = watch_add(loop, &child->output_watch, out_read, EPOLLIN, on_output, err);
    if (!watched) {
        if (pidfd < 0)
            err_sys(err, "cannot watch process %d", (int)pid);
        (void)kill(-pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
        watch_remove(loop, &child->exit_watch);
        free(child);
        return NULL;
    }
    (void)TAKE_FD(pidfd);
    (void)TAKE_FD(out_read);
    if (spec->timeout_ms > 0)
        timer_set(loop, &child->timer, loop_now_ns(loop) + spec->timeout_ms * NS_PER_MS,
                  on_timeout);
    return child;
}

struct child *child_adopt(struct loop *loop, pid_t pid, child_exit_fn *exit, void *arg,
                          struct err *err)
{
    AUTO(fd_close) int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);

    if (pidfd < 0) {
        err_sys(err, "cannot watch process %d", (int)pid);
        return NULL;
    }
    struct child *child = NEW(struct child);
    *child = (struct child){.loop = loop, .pid = pid, .exit = exit, .arg = arg, .exit_status = -1};
    if (!watch_add(loop, &child->exit_watch, pidfd, EPOLLIN, on_exited, err)) {
        free(child);
        return NULL;
    }
    (void)TAKE_FD(pidfd);
    return child;
}

static void on_forgotten(struct deferred *deferred)
{
    free(CONTAINER_OF(deferred, struct child, ending));
}

void child_forget(struct child *child)
{
    if (child == NULL)
        return;
    timer_clear(&child->timer);
    close_watch(child->loop, &child->output_watch);
    close_watch(child->loop, &child->exit_watch);
    if (child->ending.pending)
        child->ending.fn = on_forgotten;
    else
        loop_defer(child->loop, &child->ending, on_forgotten);
}

struct run {
    struct loop *loop;
    struct buf *output;
    size_t limit_bytes;
    int exit_status;
    bool timed_out;
};

static void on_run_output(void *arg, struct str bytes)
{
    struct run *run = arg;
    buf_add_str(run->output,
                str_sub(bytes, 0, run->limit_bytes - MIN(run->limit_bytes, run->output->len)));
}

static void on_run_exit(void *arg, int exit_status, bool timed_out)
{
    struct run *run = arg;
    run->exit_status = exit_status;
    run->timed_out = timed_out;
    loop_stop(run->loop);
}

bool child_run(const char *const *argv, struct str input, uint64_t timeout_ms, size_t limit_bytes,
               struct buf *ret_output, struct err *err)
{
    AUTO(buf_done) struct buf local = {0};
    AUTO(loop_free) struct loop *loop = loop_new(NULL, err);
    if (loop == NULL)
        return false;
    struct run run = {.loop = loop,
                      .output = ret_output == NULL ? &local : ret_output,
                      .limit_bytes = ret_output == NULL ? 4096 : limit_bytes};
    struct child_spec spec = {.argv = argv,
                              .input = input,
                              .timeout_ms = timeout_ms,
                              .output = on_run_output,
                              .exit = on_run_exit,
                              .arg = &run};
    if (child_start(loop, &spec, err) == NULL)
        return false;
    loop_run(loop);
    if (run.timed_out)
        return err_set(err, ERR_TIMEOUT, "'%s' took longer than %llu ms", argv[0],
                       (unsigned long long)timeout_ms);
    if (run.exit_status == 0)
        return true;
    struct str text = str_trim(buf_str(run.output));
    size_t cut = str_find_last(text, '\n');
    struct str last = cut == text.len ? text : str_sub(text, cut + 1, text.len);
    return err_set(err, ERR_PROGRAM, "'%s' failed with status %d: " STR_FMT, argv[0],
                   run.exit_status, STR_ARG(last));
}
