/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/buf.h"
#include "http/http1.h"

/* Feeds <bytes> in two pieces, cut at <cut>; returns the result and the bytes used. */
static enum http1_result read_cut(struct str bytes, size_t cut, struct buf *ret_body,
                                  size_t *ret_used)
{
    struct http1_chunks chunks = {0};
    struct str pieces[] = {str_sub(bytes, 0, cut), str_sub(bytes, cut, bytes.len)};
    enum http1_result result = HTTP1_MORE;
    const char *why = NULL;

    *ret_used = 0;
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
        struct str rest = pieces[i], data;
        while (rest.len > 0 && result == HTTP1_MORE) {
            size_t used;
            result = http1_chunks_read(&chunks, rest, &used, &data, &why);
            assert_true(used > 0 && used <= rest.len);
            buf_add_str(ret_body, data);
            rest = str_sub(rest, used, rest.len);
            *ret_used += used;
        }
    }
    assert_int_equal(why != NULL, result == HTTP1_BAD);
    return result;
}

static void chunks_cut_at_any_byte_give_the_same_data(void **state)
{
    (void)state;
    static const struct {
        const char *bytes, *body, *rest;
    } table[] = {
        {"0\r\n\r\n", "", ""},
        {"5\r\nhello\r\n0\r\n\r\n", "hello", ""},
        {"1\r\na\r\n0B\r\nbcdefghijkl\r\n000\r\n\r\nGET /", "abcdefghijkl", "GET /"},
        {"2\r\n\r\n\r\n0\r\nX-Sum: 1\r\nY:\r\n\r\n\r\n", "\r\n", "\r\n"},
        {"000000000000001\r\na\r\n0\r\n\r\n", "a", ""},
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct str bytes = str_of(table[i].bytes);
        size_t end = bytes.len - strlen(table[i].rest);
        for (size_t cut = 0; cut <= bytes.len; cut++) {
            AUTO(buf_done) struct buf body = {0};
            size_t used;
            assert_int_equal(read_cut(bytes, cut, &body, &used), HTTP1_DONE);
            assert_int_equal(used, end);
            assert_true(str_is(buf_str(&body), table[i].body));
        }
        for (size_t len = 0; len < end; len++) {
            AUTO(buf_done) struct buf body = {0};
            size_t used;
            assert_int_equal(read_cut(str_sub(bytes, 0, len), len, &body, &used), HTTP1_MORE);
            assert_int_equal(used, len);
        }
    }
}

static void malformed_chunks_are_refused_however_they_are_cut(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhelloX\r\n0\r\n\r\n",
        "5\r\nhello\rX",
        "5\rhello",
        "5;a=b\r\nhello\r\n0\r\n\r\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "-1\r\n",
        "g\r\n",
        "0000000000000005\r\nhello\r\n0\r\n\r\n",
        "FFFFFFFFFFFFFFFFF\r\n",
        "0\r\n\n",
        "0\r\n\rX",
        "0\n\n",
        "0\r\nX\r\n\r\n",
        "0\r\n folded\r\n\r\n",
        "0\r\nX : a\r\n\r\n",
        "0\r\nX: a\n\r\n",
        "0\r\nX: a\001\r\n\r\n",
        "0\r\n: a\r\n\r\n",
    };

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct str bytes = str_of(bad[i]);
        for (size_t cut = 0; cut <= bytes.len; cut++) {
            AUTO(buf_done) struct buf body = {0};
            size_t used;
            if (read_cut(bytes, cut, &body, &used) != HTTP1_BAD)
                fail_msg("accepted '%s' cut at %zu", bad[i], cut);
        }
    }
}

static void the_largest_chunk_size_is_read_exactly(void **state)
{
    (void)state;
    struct http1_chunks chunks = {0};
    struct str data;
    size_t used;
    const char *why = NULL;

    assert_int_equal(http1_chunks_read(&chunks, STR("fFfFfFfFfFfFfFf\r\nab"), &used, &data, &why),
                     HTTP1_MORE);
    assert_true(str_is(data, "ab"));
    assert_true(chunks.left == (1ULL << 60) - 1 - 2);
}

static void trailers_larger_than_the_limit_are_refused(void **state)
{
    (void)state;
    for (size_t size = HTTP1_MAX_TRAILER_BYTES; size <= HTTP1_MAX_TRAILER_BYTES + 1; size++) {
        AUTO(buf_done) struct buf bytes = {0};
        AUTO(buf_done) struct buf body = {0};
        size_t used;
        buf_add_text(&bytes, "0\r\nX:");
        while (bytes.len < 3 + size - 4)
            buf_add_char(&bytes, 'a');
        buf_add_text(&bytes, "\r\n\r\n");
        assert_int_equal(read_cut(buf_str(&bytes), 0, &body, &used),
                         size <= HTTP1_MAX_TRAILER_BYTES ? HTTP1_DONE : HTTP1_BAD);
    }
}

static void a_broken_reader_stays_broken(void **state)
{
    (void)state;
    struct http1_chunks chunks = {0};
    struct str data;
    size_t used;
    const char *why = NULL;

    assert_int_equal(http1_chunks_read(&chunks, STR("x"), &used, &data, &why), HTTP1_BAD);
    assert_int_equal(http1_chunks_read(&chunks, STR("0\r\n\r\n"), &used, &data, &why), HTTP1_BAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_cut_at_any_byte_give_the_same_data),
        cmocka_unit_test(malformed_chunks_are_refused_however_they_are_cut),
        cmocka_unit_test(the_largest_chunk_size_is_read_exactly),
        cmocka_unit_test(trailers_larger_than_the_limit_are_refused),
        cmocka_unit_test(a_broken_reader_stays_broken),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
