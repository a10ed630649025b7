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

bool plan_is_new(const struct plan_service *service, const struct plan_instance *instance)
{
    return strcmp(service->hash, instance->hash) == 0;
}

/* Of a release before the one that is being replaced: nobody goes back to it. */
static bool is_foreign(const struct plan_service *service, const struct plan_instance *instance)
{
    return service->old_hash != NULL && strcmp(service->old_hash, instance->hash) != 0 &&
           !plan_is_new(service, instance);
}

/* Ended by itself with success: what a one-shot service does. */
static bool is_completed(const struct plan_instance *instance)
{
    return instance->state == INSTANCE_EXITED && !instance->stopped && instance->exit_status == 0;
}

static bool has_failed(const struct plan_service *service, const struct plan_instance *instance)
{
    switch (instance->state) {
    case INSTANCE_UNHEALTHY:
        return !service->directive.is_patient;
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
    uint32_t wanted;  /* service.wanted_count, or as many as the rollout allows */
    uint32_t present; /* new ones, in any state */
    uint32_t started; /* their process runs or ran */
    uint32_t ready;
    uint32_t completed;
    uint32_t old_live;
    uint32_t old_there; /* old ones that are ready, or ended with success */
    bool old_coming;    /* one of them may still become ready */
    uint32_t tolerated; /* new ones that failed and may */
    size_t failed;      /* a new instance that failed and may not, or SIZE_MAX */
};

/* How many new ones there may be now. */
static uint32_t allowed(const struct plan_service *service)
{
    const struct plan_directive *directive = &service->directive;
    return directive->directed ? MIN(service->wanted_count, directive->new_limit)
                               : service->wanted_count;
}

/* Is it on its way to be ready, and not in a loop of crashes? */
static bool is_coming(const struct plan_instance *instance)
{
    switch (instance->state) {
    case INSTANCE_PENDING:
    case INSTANCE_STARTING:
    case INSTANCE_WARMING:
    case INSTANCE_RESTARTING:
    case INSTANCE_BACKOFF:
        return instance->failures < PLAN_FAILURES;
    case INSTANCE_READY:
    case INSTANCE_UNHEALTHY:
    case INSTANCE_DRAINING:
    case INSTANCE_STOPPING:
    case INSTANCE_EXITED:
    case INSTANCE_GONE:
    case INSTANCE_STATE_COUNT:
        break;
    }
    return false;
}

static void count_old(const struct plan_instance *instance, struct tally *tally)
{
    tally->old_there += instance->state == INSTANCE_READY || is_completed(instance);
    tally->old_coming |= is_coming(instance);
    tally->old_live += instance_state_is_live(instance->state);
}

static struct tally count(const struct planner *planner, size_t service)
{
    const struct plan_service *wanted = &planner->services[service];
    struct tally tally = {.wanted = allowed(wanted), .failed = SIZE_MAX};

    for (size_t i = 0; i < planner->instance_count; i++) {
        const struct plan_instance *instance = &planner->instances[i];
        if (instance->service != service || instance->state == INSTANCE_GONE)
            continue;
        if (!plan_is_new(wanted, instance) || instance->number > wanted->wanted_count) {
            count_old(instance, &tally);
            continue;
        }
        tally.present++;
        tally.ready += instance->state == INSTANCE_READY;
        tally.started += instance->state == INSTANCE_READY || instance->state == INSTANCE_WARMING ||
                         instance->state == INSTANCE_UNHEALTHY || is_completed(instance);
        tally.completed += is_completed(instance);
        if (!has_failed(wanted, instance))
            continue;
        if (tally.tolerated < wanted->directive.tolerated)
            tally.tolerated++;
        else if (tally.failed == SIZE_MAX)
            tally.failed = i;
    }
    return tally;
}

static bool is_up(const struct tally *tally)
{
    return tally->ready + tally->completed + tally->tolerated >= tally->wanted;
}

enum readiness { DEPS_READY, DEPS_WAIT, DEPS_FAILED };

static enum readiness look_at_dependency(const struct planner *planner,
                                         const struct plan_dependency *dep)
{
    struct tally tally = count(planner, dep->service);
    enum readiness unmet = tally.failed != SIZE_MAX ? DEPS_FAILED : DEPS_WAIT;

    if (planner->services[dep->service].hold != PLAN_HOLD_NONE)
        return DEPS_READY;                                 /* a person took it away */
    if (planner->services[dep->service].wanted_count == 0) /* nothing will ever come of it */
        return DEPS_FAILED;
    if (tally.wanted == 0) /* its turn comes later; an old one that is broken is not waited for */
        return tally.old_there > 0 || !tally.old_coming ? DEPS_READY : DEPS_WAIT;
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
            (plan_is_new(wanted, instance) && instance->number <= wanted->wanted_count))
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
            instance->state != INSTANCE_GONE &&
            plan_is_new(&planner->services[service], instance)) {
            *ret_index = i;
            return instance;
        }
    }
    return NULL;
}

