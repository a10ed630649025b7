/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "control/sign_key.h"

static char folder[] = "/tmp/test_sign_key.XXXXXX";
static struct buf path;

static int set_up(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL)
        return -1;
    buf_addf(&path, "%s/edge.key", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    struct err err;

    buf_done(&path);
    return file_remove_tree(folder, &err) ? 0 : -1;
}

static void a_key_is_drawn_once_and_read_again(void **state)
{
    (void)state;
    char first[SIGN_KEY_TEXT_BYTES], again[SIGN_KEY_TEXT_BYTES], other[SIGN_KEY_TEXT_BYTES];
    struct stat st;
    struct err err;

    assert_true(sign_key_open(folder, first, &err));
    assert_true(sign_key_open(folder, again, &err));
    assert_string_equal(first, again);
    assert_int_equal(strspn(first, "0123456789abcdef"), 2 * SIGN_KEY_BYTES);
    assert_int_equal(stat(buf_text(&path), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(remove(buf_text(&path)), 0);
    assert_true(sign_key_open(folder, other, &err));
    assert_string_not_equal(first, other);
}

/* Anybody could sign with one of these. */
static void what_was_not_drawn_is_refused_and_nothing_is_given(void **state)
{
    (void)state;
    static const char zeros[] = "0000000000000000000000000000000000000000000000000000000000000000";
    static const char letters[] =
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff";
    static const char upper[] = "ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789";
    static const char line[] = "abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789\n";
    static const char *const texts[] = {"", "\n", "00", zeros, letters, upper, line};
    struct err err;

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        char key[SIGN_KEY_TEXT_BYTES] = "untouched";
        assert_true(file_write(buf_text(&path), str_of(texts[i]), 0600, &err));
        assert_false(sign_key_open(folder, key, &err));
        assert_non_null(strstr(err.text, "is not a key; remove it"));
        assert_string_equal(key, "untouched");
    }
}

static void one_that_cannot_be_read_or_stored_is_an_error(void **state)
{
    (void)state;
    char key[SIGN_KEY_TEXT_BYTES] = "untouched";
    struct err err;

    assert_int_equal(remove(buf_text(&path)), 0);
    assert_int_equal(mkdir(buf_text(&path), 0700), 0);
    assert_false(sign_key_open(folder, key, &err));
    assert_false(sign_key_open("/proc/no/such/folder", key, &err));
    assert_string_equal(key, "untouched");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_drawn_once_and_read_again),
        cmocka_unit_test(what_was_not_drawn_is_refused_and_nothing_is_given),
        cmocka_unit_test(one_that_cannot_be_read_or_stored_is_an_error),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
