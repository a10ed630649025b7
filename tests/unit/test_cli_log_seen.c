/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "cli/log_seen.h"

static void nothing_is_held_back_before_it_breaks_off(void **state)
{
    (void)state;
    AUTO(log_seen_done) struct log_seen seen;

    log_seen_init(&seen, 1000, 0, false);
    assert_true(log_seen_take(&seen, STR("web-1"), 10));
    assert_true(log_seen_take(&seen, STR("web-1"), 10));
    assert_true(log_seen_take(&seen, STR("web-1"), 5)); /* the clock was set back */
    assert_true(log_seen_take(&seen, STR("db-1"), 7));
}

static void lines_of_one_time_are_counted(void **state)
{
    (void)state;
    AUTO(log_seen_done) struct log_seen seen;

    log_seen_init(&seen, 1000, 0, false);
    for (int64_t time_ms = 1001; time_ms <= 1003; time_ms++)
        for (int i = 0; i < 2; i++)
            assert_true(log_seen_take(&seen, STR("web-1"), time_ms));
    assert_int_equal(log_seen_resume(&seen), 1000); /* another may have begun then */
    assert_false(log_seen_take(&seen, STR("web-1"), 1001));
    assert_false(log_seen_take(&seen, STR("web-1"), 1002));
    assert_false(log_seen_take(&seen, STR("web-1"), 1003));
    assert_false(log_seen_take(&seen, STR("web-1"), 1003));
    assert_true(log_seen_take(&seen, STR("web-1"), 1003)); /* the third of that time is new */
    assert_true(log_seen_take(&seen, STR("web-1"), 1002)); /* and so is all after it */
}

static void each_instance_has_a_place_of_its_own(void **state)
{
    (void)state;
    AUTO(log_seen_done) struct log_seen seen;

    log_seen_init(&seen, 1000, 0, false);
    assert_true(log_seen_take(&seen, STR("db-1"), 200)); /* it has been quiet since */
    assert_true(log_seen_take(&seen, STR("web-1"), 1500));
    assert_int_equal(log_seen_resume(&seen), 200);
    assert_false(log_seen_take(&seen, STR("db-1"), 200));
    assert_false(log_seen_take(&seen, STR("web-1"), 900));
    assert_true(log_seen_take(&seen, STR("db-1"), 1400));
    assert_false(log_seen_take(&seen, STR("web-1"), 1500));
    assert_true(log_seen_take(&seen, STR("web-1"), 1501));
}

static void it_may_break_off_again_while_it_repeats(void **state)
{
    (void)state;
    AUTO(log_seen_done) struct log_seen seen;

    log_seen_init(&seen, 1000, 0, false);
    for (int i = 0; i < 3; i++)
        assert_true(log_seen_take(&seen, STR("web-1"), 1001));
    (void)log_seen_resume(&seen);
    assert_false(log_seen_take(&seen, STR("web-1"), 1001));
    (void)log_seen_resume(&seen);
    for (int i = 0; i < 3; i++)
        assert_false(log_seen_take(&seen, STR("web-1"), 1001));
    assert_true(log_seen_take(&seen, STR("web-1"), 1001));
}

/* What the tail had left out stays out; what is written later does not. */
static void an_instance_that_was_not_seen_begins_where_the_stream_did(void **state)
{
    (void)state;
    AUTO(log_seen_done) struct log_seen seen;

    log_seen_init(&seen, 1000, 0, true);
    assert_int_equal(log_seen_resume(&seen), 1000);
    assert_false(log_seen_take(&seen, STR("web-1"), 999));
    assert_true(log_seen_take(&seen, STR("web-1"), 1000));
    assert_true(log_seen_take(&seen, STR("web-1"), 1001));
}

/* Old lines were still to come when it broke off. */
static void what_was_asked_for_and_had_not_come_yet_comes(void **state)
{
    (void)state;
    AUTO(log_seen_done) struct log_seen seen;

    log_seen_init(&seen, 1000, 100, false);
    assert_true(log_seen_take(&seen, STR("web-1"), 150));
    assert_int_equal(log_seen_resume(&seen), 100);
    assert_false(log_seen_take(&seen, STR("web-1"), 150));
    assert_true(log_seen_take(&seen, STR("db-1"), 160));
    assert_true(log_seen_take(&seen, STR("web-1"), 170));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_held_back_before_it_breaks_off),
        cmocka_unit_test(lines_of_one_time_are_counted),
        cmocka_unit_test(each_instance_has_a_place_of_its_own),
        cmocka_unit_test(it_may_break_off_again_while_it_repeats),
        cmocka_unit_test(an_instance_that_was_not_seen_begins_where_the_stream_did),
        cmocka_unit_test(what_was_asked_for_and_had_not_come_yet_comes),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
