/* SPDX-License-Identifier: Apache-2.0
 *
 * The life of a rollout: the table says what becomes of it, the state is stored,
 * the action is carried out. Each action may run twice.
 */
#include "base/base.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "control/rollout.h"
#include "control/state.h"

enum { TICK_MS = 1000 };

/* ---- begin and end ---- */

static bool replaces_something(const struct rollout *rollout)
{
    for (size_t i = 0; i < rollout->service_count; i++)
        if (rollout->services[i].change == ROLLOUT_REPLACED ||
            rollout->services[i].change == ROLLOUT_REMOVED)
            return true;
    return false;
}

static bool migrates(const struct rollout *rollout)
{
    for (size_t i = 0; i < rollout->service_count; i++)
        if (rollout->services[i].change != ROLLOUT_SAME && rollout_migrates(&rollout->services[i]))
            return true;
    return false;
}

struct rollout *rollout_new(struct system *system, struct release *to, const char *command,
                            enum rollout_strategy asked)
{
    AUTO(rollout_free) struct rollout *rollout = NEW(struct rollout);

    if (system->current == NULL)
        return NULL;
    rollout->system = system;
    rollout->from = release_ref(system->current);
    rollout->to = release_ref(to);
    rollout->from_number = rollout->from->number;
    rollout->to_number = to->number;
    str_format(rollout->command, sizeof rollout->command, "%s", command);
    rollout->asked = asked;
    rollout_make_tracks(rollout);
    if (!replaces_something(rollout))
        return NULL;
    rollout->at.state = migrates(rollout) ? ROLLOUT_MIGRATING : ROLLOUT_STARTING;
    rollout->started_wall_ms = rollout->since_wall_ms = clock_wall_ms();
    return TAKE(rollout);
}

void rollout_free(struct rollout *rollout)
{
    if (rollout == NULL)
        return;
    timer_clear(&rollout->timer);
    release_unref(rollout->from);
    release_unref(rollout->to);
    for (size_t i = 0; i < rollout->upstreams.len; i++)
        free(rollout->upstreams.ptr[i].name);
    VEC_DONE(&rollout->upstreams);
    arena_done(&rollout->arena);
    free(rollout);
}

bool rollout_save(const struct rollout *rollout, struct err *err)
{
    const struct state_rollout row = {
        .from = rollout->from_number,
        .to = rollout->to_number,
        .command = rollout->command,
        .strategy =
            rollout->asked == ROLLOUT_STRATEGY_COUNT ? "" : rollout_strategy_name(rollout->asked),
        .state = rollout_state_name(rollout->at.state),
        .step = (uint32_t)rollout->at.step,
        .tolerates = rollout->at.tolerates,
        .paused = rollout->at.paused,
        .started_ms = rollout->started_wall_ms,
        .since_ms = rollout->since_wall_ms,
        .switched_ms = rollout->switched_wall_ms,
        .why = rollout->why,
    };
    return state_save_rollout(rollout->system->daemon->state, rollout->system->name, &row, err);
}

static void copy_row(struct rollout *rollout, const struct state_rollout *row)
{
    rollout->from_number = row->from;
    rollout->to_number = row->to;
    str_format(rollout->command, sizeof rollout->command, "%s", row->command);
    rollout->asked = rollout_strategy_parse(row->strategy);
    rollout->at.step = row->step;
    rollout->at.tolerates = row->tolerates;
    rollout->at.paused = row->paused;
    rollout->started_wall_ms = row->started_ms;
    rollout->since_wall_ms = row->since_ms;
    rollout->switched_wall_ms = row->switched_ms;
    str_format(rollout->why, sizeof rollout->why, "%s", row->why);
}

bool rollout_load(struct system *system, const struct state_rollout *row, struct release *from,
                  struct release *to, struct err *err)
{
    AUTO(rollout_free) struct rollout *rollout = NEW(struct rollout);

