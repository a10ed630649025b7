/* SPDX-License-Identifier: Apache-2.0
 *
 * Commands that the file wants run inside an instance once its process runs
 * (post_start) and before it is asked to end (pre_stop), one after the other.
 * What they print goes to whoever follows the operation.
 */
#include "base/base.h"

#include "base/err.h"
#include "control/daemon_priv.h"
#include "io/child.h"

enum { HOOK_TIMEOUT_MS = 600000, LINE_MAX_BYTES = 4096 };

/* The instance is found again by its id: it may be gone. */
struct hooks {
    struct daemon *daemon;
    char system[SYSTEM_NAME_MAX + 1];
    char id[RUNTIME_ID_MAX + 1];
    enum hook_kind kind;
    size_t next;
    struct buf line; /* output that is not a whole line yet */
    hooks_done_fn *done;
};

static const struct compose_hook *hooks_of(const struct instance *instance, enum hook_kind kind,
                                           size_t *ret_count)
{
    const struct compose_service *service = instance->made_of->service;

    *ret_count = kind == HOOK_POST_START ? service->post_start_count : service->pre_stop_count;
    return kind == HOOK_POST_START ? service->post_start : service->pre_stop;
}

static struct instance *find(const struct hooks *hooks)
{
    const struct system *system = daemon_find_system(hooks->daemon, hooks->system);
    return system == NULL ? NULL : system_find_instance(system, hooks->id);
}

static void end(struct hooks *hooks, const struct err *err)
{
    struct instance *instance = find(hooks);

    if (instance != NULL)
        hooks->done(instance, err);
    buf_done(&hooks->line);
    free(hooks);
}

static void on_output(void *arg, struct str bytes)
{
    struct hooks *hooks = arg;
    struct instance *instance = find(hooks);

    buf_add_str(&hooks->line, bytes);
    for (size_t at; (at = str_find(buf_str(&hooks->line), '\n')) < hooks->line.len;) {
        if (instance != NULL)
            operation_output(instance->system, instance->made_of->service->name,
                             str_sub(buf_str(&hooks->line), 0, at));
        buf_drop(&hooks->line, at + 1);
    }
    if (hooks->line.len > LINE_MAX_BYTES)
        buf_clear(&hooks->line);
}

static const char *kind_name(enum hook_kind kind)
{
    return kind == HOOK_POST_START ? "post_start" : "pre_stop";
}

static bool run_next(struct hooks *hooks, struct instance *instance, struct err *err);

static void on_exit_status(void *arg, int exit_status, bool timed_out)
{
    struct hooks *hooks = arg;
    struct instance *instance = find(hooks);
    struct str line = str_trim(buf_str(&hooks->line));
    struct err err;

    if (instance == NULL) {
        end(hooks, NULL);
        return;
    }
    if (timed_out || exit_status != 0) {
        if (timed_out)
            err_set(&err, ERR_TIMEOUT, "%s[%zu] took longer than %d s", kind_name(hooks->kind),
                    hooks->next - 1, HOOK_TIMEOUT_MS / 1000);
        else
            err_set(&err, ERR_PROGRAM, "%s[%zu] ended with status %d%s" STR_FMT,
                    kind_name(hooks->kind), hooks->next - 1, exit_status, line.len > 0 ? ": " : "",
                    (int)MIN(line.len, (size_t)300), line.ptr);
        end(hooks, &err);
        return;
    }
    size_t count;
    (void)hooks_of(instance, hooks->kind, &count);
    if (hooks->next >= count)
        end(hooks, NULL);
    else if (!run_next(hooks, instance, &err))
        end(hooks, &err);
}

static bool run_next(struct hooks *hooks, struct instance *instance, struct err *err)
{
    AUTO(arena_done) struct arena arena = {0};
    struct runtime *runtime = hooks->daemon->runtime;
    struct compose_texts prefix;
    size_t count;
    const struct compose_hook *hook = &hooks_of(instance, hooks->kind, &count)[hooks->next++];

    buf_clear(&hooks->line);
    if (!runtime->ops->exec_argv(runtime, instance->id, false, hook->user, hook->working_dir,
                                 &hook->environment, &arena, &prefix, err))
        return err_prefix(err, "%s[%zu]", kind_name(hooks->kind), hooks->next - 1);
    const char **argv = ARENA_ARRAY(&arena, const char *, prefix.count + hook->command.count + 1);
    memcpy(argv, prefix.items, prefix.count * sizeof *argv);
    memcpy(argv + prefix.count, hook->command.items, hook->command.count * sizeof *argv);
    struct child_spec spec = {.argv = argv,
                              .timeout_ms = HOOK_TIMEOUT_MS,
                              .output = on_output,
                              .exit = on_exit_status,
                              .arg = hooks};
    return child_start(hooks->daemon->loop, &spec, err) != NULL;
}

bool hooks_begin(struct instance *instance, enum hook_kind kind, hooks_done_fn *done)
{
    size_t count;
    struct err err;

    (void)hooks_of(instance, kind, &count);
    if (count == 0 || instance->is_job)
        return false;
    struct hooks *hooks = NEW(struct hooks);
    hooks->daemon = instance->system->daemon;
    hooks->kind = kind;
    hooks->done = done;
    str_format(hooks->system, sizeof hooks->system, "%s", instance->system->name);
    str_format(hooks->id, sizeof hooks->id, "%s", instance->id);
    if (!run_next(hooks, instance, &err))
        end(hooks, &err);
    return true;
}
