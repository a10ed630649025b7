/* SPDX-License-Identifier: Apache-2.0
 *
 * What runs to its end before instances of a release start: the containers of
 * `pre_start`, then the service's `migrate` command. Each step runs as an instance
 * of its own, after the dependencies are healthy; what of it was done already
 * migration_marks.c knows. A failed one is not tried again until asked to.
 */
#include "base/base.h"

#include "base/err.h"
#include "base/log.h"
#include "control/daemon_priv.h"
#include "control/rollout.h"
#include "control/state.h"

/* Job number n, from 1, is step n of the service. */
static const struct compose_service *find_hook(const struct compose_service *service, size_t step,
                                               size_t *ret_index)
{
    size_t last = 0;

    for (size_t i = 0; i < service->pre_start_count; i++) {
        last += service->pre_start[i].per_replica ? service->replicas : 1;
        *ret_index = i;
        if (step <= last)
            return &service->pre_start[i];
    }
    return NULL;
}

/* A hook with an image of its own is not built as its service is. */
const struct compose_service *migration_hook(const struct instance *job, struct arena *arena)
{
    const struct compose_service *service = job->made_of->service;
    size_t index;

    if (!job->is_job || job->one_off != NULL)
        return NULL;
    const struct compose_service *hook = find_hook(service, job->number, &index);
    if (hook == NULL)
        return NULL;
    struct compose_service *copy = ARENA_NEW(arena, struct compose_service);
    *copy = *hook;
    copy->name = service->name;
    bool has_image =
        hook->image != NULL && (service->image == NULL || strcmp(hook->image, service->image) != 0);
    if (has_image)
        copy->build.present = false;
    else
        copy->x.host = service->x.host;
    return copy;
}

/* "pre_start[0]", or the command of the migration. */
static const char *step_name(const struct compose_service *service, size_t step,
                             struct arena *arena)
{
    size_t index;

    return find_hook(service, step, &index) == NULL ? service->x.migrate
                                                    : arena_printf(arena, "pre_start[%zu]", index);
}

static struct instance *find_job(const struct system *system, const struct release_service *made)
{
    LIST_FOR_EACH (node, &system->instances) {
        struct instance *instance = CONTAINER_OF(node, struct instance, link);
        if (instance->is_job && instance->one_off == NULL && instance->state != INSTANCE_GONE &&
            strcmp(instance->made_of->service->name, made->service->name) == 0 &&
            strcmp(instance->made_of->hash, made->hash) == 0)
            return instance;
    }
    return NULL;
}

enum plan_migration migration_state(const struct system *system, size_t service)
{
    const struct release_service *made = &system->wanted->services[service];

    if (migration_count_steps(made->service) == 0)
        return PLAN_NO_MIGRATION;
    if (migration_next_step(system, made) == 0)
        return PLAN_MIGRATION_DONE;
    const struct instance *job = find_job(system, made);
    if (job == NULL || job->state == INSTANCE_PENDING) /* a daemon ended before it had begun */
        return PLAN_MIGRATION_NEEDED;
    if (job->stopped)
        return PLAN_MIGRATION_RUNS; /* on its way out */
    return job->state == INSTANCE_EXITED || job->failures >= PLAN_FAILURES ? PLAN_MIGRATION_FAILED
                                                                           : PLAN_MIGRATION_RUNS;
}

void migration_start(struct system *system, size_t service)
{
    const struct release_service *made = &system->wanted->services[service];
    AUTO(arena_done) struct arena arena = {0};
    size_t step = MAX(migration_next_step(system, made), (size_t)1);
    struct err err;

    struct instance *job = find_job(system, made);
    if (job == NULL)
        job = instance_new(system, system->wanted, service, (uint32_t)step, true, &err);
    if (job == NULL) {
        log_error("daemon", "%s: migration: %s", system->name, err.text);
        struct operation *operation = operation_of(system, made->service->name);
        if (operation != NULL)
            operation_fail(operation, &err, NULL);
        else if (rollout_is_active(system))
            rollout_schedule(system->rollout); /* nobody else asks again */
        return;
    }
    operation_step(system, made->service->name, NULL, "migrating",
                   step_name(made->service, step, &arena));
    instance_event(job, INSTANCE_ON_START, NULL);
}

/* It cannot be stored that <job> ended well: that counts as a failure, for it would be run once
 * more and at once. */
static void forget_success(struct instance *job, struct err *err)
{
    const char *service = job->made_of->service->name;
    struct operation *operation = operation_of(job->system, service);

    err_prefix(err, "%s: its migration ended well, but that cannot be stored", service);
    log_error("daemon", "%s: %s", job->id, err->text);
    if (operation != NULL)
        operation_fail(operation, err, NULL);
}

void migration_ended(struct instance *job)
{
    struct system *system = job->system;
    const char *service = job->made_of->service->name;
    struct operation *operation = operation_of(system, service);
    AUTO(arena_done) struct arena arena = {0};
    size_t index;
    struct err err;

    if (job->stopped)
        return; /* nobody waits for it any more */
    if (job->exit_status == 0) {
        if (!migration_mark_step(system, job->made_of, job->number, &err)) {
            forget_success(job, &err);
            return;
        }
        operation_step(system, service, NULL, "migrated", "");
        instance_event(job, INSTANCE_ON_REMOVE, NULL);
        return;
    }
    err_set(&err, ERR_PROGRAM, "%s: %s '%s' failed with status %d", service,
            find_hook(job->made_of->service, job->number, &index) == NULL ? "migration" : "step",
            step_name(job->made_of->service, job->number, &arena), job->exit_status);
    operation_step(system, service, NULL, "failed", err.text);
    if (operation != NULL)
        operation_fail(operation, &err, job);
}