    rollout->system = system;
    copy_row(rollout, row);
    if (!rollout_state_parse(row->state, &rollout->at.state))
        return err_set(err, ERR_INVALID, "a rollout is in unknown state '%.40s'", row->state);
    if (rollout_state_is_active(rollout->at.state)) {
        assert(from != NULL && to != NULL);
        rollout->from = release_ref(from);
        rollout->to = release_ref(to);
        rollout_make_tracks(rollout);
        rollout->at.step = MIN(rollout->at.step, rollout->at.steps - 1);
    }
    system->rollout = TAKE(rollout);
    return true;
}

bool rollout_is_active(const struct system *system)
{
    return system->rollout != NULL && rollout_state_is_active(system->rollout->at.state);
}

struct operation *rollout_follower(const struct rollout *rollout)
{
    struct operation *operation = rollout->system->operation;
    return operation != NULL && operation->follows ? operation : NULL;
}

bool rollout_is_last(const struct rollout *rollout)
{
    return rollout->at.step + 1 >= rollout->at.steps;
}

bool rollout_check_free(const struct system *system, struct err *err)
{
    const struct rollout *rollout = system->rollout;
    const char *name = system->name;

    if (!rollout_is_active(system))
        return true;
    if (rollout->at.state == ROLLOUT_ABORTING)
        return err_set(err, ERR_LOCKED, "'%s' is on its way back to release %u; try again then",
                       name, rollout->from_number);
    if (!rollout_state_is_before_switch(rollout->at.state) ||
        (rollout->at.step == 0 && rollout->at.state < ROLLOUT_SHIFTING))
        return true;
    return err_set(
        err, ERR_LOCKED,
        "release %u of '%s' is being rolled out (%s, step %zu of %zu); 'ishizue promote' "
        "goes on with it, 'ishizue abort' takes it back",
        rollout->to_number, name, rollout_state_name(rollout->at.state), rollout->at.step + 1,
        rollout->at.steps);
}

/* ---- actions ---- */

static uint64_t now_ns(const struct rollout *rollout)
{
    return loop_now_ns(rollout->system->daemon->loop);
}

static void on_tick(struct timer *timer, uint64_t now)
{
    (void)now;
    system_touch(CONTAINER_OF(timer, struct rollout, timer)->system);
}

void rollout_schedule(struct rollout *rollout)
{
    uint64_t at_ns = now_ns(rollout) + TICK_MS * NS_PER_MS;

    if (rollout->deadline_ns > now_ns(rollout))
        at_ns = MIN(at_ns, rollout->deadline_ns);
    timer_set(rollout->system->daemon->loop, &rollout->timer, at_ns, on_tick);
}

/* The state ends <after_ms> after it began, in the past perhaps. */
static void set_deadline(struct rollout *rollout, int64_t since_wall_ms, uint64_t after_ms)
{
    int64_t gone_ms = MAX(clock_wall_ms() - since_wall_ms, (int64_t)0);
    uint64_t left_ms = after_ms - MIN((uint64_t)gone_ms, after_ms);

    rollout->deadline_ns = now_ns(rollout) + left_ms * NS_PER_MS;
    if (left_ms > 0)
        rollout_schedule(rollout);
}

static void act_nothing(struct rollout *rollout)
{
    (void)rollout;
}

static void act_publish(struct rollout *rollout)
{
    daemon_publish(rollout->system->daemon);
    set_deadline(rollout, clock_wall_ms(), 2 * TICK_MS); /* an edge that does not say so */
}

static void act_watch(struct rollout *rollout)
{
    bool manual;

    daemon_publish(rollout->system->daemon);
    rollout_start_counting(rollout);
    rollout->extended_ns = 0;
    set_deadline(rollout, rollout->since_wall_ms, rollout_bake_ms(rollout, &manual));
}

static void act_ask(struct rollout *rollout)
{
    rollout->deadline_ns = 0;
    rollout_schedule(rollout);
}

static void report(const struct rollout *rollout, const struct err *err)
{
    struct operation *operation = rollout_follower(rollout);

    log_error("daemon", "%s: rollout: %s", rollout->system->name, err->text);
    if (operation != NULL)
        operation_fail(operation, err, NULL);
}

