/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/vec.h"
#include "runtime/conmon.h"
#include "json/json.h"

enum { REPORT_BYTES_MAX = 64 * 1024, REPORT_SECONDS_MAX = 60 };

struct creation {
    struct loop *loop;
    pid_t pid; /* of the first conmon process, which ends when the second runs */
    struct watch watch;
    struct timer timer;
    struct deferred ending;
    struct buf report;
    bool late;
    conmon_created_fn *created;
    void *arg;
};

/* runc writes 'time="..." level=error msg="..."': what stands in the last quotes. */
static struct str log_message(struct str line)
{
    struct str start = STR("msg=\"");

    for (size_t i = 0; i + start.len < line.len; i++)
        if (str_starts(str_sub(line, i, line.len), start))
            return str_sub(line, i + start.len, line.len - i - start.len - 1);
    return line;
}

bool conmon_parse_report(const char *text, size_t len, pid_t *ret, struct err *err)
{
    AUTO(json_unref) json_t *report = NULL;
    int64_t pid;

    if (!json_parse(str_trim(str_from(text, len)), REPORT_BYTES_MAX, &report, err) ||
        !json_get_i64(report, "pid", &pid, err))
        return err_prefix(err, "conmon's report is not understood");
    if (pid > 0 && pid <= INT32_MAX) {
        *ret = (pid_t)pid;
        return true;
    }
    /* The OCI runtime's own words; its last line says what failed. */
    struct str message = str_trim(str_of(json_find_text(report, "message", "no reason given")));
    for (size_t i = 0; i < message.len; i++)
        if (message.ptr[i] == '\n' && i + 1 < message.len)
            message = str_sub(message, i + 1, message.len), i = 0;
    message = log_message(message);
    return err_set(err, ERR_PROGRAM, "the OCI runtime cannot create the instance: " STR_FMT,
                   (int)MIN(message.len, 600U), message.ptr);
}

static void on_ending(struct deferred *deferred)
{
    struct creation *creation = CONTAINER_OF(deferred, struct creation, ending);
    struct err err;
    pid_t pid = 0;
    bool ok = false;

    if (creation->late)
        err_set(&err, ERR_TIMEOUT, "conmon did not create the instance within %d s",
                REPORT_SECONDS_MAX);
    else if (creation->report.len == 0)
        err_set(&err, ERR_PROGRAM, "conmon ended without creating the instance");
    else
        ok = conmon_parse_report(creation->report.ptr, creation->report.len, &pid, &err);
    creation->created(creation->arg, pid, ok ? NULL : &err);
    buf_done(&creation->report);
    free(creation);
}

