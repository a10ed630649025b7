/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "deploy/rollout.h"

static struct rollout_stage room[ROLLOUT_MAX_STAGES];

static struct rollout_track track_of(struct rollout_terms terms)
{
    struct rollout_track track;

    rollout_track_make(&terms, room, &track);
    return track;
}

static const uint32_t shares[] = {500, 2500, 10000};

static const struct {
    const char *name;
    struct rollout_terms terms;
    size_t count;
    struct rollout_stage stages[5];
} plans[] = {
    {"auto",
     {.strategy = ROLLOUT_AUTO, .old_count = 3, .new_count = 3},
     1,
     {{10000, 3, 3, 3, 0, false}}},
    {"one at a time",
     {.strategy = ROLLOUT_ROLLING, .old_count = 3, .new_count = 3, .bake_ms = 7, .monitor_ms = 5},
     3,
     {{3333, 1, 3, 2, 7, false}, {6666, 2, 2, 1, 7, false}, {10000, 3, 1, 0, 5, false}}},
    {"a quarter at a time is rounded up",
     {.strategy = ROLLOUT_ROLLING, .old_count = 5, .new_count = 5, .max_surge = {0, 25}},
     3,
     {{4000, 2, 5, 3, 0, false}, {8000, 4, 3, 1, 0, false}, {10000, 5, 1, 0, 0, false}}},
    {"stop first",
     {.strategy = ROLLOUT_ROLLING, .old_count = 4, .new_count = 4, .max_unavailable = {2, 0}},
     2,
     {{5000, 2, 2, 2, 0, false}, {10000, 4, 0, 0, 0, false}}},
    {"more and fewer at once",
     {.strategy = ROLLOUT_ROLLING,
      .old_count = 4,
      .new_count = 4,
      .max_surge = {1, 0},
      .max_unavailable = {1, 0}},
     2,
     {{5000, 2, 3, 2, 0, false}, {10000, 4, 1, 0, 0, false}}},
    {"rolling from two to four",
     {.strategy = ROLLOUT_ROLLING, .old_count = 2, .new_count = 4},
     4,
     {{2500, 1, 2, 2, 0, false},
      {5000, 2, 2, 1, 0, false},
      {7500, 3, 1, 1, 0, false},
      {10000, 4, 1, 0, 0, false}}},
    {"blue-green",
     {.strategy = ROLLOUT_BLUE_GREEN, .old_count = 2, .new_count = 2, .monitor_ms = 9},
     1,
     {{10000, 2, 2, 2, 9, false}}},
    {"blue-green that asks",
     {.strategy = ROLLOUT_BLUE_GREEN, .old_count = 2, .new_count = 2, .manual = true},
     2,
     {{0, 2, 2, 2, 0, true}, {10000, 2, 2, 2, 0, false}}},
    {"canary",
     {.strategy = ROLLOUT_CANARY,
      .old_count = 3,
      .new_count = 3,
      .shares = shares,
      .share_count = 3,
      .bake_ms = 60},
     3,
     {{500, 1, 3, 3, 60, false}, {2500, 1, 3, 3, 60, false}, {10000, 3, 3, 3, 0, false}}},
    {"canary without the whole at its end",
     {.strategy = ROLLOUT_CANARY,
      .old_count = 1,
      .new_count = 1,
      .shares = shares,
      .share_count = 1,
      .manual = true},
     2,
     {{500, 1, 1, 1, 0, true}, {10000, 1, 1, 1, 0, false}}},
    {"ab",
     {.strategy = ROLLOUT_AB, .old_count = 2, .new_count = 3, .split_share = 2000},
     2,
     {{2000, 3, 2, 2, 0, true}, {10000, 3, 2, 2, 0, false}}},
    {"recreate",
     {.strategy = ROLLOUT_RECREATE, .old_count = 1, .new_count = 1},
     1,
     {{10000, 1, 1, 1, 0, false}}},
    {"rolling to nothing",
     {.strategy = ROLLOUT_ROLLING, .old_count = 2},
     1,
     {{10000, 0, 2, 2, 0, false}}},
};

