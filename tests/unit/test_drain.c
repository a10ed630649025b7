/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/err.h"
#include "edge/control.h"

enum { WORKERS = 2 };

static struct edge *edge; /* without workers, which are spoken for here, and without a daemon */

static int set_up(void **state)
{
    (void)state;
    edge = NEW(struct edge);
    edge->worker_count = WORKERS;
    edge->channel_fd = -1;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    drain_done(edge);
    table_unref(edge->table);
    free(edge);
    return 0;
}

/* "a -b": targets; '-' is draining. */
static void publish(const char *targets)
{
    uint64_t generation = edge->table == NULL ? 1 : edge->table->generation + 1;
    AUTO(buf_done) struct buf json = {0};
    struct str rest = str_of(targets);
    struct table *table;
    struct err err;

    buf_addf(&json, "{\"generation\":%lu,\"upstreams\":[{\"name\":\"u\",\"targets\":[",
             (unsigned long)generation);
    for (int i = 0; rest.len > 0; i++) {
        struct str id = str_cut(&rest, ' ');
        bool draining = id.ptr[0] == '-';
        buf_addf(&json, "%s{\"id\":\"" STR_FMT "\",\"address\":\"127.0.0.1:1\",\"draining\":%s}",
                 i == 0 ? "" : ",", STR_ARG(str_sub(id, draining, SIZE_MAX)),
                 draining ? "true" : "false");
    }
    buf_add_text(&json, "]}]}");
    if (!table_read(buf_str(&json), NULL, 0, &table, &err))
        fail_msg("%s", err.text);
    drain_plan(edge, table);
    table_unref(edge->table);
    edge->table = table;
}

/* <worker> says that it has nothing of <id>, by the table of that moment. */
static void report(unsigned worker, const char *id, uint64_t generation)
{
    AUTO(free) char *text = mem_copy_text(id);

    drain_report(
        edge,
        &(struct letter){.kind = LETTER_IDLE, .number = generation, .text = text, .from = worker});
}

static bool is_awaited(const char *id)
{
    for (size_t i = 0; i < edge->drains.len; i++)
        if (strcmp(edge->drains.ptr[i].id, id) == 0)
            return true;
    return false;
}

static void a_draining_target_is_awaited_until_every_worker_has_reported(void **state)
{
    (void)state;
    publish("a b");
    assert_int_equal(edge->drains.len, 0);
    publish("a -b");
    assert_true(is_awaited("b"));
    report(0, "b", 2);
    assert_true(is_awaited("b"));
    report(1, "b", 2);
    assert_int_equal(edge->drains.len, 0);
}

static void a_report_by_an_older_table_does_not_count(void **state)
{
    (void)state;
    publish("a b");
    publish("a -b");
    publish("a -b");
    report(0, "b", 2);
    report(1, "b", 2);
    assert_true(is_awaited("b"));
}

static void a_target_that_is_gone_at_once_is_awaited(void **state)
{
    (void)state;
    publish("a b");
    publish("a");
    assert_true(is_awaited("b"));
    report(0, "b", 2);
    report(1, "b", 2);
    assert_int_equal(edge->drains.len, 0);
}

/* Workers report it no second time. */
static void a_target_that_was_idle_before_it_is_gone_is_not_awaited(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++) {
        uint64_t generation;
        publish("a b");
        publish("a -b");
        generation = edge->table->generation;
        report(0, "b", generation);
        report(1, "b", generation);
        publish("a");
        assert_int_equal(edge->drains.len, 0);
    }
}

static void
a_target_that_is_gone_while_one_worker_has_it_is_awaited_from_that_one_alone(void **state)
{
    (void)state;
    publish("a b");
    publish("a -b");
    report(0, "b", 2);
    publish("a");
    assert_true(is_awaited("b"));
    report(1, "b", 3);
    assert_int_equal(edge->drains.len, 0);
}

static void a_target_that_comes_back_is_not_awaited(void **state)
{
    (void)state;
    publish("a b");
    publish("a -b");
    publish("a b");
    assert_int_equal(edge->drains.len, 0);
}

static void a_worker_that_has_ended_has_nothing(void **state)
{
    (void)state;
    publish("a b");
    publish("a -b");
    report(0, "b", 2);
    edge->stopped = 1u << 1;
    drain_forget_worker(edge, 1);
    assert_int_equal(edge->drains.len, 0);
    publish("-a -b");
    report(0, "a", 3);
    assert_false(is_awaited("a"));
    assert_true(is_awaited("b"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            a_draining_target_is_awaited_until_every_worker_has_reported, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_report_by_an_older_table_does_not_count, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_target_that_is_gone_at_once_is_awaited, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_target_that_was_idle_before_it_is_gone_is_not_awaited,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            a_target_that_is_gone_while_one_worker_has_it_is_awaited_from_that_one_alone, set_up,
            tear_down),
        cmocka_unit_test_setup_teardown(a_target_that_comes_back_is_not_awaited, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_worker_that_has_ended_has_nothing, set_up, tear_down),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
