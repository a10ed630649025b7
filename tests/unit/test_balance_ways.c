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

enum { MANY = 50 };

/* A worker without a thread and without a main thread: nothing drains here. */
struct fixture {
    struct worker *worker;
    struct loop *loop;
    uint64_t generation;
};

static struct fixture fixture;

static int set_up(void **state)
{
    struct err err;

    (void)state;
    fixture = (struct fixture){.worker = NEW(struct worker)};
    fixture.worker->loop = fixture.loop = loop_new(NULL, &err);
    fixture.worker->random[0] = 1;
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
    loop_free(fixture.loop);
    free(fixture.worker);
    return 0;
}

/* <count> targets, t0 and so on; the odd ones are of release 2, the others of release 1. */
static struct view *publish(int count, const char *members)
{
    AUTO(buf_done) struct buf json = {0};
    struct table *table;
    struct err err;

    buf_addf(&json,
             "{\"generation\":%lu,\"sign_key\":\"%064d\",\"upstreams\":[{\"name\":\"u\",%s,"
             "\"targets\":[",
             (unsigned long)++fixture.generation, 1, members);
    for (int i = 0; i < count; i++)
        buf_addf(&json, "%s{\"id\":\"t%d\",\"address\":\"127.0.0.1:%d\",\"release\":%d}",
                 i == 0 ? "" : ",", i, i + 1, 1 + i % 2);
    buf_add_text(&json, "]}]}");
    if (!table_read(buf_str(&json), NULL, 0, &table, &err))
        fail_msg("%s", err.text);
    return view_new(fixture.worker, table);
}

static uint32_t pick_at(struct view *view, struct pick pick, uint64_t now_ns)
{
    struct target *target = balance_pick(view, 0, &pick, now_ns);

    assert_non_null(target);
    assert_ptr_equal(target, view->targets[pick.at]);
    return pick.at;
}

static uint32_t turn(struct view *view)
{
    return pick_at(view, (struct pick){0}, 1);
}

static void turns_go_to_each_target_once_a_round(void **state)
{
    struct view *view = publish(7, "\"balance\":\"round-robin\"");

    (void)state;
    for (int round = 0; round < 5; round++) {
        unsigned seen = 0;
        for (int i = 0; i < 7; i++)
            seen |= 1U << turn(view);
        assert_int_equal(seen, 0x7f);
    }
}

static void who_was_left_out_does_not_catch_up_on_its_turns(void **state)
{
    struct view *view = publish(2, "\"balance\":\"round-robin\"");
    unsigned to_first = 0;

    (void)state;
    target_eject(view->targets[0], NULL, 1);
    for (int i = 0; i < 100; i++)
        assert_int_equal(turn(view), 1);
    view->targets[0]->ejected_until_ns = 0;
    for (int i = 0; i < 10; i++)
        to_first += turn(view) == 0;
    assert_in_range(to_first, 4, 6);
}

static void two_choices_keep_the_load_close_to_even(void **state)
{
    struct view *view = publish(MANY, "\"balance\":\"two-choices\"");
    uint32_t most = 0;

    (void)state;
    for (int i = 0; i < MANY * 20; i++)
        target_take(view->targets[turn(view)]);
    for (size_t i = 0; i < MANY; i++)
        most = MAX(most, view->targets[i]->active);
    assert_in_range(most, 20, 24); /* one choice alone would come to 33 or so */
    for (size_t i = 0; i < MANY; i++)
        while (view->targets[i]->active > 0)
            target_release(fixture.worker, view->targets[i]);
}

static uint32_t place_of(struct view *view, uint64_t key)
{
    return pick_at(view, (struct pick){.hash = balance_mix(key + 1)}, 1);
}

