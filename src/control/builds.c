/* SPDX-License-Identifier: Apache-2.0
 *
 * Trees that a release needs. What is not there is built side by side; the
 * operation goes on when all of it is, and can be cancelled until then. What
 * services share (builds_alike.c) is built once.
 */
#include "base/base.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/vec.h"
#include "control/daemon_priv.h"

enum { LINE_MAX_BYTES = 4096 };

struct build_run {
    struct list link;            /* in operation.builds */
    struct operation *operation; /* NULL: it went away */
    struct release_service *made;
    VEC(const struct release_service *) others; /* that run from the same tree */
    struct buf line;                            /* an output line that is not complete yet */
    uint64_t started_ns;
};

static void all_done(struct operation *operation)
{
    if (operation->failure != NULL || operation->kind == OPERATION_BUILD)
        operation_end(operation, operation->failure);
    else
        up_built(operation);
}

static void on_output(void *arg, struct str bytes)
{
    struct build_run *run = arg;

    if (run->operation == NULL)
        return;
    buf_add_str(&run->line, bytes);
    for (;;) {
        size_t end = str_find(buf_str(&run->line), '\n');
        if (end == run->line.len && run->line.len < LINE_MAX_BYTES)
            return;
        operation_output(run->operation->system, run->made->service->name,
                         str_sub(buf_str(&run->line), 0, end));
        buf_drop(&run->line, MIN(end + 1, run->line.len));
    }
}

/* The service that is built, and those that are built with it. */
static void tell_all(const struct build_run *run, const char *state, const char *text)
{
    struct system *system = run->operation->system;

    operation_step(system, run->made->service->name, NULL, state, text);
    for (size_t i = 0; i < run->others.len; i++)
        operation_step(system, run->others.ptr[i]->service->name, NULL, state, text);
}

static void tell_built(const struct build_run *run)
{
    const struct system *system = run->operation->system;
    uint64_t took_ms = (loop_now_ns(system->daemon->loop) - run->started_ns) / NS_PER_MS;
    char text[64];

    str_format(text, sizeof text, "in %llu.%llu s", (unsigned long long)(took_ms / 1000),
               (unsigned long long)(took_ms % 1000 / 100));
    tell_all(run, "built", text);
    run->operation->changed = true;
}

static void tell_failed(const struct build_run *run, const struct err *err)
{
    const char *service = run->made->service->name;
    struct err failure = *err;

    err_prefix(&failure, "%s: build", service);
    tell_all(run, "failed", err->text);
    operation_fail(run->operation, &failure, NULL);
}

static void on_built(void *arg, const struct err *err)
{
    struct build_run *run = arg;
    struct operation *operation = run->operation;

    list_remove(&run->link);
    if (operation != NULL) {
        if (run->line.len > 0)
            operation_output(operation->system, run->made->service->name, buf_str(&run->line));
        if (err != NULL)
            tell_failed(run, err);
        else
            tell_built(run);
    }
    buf_done(&run->line);
    VEC_DONE(&run->others);
    free(run);
    if (operation != NULL && --operation->builds_left == 0)
        all_done(operation);
}

/* The build of <tree> that is under way for another service. */
static struct build_run *find_run(const struct operation *operation, const char *tree)
{
    LIST_FOR_EACH (node, &operation->builds) {
        struct build_run *run = CONTAINER_OF(node, struct build_run, link);
        if (strcmp(run->made->tree, tree) == 0)
            return run;
    }
    return NULL;
}

static bool start_build(struct operation *operation, const struct build_spec *spec,
                        struct release_service *made, struct err *err)
{
    struct runtime *runtime = operation->system->daemon->runtime;
    struct build_run *run = find_run(operation, made->tree);

    operation_step(operation->system, made->service->name, NULL, "building", "");
    if (run != NULL) {
        VEC_PUSH(&run->others, made);
        return true;
    }
    run = NEW(struct build_run);
    run->operation = operation;
    run->made = made;
    run->started_ns = loop_now_ns(operation->system->daemon->loop);
    list_init(&run->link);
    if (!runtime->ops->build(runtime, spec, made->tree, on_output, on_built, run, err)) {
        free(run);
        return false;
    }
    list_push(&operation->builds, &run->link);
    operation->builds_left++;
    return true;
}

/* Starts the build of <made>, a service of <release>, unless its tree is there. */
static bool build_service(struct operation *operation, struct release *release,
                          struct release_service *made, struct err *err)
{
    struct runtime *runtime = operation->system->daemon->runtime;
    struct build_spec spec = {.system = operation->system->name,
                              .uid = operation->system->uid,
                              .fresh = operation->no_cache,
                              .caller_environment = operation->environment};
    bool ready;

    if (!builds_find_maker(runtime, release, made, &spec, err) ||
        !runtime->ops->build_key(runtime, &spec, &release->arena, &made->tree, &ready, err))
        return false;
    if (ready) {
        operation_step(operation->system, made->service->name, NULL, "cached",
                       "the build is there already");
        return true;
    }
    if (operation->deploy.dry_run) { /* the hash of what it would be is known already */
        scope_add(&operation->unbuilt, made->service->name, &operation->arena);
        return true;
    }
    if (operation->no_build)
        return err_set(err, ERR_INVALID, "it has to be built, and --no-build forbids it");
    return start_build(operation, &spec, made, err);
}

static bool begin_one(struct operation *operation, struct release *release,
                      struct release_service *made)
{
    struct err err;

    if (build_service(operation, release, made, &err))
        return true;
    err_prefix(&err, "%s", made->service->name);
    operation_fail(operation, &err, NULL);
    return false;
}

void builds_begin(struct operation *operation)
{
    struct release *candidate = operation->candidate;
    bool going_on = true;

    operation->builds_left = 1; /* this function: an early end must not conclude */
    for (size_t i = 0; candidate != NULL && i < candidate->compose->service_count; i++) {
        struct release_service *made = &candidate->services[i];
        if (going_on && builds_has(made) && operation_has(operation, made->service->name))
            going_on = begin_one(operation, candidate, made);
    }
    if (operation->run != NULL && going_on) {
        size_t service;
        struct release *release = run_release(operation->run, &service);
        if (builds_has(&release->services[service]))
            (void)begin_one(operation, release, &release->services[service]);
    }
    if (--operation->builds_left == 0)
        all_done(operation);
}

void builds_cancel(struct operation *operation)
{
    struct runtime *runtime = operation->system->daemon->runtime;

    LIST_FOR_EACH (node, &operation->builds)
        runtime->ops->build_cancel(runtime, CONTAINER_OF(node, struct build_run, link)->made->tree);
}

void builds_abandon(struct operation *operation)
{
    builds_cancel(operation);
    LIST_FOR_EACH (node, &operation->builds) {
        CONTAINER_OF(node, struct build_run, link)->operation = NULL;
        list_remove(node);
    }
}
