/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "deploy/plan.h"

struct planner {
    const struct plan_service *services;
    size_t service_count;
    const struct plan_instance *instances;
    size_t instance_count;
    struct plan *plan;
};

static bool is_new(const struct plan_service *service, const struct plan_instance *instance)
{
    return strcmp(service->hash, instance->hash) == 0;
}

/* Ended by itself with success: what a one-shot service does. */
static bool is_completed(const struct plan_instance *instance)
{
    return instance->state == INSTANCE_EXITED && !instance->stopped && instance->exit_status == 0;
}

static bool has_failed(const struct plan_instance *instance)
{
    switch (instance->state) {
    case INSTANCE_UNHEALTHY:
        return true;
    case INSTANCE_EXITED:
        return !instance->stopped && instance->exit_status != 0;
    case INSTANCE_PENDING:
    case INSTANCE_STARTING:
    case INSTANCE_WARMING:
    case INSTANCE_RESTARTING:
    case INSTANCE_BACKOFF:
        return instance->failures >= PLAN_FAILURES;
    case INSTANCE_READY:
    case INSTANCE_DRAINING:
    case INSTANCE_STOPPING:
    case INSTANCE_GONE:
    case INSTANCE_STATE_COUNT:
        break;
    }
    return false;
}

static void add_step(struct planner *planner, struct plan_step step)
{
    struct plan *plan = planner->plan;

    if (plan->step_count < PLAN_MAX_STEPS)
        plan->steps[plan->step_count++] = step;
}

static void fail(struct planner *planner, size_t service, size_t instance, const char *why)
{
    struct plan *plan = planner->plan;

    if (plan->verdict == PLAN_FAILED || planner->services[service].aside)
        return; /* the first reason is the one to show */
    plan->verdict = PLAN_FAILED;
    plan->failed_service = service;
    plan->failed_instance = instance;
    plan->why = why;
}

static void wait_more(struct planner *planner, size_t service)
{
    if (planner->plan->verdict == PLAN_CONVERGED && !planner->services[service].aside)
        planner->plan->verdict = PLAN_WORKING;
}

/* How the wanted instances of a service stand. */
struct tally {
    uint32_t wanted;  /* service.wanted_count */
    uint32_t present; /* new ones, in any state */
    uint32_t started; /* their process runs or ran */
    uint32_t ready;
    uint32_t completed;
    uint32_t old_live;
    uint32_t old_idle; /* ended or never started */
    size_t failed;     /* a new instance that failed, or SIZE_MAX */
};

static struct tally count(const struct planner *planner, size_t service)
{
    const struct plan_service *wanted = &planner->services[service];
    struct tally tally = {.wanted = wanted->wanted_count, .failed = SIZE_MAX};

    for (size_t i = 0; i < planner->instance_count; i++) {
        const struct plan_instance *instance = &planner->instances[i];
        if (instance->service != service || instance->state == INSTANCE_GONE)
            continue;
        if (!is_new(wanted, instance) || instance->number > wanted->wanted_count) {
            if (instance_state_is_live(instance->state))
                tally.old_live++;
            else
                tally.old_idle++;
            continue;
        }
        tally.present++;
        tally.ready += instance->state == INSTANCE_READY;
        tally.started += instance->state == INSTANCE_READY || instance->state == INSTANCE_WARMING ||
                         instance->state == INSTANCE_UNHEALTHY || is_completed(instance);
        tally.completed += is_completed(instance);
        if (has_failed(instance) && tally.failed == SIZE_MAX)
            tally.failed = i;
    }
    return tally;
}

static bool is_up(const struct tally *tally)
{
    return tally->ready + tally->completed >= tally->wanted;
}

enum readiness { DEPS_READY, DEPS_WAIT, DEPS_FAILED };

static enum readiness look_at_dependency(const struct planner *planner,
                                         const struct plan_dependency *dep)
{
    struct tally tally = count(planner, dep->service);
    enum readiness unmet = tally.failed != SIZE_MAX ? DEPS_FAILED : DEPS_WAIT;

    if (planner->services[dep->service].hold != PLAN_HOLD_NONE)
        return DEPS_READY; /* a person took it away */
    if (tally.wanted == 0) /* nothing will ever come of it */
        return DEPS_FAILED;
    switch (dep->condition) {
    case PLAN_DEP_STARTED:
        return tally.started >= tally.wanted ? DEPS_READY : unmet;
    case PLAN_DEP_HEALTHY:
        if (tally.completed > 0)
            return DEPS_FAILED; /* it has ended, and will not be healthy */
        return tally.ready >= tally.wanted ? DEPS_READY : unmet;
    case PLAN_DEP_COMPLETED:
        return tally.completed >= tally.wanted ? DEPS_READY : unmet;
    }
    return DEPS_WAIT;
}

