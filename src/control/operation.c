/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/clock.h"
#include "base/err.h"
#include "control/daemon_priv.h"
#include "control/rollout.h"
#include "watch/log_read.h"

enum { SHOWN_LOG_LINES = 20, SHOWN_LOG_BYTES = 8192 };

static const char *const kind_names[] = {
    [OPERATION_UP] = "up",           [OPERATION_DOWN] = "down",
    [OPERATION_RESTART] = "restart", [OPERATION_BUILD] = "build",
    [OPERATION_CREATE] = "create",   [OPERATION_START] = "start",
    [OPERATION_STOP] = "stop",       [OPERATION_RM] = "rm",
    [OPERATION_PAUSE] = "pause",     [OPERATION_UNPAUSE] = "unpause",
    [OPERATION_RUN] = "run",         [OPERATION_ROLLBACK] = "rollback",
    [OPERATION_SCALE] = "scale",     [OPERATION_DEPLOY] = "deploy",
    [OPERATION_PROMOTE] = "promote", [OPERATION_ABORT] = "abort"};

/* What a lock keeps people from. Builds, and commands beside what runs, hurt nobody. */
static bool is_locked_out(enum operation_kind kind)
{
    return kind != OPERATION_BUILD && kind != OPERATION_RUN && kind != OPERATION_PAUSE &&
           kind != OPERATION_UNPAUSE;
}

const char *operation_kind_name(enum operation_kind kind)
{
    assert((size_t)kind < ARRAY_LEN(kind_names));
    return kind_names[kind];
}

struct operation *operation_begin(struct system *system, enum operation_kind kind, struct err *err)
{
    if (is_locked_out(kind) && !lock_check(system->daemon, system->name, err))
        return NULL;
    if (!deploy_check(system, kind, err))
        return NULL;
    if (system->operation != NULL) {
        err_set(err, ERR_LOCKED, "'%s' is busy: %s is under way since %llu s", system->name,
                operation_kind_name(system->operation->kind),
                (unsigned long long)((loop_now_ns(system->daemon->loop) -
                                      system->operation->started_ns) /
                                     NS_PER_SECOND));
        return NULL;
    }
    struct operation *operation = NEW(struct operation);
    operation->kind = kind;
    operation->system = system;
    operation->caller = system->daemon->asking.caller;
    operation->request = system->daemon->asking.serial;
    operation->started_wall_ms = clock_wall_ms();
    operation->started_ns = loop_now_ns(system->daemon->loop);
    operation->grace_ms = UINT64_MAX;
    list_init(&operation->subscribers);
    list_init(&operation->builds);
    system->operation = operation;
    return operation;
}

/* One that was waited for in vain; NULL: none in particular. */
static struct instance *find_late(const struct operation *operation)
{
    const struct release *wanted = operation->system->wanted;

    LIST_FOR_EACH (node, &operation->system->instances) {
        struct instance *instance = CONTAINER_OF(node, struct instance, link);
        const char *service = instance->made_of->service->name;
        size_t index = release_find(wanted, service);
        if (operation->reconciling && instance->one_off == NULL && index != SIZE_MAX &&
            operation_has(operation, service) && instance->state != INSTANCE_READY &&
            instance->state != INSTANCE_EXITED && instance->state != INSTANCE_GONE &&
            strcmp(wanted->services[index].hash, instance->made_of->hash) == 0)
            return instance;
    }
    return NULL;
}

/* ": web is warming: answered 500: cache is cold" */
static void add_late(const struct instance *instance, struct buf *ret)
{
    const char *detail =
        instance->start_error[0] != '\0' ? instance->start_error : instance->check_detail;

    buf_addf(ret, ": %s is %s%s%s", instance->made_of->service->name,
             instance_state_name(instance->state), detail[0] == '\0' ? "" : ": ", detail);
}