static void tracks_are_as_the_table_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(plans); i++) {
        struct rollout_track track = track_of(plans[i].terms);
        print_message("# %s\n", plans[i].name);
        assert_int_equal(track.stage_count, plans[i].count);
        for (size_t k = 0; k < track.stage_count; k++) {
            const struct rollout_stage *made = &track.stages[k], *want = &plans[i].stages[k];
            assert_int_equal(made->share, want->share);
            assert_int_equal(made->new_limit, want->new_limit);
            assert_int_equal(made->old_first, want->old_first);
            assert_int_equal(made->old_keep, want->old_keep);
            assert_int_equal(made->bake_ms, want->bake_ms);
            assert_int_equal(made->manual, want->manual);
        }
    }
}

/* Whatever the terms: shares and new ones never shrink, old ones never grow, and the last stage has
 * all. */
static void every_track_goes_one_way_and_arrives(void **state)
{
    (void)state;
    for (int strategy = 0; strategy < ROLLOUT_STRATEGY_COUNT; strategy++)
        for (uint32_t old = 0; old <= 7; old++)
            for (uint32_t new = 0; new <= 7; new ++)
                for (uint32_t surge = 0; surge <= 3; surge++)
                    for (uint32_t missing = 0; missing <= 3; missing++) {
                        struct rollout_track track = track_of(
                            (struct rollout_terms){.strategy = (enum rollout_strategy)strategy,
                                                   .old_count = old,
                                                   .new_count = new,
                                                   .max_surge = {surge, 0},
                                                   .max_unavailable = {missing, 0},
                                                   .shares = shares,
                                                   .share_count = 3,
                                                   .split_share = 5000});
                        struct rollout_stage before = {.old_keep = old};
                        for (size_t i = 0; i < track.stage_count; i++) {
                            const struct rollout_stage *stage = &track.stages[i];
                            assert_true(stage->share >= before.share);
                            assert_true(stage->new_limit >= before.new_limit);
                            assert_true(stage->old_first <= before.old_keep);
                            assert_true(stage->old_keep <= stage->old_first);
                            if (strategy == ROLLOUT_ROLLING && new >= old)
                                assert_true(stage->old_first + before.new_limit + missing >= old);
                            before = *stage;
                        }
                        assert_int_equal(before.share, ROLLOUT_WHOLE);
                        assert_int_equal(before.new_limit, new);
                    }
}

static void a_hundred_instances_roll_one_by_one(void **state)
{
    (void)state;
    struct rollout_track track = track_of(
        (struct rollout_terms){.strategy = ROLLOUT_ROLLING, .old_count = 100, .new_count = 100});
    assert_int_equal(track.stage_count, 100);
}

/* What the plan is told at each state of a canary of three instances. */
static void a_canary_directs_the_plan_step_by_step(void **state)
{
    (void)state;
    struct rollout_track track = track_of((struct rollout_terms){.strategy = ROLLOUT_CANARY,
                                                                 .old_count = 3,
                                                                 .new_count = 3,
                                                                 .shares = shares,
                                                                 .share_count = 3});
    static const struct {
        enum rollout_state state;
        size_t step;
        enum plan_traffic traffic;
        uint32_t new_limit, old_keep, share;
    } rows[] = {
        {ROLLOUT_STARTING, 0, PLAN_TRAFFIC_OLD, 1, UINT32_MAX, 0},
        {ROLLOUT_SHIFTING, 0, PLAN_TRAFFIC_BOTH, 1, UINT32_MAX, 500},
        {ROLLOUT_WATCHING, 1, PLAN_TRAFFIC_BOTH, 1, UINT32_MAX, 2500},
        {ROLLOUT_STARTING, 2, PLAN_TRAFFIC_BOTH, 3, UINT32_MAX, 2500},
        {ROLLOUT_SHIFTING, 2, PLAN_TRAFFIC_NEW, 3, UINT32_MAX, 10000},
        {ROLLOUT_KEEPING, 2, PLAN_TRAFFIC_NEW, UINT32_MAX, UINT32_MAX, 10000},
        {ROLLOUT_DRAINING, 2, PLAN_TRAFFIC_NEW, UINT32_MAX, 0, 10000},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct rollout_position at = {rows[i].state, rows[i].step, 3, false, false};
        struct plan_service service = {.hash = "new", .old_hash = "old", .wanted_count = 3};
        rollout_direct(&track, &at, &service);
        assert_true(service.directive.directed);
        assert_int_equal(service.traffic, rows[i].traffic);
        assert_int_equal(service.directive.new_limit, rows[i].new_limit);
        assert_int_equal(service.directive.old_keep, rows[i].old_keep);
        assert_int_equal(rollout_share(&track, &at), rows[i].share);
    }
}