static enum readiness look_at_dependencies(const struct planner *planner, size_t service)
{
    const struct plan_service *wanted = &planner->services[service];
    enum readiness worst = DEPS_READY;

    for (size_t i = 0; i < wanted->dep_count; i++) {
        enum readiness one = look_at_dependency(planner, &wanted->deps[i]);
        if (one == DEPS_FAILED && !wanted->deps[i].required)
            one = DEPS_READY;
        worst = MAX(worst, one);
    }
    return worst;
}

/* Is an instance of a service that depends on <service> still running? */
static bool is_needed(const struct planner *planner, size_t service)
{
    for (size_t i = 0; i < planner->instance_count; i++) {
        const struct plan_instance *user = &planner->instances[i];
        const struct plan_service *wanted = &planner->services[user->service];
        if (!instance_state_is_live(user->state) || user->service == service)
            continue;
        for (size_t d = 0; d < wanted->dep_count; d++)
            if (wanted->deps[d].service == service)
                return true;
    }
    return false;
}

/* Ends the instances of <service> that are not wanted; dependents go first.
 * Those that have ended are removed once <may_remove>: until then they can be
 * started again when the new ones fail. */
static void retire(struct planner *planner, size_t service, bool may_remove)
{
    const struct plan_service *wanted = &planner->services[service];

    for (size_t i = 0; i < planner->instance_count; i++) {
        const struct plan_instance *instance = &planner->instances[i];
        if (instance->service != service || instance->state == INSTANCE_GONE ||
            (is_new(wanted, instance) && instance->number <= wanted->wanted_count))
            continue;
        if (instance->state == INSTANCE_EXITED) {
            if (may_remove)
                add_step(planner, (struct plan_step){PLAN_REMOVE, service, i, 0});
            continue;
        }
        wait_more(planner, service);
        bool stays = wanted->wanted_count == 0 && is_needed(planner, service);
        if (!stays && instance->state != INSTANCE_STOPPING && instance->state != INSTANCE_DRAINING)
            add_step(planner, (struct plan_step){PLAN_STOP, service, i, 0});
    }
}

static const struct plan_instance *find_number(const struct planner *planner, size_t service,
                                               uint32_t number, size_t *ret_index)
{
    for (size_t i = 0; i < planner->instance_count; i++) {
        const struct plan_instance *instance = &planner->instances[i];
        if (instance->service == service && instance->number == number &&
            instance->state != INSTANCE_GONE && is_new(&planner->services[service], instance)) {
            *ret_index = i;
            return instance;
        }
    }
    return NULL;
}

/* Creates the wanted instances that are missing and starts the stopped ones. */
static void fill(struct planner *planner, size_t service)
{
    for (uint32_t number = 1; number <= planner->services[service].wanted_count; number++) {
        size_t index = 0;
        const struct plan_instance *instance = find_number(planner, service, number, &index);
        if (instance == NULL)
            add_step(planner, (struct plan_step){PLAN_CREATE, service, SIZE_MAX, number});
        else if (instance->state == INSTANCE_PENDING ||
                 (instance->state == INSTANCE_EXITED && instance->stopped))
            add_step(planner, (struct plan_step){PLAN_START, service, index, number});
    }
}

/* True when nothing stands in the way of new instances. */
static bool migrate(struct planner *planner, size_t service)
{
    switch (planner->services[service].migration) {
    case PLAN_MIGRATION_NEEDED:
        add_step(planner, (struct plan_step){PLAN_MIGRATE, service, SIZE_MAX, 0});
        return false;
    case PLAN_MIGRATION_RUNS:
        return false;
    case PLAN_MIGRATION_FAILED:
        fail(planner, service, SIZE_MAX, "its migration failed");
        return false;
    case PLAN_NO_MIGRATION:
    case PLAN_MIGRATION_DONE:
        break;
    }
    return true;
}

/* Is an instance of a held service that depends on <service> still running? Those that are not
 * held go on without it. */