static void on_timeout(struct timer *timer, uint64_t now_ns)
{
    struct operation *operation = CONTAINER_OF(timer, struct operation, timeout);
    const struct instance *late = find_late(operation);
    AUTO(buf_done) struct buf why = {0};
    struct err err;

    if (late != NULL)
        add_late(late, &why);
    err_set(&err, ERR_TIMEOUT, "'%s' was not up after %llu s%s", operation->system->name,
            (unsigned long long)((now_ns - operation->started_ns) / NS_PER_SECOND), buf_text(&why));
    operation_fail(operation, &err, late);
    if (!operation->reconciling)
        builds_cancel(operation);
    system_touch(operation->system);
}

void operation_set_timeout(struct operation *operation, uint64_t timeout_ms)
{
    struct loop *loop = operation->system->daemon->loop;

    if (timeout_ms > 0)
        timer_set(loop, &operation->timeout, loop_now_ns(loop) + timeout_ms * NS_PER_MS,
                  on_timeout);
}

bool operation_has(const struct operation *operation, const char *service)
{
    if (!operation->has_scope)
        return true;
    for (size_t i = 0; i < operation->scope.count; i++)
        if (strcmp(operation->scope.items[i], service) == 0)
            return true;
    return false;
}

struct operation *operation_of(const struct system *system, const char *service)
{
    struct operation *operation = system->operation;

    if (operation == NULL || !operation->reconciling || !operation_has(operation, service))
        return NULL;
    return operation->follows || !rollout_is_active(system) ? operation : NULL;
}

bool operation_releases(const struct operation *operation)
{
    return operation->candidate != NULL && operation->kind != OPERATION_DOWN &&
           operation->kind != OPERATION_BUILD;
}

bool operation_serves(const struct operation *operation)
{
    return operation->kind == OPERATION_UP || operation->kind == OPERATION_RESTART ||
           operation->kind == OPERATION_START || operation->kind == OPERATION_ROLLBACK ||
           operation->kind == OPERATION_SCALE || operation->kind == OPERATION_DEPLOY ||
           operation->kind == OPERATION_PROMOTE || operation->kind == OPERATION_ABORT;
}

static void push_all(struct list *subscribers, struct str line)
{
    LIST_FOR_EACH (node, subscribers) {
        struct subscriber *subscriber = CONTAINER_OF(node, struct subscriber, link);
        subscriber->push(subscriber, line);
    }
}

static uint64_t elapsed_ms(const struct operation *operation)
{
    return (loop_now_ns(operation->system->daemon->loop) - operation->started_ns) / NS_PER_MS;
}

void operation_tell(struct system *system, json_t *event)
{
    AUTO(json_unref) json_t *owned = event;
    AUTO(buf_done) struct buf line = {0};
    struct operation *operation = system->operation;

    assert(owned != NULL);
    if (operation != NULL)
        (void)json_object_set_new(event, "elapsed_ms",
                                  json_integer((json_int_t)elapsed_ms(operation)));
    (void)json_object_set_new(event, "system", json_string(system->name));
    json_format(event, false, &line);
    buf_add_char(&line, '\n');
    if (operation != NULL)
        push_all(&operation->subscribers, buf_str(&line));
    push_all(&system->daemon->subscribers, buf_str(&line));
}

void operation_step(struct system *system, const char *service, const char *instance,
                    const char *state, const char *text)
{
    operation_tell(system, json_pack("{s:s, s:s?, s:s?, s:s, s:o}", "event", "step", "service",
                                     service, "instance", instance, "state", state, "text",
                                     json_from_bytes(str_of(text == NULL ? "" : text))));
}

void operation_step_of(const struct instance *instance, const char *state, const char *text)
{
    char name[RUNTIME_ID_MAX + 1];

    instance_format_name(instance, name);
    operation_tell(instance->system,
                   json_pack("{s:s, s:s, s:s, s:s, s:s, s:o}", "event", "step", "service",
                             instance->made_of->service->name, "instance", name, "id", instance->id,
                             "state", state, "text", json_from_bytes(str_of(text))));
}

void operation_output(struct system *system, const char *service, struct str line)
{
    operation_tell(system, json_pack("{s:s, s:s, s:o}", "event", "output", "service", service,
                                     "text", json_from_bytes(line)));
}

