/* SPDX-License-Identifier: Apache-2.0
 *
 * Life of one instance: prepare.c makes what it needs, conmon creates it, the
 * OCI runtime starts it; a file renamed at each step tells a later daemon how
 * far it came.
 */
#include "base/base.h"

#include <dirent.h>
#include <errno.h>
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
#include "runtime/conmon.h"
#include "runtime/ending.h"
#include "runtime/host_priv.h"
#include "runtime/prepare.h"

enum { OCI_TIMEOUT_MS = 30000, OUTPUT_MAX = 4096, STATUS_UNKNOWN = 255 };

/* One start or remove under way. */
struct operation {
    struct host *host;
    char id[RUNTIME_ID_MAX + 1];
    struct buf output; /* of the OCI runtime */
    bool failed;       /* a start that is being undone because of <err> */
    struct err err;
    runtime_done_fn *done;
    void *arg;
};

static struct operation *operation_new(struct host *host, const char *id, runtime_done_fn *done,
                                       void *arg)
{
    struct operation *operation = NEW(struct operation);

    *operation = (struct operation){.host = host, .done = done, .arg = arg};
    memcpy(operation->id, id, strlen(id) + 1);
    return operation;
}

static void operation_end(struct operation *operation, const struct err *err)
{
    operation->done(operation->arg, err);
    buf_done(&operation->output);
    free(operation);
}

static void on_oci_output(void *arg, struct str bytes)
{
    struct operation *operation = arg;
    buf_add_str(&operation->output,
                str_sub(bytes, 0, OUTPUT_MAX - MIN(operation->output.len, (size_t)OUTPUT_MAX)));
}

static bool run_oci(struct operation *operation, const char *verb, const char *flag,
                    child_exit_fn *exit, struct err *err)
{
    const struct host *host = operation->host;
    const char *argv[] = {host->oci,
                          "--root",
                          host->oci_root,
                          verb,
                          flag == NULL ? operation->id : flag,
                          flag == NULL ? NULL : operation->id,
                          NULL};
    struct child_spec spec = {.argv = argv,
                              .timeout_ms = OCI_TIMEOUT_MS,
                              .output = on_oci_output,
                              .exit = exit,
                              .arg = operation};
    buf_clear(&operation->output);
    return child_start(host->loop, &spec, err) != NULL;
}

/* The first process of an instance: its id and when it began, so that another process with the
 * same id is not taken for it. */
struct process {
    pid_t pid;
    uint64_t start_ticks;
};

/* Field 22 of /proc/<pid>/stat, counted from behind the name, which may hold anything. */
static bool read_start_ticks(pid_t pid, uint64_t *ret)
{
    AUTO(arena_done) struct arena arena = {0};
    AUTO(buf_done) struct buf text = {0};
    struct err ignored;

    if (!file_read(arena_printf(&arena, "/proc/%d/stat", (int)pid), 4096, &text, &ignored))
        return false;
    struct str rest = str_sub(buf_str(&text), str_find_last(buf_str(&text), ')') + 2, text.len);
    struct str field = str_cut(&rest, ' ');
    if (str_is(field, "Z") || str_is(field, "X"))
        return false;
    for (int i = 3; i < 22 && rest.ptr != NULL; i++)
        field = str_cut(&rest, ' ');
    return str_to_u64(field, UINT64_MAX, ret);
}

/* From the file <name>, "pid ticks". */
static bool read_process(const struct host *host, const char *id, const char *name,
                         struct process *ret)
{
    AUTO(arena_done) struct arena arena = {0};
    AUTO(buf_done) struct buf text = {0};
    struct err ignored;
    uint64_t pid;

    if (!file_read(host_run_path(host, &arena, id, name), 64, &text, &ignored))
        return false;
    struct str rest = str_trim(buf_str(&text));
    if (!str_to_u64(str_cut(&rest, ' '), INT32_MAX, &pid) ||
        !str_to_u64(rest, UINT64_MAX, &ret->start_ticks))
        return false;
    ret->pid = (pid_t)pid;
    return true;
}

