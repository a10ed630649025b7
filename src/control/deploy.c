/* SPDX-License-Identifier: Apache-2.0
 *
 * deploy, promote and abort: the operations that follow a rollout (rollout.h).
 * Those that change a release without saying how, such as `up`, follow one too.
 */
#include "base/base.h"

#include "base/clock.h"
#include "base/err.h"
#include "control/rollout.h"

enum { EXIT_ROLLED_BACK = 3 };

/* ---- begin ---- */

static bool rolls_out(enum operation_kind kind)
{
    return kind == OPERATION_UP || kind == OPERATION_DEPLOY || kind == OPERATION_RESTART ||
           kind == OPERATION_ROLLBACK || kind == OPERATION_SCALE;
}

bool deploy_check(const struct system *system, enum operation_kind kind, struct err *err)
{
    if (!rolls_out(kind) && kind != OPERATION_CREATE)
        return true;
    return rollout_check_free(system, err);
}

bool deploy_take_request(struct operation *operation, const struct deploy_request *request,
                         struct err *err)
{
    operation->deploy = *request;
    if (request->strategy == NULL)
        return true;
    if (rollout_strategy_parse(request->strategy) == ROLLOUT_STRATEGY_COUNT)
        return err_set(err, ERR_INVALID,
                       "'%.40s' is no strategy; write auto, rolling, blue-green, canary, ab or "
                       "recreate",
                       request->strategy);
    operation->deploy.strategy = arena_text(&operation->arena, request->strategy);
    return true;
}

static enum rollout_strategy asked_of(const struct operation *operation)
{
    if (operation->kind == OPERATION_RESTART)
        return ROLLOUT_ROLLING;
    return operation->deploy.strategy == NULL ? ROLLOUT_STRATEGY_COUNT
                                              : rollout_strategy_parse(operation->deploy.strategy);
}

struct rollout *deploy_make_rollout(const struct operation *operation)
{
    if (!rolls_out(operation->kind))
        return NULL;
    return rollout_new(operation->system, operation->candidate,
                       operation_kind_name(operation->kind), asked_of(operation));
}

bool deploy_joins(const struct operation *operation)
{
    const struct system *system = operation->system;

    return rolls_out(operation->kind) && rollout_is_active(system) &&
           rollout_state_is_before_switch(system->rollout->at.state);
}

void deploy_take_warm(struct operation *operation)
{
    const struct system *system = operation->system;
    const struct release *warm = rollout_is_active(system) ? system->rollout->from : NULL;
    struct release *candidate = operation->candidate;

    if (operation->kind != OPERATION_ROLLBACK || warm == NULL)
        return;
    for (size_t i = 0; i < candidate->compose->service_count; i++) {
        struct release_service *made = &candidate->services[i];
        size_t then = release_find(warm, made->service->name);
        size_t now = release_find(system->wanted, made->service->name);
        bool is_kept =
            now != SIZE_MAX && strcmp(system->wanted->services[now].hash, made->hash) == 0;
        if (!is_kept && then != SIZE_MAX &&
            strcmp(warm->services[then].config_hash, made->config_hash) == 0)
            memcpy(made->hash, warm->services[then].hash, sizeof made->hash);
    }
}

/* ---- its end ---- */

static bool is_dropped(const struct operation *operation)
{
    const struct rollout *rollout = operation->system->rollout;
    return rollout == NULL || rollout->at.state == ROLLOUT_DONE;
}

/* Has the rollout come as far as <operation> waits for? */
static bool is_far_enough(const struct operation *operation)
{
    const struct rollout *rollout = operation->system->rollout;

    switch (rollout->at.state) {
    case ROLLOUT_WAITING:
    case ROLLOUT_GUARDING:
    case ROLLOUT_DONE:
        return true;
    case ROLLOUT_KEEPING:
        return operation->deploy.wait == DEPLOY_WAIT_SWITCHED || rollout->keep_warm_ms > 0;
    case ROLLOUT_DRAINING:
        return operation->deploy.wait == DEPLOY_WAIT_SWITCHED;
    case ROLLOUT_MIGRATING:
    case ROLLOUT_STARTING:
    case ROLLOUT_SHIFTING:
    case ROLLOUT_WATCHING:
    case ROLLOUT_ABORTING:
    case ROLLOUT_ROLLED_BACK:
    case ROLLOUT_STATE_COUNT:
        break;
    }
    return operation->deploy.wait == DEPLOY_WAIT_STARTED &&
           rollout_state_is_before_switch(rollout->at.state);
}

static void end_rolled_back(struct operation *operation)
{
    const struct rollout *rollout = operation->system->rollout;
    struct err err;

    if (operation->kind == OPERATION_ABORT && operation->failure == NULL) {
        operation_end(operation, NULL);
        return;
    }
    err_set(&err, ERR_UNHEALTHY, "%s", rollout->why);
    if (operation->kind == OPERATION_DEPLOY || operation->kind == OPERATION_PROMOTE)
        operation->exit_status = EXIT_ROLLED_BACK;
    operation_end(operation, operation->failure == NULL ? &err : operation->failure);
}

