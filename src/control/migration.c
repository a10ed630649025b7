/* SPDX-License-Identifier: Apache-2.0
 *
 * Migrations: a service's `migrate` command runs once for each hash, as an
 * instance of its own, after the dependencies are healthy and before any new
 * instance takes traffic. A failed one is not tried again until asked to.
 */
#include "base/base.h"

#include "base/err.h"
#include "base/log.h"
#include "control/daemon_priv.h"
#include "control/state.h"

static struct instance *find_job(const struct system *system, const struct release_service *made)
{
    LIST_FOR_EACH (node, &system->instances) {
        struct instance *instance = CONTAINER_OF(node, struct instance, link);
        if (instance->is_job && instance->state != INSTANCE_GONE &&
            strcmp(instance->made_of->service->name, made->service->name) == 0 &&
            strcmp(instance->made_of->hash, made->hash) == 0)
            return instance;
    }
    return NULL;
}

enum plan_migration migration_state(const struct system *system, size_t service)
{
    const struct release_service *made = &system->wanted->services[service];
    bool migrated = false;
    struct err err;

    if (made->service->x.migrate == NULL)
        return PLAN_NO_MIGRATION;
    if (!state_is_migrated(system->daemon->state, system->name, made->service->name, made->hash,
                           &migrated, &err))
        log_error("daemon", "%s: %s", system->name, err.text);
    if (migrated)
        return PLAN_MIGRATION_DONE;
    const struct instance *job = find_job(system, made);
    if (job == NULL)
        return PLAN_MIGRATION_NEEDED;
    if (job->stopped)
        return PLAN_MIGRATION_RUNS; /* on its way out */
    return job->state == INSTANCE_EXITED || job->failures >= PLAN_FAILURES ? PLAN_MIGRATION_FAILED
                                                                           : PLAN_MIGRATION_RUNS;
}

void migration_start(struct system *system, size_t service)
{
    const struct release_service *made = &system->wanted->services[service];
    struct err err;

    struct instance *job = instance_new(system, system->wanted, service, 1, true, &err);
    if (job == NULL) {
        log_error("daemon", "%s: migration: %s", system->name, err.text);
        return;
    }
    operation_step(system, made->service->name, NULL, "migrating", made->service->x.migrate);
    instance_event(job, INSTANCE_ON_START, NULL);
}

void migration_ended(struct instance *job)
{
    struct system *system = job->system;
    const char *service = job->made_of->service->name;
    struct err err;

    if (job->stopped)
        return; /* nobody waits for it any more */
    if (job->exit_status == 0) {
        if (!state_mark_migrated(system->daemon->state, system->name, service, job->made_of->hash,
                                 &err))
            log_error("daemon", "%s: %s", job->id, err.text);
        operation_step(system, service, NULL, "migrated", "");
        instance_event(job, INSTANCE_ON_REMOVE, NULL);
        return;
    }
    err_set(&err, ERR_PROGRAM, "%s: migration '%s' failed with status %d", service,
            job->made_of->service->x.migrate, job->exit_status);
    operation_step(system, service, NULL, "failed", err.text);
    if (system->operation != NULL)
        operation_fail(system->operation, &err, job);
}
