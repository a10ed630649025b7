/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "deploy/instance_fsm.h"

/* Every state x event pair, one line each, against the golden file. */
static void every_pair_is_as_the_golden_file_says(void **state)
{
    (void)state;
    AUTO(buf_done) struct buf made = {0}, golden = {0};
    struct err err;

    for (int from = 0; from < INSTANCE_STATE_COUNT; from++)
        for (int event = 0; event < INSTANCE_EVENT_COUNT; event++) {
            const struct instance_transition *row =
                instance_fsm_next((enum instance_state)from, (enum instance_event)event);
            buf_addf(&made, "%-10s %-13s ", instance_state_name((enum instance_state)from),
                     instance_event_name((enum instance_event)event));
            if (row == NULL)
                buf_add_text(&made, "ignored\n");
            else
                buf_addf(&made, "%-10s %s\n", instance_state_name(row->to),
                         instance_action_name(row->action));
        }
    assert_true(file_read(GOLDEN_DIR "/instance_fsm.txt", 1 << 20, &golden, &err));
    assert_string_equal(buf_text(&made), buf_text(&golden));
}

/* Whatever happens, an instance that is asked to stop again and again ends, and can be removed. */
static void every_state_leads_to_gone_when_it_is_not_wanted(void **state)
{
    (void)state;
    static const enum instance_event wishes[] = {INSTANCE_ON_STARTED,    INSTANCE_ON_STOP,
                                                 INSTANCE_ON_DRAINED,    INSTANCE_ON_TIMEOUT,
                                                 INSTANCE_ON_EXIT_FINAL, INSTANCE_ON_REMOVE};

    for (int from = 0; from < INSTANCE_STATE_COUNT; from++) {
        enum instance_state now = (enum instance_state)from;
        for (int round = 0; round < 3 && now != INSTANCE_GONE; round++)
            for (size_t i = 0; i < ARRAY_LEN(wishes); i++) {
                const struct instance_transition *row = instance_fsm_next(now, wishes[i]);
                if (row != NULL)
                    now = row->to;
            }
        assert_int_equal(now, INSTANCE_GONE);
    }
}

static void names_go_both_ways(void **state)
{
    (void)state;
    enum instance_state parsed;

    for (int i = 0; i < INSTANCE_STATE_COUNT; i++) {
        assert_true(instance_state_parse(instance_state_name((enum instance_state)i), &parsed));
        assert_int_equal(parsed, i);
    }
    assert_false(instance_state_parse("asleep", &parsed));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pair_is_as_the_golden_file_says),
        cmocka_unit_test(every_state_leads_to_gone_when_it_is_not_wanted),
        cmocka_unit_test(names_go_both_ways),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