static void keys_hash_evenly_and_only_those_that_a_new_target_gets_move(void **state)
{
    enum { KEYS = 20000, TARGETS = 20 };
    struct view *before = view_ref(publish(TARGETS - 1, "\"balance\":\"hash\""));
    struct view *view = publish(TARGETS, "\"balance\":\"hash\"");
    unsigned counts[TARGETS] = {0}, moved = 0;

    (void)state;
    for (uint64_t key = 0; key < KEYS; key++) {
        uint32_t at = place_of(view, key), was_at = place_of(before, key);
        counts[at]++;
        moved += at != was_at;
        assert_true(at == was_at || at == TARGETS - 1);
    }
    for (size_t i = 0; i < TARGETS; i++)
        assert_in_range(counts[i], 850, 1150); /* five standard deviations around 1000 */
    assert_int_equal(moved, counts[TARGETS - 1]);
    view_unref(fixture.worker, before);
}

static void a_sticky_visitor_moves_only_when_its_target_cannot_serve(void **state)
{
    struct view *view = publish(5, "\"sticky_cookie\":\"s\"");
    struct pick pick = {.sticky = view->targets[3]->token};

    (void)state;
    assert_true(pick.sticky != 0 && pick.sticky != view->targets[2]->token);
    for (int i = 0; i < 10; i++)
        assert_int_equal(pick_at(view, pick, 1), 3);
    target_eject(view->targets[3], NULL, 1);
    assert_int_not_equal(pick_at(view, pick, 2), 3);
    pick.sticky ^= 2;
    assert_int_not_equal(pick_at(view, pick, 2), 3);
}

#define SPLIT                                                                                      \
    "\"split\":{\"shares\":[{\"release\":1,\"share\":9000},{\"release\":2,\"share\":1000}]}"

static void a_release_serves_its_own_requests_and_the_others_when_they_cannot(void **state)
{
    struct view *view = publish(4, SPLIT);
    struct pick second = {.release = 2};

    (void)state;
    for (int i = 0; i < 10; i++)
        assert_int_equal(pick_at(view, second, 1) % 2, 1);
    target_eject(view->targets[1], NULL, 1);
    for (int i = 0; i < 10; i++)
        assert_int_equal(pick_at(view, second, 2), 3); /* the retry stays in the release */
    target_eject(view->targets[3], NULL, 1);
    for (int i = 0; i < 10; i++)
        assert_int_equal(pick_at(view, second, 2) % 2, 0);
    target_eject(view->targets[0], NULL, 1);
    target_eject(view->targets[2], NULL, 1);
    assert_int_equal(pick_at(view, second, 2) % 2, 1); /* all have failed: its own again */
}

static void a_release_in_no_share_is_the_last_resort(void **state)
{
    struct view *view = publish(2, "\"split\":{\"shares\":[{\"release\":1,\"share\":10000}]}");

    (void)state;
    for (int i = 0; i < 10; i++)
        assert_int_equal(pick_at(view, (struct pick){.release = 1}, 1), 0);
    target_eject(view->targets[0], NULL, 1);
    assert_int_equal(pick_at(view, (struct pick){.release = 1}, 2), 1);
}

static void shares_are_found_by_their_sum(void **state)
{
    struct view *view = publish(2, SPLIT);
    const struct upstream_split *split = view->table->upstreams[0].balance->split;

    (void)state;
    assert_int_equal(split_find_share(split, 0), 1);
    assert_int_equal(split_find_share(split, 8999), 1);
    assert_int_equal(split_find_share(split, 9000), 2);
    assert_int_equal(split_find_share(split, 9999), 2);
}

static void a_full_target_gets_nothing_and_all_full_is_said(void **state)
{
    struct view *view = publish(2, "\"max_connections\":2");
    struct pick pick = {0};

    (void)state;
    for (int i = 0; i < 4; i++)
        target_take(view->targets[turn(view)]);
    assert_int_equal(view->targets[0]->active, 2);
    assert_null(balance_pick(view, 0, &pick, 1));
    assert_true(pick.is_full);
    target_release(fixture.worker, view->targets[1]);
    assert_int_equal(turn(view), 1);
    for (int i = 0; i < 2; i++)
        target_release(fixture.worker, view->targets[0]);
    target_release(fixture.worker, view->targets[1]);
}