static bool is_alive(const struct process *process)
{
    uint64_t ticks;
    return read_start_ticks(process->pid, &ticks) && ticks == process->start_ticks;
}

static void on_deleted(void *arg, int exit_status, bool timed_out)
{
    struct operation *operation = arg;
    struct err err;

    (void)exit_status; /* not there is what is wanted, and what is left is seen below */
    (void)timed_out;
    bool removed = prepare_undo(operation->host, operation->id, &err);
    if (operation->failed)
        operation_end(operation, &operation->err);
    else
        operation_end(operation, removed ? NULL : &err);
}

/* Undoes a start; the operation ends with its error. */
static void give_up(struct operation *operation)
{
    struct err ignored;

    operation->failed = true;
    if (!run_oci(operation, "delete", "--force", on_deleted, &ignored))
        on_deleted(operation, 0, false);
}

/* The descriptor holds on to the process before its start time is looked at. */
static int open_process(const struct process *process)
{
    AUTO(fd_close) int fd = (int)syscall(SYS_pidfd_open, process->pid, 0);

    return fd >= 0 && is_alive(process) ? TAKE_FD(fd) : -1;
}

static void watch_end(struct host *host, const char *id)
{
    struct process process;
    int fd = read_process(host, id, "started", &process) ? open_process(&process) : -1;

    if (fd >= 0)
        ending_watch(host, id, fd);
}

/* What ended at once has left its exit file before it counted as started. One beside a process that
 * lives was written late by the conmon of a start that was cut off. */
static void end_started(struct operation *operation)
{
    struct host *host = operation->host;
    AUTO(arena_done) struct arena arena = {0};
    const char *id = arena_text(&arena, operation->id);
    const char *exit_file = host_exit_path(host, &arena, id);
    struct process process;

    bool has_exit = file_exists(exit_file); /* looked at first: a true one comes after the end */
    bool runs = read_process(host, id, "started", &process) && is_alive(&process);
    if (has_exit && runs)
        (void)unlink(exit_file);
    if (runs)
        watch_end(host, id);
    operation_end(operation, NULL);
    if (has_exit && !runs)
        host->on_exit(host->arg, id);
}

static void on_started(void *arg, int exit_status, bool timed_out)
{
    struct operation *operation = arg;
    AUTO(arena_done) struct arena arena = {0};
    const char *created = host_run_path(operation->host, &arena, operation->id, "created");
    const char *started = host_run_path(operation->host, &arena, operation->id, "started");

    if (exit_status == 0 && rename(created, started) == 0) {
        end_started(operation);
        return;
    }
    struct str text = str_trim(buf_str(&operation->output));
    if (timed_out)
        err_set(&operation->err, ERR_TIMEOUT, "'%s start' took longer than %d s",
                operation->host->oci, OCI_TIMEOUT_MS / 1000);
    else
        err_set(&operation->err, ERR_PROGRAM, "cannot start the instance: " STR_FMT,
                (int)MIN(text.len, 600U), text.ptr);
    give_up(operation);
}

static void on_created(void *arg, pid_t pid, const struct err *err)
{
    struct operation *operation = arg;
    AUTO(arena_done) struct arena arena = {0};
    const char *path = host_run_path(operation->host, &arena, operation->id, "created");
    uint64_t ticks = 0;

    if (err != NULL)
        operation->err = *err;
    else if (!read_start_ticks(pid, &ticks))
        err_set(&operation->err, ERR_PROGRAM, "the instance ended before it was started");
    else if (file_write(
                 path,
                 str_of(arena_printf(&arena, "%d %llu\n", (int)pid, (unsigned long long)ticks)),
                 0600, &operation->err) &&
             run_oci(operation, "start", NULL, on_started, &operation->err))
        return;
    give_up(operation);
}

