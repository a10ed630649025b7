/* SPDX-License-Identifier: Apache-2.0
 *
 * The reconcile loop: what is wanted, what is there, the plan's steps. Runs at
 * the end of every round in which something about a system has changed.
 */
#include "base/base.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "control/daemon_priv.h"
#include "control/rollout.h"
#include "control/state.h"

enum { SETTLING_MS = 2000 };

/* ---- view ---- */

static enum plan_condition condition_of(enum compose_condition condition)
{
    switch (condition) {
    case CONDITION_HEALTHY:
        return PLAN_DEP_HEALTHY;
    case CONDITION_COMPLETED:
        return PLAN_DEP_COMPLETED;
    case CONDITION_STARTED:
        break;
    }
    return PLAN_DEP_STARTED;
}

/* Index of <name> among the view's services; a left-over service is added. */
static size_t view_service(struct reconcile_view *view, const char *name)
{
    for (size_t i = 0; i < view->service_count; i++)
        if (strcmp(view->services[i].name, name) == 0)
            return i;
    view->services[view->service_count] =
        (struct plan_service){.name = arena_text(&view->arena, name), .hash = ""};
    return view->service_count++;
}

static void add_dependencies(struct reconcile_view *view, struct plan_service *row,
                             const struct compose_service *service)
{
    struct plan_dependency *deps =
        ARENA_ARRAY(&view->arena, struct plan_dependency, service->depends_on_count + 1);

    for (size_t i = 0; i < service->depends_on_count; i++) {
        const struct compose_dependency *dep = &service->depends_on[i];
        size_t known = view->service_count;
        size_t index = view_service(view, dep->service);
        if (index == known) { /* provided by the edge, or not active: nothing to wait for */
            view->service_count--;
            continue;
        }
        deps[row->dep_count++] =
            (struct plan_dependency){index, condition_of(dep->condition), dep->required};
    }
    row->deps = deps;
}

static void add_wanted(struct reconcile_view *view, const struct system *system)
{
    const struct release *wanted = system->wanted;

    for (size_t i = 0; i < wanted->compose->service_count; i++) {
        const struct release_service *made = &wanted->services[i];
        if (made->service->x.provided_by_edge)
            continue;
        struct plan_service *row = &view->services[view->service_count++];
        row->name = made->service->name;
        row->hash = made->hash;
        row->wanted_count = made->service->replicas;
        row->hold = system_hold(system, row->name);
        row->exclusive = made->image->exclusive;
        row->migration = migration_state(system, i);
        rollout_direct_service(system, row);
        add_dependencies(view, row, made->service); /* dependencies come first in the model */
    }
}

/* The verdict is about what <operation> asked for; NULL: about all that a rollout has touched. What
 * it has not touched says nothing about it. */
static void set_aside(struct reconcile_view *view, const struct system *system,
                      const struct operation *operation)
{
    for (size_t i = 0; i < view->service_count; i++) {
        struct plan_service *row = &view->services[i];
        if (release_find(system->wanted, row->name) == SIZE_MAX)
            continue;
        row->aside = operation == NULL ? rollout_leaves(system, row->name)
                                       : !operation_has(operation, row->name);
    }
}

/* Who says what the verdict is about. To promote and to abort are about the rollout alone, and so
 * is the way back. */
static const struct operation *find_asker(const struct system *system)
{
    const struct operation *operation = system->operation;

    if (operation == NULL || operation->kind == OPERATION_PROMOTE ||
        operation->kind == OPERATION_ABORT)
        return NULL;
    bool goes_back = operation->follows && rollout_is_active(system) &&
                     system->rollout->at.state == ROLLOUT_ABORTING;
    return goes_back ? NULL : operation;
}

static void add_instance(struct reconcile_view *view, struct instance *instance)
{
    size_t service = view_service(view, instance->made_of->service->name);

    view->real[view->instance_count] = instance;
    view->instances[view->instance_count++] = (struct plan_instance){
        .id = instance->id,
        .service = service,
        .number = instance->number,
        .hash = instance->made_of->hash,
        .state = instance->state,
        .exit_status = instance->exit_status,
        .failures = instance->failures,
        .stopped = instance->stopped,
        .paused = instance->paused,
    };
}