static void a_new_target_gets_its_share_little_by_little(void **state)
{
    struct view *view = publish(2, "\"slow_start_ms\":10000");
    uint64_t born_ns = UINT64_C(1) << 40;

    (void)state;
    view->targets[1]->born_ns = born_ns;
    for (uint64_t tenth = 1; tenth < 10; tenth += 4) {
        unsigned count = 0;
        for (int i = 0; i < 4000; i++)
            count += pick_at(view, (struct pick){0}, born_ns + tenth * NS_PER_SECOND) == 1;
        /* of the 2000 that it would get as an equal */
        assert_in_range(count, 200 * tenth - 150, 200 * tenth + 150);
    }
    unsigned later = 0;
    for (int i = 0; i < 100; i++)
        later += pick_at(view, (struct pick){0}, born_ns + 10 * NS_PER_SECOND) == 1;
    assert_int_equal(later, 50);
}

static void failures_in_a_row_leave_a_target_out_longer_each_time(void **state)
{
    struct view *view = publish(2, "\"max_fails\":3,\"fail_timeout_ms\":1000");
    const struct upstream_balance *balance = view->table->upstreams[0].balance;
    struct target *target = view->targets[0];
    uint64_t now_ns = 5;

    (void)state;
    assert_false(target_note_failure(target, balance, now_ns));
    assert_false(target_note_failure(target, balance, now_ns));
    target_note_success(target, now_ns);
    assert_false(target_note_failure(target, balance, now_ns));
    assert_false(target_note_failure(target, balance, now_ns));
    assert_true(target_note_failure(target, balance, now_ns));
    assert_int_equal(target->ejected_until_ns, now_ns + 1000 * NS_PER_MS);
    for (uint64_t times = 2; times < 40; times++) {
        now_ns = target->ejected_until_ns;
        target->on_trial = true; /* one request tries it, and fails */
        assert_true(target_note_failure(target, balance, now_ns));
        uint64_t ms = (target->ejected_until_ns - now_ns) / NS_PER_MS;
        assert_true(ms == MIN(UINT64_C(1000) << MIN(times - 1, UINT64_C(16)),
                              (uint64_t)TARGET_EJECT_MAX_MS));
    }
    target->on_trial = true;
    target_note_success(target, now_ns);
    assert_int_equal(target->ejections, 0);
}

static void a_target_on_trial_has_one_request(void **state)
{
    struct view *view = publish(2, "\"max_fails\":1");

    (void)state;
    view->targets[0]->on_trial = true;
    for (int i = 0; i < 10; i++)
        assert_int_equal(turn(view), 1);
}

static void retries_have_a_budget(void **state)
{
    struct retry_budget budget = {0};
    uint64_t now_ns = 100 * NS_PER_SECOND;
    unsigned given = 0;

    (void)state;
    while (retry_budget_take(&budget, now_ns))
        given++;
    assert_int_equal(given, RETRY_MIN); /* few requests: a fixed number */
    for (int i = 0; i < 10000; i++)
        retry_budget_add(&budget, now_ns);
    while (retry_budget_take(&budget, now_ns))
        given++;
    assert_int_equal(given, 10000 * RETRY_SHARE_PERCENT / 100);
    now_ns += RETRY_WINDOW_MS * NS_PER_MS;
    assert_false(retry_budget_take(&budget, now_ns)); /* the former window counts too */
    now_ns += 2 * RETRY_WINDOW_MS * NS_PER_MS;
    assert_true(retry_budget_take(&budget, now_ns));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(turns_go_to_each_target_once_a_round),
        TEST(who_was_left_out_does_not_catch_up_on_its_turns),
        TEST(two_choices_keep_the_load_close_to_even),
        TEST(keys_hash_evenly_and_only_those_that_a_new_target_gets_move),
        TEST(a_sticky_visitor_moves_only_when_its_target_cannot_serve),
        TEST(a_release_serves_its_own_requests_and_the_others_when_they_cannot),
        TEST(a_release_in_no_share_is_the_last_resort),
        TEST(shares_are_found_by_their_sum),
        TEST(a_full_target_gets_nothing_and_all_full_is_said),
        TEST(a_new_target_gets_its_share_little_by_little),
        TEST(failures_in_a_row_leave_a_target_out_longer_each_time),
        TEST(a_target_on_trial_has_one_request),
        TEST(retries_have_a_budget),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
