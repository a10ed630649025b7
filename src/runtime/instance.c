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
#include "runtime/first_process.h"
#include "runtime/host_priv.h"
#include "runtime/prepare.h"

enum { OCI_TIMEOUT_MS = 30000, OUTPUT_MAX = 4096 };

/* One start or remove under way. */
struct operation {
    struct host *host;
    char id[RUNTIME_ID_MAX + 1];
    struct buf output; /* of the OCI runtime */
    bool only_create;  /* begin() comes later */
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

static void watch_end(struct host *host, const char *id)
{
    struct first_process process;
    int fd = first_process_read(host, id, "started", &process) ? first_process_open(&process) : -1;

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
    struct first_process process;

    bool has_exit = file_exists(exit_file); /* looked at first: a true one comes after the end */
    bool runs =
        first_process_read(host, id, "started", &process) && first_process_is_alive(&process);
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
    else if (!first_process_start_ticks(pid, &ticks))
        err_set(&operation->err, ERR_PROGRAM, "the instance ended before it was started");
    else if (file_write(
                 path,
                 str_of(arena_printf(&arena, "%d %llu\n", (int)pid, (unsigned long long)ticks)),
                 0600, &operation->err)) {
        if (operation->only_create) {
            operation_end(operation, NULL);
            return;
        }
        if (run_oci(operation, "start", NULL, on_started, &operation->err))
            return;
    }
    give_up(operation);
}

static bool create(struct runtime *runtime, const struct instance_spec *spec, bool only_create,
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
    operation->only_create = only_create;
    if (conmon_start(host->loop, &conmon, on_created, operation, err))
        return true;
    struct err ignored;
    (void)!prepare_undo(host, spec->id, &ignored);
    free(operation);
    return false;
}

bool instance_start(struct runtime *runtime, const struct instance_spec *spec,
                    runtime_done_fn *done, void *arg, struct err *err)
{
    return create(runtime, spec, false, done, arg, err);
}

bool instance_create(struct runtime *runtime, const struct instance_spec *spec,
                     runtime_done_fn *done, void *arg, struct err *err)
{
    return create(runtime, spec, true, done, arg, err);
}

bool instance_begin(struct runtime *runtime, const char *id, runtime_done_fn *done, void *arg,
                    struct err *err)
{
    struct host *host = host_of(runtime);
    struct first_process process;

    if (!host_check_id(id, err))
        return false;
    if (!first_process_read(host, id, "created", &process))
        return err_set(err, ERR_NOT_FOUND, "instance '%s' was not created", id);
    struct operation *operation = operation_new(host, id, done, arg);
    if (run_oci(operation, "start", NULL, on_started, err))
        return true;
    free(operation);
    return false;
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