void deploy_note_return(struct operation *operation)
{
    if (operation->kind == OPERATION_DEPLOY && operation->system->current != NULL)
        operation->exit_status = EXIT_ROLLED_BACK;
}

void deploy_conclude(struct operation *operation, bool settled)
{
    const struct rollout *rollout = operation->system->rollout;

    if (is_dropped(operation)) {
        operation_end(operation, operation->failure);
        return;
    }
    if (rollout->at.state == ROLLOUT_ROLLED_BACK) {
        if (settled)
            end_rolled_back(operation);
        return;
    }
    bool is_late = operation->failure != NULL &&
                   !rollout_state_is_before_switch(rollout->at.state) &&
                   rollout->at.state != ROLLOUT_ABORTING;
    if (!is_late && (operation->kind == OPERATION_ABORT || !is_far_enough(operation)))
        return;
    if (operation->failure != NULL || settled || operation->deploy.wait == DEPLOY_WAIT_STARTED)
        operation_end(operation, operation->failure);
}

/* ---- dry run ---- */

void deploy_tell_plan(struct operation *operation)
{
    struct system *system = operation->system;
    AUTO(rollout_free) struct rollout *rollout = deploy_make_rollout(operation);
    const struct release *current = system->current;
    json_t *services =
        rollout == NULL ? rollout_plain_plan_json(system, operation->candidate, &operation->unbuilt)
                        : rollout_plan_json(rollout, &operation->unbuilt);

    operation_end_with(
        operation,
        json_pack("{s:s, s:b, s:b, s:{s:I, s:s?, s:s?, s:o}}", "event", "result", "ok", 1,
                  "changed", 0, "plan", "from",
                  current == NULL ? (json_int_t)0 : (json_int_t)current->number, "strategy",
                  rollout == NULL ? NULL : rollout_strategy_name(rollout_strategy_of(rollout)),
                  "test_host", rollout == NULL ? NULL : rollout->test_host, "services", services));
}

/* ---- promote and abort ---- */

static struct operation *begin(struct system *system, enum operation_kind kind, uint64_t timeout_ms,
                               struct err *err)
{
    struct operation *operation = operation_begin(system, kind, err);

    if (operation == NULL)
        return NULL;
    operation->reconciling = true;
    operation->follows = true;
    operation->changed = true;
    operation->deploy.wait = DEPLOY_WAIT_SWITCHED;
    operation_set_timeout(operation, timeout_ms);
    return operation;
}

static bool check_active(const struct system *system, struct err *err)
{
    return rollout_is_active(system) ||
           err_set(err, ERR_NOT_FOUND, "no release of '%s' is being rolled out", system->name);
}

static enum rollout_event promotion(struct rollout *rollout, bool all)
{
    if (rollout_is_last(rollout))
        return ROLLOUT_ON_PROMOTE_LAST;
    if (all) /* its instances may have to be started: the last step is walked like any other */
        rollout->at.step = rollout->at.steps - 2;
    return ROLLOUT_ON_PROMOTE;
}

bool promote_begin(struct system *system, bool all, uint64_t timeout_ms,
                   struct subscriber *subscriber, struct err *err)
{
    struct rollout *rollout = system->rollout;

    if (!check_active(system, err))
        return false;
    if (rollout_fsm_next(rollout->at.state, ROLLOUT_ON_PROMOTE) == NULL)
        return err_set(err, ERR_INVALID,
                       "release %u of '%s' is %s, there is nothing to promote at this moment",
                       rollout->to_number, system->name, rollout_state_name(rollout->at.state));
    struct operation *operation = system->operation;
    if (operation == NULL || !operation->follows)
        operation = begin(system, OPERATION_PROMOTE, timeout_ms, err);
    else if (!lock_check(system->daemon, system->name, err))
        return false;
    if (operation == NULL)
        return false;
    list_push(&operation->subscribers, &subscriber->link);
    size_t step = rollout->at.step;
    if (!rollout_event(rollout, promotion(rollout, all), NULL))
        rollout->at.step = step;
    return true;
}

bool abort_begin(struct system *system, uint64_t timeout_ms, struct subscriber *subscriber,
                 struct err *err)
{
    struct operation *operation = system->operation;
    struct caller caller = system->daemon->asking.caller;
    struct err why;

    if (!check_active(system, err) || !lock_check(system->daemon, system->name, err))
        return false;
    err_set(&why, ERR_CLOSED, "aborted by %s", caller.user);
    if (operation != NULL && operation->follows && operation->kind != OPERATION_ABORT) {
        operation->exit_status = EXIT_ROLLED_BACK; /* whoever waits for it is told at once */
        operation_end(operation, &why);
    }
    operation = begin(system, OPERATION_ABORT, timeout_ms, err);
    if (operation == NULL)
        return false;
    list_push(&operation->subscribers, &subscriber->link);
    (void)rollout_event(system->rollout, ROLLOUT_ON_ABORT, caller.user);
    return true;
}
