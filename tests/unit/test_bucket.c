/* SPDX-License-Identifier: Apache-2.0
 *
 * Token buckets and tallies: what is counted, by one thread and by several.
 */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <pthread.h>

#include "base/hash.h"
#include "edge/bucket.h"
#include "edge/tally.h"

enum { SECOND_US = 1000000, THREADS = 4 };

static struct bucket_table buckets;
static struct tally_table tallies;

static int clear(void **state)
{
    (void)state;
    memset(&buckets, 0, sizeof buckets);
    memset(&tallies, 0, sizeof tallies);
    return 0;
}

static uint64_t key_of(uint64_t n)
{
    return hash_bytes(&n, sizeof n);
}

static struct bucket_rate rate_of(uint64_t requests, uint64_t seconds, uint64_t burst)
{
    struct bucket_rate rate;

    assert_true(bucket_rate_init(&rate, requests, seconds, burst));
    return rate;
}

static unsigned take_all(uint64_t key, const struct bucket_rate *rate, uint64_t now_us)
{
    uint64_t wait_us = 0;
    unsigned taken = 0;

    while (taken < 100000 && bucket_take(&buckets, key, rate, now_us, &wait_us))
        taken++;
    return taken;
}

static void a_bucket_gives_its_burst_and_then_its_rate(void **state)
{
    struct bucket_rate rate = rate_of(10, 1, 25);
    uint64_t now_us = 77 * SECOND_US;

    (void)state;
    assert_int_equal(take_all(1, &rate, now_us), 25);
    assert_int_equal(take_all(1, &rate, now_us + SECOND_US / 10 - 1), 0);
    assert_int_equal(take_all(1, &rate, now_us + SECOND_US / 10), 1);
    assert_int_equal(take_all(1, &rate, now_us + 2 * SECOND_US), 19);
}

static void a_long_pause_does_not_add_more_than_the_burst(void **state)
{
    struct bucket_rate rate = rate_of(10, 1, 25);

    (void)state;
    assert_int_equal(take_all(1, &rate, SECOND_US), 25);
    assert_int_equal(take_all(1, &rate, UINT64_C(86400) * SECOND_US), 25);
}

static void who_is_refused_hears_when_the_next_token_comes(void **state)
{
    struct bucket_rate rate = rate_of(1, 60, 2);
    uint64_t wait_us = 0;

    (void)state;
    assert_true(bucket_take(&buckets, 5, &rate, SECOND_US, &wait_us));
    assert_true(bucket_take(&buckets, 5, &rate, SECOND_US, &wait_us));
    assert_false(bucket_take(&buckets, 5, &rate, 11 * SECOND_US, &wait_us));
    assert_int_equal(wait_us, 50 * SECOND_US);
}

static void keys_do_not_share_a_bucket(void **state)
{
    struct bucket_rate rate = rate_of(1, 3600, 1);
    size_t refused = 0;
    uint64_t wait_us = 0;

    (void)state;
    for (uint64_t n = 1; n <= 10000; n++)
        refused += !bucket_take(&buckets, key_of(n), &rate, SECOND_US, &wait_us);
    assert_true(refused <= 2); /* 20 bits of a key are kept, see bucket.h */
}

static void the_bucket_that_was_full_for_longest_is_forgotten_first(void **state)
{
    struct bucket_rate rate = rate_of(1, 3600, 1);
    uint64_t now_us = UINT64_C(7200) * SECOND_US;

    (void)state;
    for (uint64_t n = 0; n < BUCKET_WAYS; n++) /* of one set; the first two are full again now */
        assert_int_equal(take_all((n + 1) << 44, &rate, n < 2 ? n + 1 : now_us), 1);
    assert_int_equal(take_all(UINT64_C(100) << 44, &rate, now_us), 1);
    for (uint64_t n = 2; n < BUCKET_WAYS; n++)
        assert_int_equal(take_all((n + 1) << 44, &rate, now_us), 0);
    assert_int_equal(take_all(UINT64_C(2) << 44, &rate, now_us), 1);
}

static void the_time_may_come_round(void **state)
{
    struct bucket_rate rate = rate_of(1, 1, 1);
    uint64_t round = UINT64_C(1) << 44;

    (void)state;
    assert_int_equal(take_all(1, &rate, round - SECOND_US / 2), 1);
    assert_int_equal(take_all(1, &rate, round), 0);
    assert_int_equal(take_all(1, &rate, round + SECOND_US), 1);
    assert_int_equal(take_all(1, &rate, 2 * round - 100 * UINT64_C(86400) * SECOND_US), 1);
    assert_int_equal(take_all(1, &rate, 3 * round - 60 * UINT64_C(86400) * SECOND_US), 1);
}

