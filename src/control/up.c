/* SPDX-License-Identifier: Apache-2.0
 *
 * up and restart, until the reconcile loop takes over: the candidate release is
 * decoded, its ports are held, its trees are built, and only then does it become
 * what is wanted. Whatever fails before that has changed nothing.
 */
#include "base/base.h"

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "compose/load.h"
#include "control/daemon_priv.h"
#include "control/release.h"
#include "control/state.h"

enum { DISK_FLOOR_BYTES = 256 << 20, ENVIRONMENT_MAX = 4096, TIMEOUT_MAX_MS = 86400000 };

static void on_operation_timeout(struct timer *timer, uint64_t now_ns)
{
    struct operation *operation = CONTAINER_OF(timer, struct operation, timeout);
    struct err err;

    err_set(&err, ERR_TIMEOUT, "'%s' was not up after %llu s", operation->system->name,
            (unsigned long long)((now_ns - operation->started_ns) / NS_PER_SECOND));
    operation_fail(operation, &err, NULL);
    system_touch(operation->system);
}

/* Everything is built: from here on the plan decides. */
static void become_wanted(struct operation *operation)
{
    struct system *system = operation->system;
    struct release *candidate = operation->candidate;
    const char *note = operation_kind_name(operation->kind);
    struct err err;
    bool stored = true;

    release_seal(candidate, system->wanted, system->uid, &operation->fresh,
                 operation->force_recreate);
    if (system->wanted == NULL || !release_is_same(candidate, system->wanted)) {
        stored = release_store(candidate, system->daemon->state, system->name, note, &err);
        if (stored)
            system_set_wanted(system, candidate);
    }
    if (!stored) {
        operation_end(operation, &err);
        return;
    }
    operation->reconciling = true;
    for (size_t i = 0; i < system->wanted->compose->service_count; i++)
        if (system->wanted->services[i].service->x.provided_by_edge)
            operation_step(system, system->wanted->services[i].service->name, NULL, "ready",
                           "by the edge");
    LIST_FOR_EACH (node, &system->instances)
        instance_begin_afresh(CONTAINER_OF(node, struct instance, link));
    daemon_publish(system->daemon);
    system_touch(system);
}

static void builds_are_done(struct operation *operation)
{
    if (operation->failure != NULL)
        operation_end(operation, operation->failure);
    else
        become_wanted(operation);
}

/* ---- builds ---- */

struct build_run {
    struct operation *operation;
    struct release_service *made;
    struct buf line; /* an output line that is not complete yet */
    uint64_t started_ns;
};

static void on_build_output(void *arg, struct str bytes)
{
    struct build_run *run = arg;

    buf_add_str(&run->line, bytes);
    for (;;) {
        size_t end = str_find(buf_str(&run->line), '\n');
        if (end == run->line.len && run->line.len < 4096)
            return;
        operation_output(run->operation->system, run->made->service->name,
                         str_sub(buf_str(&run->line), 0, end));
        buf_drop(&run->line, MIN(end + 1, run->line.len));
    }
}

static void on_built(void *arg, const struct err *err)
{
    struct build_run *run = arg;
    struct operation *operation = run->operation;
    struct system *system = operation->system;
    const char *service = run->made->service->name;

    if (run->line.len > 0)
        operation_output(system, service, buf_str(&run->line));
    if (err != NULL) {
        struct err failure = *err;
        err_prefix(&failure, "%s: build", service);
        operation_step(system, service, NULL, "failed", err->text);
        operation_fail(operation, &failure, NULL);
    } else {
        char text[64];
        uint64_t took_ms = (loop_now_ns(system->daemon->loop) - run->started_ns) / NS_PER_MS;
        str_format(text, sizeof text, "in %llu.%llu s", (unsigned long long)(took_ms / 1000),
                   (unsigned long long)(took_ms % 1000 / 100));
        operation_step(system, service, NULL, "built", text);
        operation->changed = true;
    }
    buf_done(&run->line);
    free(run);
    if (--operation->builds_left == 0)
        builds_are_done(operation);
}

/* Starts the build of <made> unless its tree is there. */
static bool build_service(struct operation *operation, struct release_service *made,
                          struct err *err)
{
    struct runtime *runtime = operation->system->daemon->runtime;
    struct build_spec spec = {.system = operation->system->name,
                              .service = made->service,
                              .uid = operation->system->uid,
                              .caller_environment = operation->environment};
    bool ready;

    if (!runtime->ops->build_key(runtime, &spec, &operation->candidate->arena, &made->tree, &ready,
                                 err))
        return false;
    if (ready) {
        operation_step(operation->system, made->service->name, NULL, "cached",
                       "the build is there already");
        return true;
    }
    struct build_run *run = NEW(struct build_run);
    run->operation = operation;
    run->made = made;
    run->started_ns = loop_now_ns(operation->system->daemon->loop);
    operation_step(operation->system, made->service->name, NULL, "building", "");
    if (!runtime->ops->build(runtime, &spec, made->tree, on_build_output, on_built, run, err)) {
        free(run);
        return false;
    }
    operation->builds_left++;
    return true;
}

static void build_all(struct operation *operation)
{
    struct release *candidate = operation->candidate;
    struct err err;

    operation->builds_left = 1; /* this function: an early end must not conclude */
    for (size_t i = 0; i < candidate->compose->service_count; i++) {
        struct release_service *made = &candidate->services[i];
        if (!made->service->build.present || made->service->x.provided_by_edge)
            continue;
        if (!build_service(operation, made, &err)) {
            err_prefix(&err, "%s", made->service->name);
            operation_fail(operation, &err, NULL);
            break;
        }
    }
    if (--operation->builds_left == 0)
        builds_are_done(operation);
}