static void act_complete(struct rollout *rollout)
{
    struct err err;

    if (!system_set_current(rollout->system, rollout->to, &err))
        report(rollout, &err);
    daemon_publish(rollout->system->daemon);
    set_deadline(rollout, rollout->switched_wall_ms, rollout->keep_warm_ms);
}

static void act_guard(struct rollout *rollout)
{
    set_deadline(rollout, rollout->switched_wall_ms, rollout->watch_ms);
}

static void act_turn(struct rollout *rollout)
{
    struct system *system = rollout->system;
    struct err err;

    timer_clear(&rollout->timer);
    log_warn("daemon", "%s: going back to release %u: %s", system->name, rollout->from_number,
             rollout->why);
    if (system->wanted != rollout->from && !system_set_wanted(system, rollout->from, &err))
        report(rollout, &err);
    daemon_publish(system->daemon);
}

/* One that went back by itself, when nobody waited for it any more. */
static void note_in_history(const struct rollout *rollout)
{
    const struct state_action action = {
        .system = rollout->system->name,
        .action = "rolled back",
        .services = "",
        .user = "ishizue",
        .time_ms = rollout->since_wall_ms,
        .release = rollout->from_number,
        .error = rollout->why,
    };
    history_add(rollout->system->daemon, &action);
}

static void act_finish(struct rollout *rollout)
{
    struct system *system = rollout->system;
    bool is_back = rollout->at.state == ROLLOUT_ROLLED_BACK;
    struct err err;

    timer_clear(&rollout->timer);
    rollout->deadline_ns = 0;
    if (is_back && system->wanted == rollout->from &&
        !system_set_current(system, rollout->from, &err))
        report(rollout, &err);
    if (is_back && rollout_follower(rollout) == NULL)
        note_in_history(rollout);
    release_unref(rollout->from);
    release_unref(rollout->to);
    rollout->from = rollout->to = NULL;
    rollout->service_count = 0; /* they pointed into them */
    daemon_publish(system->daemon);
    if (system->operation == NULL)
        collect_begin(system);
}

static void act(struct rollout *rollout, enum rollout_action action)
{
    typedef void action_fn(struct rollout * rollout);
    static action_fn *const actions[ROLLOUT_ACTION_COUNT] = {
        [ROLLOUT_DO_NOTHING] = act_nothing, [ROLLOUT_DO_STEP] = act_nothing,
        [ROLLOUT_DO_PUBLISH] = act_publish, [ROLLOUT_DO_WATCH] = act_watch,
        [ROLLOUT_DO_ASK] = act_ask,         [ROLLOUT_DO_COMPLETE] = act_complete,
        [ROLLOUT_DO_RETIRE] = act_nothing,  [ROLLOUT_DO_GUARD] = act_guard,
        [ROLLOUT_DO_TURN] = act_turn,       [ROLLOUT_DO_FINISH] = act_finish,
    };

    actions[action](rollout);
    system_touch(rollout->system);
}

/* For tests: the daemon ends as if it were killed, with <state> stored and nothing done about it.
 */
static void die_if_asked(enum rollout_state state)
{
    const char *where = getenv("ISHIZUE_TEST_DIE_AT");
    char point[40];

    str_format(point, sizeof point, "rollout:%s", rollout_state_name(state));
    if (where != NULL && strcmp(where, point) == 0)
        (void)kill(getpid(), SIGKILL);
}

/* ---- events ---- */

