/* SPDX-License-Identifier: Apache-2.0
 *
 * Which event of a rollout comes next, and what the plan is told meanwhile. Asked
 * at the end of each reconcile, so nothing here waits.
 */
#include "base/base.h"

#include "base/clock.h"
#include "base/err.h"
#include "control/rollout.h"

enum { FIGURES_MS = 2000 };

static uint64_t now_ns(const struct rollout *rollout)
{
    return loop_now_ns(rollout->system->daemon->loop);
}

static bool is_over(const struct rollout *rollout)
{
    return rollout->deadline_ns <= now_ns(rollout);
}

static bool is_switched(const struct rollout *rollout)
{
    enum rollout_state state = rollout->at.state;
    return state == ROLLOUT_KEEPING || state == ROLLOUT_DRAINING || state == ROLLOUT_GUARDING;
}

/* Is it too late for a failure to bring the old release back? */
static bool has_stood(const struct rollout *rollout)
{
    return is_switched(rollout) &&
           clock_wall_ms() - rollout->switched_wall_ms > (int64_t)rollout->watch_ms;
}

/* ---- what the plan is told ---- */

/* It is to go back, but that the old release is wanted could not be stored yet: the plan is still
 * made for the new one. Nothing ends, and the old ones have the traffic. */
static bool is_stuck(const struct rollout *rollout)
{
    return rollout->at.state == ROLLOUT_ABORTING && rollout->system->wanted != rollout->from;
}

static void direct_stuck(struct plan_service *row)
{
    row->traffic = PLAN_TRAFFIC_OLD;
    row->directive = (struct plan_directive){.directed = true,
                                             .old_keep = UINT32_MAX,
                                             .keeps_ended = true,
                                             .is_patient = true,
                                             .tolerated = UINT32_MAX};
}

/* Its new instances have no part in what is migrated: they start when that is over. */
static void direct_later(struct plan_service *row)
{
    row->traffic = PLAN_TRAFFIC_OLD;
    row->directive = (struct plan_directive){
        .directed = true, .old_keep = UINT32_MAX, .lets_go = true, .keeps_ended = true};
}

static void direct_replaced(const struct rollout *rollout, const struct rollout_service *service,
                            struct plan_service *row)
{
    if (row->hold != PLAN_HOLD_NONE)
        return;
    row->old_hash = service->old->hash;
    if (is_stuck(rollout)) {
        direct_stuck(row);
        return;
    }
    if (rollout->at.state == ROLLOUT_MIGRATING && !service->precedes) {
        direct_later(row);
        return;
    }
    rollout_direct(&service->track, &rollout->at, row);
    row->directive.tolerated = MAX(row->directive.tolerated, service->tolerated);
    if (has_stood(rollout)) /* it stays, so the old ones go in any case */
        row->directive.tolerated = UINT32_MAX;
}

void rollout_direct_service(const struct system *system, struct plan_service *row)
{
    const struct rollout *rollout = system->rollout;

    if (!rollout_is_active(system))
        return;
    const struct rollout_service *service = rollout_find_service(rollout, row->name);
    if (service == NULL || service->change == ROLLOUT_ADDED)
        return;
    if (service->change == ROLLOUT_REPLACED) {
        direct_replaced(rollout, service, row);
        return;
    }
    if (is_stuck(rollout) && service->change == ROLLOUT_REMOVED) {
        direct_stuck(row);
        return;
    }
    if (rollout->at.state == ROLLOUT_ABORTING && service->change == ROLLOUT_REMOVED)
        return;
    rollout_direct_other(&rollout->at, service->change == ROLLOUT_REMOVED, row);
}

static const struct rollout_service *find_active(const struct system *system, const char *service)
{
    return rollout_is_active(system) ? rollout_find_service(system->rollout, service) : NULL;
}

bool rollout_recreates(const struct system *system, const char *service)
{
    const struct rollout_service *found = find_active(system, service);

    return found != NULL && found->change == ROLLOUT_REPLACED &&
           found->track.strategy == ROLLOUT_RECREATE;
}

bool rollout_leaves(const struct system *system, const char *service)
{
    const struct rollout_service *found = find_active(system, service);

    return found != NULL && found->change == ROLLOUT_SAME;
}

uint64_t rollout_bake_ms(const struct rollout *rollout, bool *ret_manual)
{
    uint64_t most_ms = 0;

    *ret_manual = false;
    for (size_t i = 0; i < rollout->service_count; i++) {
        const struct rollout_service *service = &rollout->services[i];
        if (service->change != ROLLOUT_REPLACED)
            continue;
        const struct rollout_stage *stage =
            rollout_track_stage(&service->track, rollout->at.step, rollout->at.steps);
        if (stage == NULL)
            continue;
        most_ms = MAX(most_ms, stage->bake_ms);
        *ret_manual |= stage->manual;
    }
    return most_ms;
}

