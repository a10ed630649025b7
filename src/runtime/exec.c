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
#include "json/json.h"

enum {
    EXEC_OUTPUT_MAX = 4096,
    EXEC_GRACE_MS = 5000,
    KILLED = 137,
    CONFIG_BYTES_MAX = 4 * 1024 * 1024,
    EXEC_WORDS_MAX = 12 /* of what add_exec() adds */
};

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

/* <oci> exec with the instance's user, folder and privileges said aloud: not every OCI runtime
 * takes them over by itself. */
static bool add_exec(const struct host *host, const char *id, const char *working_dir,
                     struct arena *arena, const char **all, size_t *count, struct err *err)
{
    AUTO(buf_done) struct buf text = {0};
    AUTO(json_unref) json_t *config = NULL;
    int64_t uid, gid;

    if (!file_read(host_run_path(host, arena, id, "config.json"), CONFIG_BYTES_MAX, &text, err) ||
        !json_parse(buf_str(&text), CONFIG_BYTES_MAX, &config, err))
        return err_prefix(err, "cannot run a command in '%s'", id);
    const json_t *process = json_object_get(config, "process");
    const json_t *user = json_object_get(process, "user");
    if (!json_get_i64(user, "uid", &uid, err) || !json_get_i64(user, "gid", &gid, err))
        return err_prefix(err, "cannot run a command in '%s'", id);
    if (working_dir == NULL)
        working_dir = json_find_text(process, "cwd", "/");
    const char *words[] = {
        host->oci,
        "--root",
        host->oci_root,
        "exec",
        "--no-new-privs",
        "--cwd",
        arena_text(arena, working_dir),
        "--user",
        arena_printf(arena, "%lld:%lld", (long long)uid, (long long)gid),
    };
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        all[(*count)++] = words[i];
    return true;
}

/* The limit is kept inside, by timeout(1): killing `runc exec` from outside would leave the command
 * running. The child's own limit is for an OCI runtime that hangs. */
bool exec_run(struct runtime *runtime, const char *id, const struct compose_texts *argv,
              uint64_t timeout_ms, runtime_exec_fn *done, void *arg, struct err *err)
{
    struct host *host = host_of(runtime);
    AUTO(arena_done) struct arena arena = {0};
    const char **all = ARENA_ARRAY(&arena, const char *, argv->count + EXEC_WORDS_MAX + 6);
    size_t count = 0;

    if (!check_running(runtime, id, err) || !add_exec(host, id, NULL, &arena, all, &count, err))
        return false;
    all[count++] = id;
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

bool exec_argv(struct runtime *runtime, const char *id, bool tty, const char *user,
               const char *working_dir, const struct compose_pairs *environment,
               struct arena *arena, struct compose_texts *ret, struct err *err)
{
    /* The shell ends with 127 or 126 for a program that is not there or cannot be run; the OCI
     * runtime would end with 255 for both. */
    static const char *const shell[] = {"/bin/sh", "-c", "exec \"$@\"", "exec"};
    const struct host *host = host_of(runtime);
    size_t pairs = environment == NULL ? 0 : environment->count;
    const char **all = ARENA_ARRAY(arena, const char *, pairs * 2 + EXEC_WORDS_MAX + 8);
    size_t count = 0;

    if (!check_running(runtime, id, err))
        return false;
    if (user != NULL && !is_own_user(host, id, user))
        return err_set(err, ERR_DENIED,
                       "cannot run as '%s': everything in an instance runs as its one "
                       "unprivileged user; leave the user out",
                       user);
    if (!add_exec(host, id, working_dir, arena, all, &count, err))
        return false;
    if (tty)
        all[count++] = "--tty";
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
