/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "deploy/gate.h"

static const struct gate_terms errors_1 = {
    .has_errors = true, .errors_ppm = 10000, .min_requests = 100};
static const struct gate_terms p99_500 = {.p99_ms = 500, .min_requests = 100};

static enum gate_verdict check(const struct gate_terms *terms, struct gate_sample old,
                               struct gate_sample new)
{
    char why[GATE_WHY_BYTES] = "";
    enum gate_verdict verdict = gate_check(terms, &old, &new, why);

    assert_true(why[0] != '\0');
    return verdict;
}

/* Figures of R: fisher.test(alternative = "greater") and pbinom(lower.tail = FALSE). */
static void the_tests_agree_with_those_of_the_textbook(void **state)
{
    (void)state;
    assert_true(fabs(gate_fisher(3, 100, 0, 1900) - 0.0001213) < 0.000001);
    assert_true(fabs(gate_fisher(5, 50, 5, 50) - 0.6297) < 0.001);
    assert_true(fabs(gate_binomial(3, 100, 10000) - 0.0794) < 0.0001);
    assert_true(fabs(gate_binomial(10, 100, 10000) - 7.63e-8) < 1e-9);
    assert_true(gate_binomial(0, 100, 10000) == 1);
    assert_true(gate_fisher(0, 100, 3, 100) == 1);
}

static void too_few_requests_decide_nothing(void **state)
{
    (void)state;
    assert_int_equal(
        check(&errors_1, (struct gate_sample){2000, 0, 0}, (struct gate_sample){99, 99, 0}),
        GATE_TOO_FEW);
}

static void a_release_that_fails_three_in_a_hundred_is_refused(void **state)
{
    (void)state;
    assert_int_equal(
        check(&errors_1, (struct gate_sample){1900, 0, 0}, (struct gate_sample){100, 3, 0}),
        GATE_BAD);
    assert_int_equal(
        check(&errors_1, (struct gate_sample){0, 0, 0}, (struct gate_sample){2000, 60, 0}),
        GATE_BAD);
}

static void what_both_releases_suffer_from_refuses_nobody(void **state)
{
    (void)state;
    assert_int_equal(
        check(&errors_1, (struct gate_sample){1900, 95, 0}, (struct gate_sample){100, 5, 0}),
        GATE_GOOD);
}

static void errors_below_the_limit_are_accepted_however_many_requests(void **state)
{
    (void)state;
    assert_int_equal(check(&errors_1, (struct gate_sample){1000000, 0, 0},
                           (struct gate_sample){1000000, 9000, 0}),
                     GATE_GOOD);
}

static void a_p99_above_the_limit_is_refused_unless_the_old_one_has_it_too(void **state)
{
    (void)state;
    assert_int_equal(
        check(&p99_500, (struct gate_sample){1000, 0, 2}, (struct gate_sample){200, 0, 10}),
        GATE_BAD);
    assert_int_equal(
        check(&p99_500, (struct gate_sample){1000, 0, 50}, (struct gate_sample){200, 0, 10}),
        GATE_GOOD);
    assert_int_equal(
        check(&p99_500, (struct gate_sample){1000, 0, 0}, (struct gate_sample){200, 0, 2}),
        GATE_GOOD);
}

/* Two equal releases: the gate is wrong about them no oftener than its test says. */
static void equal_releases_are_seldom_refused(void **state)
{
    (void)state;
    uint64_t random = 7, refused = 0;

    for (int round = 0; round < 2000; round++) {
        struct gate_sample old = {.requests = 900}, new = {.requests = 100};
        for (uint64_t i = 0; i < 1000; i++) {
            random = random * 6364136223846793005ULL + 1442695040888963407ULL;
            bool failed = (random >> 33) % 100 < 2;
            *(i < 900 ? &old.errors : &new.errors) += failed;
        }
        refused += check(&errors_1, old, new) == GATE_BAD;
    }
    assert_true(refused <= 2000 * 15 / 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tests_agree_with_those_of_the_textbook),
        cmocka_unit_test(too_few_requests_decide_nothing),
        cmocka_unit_test(a_release_that_fails_three_in_a_hundred_is_refused),
        cmocka_unit_test(what_both_releases_suffer_from_refuses_nobody),
        cmocka_unit_test(errors_below_the_limit_are_accepted_however_many_requests),
        cmocka_unit_test(a_p99_above_the_limit_is_refused_unless_the_old_one_has_it_too),
        cmocka_unit_test(equal_releases_are_seldom_refused),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