void reconcile_view_init(struct reconcile_view *view, const struct system *system)
{
    size_t services = system->wanted == NULL ? 0 : system->wanted->compose->service_count;
    size_t instances = 0;

    *view = (struct reconcile_view){0};
    LIST_FOR_EACH (counted, &system->instances)
        instances++;
    view->services = ARENA_ARRAY(&view->arena, struct plan_service, services + instances + 2);
    view->instances = ARENA_ARRAY(&view->arena, struct plan_instance, instances + 1);
    view->real = ARENA_ARRAY(&view->arena, struct instance *, instances + 1);
    if (system->wanted != NULL)
        add_wanted(view, system);
    size_t wanted = view->service_count;
    LIST_FOR_EACH (node, &system->instances) {
        struct instance *instance = CONTAINER_OF(node, struct instance, link);
        if (!instance->is_job)
            add_instance(view, instance);
    }
    for (size_t i = 0; i < view->instance_count; i++) { /* left-over services: all are known now */
        struct plan_service *row = &view->services[view->instances[i].service];
        if (view->instances[i].service < wanted || row->deps != NULL)
            continue;
        add_dependencies(view, row, view->real[i]->made_of->service);
        rollout_direct_service(system, row);
    }
    set_aside(view, system, find_asker(system));
}

/* ---- steps ---- */

static void create(struct system *system, const char *service, uint32_t number)
{
    size_t index = release_find(system->wanted, service);
    struct err err;

    assert(index != SIZE_MAX);
    struct instance *instance = instance_new(system, system->wanted, index, number, false, &err);
    if (instance == NULL) {
        struct operation *operation = operation_of(system, service);
        log_error("daemon", "%s/%s: %s", system->name, service, err.text);
        if (operation != NULL) {
            operation_fail(operation, &err, NULL);
            system_touch(system);
        } else if (rollout_is_active(system)) {
            rollout_schedule(system->rollout); /* nobody else asks again */
        }
        return;
    }
    if (system_hold(system, service) == PLAN_HOLD_NONE)
        instance_event(instance, INSTANCE_ON_START, NULL);
    else
        operation_step_of(instance, "created", "");
    system_touch(system);
}

static void take_step(struct system *system, const struct reconcile_view *view,
                      const struct plan_step *step)
{
    const char *service = view->services[step->service].name;

    if (system->operation != NULL)
        system->operation->changed = true;
    switch (step->verb) {
    case PLAN_CREATE:
        create(system, service, step->number);
        break;
    case PLAN_START:
        instance_event(view->real[step->instance], INSTANCE_ON_START, NULL);
        break;
    case PLAN_STOP:
        instance_event(view->real[step->instance], INSTANCE_ON_STOP, NULL);
        break;
    case PLAN_REMOVE:
        if (network_is_joined(view->real[step->instance]))
            break; /* its network is still used; asked again when that instance ends */
        instance_event(view->real[step->instance], INSTANCE_ON_REMOVE, NULL);
        break;
    case PLAN_MIGRATE:
        migration_start(system, release_find(system->wanted, service));
        break;
    }
}

/* Jobs are not in the plan: those nobody waits for any more are ended and removed. True when one is
 * still there. */
static bool clear_jobs(struct system *system)
{
    bool left = false;

    LIST_FOR_EACH (node, &system->instances) {
        struct instance *job = CONTAINER_OF(node, struct instance, link);
        if (!job->is_job || job->one_off != NULL)
            continue;
        size_t service = release_find(system->wanted, job->made_of->service->name);
        bool is_wanted = service != SIZE_MAX && !job->stopped &&
                         strcmp(system->wanted->services[service].hash, job->made_of->hash) == 0 &&
                         (job->state != INSTANCE_EXITED || system->wanted != system->current);
        if (is_wanted)
            continue;
        left = true;
        instance_event(job, job->state == INSTANCE_EXITED ? INSTANCE_ON_REMOVE : INSTANCE_ON_STOP,
                       NULL);
    }
    return left;
}

/* ---- the operation ---- */