static bool is_needed_by_held(const struct planner *planner, size_t service)
{
    for (size_t i = 0; i < planner->instance_count; i++) {
        const struct plan_instance *user = &planner->instances[i];
        const struct plan_service *wanted = &planner->services[user->service];
        if (!instance_state_is_live(user->state) || user->service == service ||
            (wanted->hold == PLAN_HOLD_NONE && wanted->wanted_count > 0))
            continue;
        for (size_t d = 0; d < wanted->dep_count; d++)
            if (wanted->deps[d].service == service)
                return true;
    }
    return false;
}

/* One instance of a held service: stopped, and removed when it is not to stay. */
static void rest_instance(struct planner *planner, size_t service, size_t index)
{
    const struct plan_service *wanted = &planner->services[service];
    const struct plan_instance *instance = &planner->instances[index];
    bool stays = wanted->hold != PLAN_HOLD_EMPTY && is_new(wanted, instance) &&
                 instance->number <= wanted->wanted_count;

    if (instance->state == INSTANCE_GONE ||
        (stays && (instance->state == INSTANCE_PENDING || instance->state == INSTANCE_EXITED)))
        return;
    wait_more(planner, service);
    if (instance->state == INSTANCE_EXITED)
        add_step(planner, (struct plan_step){PLAN_REMOVE, service, index, 0});
    else if (instance->state != INSTANCE_STOPPING && instance->state != INSTANCE_DRAINING &&
             !is_needed_by_held(planner, service))
        add_step(planner, (struct plan_step){PLAN_STOP, service, index, 0});
}

/* A held service: nothing of it runs. */
static void rest(struct planner *planner, size_t service)
{
    const struct plan_service *wanted = &planner->services[service];

    for (size_t i = 0; i < planner->instance_count; i++)
        if (planner->instances[i].service == service)
            rest_instance(planner, service, i);
    for (uint32_t number = 1; wanted->hold == PLAN_HOLD_CREATED && number <= wanted->wanted_count;
         number++) {
        size_t index = 0;
        if (find_number(planner, service, number, &index) != NULL)
            continue;
        wait_more(planner, service);
        add_step(planner, (struct plan_step){PLAN_CREATE, service, SIZE_MAX, number});
    }
}

static void raise_service(struct planner *planner, size_t service)
{
    const struct plan_service *wanted = &planner->services[service];
    struct tally tally = count(planner, service);

    if (tally.failed != SIZE_MAX) {
        fail(planner, service, tally.failed, NULL);
        return;
    }
    if (is_up(&tally)) {
        retire(planner, service, true);
        return;
    }
    wait_more(planner, service);
    enum readiness deps = look_at_dependencies(planner, service);
    if (deps == DEPS_FAILED)
        fail(planner, service, SIZE_MAX,
             "a service that it depends on failed, has ended or has no instances");
    if (deps != DEPS_READY || !migrate(planner, service))
        return;
    if (wanted->exclusive && tally.old_live > 0)
        retire(planner, service, false);
    else
        fill(planner, service);
}

void plan_make(const struct plan_service *services, size_t service_count,
               const struct plan_instance *instances, size_t instance_count, struct plan *ret)
{
    struct planner planner = {services, service_count, instances, instance_count, ret};

    ret->verdict = PLAN_CONVERGED;
    ret->failed_service = ret->failed_instance = SIZE_MAX;
    ret->why = NULL;
    ret->step_count = 0;
    for (size_t i = 0; i < service_count; i++)
        if (services[i].wanted_count == 0)
            retire(&planner, i, true);
        else if (services[i].hold != PLAN_HOLD_NONE)
            rest(&planner, i);
        else
            raise_service(&planner, i);
}

bool plan_takes_traffic(const struct plan_service *service, const struct plan_instance *instances,
                        size_t instance_count, const struct plan_instance *instance)
{
    uint32_t new_ready = 0, old_ready = 0;

    if (instance->state != INSTANCE_READY || instance->paused)
        return false;
    for (size_t i = 0; i < instance_count; i++)
        if (instances[i].service == instance->service && instances[i].state == INSTANCE_READY &&
            !instances[i].paused) {
            if (is_new(service, &instances[i]))
                new_ready++;
            else
                old_ready++;
        }
    bool switched =
        old_ready == 0 || (new_ready >= service->wanted_count && service->wanted_count > 0);
    return is_new(service, instance) == switched;
}
