/* SPDX-License-Identifier: Apache-2.0
 *
 * Plan, steps and states of a rollout together: a small world in which rollouts of
 * every strategy are walked from state to state, with events in an order that is
 * drawn from a seed. */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "deploy/plan.h"
#include "deploy/rollout.h"

enum { WORLD_MAX = 64, SEEDS = 60, ROUNDS = 4000 };

struct world {
    struct rollout_track track;
    struct rollout_position at;
    struct plan_service service;
    struct plan_instance instances[WORLD_MAX];
    size_t count;
    uint64_t random;
    bool new_is_bad;
    uint32_t least_taking; /* instances in traffic, over the whole time */
    uint32_t most_staying; /* that run and are not on their way out */
    bool new_was_early;    /* one took traffic before its share said so */
};

static struct plan plan;
static struct rollout_stage stages[ROLLOUT_MAX_STAGES];
static const uint32_t shares[] = {1000, 5000, ROLLOUT_WHOLE};

static uint64_t draw(struct world *world, uint64_t below)
{
    world->random = world->random * 6364136223846793005ULL + 1442695040888963407ULL;
    return (world->random >> 33) % below;
}

static void add(struct world *world, uint32_t number, const char *hash, enum instance_state state)
{
    assert_true(world->count < WORLD_MAX);
    world->instances[world->count++] =
        (struct plan_instance){.id = "i", .number = number, .hash = hash, .state = state};
}

static void apply(struct plan_instance *instance, enum instance_event event)
{
    const struct instance_transition *row = instance_fsm_next(instance->state, event);

    if (row == NULL)
        return;
    instance->state = row->to;
    if (event == INSTANCE_ON_STOP || event == INSTANCE_ON_START)
        instance->stopped = event == INSTANCE_ON_STOP;
}

static void take_steps(struct world *world)
{
    for (size_t i = 0; i < plan.step_count; i++) {
        const struct plan_step *step = &plan.steps[i];
        if (step->verb == PLAN_CREATE)
            add(world, step->number, world->service.hash, INSTANCE_STARTING);
        else if (step->verb == PLAN_START)
            apply(&world->instances[step->instance], INSTANCE_ON_START);
        else if (step->verb == PLAN_STOP)
            apply(&world->instances[step->instance], INSTANCE_ON_STOP);
        else if (step->verb == PLAN_REMOVE)
            apply(&world->instances[step->instance], INSTANCE_ON_REMOVE);
    }
}

static void pass_time(struct world *world)
{
    struct plan_instance *instance = &world->instances[draw(world, world->count)];
    bool bad = world->new_is_bad && strcmp(instance->hash, "new") == 0;

    if (instance->state == INSTANCE_STARTING)
        apply(instance, INSTANCE_ON_STARTED);
    else if (instance->state == INSTANCE_WARMING)
        apply(instance, bad ? INSTANCE_ON_SICK : INSTANCE_ON_HEALTHY);
    else if (instance->state == INSTANCE_DRAINING && draw(world, 4) == 0)
        apply(instance, INSTANCE_ON_DRAINED);
    else if (instance->state == INSTANCE_STOPPING)
        apply(instance, INSTANCE_ON_EXIT_FINAL);
}

static void look(struct world *world)
{
    uint32_t taking = 0, staying = 0;

    for (size_t i = 0; i < world->count; i++) {
        const struct plan_instance *instance = &world->instances[i];
        bool takes = plan_takes_traffic(&world->service, world->instances, world->count, instance);
        taking += takes;
        staying += instance_state_is_live(instance->state) &&
                   instance->state != INSTANCE_DRAINING && instance->state != INSTANCE_STOPPING;
        world->new_was_early |= takes && strcmp(instance->hash, "new") == 0 &&
                                rollout_traffic(&world->track, &world->at) == PLAN_TRAFFIC_OLD;
    }
    world->least_taking = MIN(world->least_taking, taking);
    world->most_staying = MAX(world->most_staying, staying);
}

/* What control/rollout_drive.c decides, without clocks and people. */
static enum rollout_event next_event(const struct world *world)
{
    bool is_last = world->at.step + 1 == world->at.steps;

    switch ((int)world->at.state) {
    case ROLLOUT_MIGRATING:
        return ROLLOUT_ON_MIGRATED;
    case ROLLOUT_SHIFTING:
        return ROLLOUT_ON_APPLIED;
    case ROLLOUT_WATCHING:
        return is_last ? ROLLOUT_ON_BAKED_LAST : ROLLOUT_ON_BAKED_NEXT;
    case ROLLOUT_KEEPING:
    case ROLLOUT_GUARDING:
        return ROLLOUT_ON_EXPIRED;
    default:
        break;
    }
    return plan.verdict == PLAN_CONVERGED ? ROLLOUT_ON_READY : ROLLOUT_EVENT_COUNT;
}

