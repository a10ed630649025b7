/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/err.h"
#include "cli/detach_keys.h"

static struct detach_keys keys_of(const char *text)
{
    struct detach_keys keys;
    struct err err;

    assert_true(detach_keys_parse(text, &keys, &err));
    return keys;
}

/* What goes through; ends with '!' when the keys were typed. */
static void check(const char *text, const char *input, const char *passed)
{
    struct detach_keys keys = keys_of(text);
    AUTO(buf_done) struct buf out = {0};

    for (const char *c = input; *c != '\0'; c++) /* byte by byte, as people type */
        if (detach_keys_feed(&keys, str_from(c, 1), &out)) {
            buf_add_char(&out, '!');
            break;
        }
    assert_string_equal(buf_text(&out), passed);
}

static void the_usual_keys_are_ctrl_p_and_ctrl_q(void **state)
{
    (void)state;
    check(NULL, "ls\n\x10\x11more", "ls\n!");
}

static void a_beginning_that_comes_to_nothing_goes_through(void **state)
{
    (void)state;
    check(NULL, "a\x10z", "a\x10z");
    check(NULL, "\x10\x10\x11", "\x10!");
    check("a,a,b", "aaab", "a!");
}

static void other_keys_can_be_given(void **state)
{
    (void)state;
    check("ctrl-]", "a\x1d", "a!");
    check("x", "\x10\x11x", "\x10\x11!");
}

static void no_keys_never_detach(void **state)
{
    (void)state;
    check("", "\x10\x11", "\x10\x11");
}

static void wrong_and_too_many_keys_are_refused(void **state)
{
    static const char *const wrong[] = {"ctrl-", "ctrl-1", "ab", "a,,b", "a,b,c,d,e,f,g,h,i"};
    struct detach_keys keys;
    struct err err;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        assert_false(detach_keys_parse(wrong[i], &keys, &err));
    assert_int_equal(err.code, ERR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_usual_keys_are_ctrl_p_and_ctrl_q),
        cmocka_unit_test(a_beginning_that_comes_to_nothing_goes_through),
        cmocka_unit_test(other_keys_can_be_given),
        cmocka_unit_test(no_keys_never_detach),
        cmocka_unit_test(wrong_and_too_many_keys_are_refused),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