void reconcile_describe_failure(const struct reconcile_view *view, const struct plan *plan,
                                struct instance **ret_instance, struct err *err)
{
    const char *service = view->services[plan->failed_service].name;
    char name[RUNTIME_ID_MAX + 1];

    *ret_instance = NULL;
    if (plan->failed_instance == SIZE_MAX) {
        err_set(err, ERR_UNHEALTHY, "%s: %s", service, plan->why);
        return;
    }
    struct instance *instance = view->real[plan->failed_instance];
    *ret_instance = instance;
    instance_format_name(instance, name);
    if (instance->state == INSTANCE_UNHEALTHY)
        err_set(err, ERR_UNHEALTHY, "%s: %s did not become healthy in time: %s", service, name,
                instance->check_detail);
    else if (instance->start_error[0] != '\0')
        err_set(err, ERR_UNHEALTHY, "%s: %s could not be started: %s", service, name,
                instance->start_error);
    else if (instance->state == INSTANCE_EXITED)
        err_set(err, ERR_UNHEALTHY, "%s: %s ended with status %d", service, name,
                instance->exit_status);
    else
        err_set(err, ERR_UNHEALTHY, "%s: %s failed %u times, last with status %d", service, name,
                instance->failures, instance->exit_status);
}

/* What cannot be stored is not done; whoever waits is told. */
static void give_up(struct system *system, const struct err *err)
{
    log_error("daemon", "%s", err->text);
    if (system->operation != NULL)
        operation_end(system->operation, err);
}

/* The wanted release cannot be reached: back to the last one that was. */
static void turn_back(struct system *system, const struct err *why)
{
    struct err err;

    log_warn("daemon", "%s: going back to %s: %s", system->name,
             system->current == NULL ? "nothing" : "the release before", why->text);
    if (!system_set_wanted(system, system->current, &err))
        return give_up(system, &err);
    daemon_publish(system->daemon);
    system_touch(system);
}

static void reached(struct system *system)
{
    struct err err;

    if (!system_set_current(system, system->wanted, &err))
        give_up(system, &err);
}

/* What an operation began and a daemon that died did not finish. */
static void conclude_without_operation(struct system *system, const struct reconcile_view *view,
                                       const struct plan *plan)
{
    struct instance *instance;
    struct err err;

    bool rolls_out = rollout_is_active(system); /* which decides */
    if (plan->verdict == PLAN_CONVERGED && !rolls_out)
        reached(system);
    if (plan->verdict == PLAN_FAILED && system->wanted != system->current && !rolls_out) {
        reconcile_describe_failure(view, plan, &instance, &err);
        turn_back(system, &err);
    }
    doom_carry_out(system);
    if (system->wanted == NULL && list_is_empty(&system->instances)) {
        down_clean(system);
        daemon_forget_system(system->daemon, system);
    }
}

static void on_settling_over(struct timer *timer, uint64_t now_ns)
{
    struct operation *operation = CONTAINER_OF(timer, struct operation, settling);

    (void)now_ns;
    operation->settled = true;
    system_touch(operation->system);
}

/* "Up" means that the next request is answered: the edge must work by the last table. It says so
 * within milliseconds; one that does not is not waited for long. */
static bool has_settled(struct operation *operation)
{
    struct daemon *daemon = operation->system->daemon;

    if (operation->settled || (!daemon->publishing.pending && edge_link_is_settled(daemon->edge)))
        return true;
    if (!timer_is_set(&operation->settling))
        timer_set(daemon->loop, &operation->settling,
                  loop_now_ns(daemon->loop) + SETTLING_MS * NS_PER_MS, on_settling_over);
    return false;
}

/* Is one of its instances left? One-offs count only when all must go. */
static bool has_planned(const struct system *system, bool with_one_offs)
{
    LIST_FOR_EACH (node, &system->instances)
        if (with_one_offs || CONTAINER_OF(node, struct instance, link)->one_off == NULL)
            return true;
    return false;
}

/* Is the runtime still taking one away? */
static bool is_going(const struct system *system)
{
    LIST_FOR_EACH (node, &system->instances) {
        const struct instance *instance = CONTAINER_OF(node, struct instance, link);
        if (instance->state == INSTANCE_GONE && instance->one_off == NULL)
            return true;
    }
    return false;
}