static void walk(struct world *world, enum rollout_event event)
{
    const struct rollout_transition *row = rollout_fsm_next(world->at.state, event);

    if (row == NULL)
        return;
    world->at.state = row->to;
    if (row->action == ROLLOUT_DO_STEP)
        world->at.step++;
    if (row->action == ROLLOUT_DO_TURN)
        world->service.hash = "old";
}

static void make_plan(struct world *world)
{
    struct plan_service *service = &world->service;

    service->directive = (struct plan_directive){0};
    service->old_hash = "old";
    rollout_direct(&world->track, &world->at, service);
    plan_make(service, 1, world->instances, world->count, &plan);
}

/* Until it is over; a person aborts in <abort_in>, or nobody does (ROLLOUT_STATE_COUNT). */
static void run(struct world *world, enum rollout_state abort_in)
{
    for (int round = 0; round < ROUNDS && rollout_state_is_active(world->at.state); round++) {
        make_plan(world);
        look(world);
        if (plan.verdict == PLAN_FAILED)
            walk(world, ROLLOUT_ON_FAILED);
        else
            take_steps(world);
        if (world->at.state == abort_in && draw(world, 3) == 0)
            walk(world, ROLLOUT_ON_ABORT);
        else if (plan.verdict != PLAN_FAILED && plan.step_count == 0)
            walk(world, next_event(world));
        make_plan(world);
        look(world);
        pass_time(world);
    }
}

static uint32_t count_ready(const struct world *world, const char *hash)
{
    uint32_t count = 0;

    for (size_t i = 0; i < world->count; i++)
        count += world->instances[i].state == INSTANCE_READY &&
                 strcmp(world->instances[i].hash, hash) == 0;
    return count;
}

static struct world world_of(struct rollout_terms terms, uint64_t seed)
{
    struct world world = {.random = seed, .least_taking = UINT32_MAX};

    terms.shares = shares;
    terms.share_count = ARRAY_LEN(shares);
    rollout_track_make(&terms, stages, &world.track);
    world.at =
        (struct rollout_position){.state = ROLLOUT_STARTING, .steps = world.track.stage_count};
    world.service =
        (struct plan_service){.name = "web", .hash = "new", .wanted_count = terms.new_count};
    for (uint32_t i = 1; i <= terms.old_count; i++)
        add(&world, i, "old", INSTANCE_READY);
    return world;
}

/* ---- */

static void every_strategy_arrives_and_never_leaves_the_service_without_traffic(void **state)
{
    (void)state;
    for (int strategy = 0; strategy < ROLLOUT_RECREATE; strategy++)
        for (uint32_t old = 1; old <= 4; old++)
            for (uint32_t new = 1; new <= 4; new ++)
                for (uint64_t seed = 0; seed < SEEDS; seed++) {
                    struct world world =
                        world_of((struct rollout_terms){.strategy = (enum rollout_strategy)strategy,
                                                        .old_count = old,
                                                        .new_count = new},
                                 seed);
                    run(&world, ROLLOUT_STATE_COUNT);
                    assert_int_equal(world.at.state, ROLLOUT_DONE);
                    assert_int_equal(count_ready(&world, "new"), new);
                    assert_int_equal(count_ready(&world, "old"), 0);
                    assert_true(world.least_taking > 0);
                    assert_false(world.new_was_early);
                }
}

static void a_rolling_deploy_keeps_to_its_surge_and_its_unavailable(void **state)
{
    (void)state;
    for (uint32_t surge = 0; surge <= 2; surge++)
        for (uint32_t missing = 0; missing <= 2; missing++)
            for (uint64_t seed = 0; seed < SEEDS; seed++) {
                struct world world =
                    world_of((struct rollout_terms){.strategy = ROLLOUT_ROLLING,
                                                    .old_count = 4,
                                                    .new_count = 4,
                                                    .max_surge = {surge, 0},
                                                    .max_unavailable = {missing, 0}},
                             seed);
                run(&world, ROLLOUT_STATE_COUNT);
                assert_int_equal(world.at.state, ROLLOUT_DONE);
                assert_true(world.most_staying <= 4 + MAX(surge, surge + missing == 0 ? 1U : 0U));
                assert_true(world.least_taking >= 4 - missing);
            }
}

/* From each state that is walked through, by each strategy: the old ones are back, all of them. */
static void an_abort_in_any_state_brings_all_of_the_old_release_back(void **state)
{
    (void)state;
    for (int strategy = 0; strategy < ROLLOUT_RECREATE; strategy++)
        for (int abort_in = 0; abort_in <= ROLLOUT_GUARDING; abort_in++)
            for (uint64_t seed = 0; seed < SEEDS; seed++) {
                struct world world =
                    world_of((struct rollout_terms){.strategy = (enum rollout_strategy)strategy,
                                                    .old_count = 3,
                                                    .new_count = 3},
                             seed);
                run(&world, (enum rollout_state)abort_in);
                assert_false(rollout_state_is_active(world.at.state));
                bool back = world.at.state == ROLLOUT_ROLLED_BACK;
                assert_int_equal(count_ready(&world, back ? "old" : "new"), 3);
                assert_int_equal(count_ready(&world, back ? "new" : "old"), 0);
                assert_true(world.least_taking > 0);
            }
}