/* Creates the wanted instances that are missing and starts the stopped ones. */
static void fill(struct planner *planner, size_t service)
{
    for (uint32_t number = 1; number <= allowed(&planner->services[service]); number++) {
        size_t index = 0;
        const struct plan_instance *instance = find_number(planner, service, number, &index);
        if (instance == NULL)
            add_step(planner, (struct plan_step){PLAN_CREATE, service, SIZE_MAX, number});
        else if (instance->state == INSTANCE_PENDING || instance->state == INSTANCE_DRAINING ||
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
    bool stays = wanted->hold != PLAN_HOLD_EMPTY && plan_is_new(wanted, instance) &&
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

/* ---- a service of a rollout ---- */

static bool is_old(const struct plan_service *wanted, const struct plan_instance *instance)
{
    return instance->state != INSTANCE_GONE &&
           (!plan_is_new(wanted, instance) || instance->number > wanted->wanted_count);
}

static bool is_leaving(const struct plan_instance *instance)
{
    return instance->state == INSTANCE_STOPPING || instance->state == INSTANCE_DRAINING;
}

/* Which of two old ones goes first: what takes no traffic, then the lower number, whose new one is
 * there. */
static bool goes_before(const struct plan_instance *a, const struct plan_instance *b)
{
    bool a_ready = a->state == INSTANCE_READY, b_ready = b->state == INSTANCE_READY;

    return a_ready != b_ready ? b_ready : a->number < b->number;
}

/* Are there <keep> that stay when <index> goes? */
static bool is_spare(const struct planner *planner, size_t service, size_t index, uint32_t keep)
{
    const struct plan_service *wanted = &planner->services[service];
    const struct plan_instance *instance = &planner->instances[index];
    uint32_t after = 0;

    for (size_t i = 0; i < planner->instance_count; i++) {
        const struct plan_instance *other = &planner->instances[i];
        if (other->service == service && i != index && is_old(wanted, other) &&
            !is_foreign(wanted, other) && other->state != INSTANCE_EXITED && !is_leaving(other) &&
            (goes_before(instance, other) || (!goes_before(other, instance) && i > index)))
            after++;
    }
    return after >= keep;
}

/* Ends old ones until old_keep are left. True when nothing more is to be done or waited for. */
static bool thin_out(struct planner *planner, size_t service)
{
    const struct plan_service *wanted = &planner->services[service];
    const struct plan_directive *directive = &wanted->directive;
    bool thin = true;

    for (size_t i = 0; i < planner->instance_count; i++) {
        const struct plan_instance *instance = &planner->instances[i];
        if (instance->service != service || !is_old(wanted, instance))
            continue;
        if (instance->state == INSTANCE_EXITED) {
            if (!directive->keeps_ended || is_foreign(wanted, instance))
                add_step(planner, (struct plan_step){PLAN_REMOVE, service, i, 0});
            continue;
        }
        if (is_leaving(instance)) {
            thin &= directive->lets_go;
            continue;
        }
        if (!is_foreign(wanted, instance) && !is_spare(planner, service, i, directive->old_keep))
            continue;
        add_step(planner, (struct plan_step){PLAN_STOP, service, i, 0});
        thin = false;
    }
    return thin;
}

static bool has_migration_to_do(const struct plan_service *wanted)
{
    return wanted->migration != PLAN_NO_MIGRATION && wanted->migration != PLAN_MIGRATION_DONE;
}

/* ---- */

static void raise_service(struct planner *planner, size_t service)
{
    const struct plan_service *wanted = &planner->services[service];
    bool directed = wanted->directive.directed;
    struct tally tally = count(planner, service);

    if (tally.failed != SIZE_MAX) {
        fail(planner, service, tally.failed, NULL);
        return;
    }
    bool is_there = is_up(&tally) && !(directed && has_migration_to_do(wanted));
    if (is_there && !directed) {
        retire(planner, service, true);
        return;
    }
    if (is_there && thin_out(planner, service))
        return;
    wait_more(planner, service);
    if (is_there)
        return;
    enum readiness deps = look_at_dependencies(planner, service);
    if (deps == DEPS_FAILED)
        fail(planner, service, SIZE_MAX,
             "a service that it depends on failed, has ended or has no instances");
    if (deps != DEPS_READY || !migrate(planner, service) || allowed(wanted) == 0)
        return;
    if (wanted->exclusive && tally.old_live > 0)
        retire(planner, service, false);
    else if (!wanted->directive.thins_early || thin_out(planner, service) ||
             !wanted->directive.stops_first)
        fill(planner, service);
}

/* One that the wanted release has not. */
static void lower_service(struct planner *planner, size_t service)
{
    const struct plan_directive *directive = &planner->services[service].directive;

    if (!directive->directed || directive->old_keep == 0)
        retire(planner, service, true);
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
            lower_service(&planner, i);
        else if (services[i].hold != PLAN_HOLD_NONE)
            rest(&planner, i);
        else
            raise_service(&planner, i);
}

/* ---- traffic ---- */

enum kind { KIND_NEW, KIND_OLD, KIND_FOREIGN, KIND_COUNT };

static enum kind kind_of(const struct plan_service *service, const struct plan_instance *instance)
{
    if (plan_is_new(service, instance))
        return KIND_NEW;
    return is_foreign(service, instance) ? KIND_FOREIGN : KIND_OLD;
}

/* Who of those that are <ready> takes traffic. */
static enum kind choose(const struct plan_service *service, const uint32_t ready[KIND_COUNT])
{
    bool prefers_new = service->traffic == PLAN_TRAFFIC_SWITCH
                           ? ready[KIND_NEW] >= service->wanted_count && service->wanted_count > 0
                           : service->traffic != PLAN_TRAFFIC_OLD;

    if (ready[KIND_NEW] > 0 && (prefers_new || ready[KIND_OLD] + ready[KIND_FOREIGN] == 0))
        return KIND_NEW;
    return ready[KIND_OLD] > 0 ? KIND_OLD : KIND_FOREIGN;
}

bool plan_takes_traffic(const struct plan_service *service, const struct plan_instance *instances,
                        size_t instance_count, const struct plan_instance *instance)
{
    uint32_t ready[KIND_COUNT] = {0};

    if (instance->state != INSTANCE_READY || instance->paused)
        return false;
    for (size_t i = 0; i < instance_count; i++)
        if (instances[i].service == instance->service && instances[i].state == INSTANCE_READY &&
            !instances[i].paused)
            ready[kind_of(service, &instances[i])]++;
    enum kind own = kind_of(service, instance);
    if (service->traffic == PLAN_TRAFFIC_BOTH && own == KIND_OLD)
        return true;
    return own == choose(service, ready);
}
