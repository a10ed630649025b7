/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/err.h"
#include "edge/balance.h"
#include "edge/worker.h"

/* A worker without a thread; its letters end up in <reported>. */
struct fixture {
    struct worker *worker;
    struct loop *loop;
    struct mailbox main;
    struct buf reported;
};

static struct fixture fixture;

static void on_letter(struct mailbox *mailbox, struct letter *letter)
{
    (void)mailbox;
    assert_int_equal(letter->kind, LETTER_IDLE);
    buf_addf(&fixture.reported, "%s ", letter->text);
}

static int set_up(void **state)
{
    struct err err;

    (void)state;
    fixture = (struct fixture){.worker = NEW(struct worker)};
    fixture.loop = loop_new(NULL, &err);
    assert_true(mailbox_open(&fixture.main, fixture.loop, on_letter, &err));
    fixture.worker->loop = fixture.loop;
    fixture.worker->main = &fixture.main;
    list_init(&fixture.worker->targets);
    list_init(&fixture.worker->queues);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (fixture.worker->view != NULL)
        view_unref(fixture.worker, fixture.worker->view);
    assert_true(list_is_empty(&fixture.worker->targets));
    mailbox_close(&fixture.main, fixture.loop);
    loop_free(fixture.loop);
    buf_done(&fixture.reported);
    free(fixture.worker);
    return 0;
}

/* "a b:3 -c": targets with weights; '-' is draining. */
static struct view *publish(uint64_t generation, const char *targets)
{
    AUTO(buf_done) struct buf json = {0};
    struct str rest = str_of(targets);
    struct table *table;
    struct err err;

    buf_addf(&json, "{\"generation\":%lu,\"upstreams\":[{\"name\":\"u\",\"targets\":[",
             (unsigned long)generation);
    for (int i = 0; rest.len > 0; i++) {
        struct str weight = str_cut(&rest, ' ');
        bool draining = weight.ptr[0] == '-';
        if (draining)
            weight = str_sub(weight, 1, SIZE_MAX);
        struct str id = str_cut(&weight, ':');
        buf_addf(&json,
                 "%s{\"id\":\"" STR_FMT "\",\"address\":\"127.0.0.1:1\",\"weight\":" STR_FMT
                 ",\"draining\":%s}",
                 i == 0 ? "" : ",", STR_ARG(id), weight.ptr == NULL ? 1 : (int)weight.len,
                 weight.ptr == NULL ? "1" : weight.ptr, draining ? "true" : "false");
    }
    buf_add_text(&json, "]}]}");
    if (!table_read(buf_str(&json), NULL, 0, &table, &err))
        fail_msg("%s", err.text);
    return view_new(fixture.worker, table);
}

static const char *reports(void)
{
    loop_round(fixture.loop, 0);
    return buf_text(&fixture.reported);
}

static struct target *view_pick(struct view *view, uint32_t upstream, const struct target *avoid,
                                uint64_t now_ns)
{
    struct pick pick = {.avoid = avoid};

    return balance_pick(view, upstream, &pick, now_ns);
}

static struct target *find(struct view *view, const char *id)
{
    for (size_t i = 0; i < view->table->target_count; i++)
        if (str_is(view->targets[i]->id, id))
            return view->targets[i];
    return NULL;
}

static void the_least_busy_gets_the_next_request(void **state)
{
    struct view *view = publish(1, "a b c");
    struct target *taken[9];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(taken); i++) {
        taken[i] = view_pick(view, 0, NULL, 1);
        target_take(taken[i]);
    }
    assert_int_equal(find(view, "a")->active, 3);
    assert_int_equal(find(view, "b")->active, 3);
    assert_int_equal(find(view, "c")->active, 3);
    target_release(fixture.worker, find(view, "b"));
    assert_ptr_equal(view_pick(view, 0, NULL, 1), find(view, "b"));
    target_take(find(view, "b"));
    for (size_t i = 0; i < ARRAY_LEN(taken); i++)
        target_release(fixture.worker, taken[i]);
}