/* The services of the operation are as they were wanted. */
static void conclude_well(struct operation *operation, bool releases)
{
    struct system *system = operation->system;
    struct err err;

    if (operation->kind == OPERATION_DOWN) {
        down_finish(operation);
        return;
    }
    if (releases && !system_set_current(system, system->wanted, &err)) {
        operation_end(operation, &err);
        return;
    }
    if (operation->kind == OPERATION_RM && is_going(system))
        return;
    doom_carry_out(system);
    if (operation->kind == OPERATION_RUN) {
        run_make(operation);
        return;
    }
    if (!operation_serves(operation) || has_settled(operation))
        operation_end(operation, NULL);
}

static void conclude(struct system *system, const struct reconcile_view *view,
                     const struct plan *plan)
{
    struct operation *operation = system->operation;
    struct instance *instance;
    struct err err;

    if (!operation->reconciling)
        return;
    if (operation->follows) {
        bool is_over = !rollout_is_active(system) || operation->failure != NULL;
        deploy_conclude(operation, has_settled(operation));
        if (is_over)
            doom_carry_out(system);
        return;
    }
    if (operation->failure == NULL && plan->verdict == PLAN_FAILED) {
        reconcile_describe_failure(view, plan, &instance, &err);
        operation_fail(operation, &err, instance);
    }
    /* A rollout beside it decides for itself which release it is. */
    bool releases = operation_releases(operation) && !rollout_is_active(system);
    if (operation->failure != NULL && releases && system->wanted != system->current) {
        deploy_note_return(operation);
        turn_back(system, operation->failure);
        return;
    }
    if (operation->failure == NULL ? plan->verdict == PLAN_WORKING
                                   : releases && plan->verdict == PLAN_WORKING)
        return;
    if (system->wanted == NULL && has_planned(system, operation->kind == OPERATION_DOWN))
        return;
    if (operation->failure == NULL)
        conclude_well(operation, releases);
    else
        operation_end(operation, operation->failure);
}

static void make_plan(const struct reconcile_view *view, bool is_working, struct plan *ret)
{
    plan_make(view->services, view->service_count, view->instances, view->instance_count, ret);
    if (is_working && ret->verdict == PLAN_CONVERGED)
        ret->verdict = PLAN_WORKING;
}

/* An operation that has nothing to do with the rollout must not say how that stands: it is judged
 * by a plan of its own, whose steps are the same. */
static void drive_rollout(struct system *system, struct reconcile_view *view, bool is_working,
                          const struct plan *plan)
{
    if (!rollout_is_active(system) || system->operation == NULL || system->operation->follows) {
        rollout_drive(system, view, plan);
        return;
    }
    AUTO(free) struct plan *own = mem_new(sizeof *own);
    set_aside(view, system, NULL);
    make_plan(view, is_working, own);
    rollout_drive(system, view, own);
}

static void on_reconcile(struct deferred *deferred)
{
    struct system *system = CONTAINER_OF(deferred, struct system, reconciling);
    AUTO(reconcile_view_done) struct reconcile_view view;
    AUTO(free) struct plan *plan = mem_new(sizeof *plan);

    bool jobs_left = clear_jobs(system);
    bool leaving = run_clear(system);
    bool is_working = jobs_left || (leaving && system->wanted == NULL);
    reconcile_view_init(&view, system);
    make_plan(&view, is_working, plan);
    bool gives_up = ((system->operation != NULL && system->operation->reconciling) ||
                     rollout_is_active(system)) &&
                    plan->verdict == PLAN_FAILED;
    for (size_t i = 0; !gives_up && i < plan->step_count; i++)
        take_step(system, &view, &plan->steps[i]);
    drive_rollout(system, &view, is_working, plan);
    if (system->operation != NULL)
        conclude(system, &view, plan);
    else
        conclude_without_operation(system, &view, plan);
}

void system_touch(struct system *system)
{
    loop_defer(system->daemon->loop, &system->reconciling, on_reconcile);
}
