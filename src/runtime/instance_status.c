/* SPDX-License-Identifier: Apache-2.0
 *
 * How an instance is, and what can be said to one that runs: signals, pause,
 * the log's new file, where to attach.
 */
#include "base/base.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "io/child.h"
#include "runtime/cgroup.h"
#include "runtime/first_process.h"
#include "runtime/host_priv.h"

enum { STATUS_UNKNOWN = 255, FREEZE_TIMEOUT_MS = 30000, OUTPUT_MAX = 4096 };

static bool is_frozen(const char *id)
{
    AUTO(buf_done) struct buf text = {0};

    if (cgroup_is_v2())
        return cgroup_read_key(id, "", "cgroup.events", "frozen") == 1;
    return cgroup_read(id, "freezer", "freezer.state", &text) &&
           !str_is(str_trim(buf_str(&text)), "THAWED");
}

/* Fills <ret> from the file that conmon left; false when there is none. */
static bool read_exit(const struct host *host, const char *id, struct runtime_status *ret)
{
    AUTO(arena_done) struct arena arena = {0};
    AUTO(buf_done) struct buf text = {0};
    const char *path = host_exit_path(host, &arena, id);
    struct stat st;
    struct err ignored;
    uint64_t status;

    if (stat(path, &st) != 0 || !file_read(path, 64, &text, &ignored))
        return false;
    if (!str_to_u64(str_trim(buf_str(&text)), 255, &status))
        status = STATUS_UNKNOWN;
    ret->state = RUNTIME_EXITED;
    ret->exit_status = (int)status;
    ret->exited_wall_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
    ret->out_of_memory = cgroup_was_out_of_memory(id);
    return true;
}

bool instance_inspect(struct runtime *runtime, const char *id, struct runtime_status *ret,
                      struct err *err)
{
    const struct host *host = host_of(runtime);
    AUTO(arena_done) struct arena arena = {0};
    struct first_process process;

    if (!host_check_id(id, err))
        return false;
    *ret = (struct runtime_status){.state = RUNTIME_ABSENT};
    if (first_process_read(host, id, "started", &process)) {
        if (read_exit(host, id, ret))
            return true;
        if (first_process_is_alive(&process)) {
            ret->state = RUNTIME_RUNNING;
            ret->pid = process.pid;
            ret->paused = is_frozen(id);
            return true;
        }
        /* conmon may be about to write it; when conmon is gone too nobody will. */
        ret->state = RUNTIME_EXITED;
        ret->exit_status = STATUS_UNKNOWN;
        ret->out_of_memory = cgroup_was_out_of_memory(id);
        return true;
    }
    if (file_exists(host_state_path(host, &arena, id, NULL)) ||
        file_exists(host_run_path(host, &arena, id, NULL)))
        ret->state = RUNTIME_CREATED;
    return true;
}

bool instance_usage(struct runtime *runtime, const char *id, struct runtime_usage *ret,
                    struct err *err)
{
    (void)runtime;
    return host_check_id(id, err) && cgroup_usage(id, ret, err);
}

bool instance_signal(struct runtime *runtime, const char *id, int signo, struct err *err)
{
    const struct host *host = host_of(runtime);
    struct first_process process;

    if (!host_check_id(id, err))
        return false;
    if (!first_process_read(host, id, "started", &process))
        return err_set(err, ERR_NOT_FOUND, "instance '%s' does not run", id);
    AUTO(fd_close) int pidfd = first_process_open(&process);
    if (pidfd < 0)
        return err_set(err, ERR_NOT_FOUND, "instance '%s' does not run", id);
    if (syscall(SYS_pidfd_send_signal, pidfd, signo, NULL, 0) != 0)
        return err_sys(err, "cannot send signal %d to instance '%s'", signo, id);
    return true;
}

bool instance_log_reopen(struct runtime *runtime, const char *id, struct err *err)
{
    const struct host *host = host_of(runtime);
    AUTO(arena_done) struct arena arena = {0};

    if (!host_check_id(id, err))
        return false;
    const char *path = host_run_path(host, &arena, id, "ctl");
    AUTO(fd_close) int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return err_sys(err, "cannot reach the log writer of instance '%s'", id);
    return file_write_fd(fd, STR("2 0 0\n"), err); /* conmon's "reopen the log" */
}

/* ---- pause ---- */

struct freezing {
    struct host *host;
    char id[RUNTIME_ID_MAX + 1];
    bool paused;
    struct buf output; /* of the OCI runtime */
    runtime_done_fn *done;
    void *arg;
};

static void on_freezing_output(void *arg, struct str bytes)
{
    struct freezing *freezing = arg;
    buf_add_str(&freezing->output,
                str_sub(bytes, 0, OUTPUT_MAX - MIN(freezing->output.len, (size_t)OUTPUT_MAX)));
}

/* One that is in the wanted state already, or has ended, is what was asked for. */
static void on_frozen(void *arg, int exit_status, bool timed_out)
{
    struct freezing *freezing = arg;
    struct str text = str_trim(buf_str(&freezing->output));
    struct runtime_status status = {0};
    struct err err, ignored;

    (void)timed_out;
    bool done = exit_status == 0 || is_frozen(freezing->id) == freezing->paused ||
                !instance_inspect(&freezing->host->runtime, freezing->id, &status, &ignored) ||
                status.state != RUNTIME_RUNNING;
    if (!done)
        err_set(&err, ERR_PROGRAM, "cannot %s instance '%s': " STR_FMT,
                freezing->paused ? "pause" : "resume", freezing->id, (int)MIN(text.len, 600U),
                text.ptr == NULL ? "" : text.ptr);
    freezing->done(freezing->arg, done ? NULL : &err);
    buf_done(&freezing->output);
    free(freezing);
}

bool instance_pause(struct runtime *runtime, const char *id, bool paused, runtime_done_fn *done,
                    void *arg, struct err *err)
{
    struct host *host = host_of(runtime);

    if (!host_check_id(id, err))
        return false;
    const char *argv[] = {host->oci, "--root", host->oci_root, paused ? "pause" : "resume",
                          id,        NULL};
    struct freezing *freezing = NEW(struct freezing);
    *freezing = (struct freezing){.host = host, .paused = paused, .done = done, .arg = arg};
    str_format(freezing->id, sizeof freezing->id, "%s", id);
    struct child_spec spec = {.argv = argv,
                              .timeout_ms = FREEZE_TIMEOUT_MS,
                              .output = on_freezing_output,
                              .exit = on_frozen,
                              .arg = freezing};
    if (child_start(host->loop, &spec, err) != NULL)
        return true;
    free(freezing);
    return false;
}

/* ---- attach ---- */

bool instance_attach(struct runtime *runtime, const char *id, struct arena *arena,
                     struct runtime_attach *ret, struct err *err)
{
    const struct host *host = host_of(runtime);

    if (!host_check_id(id, err))
        return false;
    *ret = (struct runtime_attach){.socket = host_run_path(host, arena, id, "attach"),
                                   .control = host_run_path(host, arena, id, "ctl")};
    return file_exists(ret->socket)
               ? true
               : err_set(err, ERR_NOT_FOUND, "instance '%s' has nothing to attach to", id);
}