static void idle_targets_take_turns(void **state)
{
    struct view *view = publish(1, "a b c");
    unsigned counts[3] = {0};

    (void)state;
    for (int i = 0; i < 30; i++)
        counts[view_pick(view, 0, NULL, 1)->id.ptr[0] - 'a']++;
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(counts[i], 10);
}

static void requests_are_shared_by_weight(void **state)
{
    struct view *view = publish(1, "a:1 b:3");
    unsigned total = 0;

    (void)state;
    for (; total < 40; total++)
        target_take(view_pick(view, 0, NULL, 1));
    assert_int_equal(find(view, "a")->active, 10);
    assert_int_equal(find(view, "b")->active, 30);
    while (find(view, "a")->active > 0)
        target_release(fixture.worker, find(view, "a"));
    while (find(view, "b")->active > 0)
        target_release(fixture.worker, find(view, "b"));
}

static void a_target_that_failed_is_skipped_for_a_moment(void **state)
{
    struct view *view = publish(1, "a b");

    (void)state;
    target_eject(find(view, "a"), NULL, 1000);
    for (int i = 0; i < 10; i++)
        assert_ptr_equal(view_pick(view, 0, NULL, 2000), find(view, "b"));
    uint64_t later_ns = 1000 + TARGET_EJECT_MS * NS_PER_MS;
    bool seen = false;
    for (int i = 0; i < 10; i++)
        seen |= view_pick(view, 0, NULL, later_ns) == find(view, "a");
    assert_true(seen);
    /* better one that failed than none */
    target_eject(find(view, "a"), NULL, 1000);
    target_eject(find(view, "b"), NULL, 1000);
    assert_non_null(view_pick(view, 0, NULL, 2000));
    /* and better the other one than the one to avoid */
    for (int i = 0; i < 10; i++)
        assert_ptr_equal(view_pick(view, 0, find(view, "a"), later_ns), find(view, "b"));
}

static void a_draining_target_gets_nothing_and_is_reported_when_it_is_idle(void **state)
{
    struct view *view = publish(1, "a b");
    struct target *a = find(view, "a");

    (void)state;
    target_take(a);
    view = publish(2, "-a b");
    for (int i = 0; i < 10; i++)
        assert_ptr_equal(view_pick(view, 0, NULL, 1), find(view, "b"));
    assert_string_equal(reports(), "");
    target_release(fixture.worker, a);
    assert_string_equal(reports(), "a ");
    view = publish(3, "a b");
    target_take(find(view, "a"));
    target_release(fixture.worker, find(view, "a"));
    assert_string_equal(reports(), "a ");
}

static void a_target_that_is_gone_stays_until_its_last_request(void **state)
{
    struct view *view = view_ref(publish(1, "a b"));
    struct target *a = find(view, "a");

    (void)state;
    target_take(a);
    struct view *next = publish(2, "b");
    assert_ptr_equal(find(view, "b"), find(next, "b"));
    assert_ptr_not_equal(view_pick(view, 0, NULL, 1), a);
    assert_string_equal(reports(), "");
    target_release(fixture.worker, a);
    assert_string_equal(reports(), "a ");
    view_unref(fixture.worker, view);
    assert_null(find(next, "a"));
}

static void no_target_left_is_no_target(void **state)
{
    (void)state;
    assert_null(view_pick(publish(1, ""), 0, NULL, 1));
    assert_null(view_pick(publish(2, "-a -b"), 0, NULL, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_least_busy_gets_the_next_request, set_up, tear_down),
        cmocka_unit_test_setup_teardown(idle_targets_take_turns, set_up, tear_down),
        cmocka_unit_test_setup_teardown(requests_are_shared_by_weight, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_target_that_failed_is_skipped_for_a_moment, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(
            a_draining_target_gets_nothing_and_is_reported_when_it_is_idle, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_target_that_is_gone_stays_until_its_last_request, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(no_target_left_is_no_target, set_up, tear_down),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