bool instance_start(struct runtime *runtime, const struct instance_spec *spec,
                    runtime_done_fn *done, void *arg, struct err *err)
{
    struct host *host = host_of(runtime);
    AUTO(arena_done) struct arena arena = {0};
    struct runtime_status status;

    if (!host_check_id(spec->id, err) || !instance_inspect(runtime, spec->id, &status, err))
        return false;
    if (status.state == RUNTIME_RUNNING)
        return err_set(err, ERR_EXISTS, "instance '%s' runs already", spec->id);
    if (!prepare(host, spec, err))
        return false;
    struct conmon_spec conmon = {
        .conmon = host->conmon,
        .oci = host->oci,
        .oci_root = host->oci_root,
        .id = spec->id,
        .bundle = host_run_path(host, &arena, spec->id, NULL),
        .exit_dir = arena_printf(&arena, "%s/exits", host->run_dir),
        .log_path = spec->log_path,
        .log_max_bytes = spec->log_max_bytes,
        .tty = spec->service->tty,
        .stdin_open = spec->service->stdin_open,
    };
    struct operation *operation = operation_new(host, spec->id, done, arg);
    if (conmon_start(host->loop, &conmon, on_created, operation, err))
        return true;
    struct err ignored;
    (void)!prepare_undo(host, spec->id, &ignored);
    free(operation);
    return false;
}

bool instance_signal(struct runtime *runtime, const char *id, int signo, struct err *err)
{
    const struct host *host = host_of(runtime);
    struct process process;

    if (!host_check_id(id, err))
        return false;
    if (!read_process(host, id, "started", &process))
        return err_set(err, ERR_NOT_FOUND, "instance '%s' does not run", id);
    AUTO(fd_close) int pidfd = open_process(&process);
    if (pidfd < 0)
        return err_set(err, ERR_NOT_FOUND, "instance '%s' does not run", id);
    if (syscall(SYS_pidfd_send_signal, pidfd, signo, NULL, 0) != 0)
        return err_sys(err, "cannot send signal %d to instance '%s'", signo, id);
    return true;
}

bool instance_remove(struct runtime *runtime, const char *id, runtime_done_fn *done, void *arg,
                     struct err *err)
{
    struct host *host = host_of(runtime);
    struct runtime_status status;

    if (!host_check_id(id, err) || !instance_inspect(runtime, id, &status, err))
        return false;
    if (status.state == RUNTIME_RUNNING)
        return err_set(err, ERR_EXISTS, "instance '%s' still runs", id);
    struct operation *operation = operation_new(host, id, done, arg);
    if (run_oci(operation, "delete", "--force", on_deleted, err))
        return true;
    free(operation);
    return false;
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
    struct process process;

    if (!host_check_id(id, err))
        return false;
    *ret = (struct runtime_status){.state = RUNTIME_ABSENT};
    if (read_process(host, id, "started", &process)) {
        if (read_exit(host, id, ret))
            return true;
        if (is_alive(&process)) {
            ret->state = RUNTIME_RUNNING;
            ret->pid = process.pid;
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

/* Asked once, by a daemon that has just begun: from here on the ends of what runs are noticed. */
bool instance_list(struct runtime *runtime, runtime_list_fn *fn, void *arg, struct err *err)
{
    struct host *host = host_of(runtime);
    AUTO(arena_done) struct arena arena = {0};
    const char *path = arena_printf(&arena, "%s/instances", host->state_dir);
    DIR *dir = opendir(path);
    const struct dirent *entry;
    struct err ignored;

    if (dir == NULL)
        return err_sys(err, "cannot read '%s'", path);
    while ((entry = readdir(dir)) != NULL)
        if (host_check_id(entry->d_name, &ignored)) {
            watch_end(host, entry->d_name);
            fn(arg, entry->d_name);
        }
    (void)closedir(dir);
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