/* ---- begin ---- */

static bool check_runtime(const struct release *candidate, struct err *err)
{
    const char *runtime = candidate->compose->x.runtime;

    if (runtime == NULL || strcmp(runtime, "auto") == 0 || strcmp(runtime, "host") == 0)
        return true;
    return err_set(err, ERR_INVALID,
                   "x-ishizue.runtime: '%s' is not in this version; write host or auto", runtime);
}

static bool check_disk(const struct daemon *daemon, struct err *err)
{
    uint64_t free_bytes = file_free_bytes(daemon->options.state_dir);

    if (free_bytes >= DISK_FLOOR_BYTES)
        return true;
    return err_set(err, ERR_LIMIT,
                   "the disk of '%s' is full: %llu MB are free, %d MB are needed; free some space",
                   daemon->options.state_dir, (unsigned long long)(free_bytes >> 20),
                   DISK_FLOOR_BYTES >> 20);
}

static char **copy_environment(const json_t *list)
{
    size_t count = MIN(json_array_size(list), (size_t)ENVIRONMENT_MAX);
    char **environment = mem_new((count + 1) * sizeof *environment);
    size_t used = 0;

    for (size_t i = 0; i < count; i++) {
        const char *text = json_string_value(json_array_get(list, i));
        if (text != NULL)
            environment[used++] = mem_copy_text(text);
    }
    return environment;
}

/* The services to make anew, checked against the candidate. */
static bool choose_fresh(struct operation *operation, const json_t *services, struct err *err)
{
    struct release *candidate = operation->candidate;
    size_t count = json_array_size(services);

    if (services != NULL && !json_is_array(services))
        return err_set(err, ERR_INVALID, "'services' must be a list of names");
    operation->fresh.items = ARENA_ARRAY(&candidate->arena, const char *, count + 1);
    for (size_t i = 0; i < count; i++) {
        const char *name = json_string_value(json_array_get(services, i));
        if (name == NULL || release_find(candidate, name) == SIZE_MAX)
            return err_set(err, ERR_NOT_FOUND, "there is no service '%s'",
                           name == NULL ? "" : name);
        operation->fresh.items[operation->fresh.count++] = arena_text(&candidate->arena, name);
    }
    return true;
}

static bool check_request(const char *name, const struct up_request *request,
                          const struct release *candidate, struct err *err)
{
    if (strcmp(candidate->compose->name, name) != 0)
        return err_set(err, ERR_INVALID, "the project is named '%.60s', the path says '%.60s'",
                       candidate->compose->name, name);
    if (request->timeout_ms > TIMEOUT_MAX_MS)
        return err_set(err, ERR_LIMIT, "'timeout_ms' is above %d", TIMEOUT_MAX_MS);
    return true;
}

bool up_begin(struct daemon *daemon, const char *name, const struct up_request *request,
              struct subscriber *subscriber, struct err *err)
{
    struct system *system = NULL;
    struct release *candidate =
        release_new(request->config, request->directory, daemon->runtime, err);

    if (candidate == NULL)
        return false;
    if (!check_request(name, request, candidate, err) || !check_runtime(candidate, err) ||
        !check_disk(daemon, err) ||
        !daemon_get_system(daemon, name, request->directory, &system, err)) {
        release_unref(candidate);
        return false;
    }
    struct operation *operation = operation_begin(system, OPERATION_UP, err);
    if (operation == NULL) {
        release_unref(candidate);
        return false;
    }
    operation->candidate = candidate;
    if (!edge_link_reserve(daemon->edge, candidate, err) ||
        !edge_table_check(daemon, candidate, err) ||
        !choose_fresh(operation, request->services, err)) {
        operation_end(operation, err);
        return false;
    }
    operation->force_recreate = request->force_recreate && operation->fresh.count == 0;
    if (!request->force_recreate)
        operation->fresh.count = 0;
    free(system->directory);
    system->directory = mem_copy_text(request->directory);
    AUTO(buf_done) struct buf files = {0};
    if (request->files != NULL)
        json_format(request->files, false, &files);
    free(system->files);
    system->files = buf_take(&files);
    operation->environment = copy_environment(request->environment);
    if (request->timeout_ms > 0)
        timer_set(daemon->loop, &operation->timeout,
                  loop_now_ns(daemon->loop) + request->timeout_ms * NS_PER_MS,
                  on_operation_timeout);
    list_push(&operation->subscribers, &subscriber->link);
    build_all(operation);
    return true;
}

bool restart_begin(struct system *system, const json_t *services, uint64_t grace_ms,
                   struct subscriber *subscriber, struct err *err)
{
    struct daemon *daemon = system->daemon;

    if (system->wanted == NULL)
        return err_set(err, ERR_NOT_FOUND, "'%s' is not up", system->name);
    struct operation *operation = operation_begin(system, OPERATION_RESTART, err);
    if (operation == NULL)
        return false;
    operation->candidate =
        release_new(str_of(system->wanted->text), system->directory, daemon->runtime, err);
    if (operation->candidate == NULL || !choose_fresh(operation, services, err)) {
        operation_end(operation, err);
        return false;
    }
    for (size_t i = 0; i < system->wanted->compose->service_count; i++)
        if (system->wanted->services[i].tree != NULL)
            operation->candidate->services[i].tree =
                arena_text(&operation->candidate->arena, system->wanted->services[i].tree);
    operation->force_recreate = operation->fresh.count == 0;
    operation->grace_ms = grace_ms;
    list_push(&operation->subscribers, &subscriber->link);
    become_wanted(operation);
    return true;
}
