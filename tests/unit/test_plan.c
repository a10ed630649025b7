/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "deploy/plan.h"

/* A small world that takes the plan's steps and lets time pass: instances start,
 * get healthy, drain and end, one event at a time in an order drawn from a seed. */
enum { WORLD_MAX = 64 };

struct world {
    struct plan_service services[4];
    size_t service_count;
    struct plan_instance instances[WORLD_MAX];
    size_t count;
    uint64_t random;
    bool new_is_bad;       /* instances of the wanted hash never get healthy */
    uint32_t most_live[4]; /* of an exclusive service: how many ran at once */
    bool traffic_was_lost; /* service 0 was up, then nobody took its traffic */
};

static const struct plan_dependency on_first[] = {{0, PLAN_DEP_HEALTHY, true}};
static struct plan plan;

static uint64_t draw(struct world *world, uint64_t below)
{
    world->random = world->random * 6364136223846793005ULL + 1442695040888963407ULL;
    return (world->random >> 33) % below;
}

static void add(struct world *world, size_t service, uint32_t number, const char *hash,
                enum instance_state state)
{
    assert_true(world->count < WORLD_MAX);
    world->instances[world->count++] = (struct plan_instance){
        .id = "i", .service = service, .number = number, .hash = hash, .state = state};
}

static void apply(struct plan_instance *instance, enum instance_event event)
{
    const struct instance_transition *row = instance_fsm_next(instance->state, event);

    if (row == NULL)
        return;
    instance->state = row->to;
    if (event == INSTANCE_ON_STOP)
        instance->stopped = true;
    if (event == INSTANCE_ON_START)
        instance->stopped = false;
}

static void take_steps(struct world *world)
{
    for (size_t i = 0; i < plan.step_count; i++) {
        const struct plan_step *step = &plan.steps[i];
        struct plan_service *service = &world->services[step->service];
        switch (step->verb) {
        case PLAN_CREATE:
            add(world, step->service, step->number, service->hash, INSTANCE_STARTING);
            break;
        case PLAN_START:
            apply(&world->instances[step->instance], INSTANCE_ON_START);
            break;
        case PLAN_STOP:
            apply(&world->instances[step->instance], INSTANCE_ON_STOP);
            break;
        case PLAN_REMOVE:
            apply(&world->instances[step->instance], INSTANCE_ON_REMOVE);
            break;
        case PLAN_MIGRATE:
            service->migration = PLAN_MIGRATION_RUNS;
            break;
        }
    }
}

/* What the next event of a running instance would be. */
static void pass_time(struct world *world)
{
    if (world->count == 0)
        return;
    struct plan_instance *instance = &world->instances[draw(world, world->count)];
    bool bad =
        world->new_is_bad && strcmp(instance->hash, world->services[instance->service].hash) == 0;

    switch ((int)instance->state) {
    case INSTANCE_STARTING:
        apply(instance, INSTANCE_ON_STARTED);
        break;
    case INSTANCE_WARMING:
        apply(instance, bad ? INSTANCE_ON_SICK : INSTANCE_ON_HEALTHY);
        break;
    case INSTANCE_DRAINING:
        apply(instance, INSTANCE_ON_DRAINED);
        break;
    case INSTANCE_STOPPING:
        apply(instance, INSTANCE_ON_EXIT_FINAL);
        break;
    default:
        break;
    }
    struct plan_service *service = &world->services[draw(world, world->service_count)];
    if (service->migration == PLAN_MIGRATION_RUNS)
        service->migration = PLAN_MIGRATION_DONE;
}

static void look(struct world *world)
{
    bool taken = false, was_up = false;

    for (size_t s = 0; s < world->service_count; s++) {
        uint32_t live = 0;
        for (size_t i = 0; i < world->count; i++)
            live += world->instances[i].service == s &&
                    instance_state_is_live(world->instances[i].state);
        world->most_live[s] = MAX(world->most_live[s], live);
    }
    for (size_t i = 0; i < world->count; i++)
        if (world->instances[i].service == 0) {
            was_up |= strcmp(world->instances[i].hash, "old") == 0;
            taken |= plan_takes_traffic(&world->services[0], world->instances, world->count,
                                        &world->instances[i]);
        }
    world->traffic_was_lost |= was_up && !taken;
}

/* Until the plan is done or has failed. */
static enum plan_verdict run(struct world *world)
{
    for (int round = 0; round < 5000; round++) {
        plan_make(world->services, world->service_count, world->instances, world->count, &plan);
        look(world);
        if (plan.verdict == PLAN_FAILED)
            return PLAN_FAILED;
        take_steps(world);
        if (plan.verdict == PLAN_CONVERGED && plan.step_count == 0)
            return PLAN_CONVERGED;
        pass_time(world);
    }
    return PLAN_WORKING;
}

