/* SPDX-License-Identifier: Apache-2.0
 *
 * Commands inside a running instance, by the OCI runtime's exec. They are the
 * instance's user, environment, control group and system call filter.
 */
#include "base/base.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "io/child.h"
#include "runtime/host_priv.h"

enum { EXEC_OUTPUT_MAX = 4096, EXEC_GRACE_MS = 5000, KILLED = 137, UMASK_BYTES = 8 };

struct execution {
    struct loop *loop;
    struct buf output;
    uint64_t start_ns;
    uint64_t timeout_ms;
    runtime_exec_fn *done;
    void *arg;
};

static void on_output(void *arg, struct str bytes)
{
    struct execution *execution = arg;
    size_t room = EXEC_OUTPUT_MAX - MIN(execution->output.len, (size_t)EXEC_OUTPUT_MAX);

    buf_add_str(&execution->output, str_sub(bytes, 0, room));
}

static void on_exit_status(void *arg, int exit_status, bool timed_out)
{
    struct execution *execution = arg;
    uint64_t took_ms = (clock_now_ns() - execution->start_ns) / NS_PER_MS;
    struct err err;

    /* timeout(1) inside kills with SIGKILL; a program that dies of it by itself does so sooner. */
    timed_out = timed_out || (exit_status == KILLED && execution->timeout_ms > 0 &&
                              took_ms >= execution->timeout_ms);
    if (timed_out)
        err_set(&err, ERR_TIMEOUT, "took longer than %llu ms",
                (unsigned long long)execution->timeout_ms);
    execution->done(execution->arg, timed_out ? -1 : exit_status, buf_str(&execution->output),
                    timed_out ? &err : NULL);
    buf_done(&execution->output);
    free(execution);
}

static bool check_running(struct runtime *runtime, const char *id, struct err *err)
{
    struct runtime_status status;

    if (!instance_inspect(runtime, id, &status, err))
        return false;
    return status.state == RUNTIME_RUNNING
               ? true
               : err_set(err, ERR_NOT_FOUND, "instance '%s' does not run", id);
}

/* The limit is kept inside, by timeout(1): killing `runc exec` from outside would leave the command
 * running. The child's own limit is for an OCI runtime that hangs. */
bool exec_run(struct runtime *runtime, const char *id, const struct compose_texts *argv,
              uint64_t timeout_ms, runtime_exec_fn *done, void *arg, struct err *err)
{
    struct host *host = host_of(runtime);
    AUTO(arena_done) struct arena arena = {0};
    const char **all = ARENA_ARRAY(&arena, const char *, argv->count + 12);
    size_t count = 0;

    if (!check_running(runtime, id, err))
        return false;
    const char *fixed[] = {host->oci, "--root", host->oci_root, "exec", id};
    for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
        all[count++] = fixed[i];
    if (timeout_ms > 0) {
        all[count++] = "/usr/bin/timeout";
        all[count++] = "--signal=KILL";
        all[count++] = arena_printf(&arena, "%llu.%03llu", (unsigned long long)timeout_ms / 1000,
                                    (unsigned long long)timeout_ms % 1000);
    }
    for (size_t i = 0; i < argv->count; i++)
        all[count++] = argv->items[i];

    struct execution *execution = NEW(struct execution);
    *execution = (struct execution){.loop = host->loop,
                                    .start_ns = clock_now_ns(),
                                    .timeout_ms = timeout_ms,
                                    .done = done,
                                    .arg = arg};
    struct child_spec spec = {.argv = all,
                              .timeout_ms = timeout_ms == 0 ? 0 : timeout_ms + EXEC_GRACE_MS,
                              .output = on_output,
                              .exit = on_exit_status,
                              .arg = execution};
    if (child_start(host->loop, &spec, err) != NULL)
        return true;
    free(execution);
    return false;
}

/* The instance's user by name or number; the second line of its passwd file. */
static bool is_own_user(const struct host *host, const char *id, const char *user)
{
    AUTO(arena_done) struct arena arena = {0};
    AUTO(buf_done) struct buf text = {0};
    struct err ignored;

    if (!file_read(host_state_path(host, &arena, id, "upper/etc/passwd"), 4096, &text, &ignored))
        return false;
    struct str rest = buf_str(&text);
    (void)str_cut(&rest, '\n');
    struct str line = str_cut(&rest, '\n');
    struct str name = str_cut(&line, ':');
    (void)str_cut(&line, ':');
    return str_is(name, user) || str_is(str_cut(&line, ':'), user);
}

/* The OCI runtime's exec begins with a umask of its own. NULL: the service says nothing. */
static const char *masked_shell(const struct host *host, const char *id, struct arena *arena)
{
    AUTO(buf_done) struct buf text = {0};
    struct err ignored;

    return file_read(host_run_path(host, arena, id, HOST_UMASK), UMASK_BYTES, &text, &ignored)
               ? arena_printf(arena, "umask %s; exec \"$@\"", buf_text(&text))
               : NULL;
}

bool exec_argv(struct runtime *runtime, const char *id, bool tty, const char *user,
               const char *working_dir, const struct compose_pairs *environment,
               struct arena *arena, struct compose_texts *ret, struct err *err)
{
    /* The shell ends with 127 or 126 for a program that is not there or cannot be run; the OCI
     * runtime would end with 255 for both. */
    const struct host *host = host_of(runtime);
    const char *masked = masked_shell(host, id, arena);
    const char *shell[] = {"/bin/sh", "-c", masked == NULL ? "exec \"$@\"" : masked, "exec"};
    size_t pairs = environment == NULL ? 0 : environment->count;
    const char **all = ARENA_ARRAY(arena, const char *, pairs * 2 + 16);
    size_t count = 0;

    if (!check_running(runtime, id, err))
        return false;
    if (user != NULL && !is_own_user(host, id, user))
        return err_set(err, ERR_DENIED,
                       "cannot run as '%s': everything in an instance runs as its one "
                       "unprivileged user; leave the user out",
                       user);
    const char *fixed[] = {host->oci, "--root", host->oci_root, "exec"};
    for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
        all[count++] = fixed[i];
    if (tty)
        all[count++] = "--tty";
    if (working_dir != NULL) {
        all[count++] = "--cwd";
        all[count++] = working_dir;
    }
    for (size_t i = 0; i < pairs; i++) {
        all[count++] = "--env";
        all[count++] =
            arena_printf(arena, "%s=%s", environment->items[i].key, environment->items[i].value);
    }
    all[count++] = arena_text(arena, id);
    for (size_t i = 0; i < ARRAY_LEN(shell); i++)
        all[count++] = shell[i];
    *ret = (struct compose_texts){.items = all, .count = count};
    return true;
}