static void finish(struct creation *creation)
{
    int fd = creation->watch.fd;

    timer_clear(&creation->timer);
    watch_remove(creation->loop, &creation->watch);
    fd_close(fd);
    /* It has ended, or hangs and must. */
    if (creation->late)
        (void)kill(creation->pid, SIGKILL);
    while (waitpid(creation->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    loop_defer(creation->loop, &creation->ending, on_ending);
}

static void on_report(struct watch *watch, uint32_t events, uint64_t now_ns)
{
    struct creation *creation = CONTAINER_OF(watch, struct creation, watch);
    ssize_t n = read(watch->fd, buf_reserve(&creation->report, 4096), 4096);

    (void)events;
    (void)now_ns;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0)
        buf_grew(&creation->report, (size_t)n);
    if (n <= 0 || creation->report.ptr[creation->report.len - 1] == '\n' ||
        creation->report.len > REPORT_BYTES_MAX)
        finish(creation);
}

static void on_late(struct timer *timer, uint64_t now_ns)
{
    struct creation *creation = CONTAINER_OF(timer, struct creation, timer);

    (void)now_ns;
    creation->late = true;
    finish(creation);
}

static const char *const *conmon_argv(const struct conmon_spec *spec, struct arena *arena)
{
    const char *bundle = spec->bundle;
    const char *fixed[] = {spec->conmon,
                           "-b",
                           bundle,
                           "-r",
                           spec->oci,
                           "-c",
                           spec->id,
                           "-u",
                           spec->id,
                           "-n",
                           spec->id,
                           "--exit-dir",
                           spec->exit_dir,
                           "-p",
                           arena_printf(arena, "%s/pid", bundle),
                           "-P",
                           arena_printf(arena, "%s/conmon.pid", bundle),
                           "-l",
                           arena_printf(arena, "k8s-file:%s", spec->log_path),
                           arena_printf(arena, "--runtime-arg=--root=%s", spec->oci_root),
                           "--socket-dir-path",
                           bundle,
                           "--full-attach",
                           "--no-sync-log"};
    const char **argv = ARENA_ARRAY(arena, const char *, ARRAY_LEN(fixed) + 5);
    size_t count = ARRAY_LEN(fixed);

    memcpy(argv, fixed, sizeof fixed);
    if (spec->log_max_bytes > 0)
        argv[count++] =
            arena_printf(arena, "--log-size-max=%llu", (unsigned long long)spec->log_max_bytes);
    if (spec->tty)
        argv[count++] = "-t";
    if (spec->stdin_open)
        argv[count++] = "-i";
    return argv;
}

/* The report pipe is descriptor 3 in conmon, as its environment says; nothing else is inherited. */
static bool spawn(const struct conmon_spec *spec, int report, pid_t *ret, struct err *err)
{
    AUTO(arena_done) struct arena arena = {0};
    static char sync_pipe[] = "_OCI_SYNCPIPE=3";
    static char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    char *environment[] = {sync_pipe, path, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none, all;

    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDWR, 0);
    (void)posix_spawn_file_actions_adddup2(&actions, 0, 1);
    (void)posix_spawn_file_actions_adddup2(&actions, 0, 2);
    (void)posix_spawn_file_actions_adddup2(&actions, report, 3);
    (void)posix_spawn_file_actions_addclosefrom_np(&actions, 4);
    /* conmon leaves a file "oom" where it runs when its instance ran out of memory */
    (void)posix_spawn_file_actions_addchdir_np(&actions, spec->bundle);
    (void)posix_spawnattr_init(&attr);
    (void)sigemptyset(&none);
    (void)sigfillset(&all);
    (void)posix_spawnattr_setsigmask(&attr, &none);
    (void)posix_spawnattr_setsigdefault(&attr, &all);
    (void)posix_spawnattr_setpgroup(&attr, 0);
    (void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                              POSIX_SPAWN_SETPGROUP);
    const char *const *given = conmon_argv(spec, &arena);
    char **argv;
    memcpy(&argv, &given, sizeof argv); /* posix_spawn takes char *const[] and changes nothing */
    int failed = posix_spawn(ret, spec->conmon, &actions, &attr, argv, environment);
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)posix_spawnattr_destroy(&attr);
    errno = failed;
    return failed == 0 ? true : err_sys(err, "cannot run '%s'", spec->conmon);
}

bool conmon_start(struct loop *loop, const struct conmon_spec *spec, conmon_created_fn *created,
                  void *arg, struct err *err)
{
    int ends[2];
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) != 0)
        return err_sys(err, "cannot create a pipe");
    AUTO(fd_close) int reader = ends[0];
    AUTO(fd_close) int writer = ends[1];
    struct creation *creation = NEW(struct creation);
    *creation = (struct creation){.loop = loop, .created = created, .arg = arg};
    if (!watch_add(loop, &creation->watch, reader, EPOLLIN, on_report, err) ||
        !spawn(spec, writer, &pid, err)) {
        watch_remove(loop, &creation->watch);
        free(creation);
        return false;
    }
    (void)TAKE_FD(reader);
    creation->pid = pid;
    timer_set(loop, &creation->timer, loop_now_ns(loop) + REPORT_SECONDS_MAX * NS_PER_SECOND,
              on_late);
    return true;
}
