/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/buf.h"
#include "edge/body.h"

static struct http1_head head_of(enum http_framing framing, uint64_t length)
{
    return (struct http1_head){.framing = framing, .content_length = length};
}

/* Passes <input> on in pieces of <step>; appends what goes out. Returns how much was used. */
static size_t pass(struct body *body, struct str input, size_t step, struct buf *out)
{
    size_t at = 0;

    while (at < input.len && !body->done) {
        char bytes[512], line[BODY_LINE_BYTES];
        struct iovec iov[BODY_PIECES];
        struct str data;
        size_t len = MIN(step, input.len - at), used;
        assert_true(len <= sizeof bytes);
        memcpy(bytes, input.ptr + at, len);
        assert_true(body_take(body, bytes, len, &used, &data));
        assert_true(used == len || body->done);
        int count = body_frame(body, data, line, iov);
        for (int i = 0; i < count; i++)
            buf_add(out, iov[i].iov_base, iov[i].iov_len);
        at += used;
    }
    return at;
}

static void a_counted_body_ends_at_its_length_however_it_is_cut(void **state)
{
    (void)state;
    for (size_t step = 1; step < 20; step++) {
        AUTO(buf_done) struct buf out = {0};
        struct http1_head head = head_of(HTTP_LENGTH, 11);
        struct body body;
        body_init(&body, &head, false);
        assert_int_equal(pass(&body, STR("hello worldGET / HTTP/1.1"), step, &out), 11);
        assert_true(body.done);
        assert_true(str_is(buf_str(&out), "hello world"));
    }
}

static void chunks_are_framed_anew_and_nothing_behind_them_is_used(void **state)
{
    static const char input[] = "3\r\nabc\r\n00A\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\nGET /";

    (void)state;
    for (size_t step = 1; step < sizeof input; step++) {
        AUTO(buf_done) struct buf out = {0}, plain = {0};
        struct http1_head head = head_of(HTTP_CHUNKED, 0);
        struct body body, again;
        body_init(&body, &head, true);
        size_t used = pass(&body, str_of(input), step, &out);
        assert_true(body.done);
        assert_true(str_is(str_sub(str_of(input), used, SIZE_MAX), "GET /"));
        assert_int_equal(body.bytes, 13);
        /* what went out is a chunked body of the same data, without the trailer */
        body_init(&again, &head, false);
        assert_int_equal(pass(&again, buf_str(&out), 512, &plain), out.len);
        assert_true(again.done);
        assert_true(str_is(buf_str(&plain), "abc0123456789"));
        assert_null(strstr(buf_text(&out), "Trailer"));
    }
}

static void malformed_chunks_are_an_error(void **state)
{
    static const char *const inputs[] = {"x\r\n",  "5;ext\r\n",     "5\nhello",
                                         "-1\r\n", "3\r\nabcd\r\n", "fffffffffffffffff\r\n"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(inputs); i++) {
        struct http1_head head = head_of(HTTP_CHUNKED, 0);
        char bytes[64];
        struct body body;
        struct str data;
        size_t used, len = strlen(inputs[i]);
        body_init(&body, &head, true);
        memcpy(bytes, inputs[i], len);
        assert_false(body_take(&body, bytes, len, &used, &data));
    }
}

static void no_body_is_done_at_once(void **state)
{
    struct http1_head none = head_of(HTTP_NO_BODY, 0), zero = head_of(HTTP_LENGTH, 0);
    char bytes[] = "next";
    struct iovec iov[BODY_PIECES];
    char line[BODY_LINE_BYTES];
    struct body body;
    struct str data;
    size_t used;

    (void)state;
    body_init(&body, &zero, false);
    assert_true(body.done);
    body_init(&body, &none, false);
    assert_true(body.done);
    assert_true(body_take(&body, bytes, 4, &used, &data));
    assert_int_equal(used, 0);
    assert_int_equal(body_frame(&body, data, line, iov), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_counted_body_ends_at_its_length_however_it_is_cut),
        cmocka_unit_test(chunks_are_framed_anew_and_nothing_behind_them_is_used),
        cmocka_unit_test(malformed_chunks_are_an_error),
        cmocka_unit_test(no_body_is_done_at_once),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
