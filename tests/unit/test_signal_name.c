/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/signal_name.h"

static void a_signal_has_a_name_with_and_without_sig_and_a_number(void **state)
{
    static const char *const texts[] = {"TERM", "SIGTERM", "sigterm", "Term", "15"};
    struct err err;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        int signo = 0;
        assert_true(signal_name_parse(texts[i], &signo, &err));
        assert_int_equal(signo, SIGTERM);
    }
}

static void the_highest_real_time_signal_has_a_number(void **state)
{
    struct err err;
    int signo = 0;

    (void)state;
    assert_true(signal_name_parse("64", &signo, &err));
    assert_int_equal(signo, 64);
}

static void real_time_signals_count_from_either_end(void **state)
{
    static const struct {
        const char *text;
        int signo;
    } rows[] = {
        {"SIGRTMIN", 34}, {"SIGRTMIN+3", 37}, {"rtmin+30", 64}, {"SIGRTMAX", 64}, {"RTMAX-14", 50}};
    struct err err;
    int signo = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_true(signal_name_parse(rows[i].text, &signo, &err));
        assert_int_equal(signo, rows[i].signo);
    }
}

static void what_is_no_signal_is_refused(void **state)
{
    static const char *const texts[] = {
        "",         "0",          "65",        "-1",
        "SIG",      "SIGSIGTERM", "TERMINATE", "SIGTERMxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "RTMIN+31", "RTMIN-1",    "RTMAX+1",   "RTMIN+",
        "RTMAX-31"};
    struct err err;
    int signo;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        assert_false(signal_name_parse(texts[i], &signo, &err));
    assert_int_equal(err.code, ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_signal_has_a_name_with_and_without_sig_and_a_number),
        cmocka_unit_test(the_highest_real_time_signal_has_a_number),
        cmocka_unit_test(real_time_signals_count_from_either_end),
        cmocka_unit_test(what_is_no_signal_is_refused),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