static size_t count_state(const struct world *world, size_t service, const char *hash,
                          enum instance_state state)
{
    size_t count = 0;

    for (size_t i = 0; i < world->count; i++)
        count += world->instances[i].service == service && world->instances[i].state == state &&
                 strcmp(world->instances[i].hash, hash) == 0;
    return count;
}

static void a_replacement_never_leaves_the_service_without_traffic(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 300; seed++) {
        struct world world = {.random = seed, .service_count = 1};
        world.services[0] = (struct plan_service){.name = "web", .hash = "new", .wanted_count = 3};
        for (uint32_t i = 1; i <= 3; i++)
            add(&world, 0, i, "old", INSTANCE_READY);
        assert_int_equal(run(&world), PLAN_CONVERGED);
        assert_false(world.traffic_was_lost);
        assert_int_equal(count_state(&world, 0, "new", INSTANCE_READY), 3);
        assert_int_equal(count_state(&world, 0, "old", INSTANCE_GONE), 3);
    }
}

static void two_instances_of_an_exclusive_service_never_run_at_once(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 300; seed++) {
        struct world world = {.random = seed, .service_count = 1};
        world.services[0] = (struct plan_service){
            .name = "db", .hash = "new", .wanted_count = 1, .exclusive = true};
        add(&world, 0, 1, "old", INSTANCE_READY);
        assert_int_equal(run(&world), PLAN_CONVERGED);
        assert_int_equal(world.most_live[0], 1);
        assert_int_equal(count_state(&world, 0, "new", INSTANCE_READY), 1);
    }
}

static void a_bad_release_fails_and_the_way_back_brings_the_old_one(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++)
        for (int exclusive = 0; exclusive < 2; exclusive++) {
            struct world world = {.random = seed, .service_count = 1, .new_is_bad = true};
            world.services[0] = (struct plan_service){
                .name = "web", .hash = "new", .wanted_count = 1, .exclusive = exclusive != 0};
            add(&world, 0, 1, "old", INSTANCE_READY);
            assert_int_equal(run(&world), PLAN_FAILED);
            assert_int_equal(plan.failed_service, 0);
            assert_true(exclusive || !world.traffic_was_lost);
            world.services[0].hash = "old";
            world.new_is_bad = false;
            assert_int_equal(run(&world), PLAN_CONVERGED);
            assert_int_equal(count_state(&world, 0, "old", INSTANCE_READY), 1);
            assert_int_equal(count_state(&world, 0, "new", INSTANCE_GONE), 1);
        }
}

static void a_dependent_waits_for_health_and_for_its_migration(void **state)
{
    (void)state;
    struct world world = {.service_count = 2};
    world.services[0] = (struct plan_service){.name = "db", .hash = "a", .wanted_count = 1};
    world.services[1] = (struct plan_service){.name = "web",
                                              .hash = "b",
                                              .wanted_count = 1,
                                              .deps = on_first,
                                              .dep_count = 1,
                                              .migration = PLAN_MIGRATION_NEEDED};
    add(&world, 0, 1, "a", INSTANCE_WARMING);
    plan_make(world.services, 2, world.instances, world.count, &plan);
    assert_int_equal(plan.step_count, 0);
    world.instances[0].state = INSTANCE_READY;
    plan_make(world.services, 2, world.instances, world.count, &plan);
    assert_int_equal(plan.step_count, 1);
    assert_int_equal(plan.steps[0].verb, PLAN_MIGRATE);
    world.services[1].migration = PLAN_MIGRATION_FAILED;
    plan_make(world.services, 2, world.instances, world.count, &plan);
    assert_int_equal(plan.verdict, PLAN_FAILED);
    assert_string_equal(plan.why, "its migration failed");
    world.services[1].migration = PLAN_MIGRATION_DONE;
    plan_make(world.services, 2, world.instances, world.count, &plan);
    assert_int_equal(plan.steps[0].verb, PLAN_CREATE);
    assert_int_equal(plan.steps[0].service, 1);
}

static void down_ends_dependents_first(void **state)
{
    (void)state;
    struct world world = {.service_count = 2};
    world.services[0] = (struct plan_service){.name = "db", .hash = ""};
    world.services[1] =
        (struct plan_service){.name = "web", .hash = "", .deps = on_first, .dep_count = 1};
    add(&world, 0, 1, "a", INSTANCE_READY);
    add(&world, 1, 1, "b", INSTANCE_READY);
    plan_make(world.services, 2, world.instances, world.count, &plan);
    assert_int_equal(plan.step_count, 1);
    assert_int_equal(plan.steps[0].service, 1);
    assert_int_equal(run(&world), PLAN_CONVERGED);
    assert_int_equal(count_state(&world, 0, "a", INSTANCE_GONE), 1);
    assert_int_equal(count_state(&world, 1, "b", INSTANCE_GONE), 1);
}