static void an_aborted_service_prefers_what_is_wanted_and_waits_for_no_drain(void **state)
{
    (void)state;
    struct rollout_track track = track_of(plans[1].terms);
    struct rollout_position at = {ROLLOUT_ABORTING, 1, 3, false, false};
    struct plan_service service = {.hash = "old", .old_hash = "x", .wanted_count = 3};

    rollout_direct(&track, &at, &service);
    assert_true(service.directive.directed && service.directive.lets_go);
    assert_int_equal(service.directive.new_limit, UINT32_MAX);
    assert_int_equal(service.directive.old_keep, 0);
    assert_null(service.old_hash);
    assert_int_equal(service.traffic, PLAN_TRAFFIC_NEW);
}

/* New ones failed and a person is waited for: no old one goes meanwhile. */
static void a_pause_before_the_traffic_moved_keeps_the_old_ones(void **state)
{
    (void)state;
    struct rollout_track track = track_of(plans[1].terms);
    struct rollout_position at = {ROLLOUT_WAITING, 0, 3, true, true};
    struct plan_service service = {.hash = "new", .old_hash = "old", .wanted_count = 3};

    rollout_direct(&track, &at, &service);
    assert_int_equal(service.directive.old_keep, UINT32_MAX);
    at.paused = false;
    rollout_direct(&track, &at, &service);
    assert_int_equal(service.directive.old_keep, 2);
}

static void a_shorter_track_walks_in_the_last_steps(void **state)
{
    (void)state;
    struct rollout_track track = track_of(plans[0].terms);
    struct rollout_position at = {ROLLOUT_WATCHING, 1, 3, false, false};
    struct plan_service service = {.hash = "new", .old_hash = "old", .wanted_count = 3};

    assert_null(rollout_track_stage(&track, 1, 3));
    assert_non_null(rollout_track_stage(&track, 2, 3));
    rollout_direct(&track, &at, &service);
    assert_int_equal(service.directive.new_limit, 0);
    assert_int_equal(service.directive.old_keep, UINT32_MAX);
    assert_int_equal(service.traffic, PLAN_TRAFFIC_OLD);
}

/* A job that others wait for: it runs in the first step, and is there in all others. */
static void a_track_that_comes_first_walks_in_the_first_step(void **state)
{
    (void)state;
    struct rollout_track track =
        track_of((struct rollout_terms){.strategy = ROLLOUT_AUTO, .old_count = 1, .new_count = 1});
    static const enum rollout_state states[] = {ROLLOUT_STARTING, ROLLOUT_SHIFTING,
                                                ROLLOUT_WATCHING};

    track.comes_first = true;
    for (size_t step = 0; step < 3; step++)
        for (size_t i = 0; i < ARRAY_LEN(states); i++) {
            struct rollout_position at = {states[i], step, 3, false, false};
            struct plan_service service = {.hash = "new", .old_hash = "old", .wanted_count = 1};
            rollout_direct(&track, &at, &service);
            assert_int_equal(service.directive.new_limit, 1);
            assert_int_equal(service.directive.old_keep, UINT32_MAX);
            assert_int_equal(rollout_share(&track, &at), step == 0 && i == 0 ? 0 : ROLLOUT_WHOLE);
        }
}

static void names_of_strategies_go_both_ways(void **state)
{
    (void)state;
    for (int i = 0; i < ROLLOUT_STRATEGY_COUNT; i++)
        assert_int_equal(rollout_strategy_parse(rollout_strategy_name((enum rollout_strategy)i)),
                         i);
    assert_int_equal(rollout_strategy_parse("hope"), ROLLOUT_STRATEGY_COUNT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tracks_are_as_the_table_says),
        cmocka_unit_test(every_track_goes_one_way_and_arrives),
        cmocka_unit_test(a_hundred_instances_roll_one_by_one),
        cmocka_unit_test(a_canary_directs_the_plan_step_by_step),
        cmocka_unit_test(an_aborted_service_prefers_what_is_wanted_and_waits_for_no_drain),
        cmocka_unit_test(a_pause_before_the_traffic_moved_keeps_the_old_ones),
        cmocka_unit_test(a_shorter_track_walks_in_the_last_steps),
        cmocka_unit_test(a_track_that_comes_first_walks_in_the_first_step),
        cmocka_unit_test(names_of_strategies_go_both_ways),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
