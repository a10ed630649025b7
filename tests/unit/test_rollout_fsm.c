/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "deploy/rollout_fsm.h"

/* Every state x event pair, one line each, against the golden file. */
static void every_pair_is_as_the_golden_file_says(void **state)
{
    (void)state;
    AUTO(buf_done) struct buf made = {0}, golden = {0};
    struct err err;

    for (int from = 0; from < ROLLOUT_STATE_COUNT; from++)
        for (int event = 0; event < ROLLOUT_EVENT_COUNT; event++) {
            const struct rollout_transition *row =
                rollout_fsm_next((enum rollout_state)from, (enum rollout_event)event);
            buf_addf(&made, "%-11s %-12s ", rollout_state_name((enum rollout_state)from),
                     rollout_event_name((enum rollout_event)event));
            if (row == NULL)
                buf_add_text(&made, "ignored\n");
            else
                buf_addf(&made, "%-11s %s\n", rollout_state_name(row->to),
                         rollout_action_name(row->action));
        }
    assert_true(file_read(GOLDEN_DIR "/rollout_fsm.txt", 1 << 20, &golden, &err));
    assert_string_equal(buf_text(&made), buf_text(&golden));
}

/* Before the old release is gone for good, a person and a failure lead back to it. */
static void every_active_state_leads_back(void **state)
{
    (void)state;
    for (int from = 0; from < ROLLOUT_STATE_COUNT; from++) {
        if (!rollout_state_is_active((enum rollout_state)from) || from == ROLLOUT_ABORTING)
            continue;
        const enum rollout_event events[] = {ROLLOUT_ON_ABORT, ROLLOUT_ON_FAILED};
        for (size_t i = 0; i < ARRAY_LEN(events); i++) {
            const struct rollout_transition *row =
                rollout_fsm_next((enum rollout_state)from, events[i]);
            assert_non_null(row);
            assert_int_equal(row->to, ROLLOUT_ABORTING);
            assert_int_equal(row->action, ROLLOUT_DO_TURN);
        }
    }
}

/* From every state there is a way to an end on which no person is needed once one has decided. */
static void every_active_state_has_an_end(void **state)
{
    (void)state;
    static const enum rollout_event course[] = {
        ROLLOUT_ON_MIGRATED, ROLLOUT_ON_READY,        ROLLOUT_ON_APPLIED, ROLLOUT_ON_BAKED_LAST,
        ROLLOUT_ON_EXPIRED,  ROLLOUT_ON_PROMOTE_LAST, ROLLOUT_ON_READY,   ROLLOUT_ON_EXPIRED};

    for (int from = 0; from < ROLLOUT_STATE_COUNT; from++) {
        enum rollout_state now = (enum rollout_state)from;
        for (int round = 0; round < 3; round++)
            for (size_t i = 0; i < ARRAY_LEN(course); i++) {
                const struct rollout_transition *row = rollout_fsm_next(now, course[i]);
                if (row != NULL)
                    now = row->to;
            }
        assert_false(rollout_state_is_active(now));
    }
}

static void a_rollout_that_is_over_hears_nothing(void **state)
{
    (void)state;
    for (int event = 0; event < ROLLOUT_EVENT_COUNT; event++) {
        assert_null(rollout_fsm_next(ROLLOUT_DONE, (enum rollout_event)event));
        assert_null(rollout_fsm_next(ROLLOUT_ROLLED_BACK, (enum rollout_event)event));
    }
}

static void names_go_both_ways(void **state)
{
    (void)state;
    enum rollout_state parsed;

    for (int i = 0; i < ROLLOUT_STATE_COUNT; i++) {
        assert_true(rollout_state_parse(rollout_state_name((enum rollout_state)i), &parsed));
        assert_int_equal(parsed, i);
    }
    assert_false(rollout_state_parse("asleep", &parsed));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pair_is_as_the_golden_file_says),
        cmocka_unit_test(every_active_state_leads_back),
        cmocka_unit_test(every_active_state_has_an_end),
        cmocka_unit_test(a_rollout_that_is_over_hears_nothing),
        cmocka_unit_test(names_go_both_ways),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