static void a_one_shot_that_ends_well_is_up_and_one_that_fails_is_not(void **state)
{
    (void)state;
    struct world world = {.service_count = 1};
    world.services[0] = (struct plan_service){.name = "job", .hash = "a", .wanted_count = 1};
    add(&world, 0, 1, "a", INSTANCE_EXITED);
    assert_int_equal(run(&world), PLAN_CONVERGED);
    world.instances[0].exit_status = 3;
    assert_int_equal(run(&world), PLAN_FAILED);
}

static void a_crash_loop_fails_after_three_ends(void **state)
{
    (void)state;
    struct world world = {.service_count = 1};
    world.services[0] = (struct plan_service){.name = "web", .hash = "a", .wanted_count = 1};
    add(&world, 0, 1, "a", INSTANCE_BACKOFF);
    world.instances[0].failures = PLAN_FAILURES - 1;
    plan_make(world.services, 1, world.instances, 1, &plan);
    assert_int_equal(plan.verdict, PLAN_WORKING);
    world.instances[0].failures = PLAN_FAILURES;
    plan_make(world.services, 1, world.instances, 1, &plan);
    assert_int_equal(plan.verdict, PLAN_FAILED);
    assert_int_equal(plan.failed_instance, 0);
}

static void scaling_down_ends_the_highest_numbers(void **state)
{
    (void)state;
    struct world world = {.service_count = 1};
    world.services[0] = (struct plan_service){.name = "web", .hash = "a", .wanted_count = 1};
    for (uint32_t i = 1; i <= 3; i++)
        add(&world, 0, i, "a", INSTANCE_READY);
    assert_int_equal(run(&world), PLAN_CONVERGED);
    assert_int_equal(world.instances[0].state, INSTANCE_READY);
    assert_int_equal(count_state(&world, 0, "a", INSTANCE_GONE), 2);
}

static struct world two_services(enum instance_state db, enum instance_state web)
{
    struct world world = {.service_count = 2};

    world.services[0] = (struct plan_service){.name = "db", .hash = "a", .wanted_count = 1};
    world.services[1] = (struct plan_service){
        .name = "web", .hash = "a", .wanted_count = 1, .deps = on_first, .dep_count = 1};
    add(&world, 0, 1, "a", db);
    add(&world, 1, 1, "a", web);
    return world;
}

static void held_services_end_dependents_first_and_keep_their_instances(void **state)
{
    (void)state;
    struct world world = two_services(INSTANCE_READY, INSTANCE_READY);
    world.services[0].hold = world.services[1].hold = PLAN_HOLD_STOPPED;
    plan_make(world.services, 2, world.instances, world.count, &plan);
    assert_int_equal(plan.step_count, 1);
    assert_int_equal(plan.steps[0].service, 1);
    assert_int_equal(run(&world), PLAN_CONVERGED);
    assert_int_equal(count_state(&world, 0, "a", INSTANCE_EXITED), 1);
    assert_int_equal(count_state(&world, 1, "a", INSTANCE_EXITED), 1);
}

static void a_held_service_ends_although_one_that_is_not_held_needs_it(void **state)
{
    (void)state;
    struct world world = two_services(INSTANCE_READY, INSTANCE_READY);
    world.services[0].hold = PLAN_HOLD_STOPPED;
    assert_int_equal(run(&world), PLAN_CONVERGED);
    assert_int_equal(count_state(&world, 0, "a", INSTANCE_EXITED), 1);
    assert_int_equal(count_state(&world, 1, "a", INSTANCE_READY), 1);
}

static void nobody_waits_for_a_dependency_that_is_held(void **state)
{
    (void)state;
    struct world world = two_services(INSTANCE_EXITED, INSTANCE_PENDING);
    world.services[0].hold = PLAN_HOLD_EMPTY;
    assert_int_equal(run(&world), PLAN_CONVERGED);
    assert_int_equal(count_state(&world, 0, "a", INSTANCE_GONE), 1);
    assert_int_equal(count_state(&world, 1, "a", INSTANCE_READY), 1);
}

static void a_created_service_has_all_its_instances_and_none_of_them_runs(void **state)
{
    (void)state;
    struct world world = {.service_count = 1};
    world.services[0] = (struct plan_service){
        .name = "web", .hash = "b", .wanted_count = 2, .hold = PLAN_HOLD_CREATED};
    add(&world, 0, 1, "b", INSTANCE_PENDING);
    add(&world, 0, 1, "a", INSTANCE_READY);
    plan_make(world.services, 1, world.instances, world.count, &plan);
    assert_int_equal(plan.verdict, PLAN_WORKING);
    assert_int_equal(plan.step_count, 2); /* the old one stops, number 2 is made; 1 stays */
    assert_int_equal(plan.steps[0].verb, PLAN_STOP);
    assert_int_equal(plan.steps[0].instance, 1);
    assert_int_equal(plan.steps[1].verb, PLAN_CREATE);
    assert_int_equal(plan.steps[1].number, 2);
}