/* ---- failures ---- */

/* Instances of the new release that ended although nobody asked them to. */
struct endings {
    uint32_t times;
    uint32_t lately; /* instances that did so since the state began */
    struct instance *last;
};

static uint32_t ends_of(const struct instance *instance)
{
    return instance->restarts + (instance->state == INSTANCE_BACKOFF);
}

static bool has_ended_lately(const struct rollout *rollout, const struct instance *instance)
{
    return ends_of(instance) > 0 && (instance->state != INSTANCE_READY ||
                                     instance->started_wall_ms >= rollout->since_wall_ms);
}

static struct endings endings_of(const struct rollout *rollout, const char *service)
{
    struct endings endings = {0};

    LIST_FOR_EACH (node, &rollout->system->instances) {
        struct instance *instance = CONTAINER_OF(node, struct instance, link);
        if (instance->is_job || instance->release->number != rollout->to_number ||
            strcmp(instance->made_of->service->name, service) != 0)
            continue;
        endings.times += ends_of(instance);
        endings.lately += has_ended_lately(rollout, instance);
        endings.last = ends_of(instance) > 0 ? instance : endings.last;
    }
    return endings;
}

/* While `monitor` of the file lasts one end counts, later only a crash loop. */
static bool is_crashing(const struct rollout *rollout, const struct rollout_service *service,
                        const struct endings *endings)
{
    if (service->monitored && rollout->at.state == ROLLOUT_WATCHING)
        return endings->lately > service->tolerated;
    return service->tolerated == 0 && endings->times >= PLAN_FAILURES;
}

/* An instance of the new release that ends again and again, each time after a while. */
static struct instance *find_crashing(const struct rollout *rollout, uint32_t *ret_times)
{
    for (size_t i = 0; i < rollout->service_count; i++) {
        const struct rollout_service *service = &rollout->services[i];
        if (service->change != ROLLOUT_REPLACED && service->change != ROLLOUT_ADDED)
            continue;
        struct endings endings = endings_of(rollout, service->name);
        *ret_times = endings.times;
        if (endings.last != NULL && is_crashing(rollout, service, &endings))
            return endings.last;
    }
    return NULL;
}

/* Does a failure of the service of <instance> wait for a person? */
static bool pauses(const struct rollout *rollout, const char *name)
{
    const struct rollout_service *service = rollout_find_service(rollout, name);
    return service != NULL && service->pauses;
}

static void fail(struct rollout *rollout, const struct err *err, const struct instance *instance,
                 const char *service)
{
    struct operation *operation = rollout_follower(rollout);

    if (operation != NULL)
        operation_fail(operation, err, instance);
    if (service != NULL && pauses(rollout, service) &&
        rollout_event(rollout, ROLLOUT_ON_PAUSE, err->text))
        return;
    (void)rollout_event(rollout, ROLLOUT_ON_FAILED, err->text);
}

/* True when it has failed, and that was acted on. */
static bool look_for_failure(struct rollout *rollout, const struct reconcile_view *view,
                             const struct plan *plan)
{
    const struct operation *operation = rollout_follower(rollout);
    struct instance *instance;
    uint32_t times = 0;
    struct err err;

    if (has_stood(rollout) || rollout->at.tolerates)
        return false;
    if (operation != NULL && operation->failure != NULL && !is_switched(rollout)) {
        (void)rollout_event(rollout, ROLLOUT_ON_FAILED, operation->failure->text);
        return true;
    }
    if (plan->verdict == PLAN_FAILED) {
        reconcile_describe_failure(view, plan, &instance, &err);
        fail(rollout, &err, instance, view->services[plan->failed_service].name);
        return true;
    }
    instance = find_crashing(rollout, &times);
    if (instance == NULL)
        return false;
    err_set(&err, ERR_UNHEALTHY, "%s: ended %u time%s since it was deployed, last with status %d",
            instance->made_of->service->name, times, times == 1 ? "" : "s", instance->exit_status);
    fail(rollout, &err, instance, instance->made_of->service->name);
    return true;
}

/* ---- states ---- */

static bool is_migrating(const struct reconcile_view *view)
{
    for (size_t i = 0; i < view->service_count; i++)
        if (view->services[i].wanted_count > 0 && view->services[i].hold == PLAN_HOLD_NONE &&
            (view->services[i].migration == PLAN_MIGRATION_NEEDED ||
             view->services[i].migration == PLAN_MIGRATION_RUNS))
            return true;
    return false;
}

static bool is_published(const struct rollout *rollout)
{
    const struct daemon *daemon = rollout->system->daemon;
    return (!daemon->publishing.pending && edge_link_is_settled(daemon->edge)) || is_over(rollout);
}