void operation_warn(struct system *system, const char *text)
{
    operation_tell(
        system, json_pack("{s:s, s:o}", "event", "warning", "text", json_from_bytes(str_of(text))));
}

void operation_fail(struct operation *operation, const struct err *err,
                    const struct instance *instance)
{
    AUTO(buf_done) struct buf text = {0};
    AUTO(json_unref) json_t *lines = json_array();
    AUTO(buf_done) struct buf json = {0};

    if (operation->failure != NULL)
        return;
    operation->failure = NEW(struct err);
    *operation->failure = *err;
    if (instance != NULL)
        log_read_last(instance->log_path, SHOWN_LOG_LINES, SHOWN_LOG_BYTES, &text);
    for (struct str rest = str_trim(buf_str(&text)); rest.ptr != NULL && rest.len > 0;)
        (void)json_array_append_new(lines, json_from_bytes(str_cut(&rest, '\n')));
    json_format(lines, false, &json);
    operation->failure_logs = buf_take(&json);
}

static json_int_t release_of(const struct operation *operation)
{
    const struct release *wanted = operation->system->wanted;
    return wanted == NULL ? 0 : (json_int_t)wanted->number;
}

static json_t *rollout_of(const struct operation *operation)
{
    return operation->follows ? rollout_json(operation->system) : json_null();
}

static json_t *result_of(const struct operation *operation, const struct err *err)
{
    if (err == NULL)
        return json_pack("{s:s, s:b, s:b, s:I, s:o, s:o, s:o*}", "event", "result", "ok", 1,
                         "changed", (int)operation->changed, "release", release_of(operation),
                         "rollout", rollout_of(operation), "addresses",
                         operation_serves(operation) ? edge_table_addresses(operation->system)
                                                     : json_array(),
                         "instance", operation->run == NULL ? NULL : run_describe(operation->run));
    json_t *logs = operation->failure_logs == NULL
                       ? NULL
                       : json_loads(operation->failure_logs, JSON_DECODE_ANY, NULL);
    return json_pack("{s:s, s:b, s:I, s:o, s:i, s:s, s:o, s:o}", "event", "result", "ok", 0,
                     "release", release_of(operation), "rollout", rollout_of(operation),
                     "exit_status",
                     operation->exit_status > 0 ? operation->exit_status
                     : err->code == ERR_LOCKED  ? 4
                     : err->code == ERR_TIMEOUT ? 124
                                                : 1,
                     "code", err_code_name(err->code), "error", json_from_bytes(str_of(err->text)),
                     "logs", logs == NULL ? json_array() : logs);
}

/* Takes over <result>. */
static void end(struct operation *operation, json_t *result, const struct err *err)
{
    struct system *system = operation->system;

    operation_tell(system, result);
    LIST_FOR_EACH (node, &operation->subscribers) {
        struct subscriber *subscriber = CONTAINER_OF(node, struct subscriber, link);
        list_remove(node);
        subscriber->gone(subscriber);
    }
    history_add_operation(operation, err);
    system->operation = NULL;
    daemon_publish(system->daemon); /* ports that only a candidate asked for are let go */
    system_touch(system);
    timer_clear(&operation->timeout);
    timer_clear(&operation->settling);
    builds_abandon(operation);
    if (operation->reconciling && operation->kind != OPERATION_BUILD)
        collect_begin(system); /* also after a failure: it may have been the hundredth */
    release_unref(operation->candidate);
    run_free(operation->run);
    arena_done(&operation->arena);
    for (char **one = operation->environment; one != NULL && *one != NULL; one++)
        free(*one);
    free(operation->environment);
    free(operation->failure);
    free(operation->failure_logs);
    free(operation);
}

void operation_end(struct operation *operation, const struct err *err)
{
    end(operation, result_of(operation, err), err);
}

void operation_end_with(struct operation *operation, json_t *result)
{
    end(operation, result, NULL);
}