static void what_cannot_be_counted_is_refused(void **state)
{
    struct bucket_rate rate;

    (void)state;
    assert_false(bucket_rate_init(&rate, 0, 1, 1));
    assert_false(bucket_rate_init(&rate, 1, 0, 1));
    assert_false(bucket_rate_init(&rate, 1, 1, 0));
    assert_false(bucket_rate_init(&rate, 1000001, 1, 1));
    assert_false(bucket_rate_init(&rate, 1, 86400, BUCKET_MAX_DAYS + 1));
    assert_true(bucket_rate_init(&rate, 1, 86400, BUCKET_MAX_DAYS));
    assert_true(bucket_rate_init(&rate, 1000000, 1, 1));
}

static void *take_in_thread(void *arg)
{
    struct bucket_rate rate = rate_of(1, 60, 10000);

    *(unsigned *)arg = take_all(9, &rate, SECOND_US);
    return NULL;
}

static void threads_take_no_token_twice(void **state)
{
    pthread_t threads[THREADS];
    unsigned taken[THREADS], sum = 0;

    (void)state;
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_in_thread, &taken[i]), 0);
    for (size_t i = 0; i < THREADS; i++) {
        (void)pthread_join(threads[i], NULL);
        sum += taken[i];
    }
    assert_in_range(sum, 10000, 10000 + THREADS); /* the first ones may have made a bucket each */
}

static void a_tally_ends_at_its_limit_and_goes_on_below_it(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(tally_add(&tallies, 7, 3), TALLY_ADDED);
    assert_int_equal(tally_add(&tallies, 7, 3), TALLY_FULL);
    assert_int_equal(tally_add(&tallies, 8, 0), TALLY_FULL);
    tally_remove(&tallies, 7);
    assert_int_equal(tally_add(&tallies, 7, 3), TALLY_ADDED);
}

static void a_full_set_counts_nobody_else_and_is_free_again_later(void **state)
{
    (void)state;
    for (uint64_t n = 1; n <= TALLY_WAYS; n++)
        assert_int_equal(tally_add(&tallies, n << 24, 5), TALLY_ADDED);
    assert_int_equal(tally_add(&tallies, UINT64_C(100) << 24, 5), TALLY_UNCOUNTED);
    tally_remove(&tallies, UINT64_C(3) << 24);
    assert_int_equal(tally_add(&tallies, UINT64_C(100) << 24, 5), TALLY_ADDED);
    tally_remove(&tallies, UINT64_C(200) << 24); /* nothing happens */
    assert_int_equal(tally_add(&tallies, UINT64_C(100) << 24, 1), TALLY_FULL);
}

static void *count_in_thread(void *arg)
{
    (void)arg;
    for (uint64_t i = 0; i < 50000; i++) {
        uint64_t key = key_of(i % 64);
        if (tally_add(&tallies, key, 1000) == TALLY_ADDED)
            tally_remove(&tallies, key);
    }
    return NULL;
}

static void threads_leave_nothing_behind(void **state)
{
    pthread_t threads[THREADS];

    (void)state;
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_in_thread, NULL), 0);
    for (size_t i = 0; i < THREADS; i++)
        (void)pthread_join(threads[i], NULL);
    for (size_t set = 0; set < TALLY_SETS; set++)
        for (size_t way = 0; way < TALLY_WAYS; way++)
            assert_int_equal(tallies.entries[set][way] & TALLY_MAX, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_bucket_gives_its_burst_and_then_its_rate, clear),
        cmocka_unit_test_setup(a_long_pause_does_not_add_more_than_the_burst, clear),
        cmocka_unit_test_setup(who_is_refused_hears_when_the_next_token_comes, clear),
        cmocka_unit_test_setup(keys_do_not_share_a_bucket, clear),
        cmocka_unit_test_setup(the_bucket_that_was_full_for_longest_is_forgotten_first, clear),
        cmocka_unit_test_setup(the_time_may_come_round, clear),
        cmocka_unit_test_setup(what_cannot_be_counted_is_refused, clear),
        cmocka_unit_test_setup(threads_take_no_token_twice, clear),
        cmocka_unit_test_setup(a_tally_ends_at_its_limit_and_goes_on_below_it, clear),
        cmocka_unit_test_setup(a_full_set_counts_nobody_else_and_is_free_again_later, clear),
        cmocka_unit_test_setup(threads_leave_nothing_behind, clear),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