static void tell_figures(struct rollout *rollout)
{
    if (now_ns(rollout) - rollout->told_ns < FIGURES_MS * NS_PER_MS)
        return;
    rollout->told_ns = now_ns(rollout);
    rollout_tell(rollout);
}

static void gate_failed(struct rollout *rollout, const char *why)
{
    struct operation *operation = rollout_follower(rollout);
    struct err err;

    err_set(&err, ERR_UNHEALTHY, "the gate refused release %u: %s", rollout->to_number, why);
    if (operation != NULL)
        operation_fail(operation, &err, NULL);
    (void)rollout_event(rollout, ROLLOUT_ON_SICK, why);
}

/* Too few requests to judge: the step gets as much time again, once. */
static bool waits_for_requests(struct rollout *rollout, uint64_t bake_ms)
{
    if (rollout->extended_ns == 0) {
        rollout->extended_ns = now_ns(rollout) + bake_ms * NS_PER_MS;
        rollout->deadline_ns = rollout->extended_ns;
    }
    return now_ns(rollout) < rollout->extended_ns;
}

static void watch(struct rollout *rollout)
{
    char why[GATE_WHY_BYTES] = "";
    bool manual;
    uint64_t bake_ms = rollout_bake_ms(rollout, &manual);
    enum gate_verdict verdict = bake_ms > 0 ? rollout_check_gate(rollout, why) : GATE_GOOD;

    if (verdict == GATE_BAD) {
        gate_failed(rollout, why);
        return;
    }
    if (!is_over(rollout)) {
        rollout_schedule(rollout);
        tell_figures(rollout);
        return;
    }
    if (verdict == GATE_TOO_FEW && !rollout_is_last(rollout) &&
        waits_for_requests(rollout, bake_ms)) {
        rollout_schedule(rollout);
        tell_figures(rollout);
        return;
    }
    enum rollout_event event = rollout_is_last(rollout) ? ROLLOUT_ON_BAKED_LAST
                               : manual                 ? ROLLOUT_ON_BAKED_ASK
                                                        : ROLLOUT_ON_BAKED_NEXT;
    (void)rollout_event(rollout, event, why[0] == '\0' ? NULL : why);
}

/* Two variants, or a step that a person looks at, are still held against the gate. */
static void wait_for_person(struct rollout *rollout)
{
    char why[GATE_WHY_BYTES] = "";

    if (rollout_check_gate(rollout, why) == GATE_BAD)
        gate_failed(rollout, why);
    else
        rollout_schedule(rollout);
}

static void go_back(struct rollout *rollout, const struct reconcile_view *view,
                    const struct plan *plan)
{
    struct system *system = rollout->system;
    struct instance *instance;
    struct err err;

    if (system->wanted != rollout->from) { /* it could not be stored: the plan is still another */
        if (system_set_wanted(system, rollout->from, &err)) {
            daemon_publish(system->daemon);
            system_touch(system);
        } else {
            rollout_schedule(rollout);
        }
        return;
    }
    if (plan->verdict == PLAN_CONVERGED && is_published(rollout))
        (void)rollout_event(rollout, ROLLOUT_ON_READY, NULL);
    if (plan->verdict != PLAN_FAILED)
        return;
    reconcile_describe_failure(view, plan, &instance, &err);
    (void)rollout_event(rollout, ROLLOUT_ON_FAILED, err.text);
}

void rollout_drive(struct system *system, const struct reconcile_view *view,
                   const struct plan *plan)
{
    struct rollout *rollout = system->rollout;

    if (!rollout_is_active(system))
        return;
    if (rollout->at.state == ROLLOUT_ABORTING) {
        go_back(rollout, view, plan);
        return;
    }
    if (look_for_failure(rollout, view, plan))
        return;
    enum rollout_state state = rollout->at.state;
    if (state == ROLLOUT_MIGRATING && !is_migrating(view))
        (void)rollout_event(rollout, ROLLOUT_ON_MIGRATED, NULL);
    else if ((state == ROLLOUT_STARTING || state == ROLLOUT_DRAINING) &&
             plan->verdict == PLAN_CONVERGED)
        (void)rollout_event(rollout, ROLLOUT_ON_READY, NULL);
    else if (state == ROLLOUT_SHIFTING && is_published(rollout))
        (void)rollout_event(rollout, ROLLOUT_ON_APPLIED, NULL);
    else if (state == ROLLOUT_SHIFTING)
        rollout_schedule(rollout);
    else if (state == ROLLOUT_WATCHING)
        watch(rollout);
    else if (state == ROLLOUT_WAITING)
        wait_for_person(rollout);
    else if (state != ROLLOUT_KEEPING && state != ROLLOUT_GUARDING)
        return;
    else if (is_over(rollout))
        (void)rollout_event(rollout, ROLLOUT_ON_EXPIRED, NULL);
    else
        rollout_schedule(rollout);
}