/* What the state is when <row> is walked; the rest of <rollout> too. */
static void move(struct rollout *rollout, const struct rollout_transition *row, const char *detail)
{
    rollout->at.state = row->to;
    if (row->action == ROLLOUT_DO_STEP)
        rollout->at.step = MIN(rollout->at.step + 1, rollout->at.steps - 1);
    if (row->action == ROLLOUT_DO_COMPLETE) {
        rollout->at.step = rollout->at.steps - 1;
        rollout->switched_wall_ms = clock_wall_ms();
    }
    rollout->at.paused = row->event == ROLLOUT_ON_PAUSE && row->from == ROLLOUT_STARTING;
    rollout->at.tolerates |= row->event == ROLLOUT_ON_PAUSE;
    rollout->since_wall_ms = clock_wall_ms();
    /* Why it went back stays to be read when it is back. */
    if (row->from == ROLLOUT_ABORTING && row->event == ROLLOUT_ON_READY)
        return;
    str_format(rollout->why, sizeof rollout->why, "%s%s%s", row->why, detail == NULL ? "" : ": ",
               detail == NULL ? "" : detail);
}

struct memory {
    struct rollout_position at;
    int64_t since_wall_ms, switched_wall_ms;
    char why[300];
};

/* What cannot be stored has not happened; it is asked again, for nothing else may wake it. */
static void take_back(struct rollout *rollout, const struct memory *before)
{
    rollout->at = before->at;
    rollout->since_wall_ms = before->since_wall_ms;
    rollout->switched_wall_ms = before->switched_wall_ms;
    str_format(rollout->why, sizeof rollout->why, "%s", before->why);
    rollout_schedule(rollout);
}

bool rollout_event(struct rollout *rollout, enum rollout_event event, const char *detail)
{
    const struct rollout_transition *row = rollout_fsm_next(rollout->at.state, event);
    struct memory before = {
        .at = rollout->at,
        .since_wall_ms = rollout->since_wall_ms,
        .switched_wall_ms = rollout->switched_wall_ms,
    };
    struct err err;

    if (row == NULL)
        return false;
    str_format(before.why, sizeof before.why, "%s", rollout->why);
    move(rollout, row, detail);
    if (!rollout_save(rollout, &err)) {
        take_back(rollout, &before);
        report(rollout, &err);
        return false;
    }
    log_info("daemon", "%s: rollout of release %u: %s -> %s: %s", rollout->system->name,
             rollout->to_number, rollout_state_name(row->from), rollout_state_name(row->to),
             rollout->why);
    die_if_asked(rollout->at.state);
    rollout->deadline_ns = 0;
    timer_clear(&rollout->timer);
    rollout_tell(rollout);
    act(rollout, row->action);
    return true;
}

/* The action by which a state is entered. */
static enum rollout_action entry_of(enum rollout_state state)
{
    static const enum rollout_action entries[ROLLOUT_STATE_COUNT] = {
        [ROLLOUT_SHIFTING] = ROLLOUT_DO_PUBLISH, [ROLLOUT_WATCHING] = ROLLOUT_DO_WATCH,
        [ROLLOUT_WAITING] = ROLLOUT_DO_ASK,      [ROLLOUT_KEEPING] = ROLLOUT_DO_COMPLETE,
        [ROLLOUT_DRAINING] = ROLLOUT_DO_RETIRE,  [ROLLOUT_GUARDING] = ROLLOUT_DO_GUARD,
        [ROLLOUT_ABORTING] = ROLLOUT_DO_TURN,
    };
    return entries[state];
}

void rollout_resume(struct system *system)
{
    if (!rollout_is_active(system))
        return;
    log_info("daemon", "%s: rollout of release %u goes on: %s", system->name,
             system->rollout->to_number, rollout_state_name(system->rollout->at.state));
    act(system->rollout, entry_of(system->rollout->at.state));
}

void rollout_install(struct system *system, struct rollout *rollout)
{
    rollout_free(system->rollout);
    system->rollout = rollout;
    if (rollout == NULL)
        return;
    str_format(rollout->why, sizeof rollout->why, "begun by %s", rollout->command);
    log_info("daemon", "%s: rollout of release %u begins: %s", system->name, rollout->to_number,
             rollout_state_name(rollout->at.state));
    die_if_asked(rollout->at.state);
    rollout_tell(rollout);
    for (size_t i = 0; i < rollout->service_count; i++)
        if (rollout->services[i].forced != NULL)
            operation_step(system, rollout->services[i].name, NULL, "recreating",
                           rollout->services[i].forced);
}