static void what_failed_in_a_service_beside_the_operation_is_not_its_failure(void **state)
{
    (void)state;
    struct world world = two_services(INSTANCE_UNHEALTHY, INSTANCE_READY);
    plan_make(world.services, 2, world.instances, world.count, &plan);
    assert_int_equal(plan.verdict, PLAN_FAILED);
    world.services[0].aside = true;
    plan_make(world.services, 2, world.instances, world.count, &plan);
    assert_int_equal(plan.verdict, PLAN_CONVERGED);
    world.instances[0].state = INSTANCE_EXITED;
    world.instances[0].stopped = true;
    plan_make(world.services, 2, world.instances, world.count, &plan);
    assert_int_equal(plan.verdict, PLAN_CONVERGED);
    assert_int_equal(plan.steps[0].verb, PLAN_START); /* it is looked after all the same */
}

/* A canary of a service that needs one whose new instances come in a later step. */
static void a_dependency_whose_turn_comes_later_counts_by_its_old_instances(void **state)
{
    static const struct {
        enum instance_state state;
        int exit_status;
        uint32_t failures;
        bool is_waited_for;
    } rows[] = {
        {INSTANCE_READY, 0, 0, false},
        {INSTANCE_EXITED, 0, 0, false}, /* it has done what it was for */
        {INSTANCE_WARMING, 0, 0, true},
        {INSTANCE_BACKOFF, 1, PLAN_FAILURES - 1, true},
        {INSTANCE_BACKOFF, 1, PLAN_FAILURES, false}, /* nothing will come of it */
        {INSTANCE_UNHEALTHY, 0, 0, false},
        {INSTANCE_EXITED, 1, 1, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct world world = {.service_count = 2};
        world.services[0] = (struct plan_service){
            .name = "db",
            .hash = "b",
            .old_hash = "a",
            .wanted_count = 1,
            .directive = {.directed = true, .old_keep = UINT32_MAX, .keeps_ended = true}};
        world.services[1] = (struct plan_service){
            .name = "web", .hash = "b", .wanted_count = 1, .deps = on_first, .dep_count = 1};
        add(&world, 0, 1, "a", rows[i].state);
        world.instances[0].exit_status = rows[i].exit_status;
        world.instances[0].failures = rows[i].failures;
        plan_make(world.services, 2, world.instances, world.count, &plan);
        assert_int_equal(plan.verdict, PLAN_WORKING);
        assert_int_equal(plan.step_count, rows[i].is_waited_for ? 0 : 1);
    }
}

static void a_paused_instance_takes_no_traffic(void **state)
{
    (void)state;
    struct world world = {.service_count = 1};
    world.services[0] = (struct plan_service){.name = "web", .hash = "a", .wanted_count = 2};
    add(&world, 0, 1, "a", INSTANCE_READY);
    add(&world, 0, 2, "a", INSTANCE_READY);
    world.instances[0].paused = true;
    assert_false(plan_takes_traffic(&world.services[0], world.instances, 2, &world.instances[0]));
    assert_true(plan_takes_traffic(&world.services[0], world.instances, 2, &world.instances[1]));
    assert_int_equal(run(&world), PLAN_CONVERGED); /* it is as it should be */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(held_services_end_dependents_first_and_keep_their_instances),
        cmocka_unit_test(a_held_service_ends_although_one_that_is_not_held_needs_it),
        cmocka_unit_test(nobody_waits_for_a_dependency_that_is_held),
        cmocka_unit_test(a_created_service_has_all_its_instances_and_none_of_them_runs),
        cmocka_unit_test(what_failed_in_a_service_beside_the_operation_is_not_its_failure),
        cmocka_unit_test(a_dependency_whose_turn_comes_later_counts_by_its_old_instances),
        cmocka_unit_test(a_paused_instance_takes_no_traffic),
        cmocka_unit_test(a_replacement_never_leaves_the_service_without_traffic),
        cmocka_unit_test(two_instances_of_an_exclusive_service_never_run_at_once),
        cmocka_unit_test(a_bad_release_fails_and_the_way_back_brings_the_old_one),
        cmocka_unit_test(a_dependent_waits_for_health_and_for_its_migration),
        cmocka_unit_test(down_ends_dependents_first),
        cmocka_unit_test(a_one_shot_that_ends_well_is_up_and_one_that_fails_is_not),
        cmocka_unit_test(a_crash_loop_fails_after_three_ends),
        cmocka_unit_test(scaling_down_ends_the_highest_numbers),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
