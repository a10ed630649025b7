/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>

#include <brotli/decode.h>
#include <cmocka.h>
#include <zlib.h>
#include <zstd.h>

#include "base/buf.h"
#include "edge/auth.h"
#include "edge/coder.h"

enum { TEXT_BYTES = 300000 };

static char text[TEXT_BYTES];

static void fill(void)
{
    uint32_t number = 1;

    for (size_t i = 0; i < TEXT_BYTES; i++) {
        number = number * 1664525 + 1013904223;
        text[i] = (char)('a' + (number >> 24) % 7);
    }
}

/* All that was written decodes to a text, even in the middle of a stream. */
static size_t decode(enum http_coding coding, struct str coded, char *ret, size_t room)
{
    size_t out_left = room, in_left = coded.len;
    const uint8_t *next_in = (const uint8_t *)coded.ptr;
    uint8_t *next_out = (uint8_t *)ret;

    if (coding == HTTP_CODING_BR) {
        BrotliDecoderState *state = BrotliDecoderCreateInstance(NULL, NULL, NULL);
        (void)BrotliDecoderDecompressStream(state, &in_left, &next_in, &out_left, &next_out, NULL);
        BrotliDecoderDestroyInstance(state);
        return room - out_left;
    }
    if (coding == HTTP_CODING_ZSTD) {
        ZSTD_DCtx *context = ZSTD_createDCtx();
        ZSTD_inBuffer in = {coded.ptr, coded.len, 0};
        ZSTD_outBuffer out = {ret, room, 0};
        while (in.pos < in.size && !ZSTD_isError(ZSTD_decompressStream(context, &out, &in)))
            ;
        (void)ZSTD_freeDCtx(context);
        return out.pos;
    }
    z_stream stream = {.avail_in = (unsigned)coded.len, .avail_out = (unsigned)room};
    memcpy(&stream.next_in, &coded.ptr, sizeof stream.next_in);
    stream.next_out = (unsigned char *)ret;
    assert_int_equal(inflateInit2(&stream, 31), Z_OK);
    (void)inflate(&stream, Z_SYNC_FLUSH);
    (void)inflateEnd(&stream);
    return room - stream.avail_out;
}

static void run(struct coder *coder, struct str in, enum coder_mode mode, struct buf *ret)
{
    char piece[1000];
    bool more = true;

    for (int turn = 0; more; turn++) {
        ssize_t n = coder_run(coder, &in, mode, piece, sizeof piece, &more);
        assert_true(n >= 0 && turn < 10000);
        buf_add(ret, piece, (size_t)n);
    }
    assert_int_equal(in.len, 0);
}

static void every_coding_gives_back_what_went_in(void **state)
{
    char *back = mem_new(TEXT_BYTES + 1);

    (void)state;
    fill();
    for (enum http_coding coding = HTTP_CODING_BR; coding < HTTP_CODING_IDENTITY; coding++) {
        AUTO(buf_done) struct buf coded = {0};
        struct coder *coder = coder_new(coding);
        assert_non_null(coder);
        run(coder, str_from(text, 100000), CODER_GO, &coded);
        run(coder, str_from(text + 100000, 1), CODER_FLUSH, &coded);
        /* whoever waits for these bytes can read them now */
        assert_int_equal(decode(coding, buf_str(&coded), back, TEXT_BYTES), 100001);
        run(coder, (struct str){0}, CODER_FLUSH, &coded);
        run(coder, str_from(text + 100001, TEXT_BYTES - 100001), CODER_GO, &coded);
        run(coder, (struct str){0}, CODER_END, &coded);
        coder_free(coder);
        assert_int_equal(decode(coding, buf_str(&coded), back, TEXT_BYTES + 1), TEXT_BYTES);
        assert_memory_equal(back, text, TEXT_BYTES);
        assert_true(coded.len < TEXT_BYTES / 2);
    }
    free(back);
}

static void nothing_at_all_is_a_whole_stream_too(void **state)
{
    char back[8];

    (void)state;
    for (enum http_coding coding = HTTP_CODING_BR; coding < HTTP_CODING_IDENTITY; coding++) {
        AUTO(buf_done) struct buf coded = {0};
        struct coder *coder = coder_new(coding);
        run(coder, (struct str){0}, CODER_END, &coded);
        coder_free(coder);
        assert_true(coded.len > 0);
        assert_int_equal(decode(coding, buf_str(&coded), back, sizeof back), 0);
    }
}

static void passwords_are_checked_against_all_known_hashes(void **state)
{
    static const char *const hashes[] = {
        "$apr1$lZL6V/ci$sQw6g73nRuoOIj/gnD18Z.",
        "$5$rounds=1000$salt$mPvHf6WPnbsPMOxCYjJOmeqLdwrOiHkPo4JhwaCWHI2",
    };

    (void)state;
    assert_true(auth_check_password("myPassword", hashes[0]));
    assert_false(auth_check_password("myPasswor", hashes[0]));
    assert_false(auth_check_password("", hashes[0]));
    assert_false(auth_check_password("myPassword", "*"));
    assert_false(auth_check_password("myPassword", "$apr1$"));
    assert_false(auth_check_password("myPassword", "$apr1$lZL6V/ci"));
    assert_false(auth_check_password("*0", "*0"));
    assert_false(auth_check_password("wrong", hashes[1]));
}

static void credentials_are_read_or_refused(void **state)
{
    char bytes[64];
    struct str user, password;

    (void)state;
    assert_true(auth_read_credentials(STR("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), bytes,
                                      sizeof bytes, &user, &password));
    assert_true(str_is(user, "Aladdin") && str_is(password, "open sesame"));
    assert_true(
        auth_read_credentials(STR("basic  YTpiOmM"), bytes, sizeof bytes, &user, &password));
    assert_true(str_is(user, "a") && str_is(password, "b:c"));
    static const char *const bad[] = {
        "",        "Basic",      "Basic ",        "Bearer YTpi", "Basic YTpi!",
        "Basic A", "Basic YWI=", "Basic YTpiAGM="};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(auth_read_credentials(str_of(bad[i]), bytes, sizeof bytes, &user, &password));
    char large[200] = "Basic ";
    memset(large + 6, 'Y', 120);
    assert_false(auth_read_credentials(str_of(large), bytes, sizeof bytes, &user, &password));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_coding_gives_back_what_went_in),
        cmocka_unit_test(nothing_at_all_is_a_whole_stream_too),
        cmocka_unit_test(passwords_are_checked_against_all_known_hashes),
        cmocka_unit_test(credentials_are_read_or_refused),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