static void a_bad_release_goes_back_whole_whatever_the_strategy(void **state)
{
    (void)state;
    for (int strategy = 0; strategy < ROLLOUT_STRATEGY_COUNT; strategy++)
        for (uint64_t seed = 0; seed < SEEDS; seed++) {
            struct world world = world_of(
                (struct rollout_terms){
                    .strategy = (enum rollout_strategy)strategy, .old_count = 3, .new_count = 3},
                seed);
            world.new_is_bad = true;
            run(&world, ROLLOUT_STATE_COUNT);
            assert_int_equal(world.at.state, ROLLOUT_ROLLED_BACK);
            assert_int_equal(count_ready(&world, "old"), 3);
            assert_int_equal(count_ready(&world, "new"), 0);
            assert_true(strategy == ROLLOUT_RECREATE || world.least_taking > 0);
        }
}

static void a_service_that_is_recreated_never_runs_twice(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct world world = world_of(
            (struct rollout_terms){.strategy = ROLLOUT_RECREATE, .old_count = 1, .new_count = 1},
            seed);
        run(&world, ROLLOUT_STATE_COUNT);
        assert_int_equal(world.at.state, ROLLOUT_DONE);
        assert_int_equal(world.most_staying, 1);
    }
}

/* Warm ones of a release before the last take no traffic and are ended at once. */
static void what_was_kept_of_an_older_release_goes_when_the_next_one_comes(void **state)
{
    (void)state;
    struct world world = world_of(
        (struct rollout_terms){.strategy = ROLLOUT_CANARY, .old_count = 1, .new_count = 1}, 1);

    add(&world, 1, "older", INSTANCE_READY);
    make_plan(&world);
    assert_false(
        plan_takes_traffic(&world.service, world.instances, world.count, &world.instances[1]));
    assert_true(plan.step_count == 2);
    assert_int_equal(plan.steps[0].verb, PLAN_STOP);
    assert_int_equal(plan.steps[0].instance, 1);
    assert_int_equal(plan.steps[1].verb, PLAN_CREATE);
}

static void failures_that_are_tolerated_do_not_end_the_rollout(void **state)
{
    (void)state;
    struct plan_service service = {
        .name = "web",
        .hash = "new",
        .old_hash = "old",
        .wanted_count = 2,
        .directive = {.directed = true, .new_limit = 2, .old_keep = UINT32_MAX, .tolerated = 1}};
    struct plan_instance instances[] = {
        {.id = "a", .number = 1, .hash = "new", .state = INSTANCE_READY},
        {.id = "b", .number = 2, .hash = "new", .state = INSTANCE_UNHEALTHY},
    };

    plan_make(&service, 1, instances, 2, &plan);
    assert_int_equal(plan.verdict, PLAN_CONVERGED);
    service.directive.tolerated = 0;
    plan_make(&service, 1, instances, 2, &plan);
    assert_int_equal(plan.verdict, PLAN_FAILED);
}

static void a_dependent_does_not_wait_for_a_service_whose_turn_comes_later(void **state)
{
    (void)state;
    static const struct plan_dependency on_first[] = {{0, PLAN_DEP_HEALTHY, true}};
    struct plan_service services[] = {
        {.name = "db",
         .hash = "new",
         .old_hash = "old",
         .wanted_count = 1,
         .directive = {.directed = true, .new_limit = 0, .old_keep = UINT32_MAX}},
        {.name = "web", .hash = "new", .wanted_count = 1, .deps = on_first, .dep_count = 1},
    };
    struct plan_instance instances[] = {
        {.id = "a", .number = 1, .hash = "old", .state = INSTANCE_READY}};

    plan_make(services, 2, instances, 1, &plan);
    assert_int_equal(plan.step_count, 1);
    assert_int_equal(plan.steps[0].verb, PLAN_CREATE);
    assert_int_equal(plan.steps[0].service, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_strategy_arrives_and_never_leaves_the_service_without_traffic),
        cmocka_unit_test(a_rolling_deploy_keeps_to_its_surge_and_its_unavailable),
        cmocka_unit_test(an_abort_in_any_state_brings_all_of_the_old_release_back),
        cmocka_unit_test(a_bad_release_goes_back_whole_whatever_the_strategy),
        cmocka_unit_test(a_service_that_is_recreated_never_runs_twice),
        cmocka_unit_test(what_was_kept_of_an_older_release_goes_when_the_next_one_comes),
        cmocka_unit_test(failures_that_are_tolerated_do_not_end_the_rollout),
        cmocka_unit_test(a_dependent_does_not_wait_for_a_service_whose_turn_comes_later),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
