/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a chunked body, read whole, byte by byte and in pieces of uneven
 * length: all must give the same data, the same verdict and stop at the same
 * place. A body that is whole is also read by the few lines of RFC 9112, 7.1.3,
 * which must agree, and written out again it is the same body.
 */
#include "base/base.h"

#include "base/buf.h"
#include "http/http1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_hex(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!http_is(text.ptr[i], HTTP_CLASS_HEX))
            return false;
    return true;
}

enum { UNEVEN = 0 }; /* a step that changes */

/* Reads <bytes> in pieces of <step>; returns how many were used. */
static size_t read_all(struct str bytes, size_t step, struct buf *ret_body,
                       enum http1_result *ret_result)
{
    struct http1_chunks chunks = {0};
    size_t at = 0, used;
    const char *why = NULL;
    struct str data;

    *ret_result = HTTP1_MORE;
    for (size_t turn = 1; at < bytes.len && *ret_result == HTTP1_MORE; turn++) {
        size_t len = step == UNEVEN ? turn * (unsigned char)bytes.ptr[at] % 13 + 1 : step;
        struct str piece = str_sub(bytes, at, len);
        *ret_result = http1_chunks_read(&chunks, piece, &used, &data, &why);
        assert(used <= piece.len && data.len <= used);
        assert(used > 0 || *ret_result != HTTP1_MORE);
        assert(data.len == 0 || (data.ptr >= piece.ptr && data.ptr + data.len <= piece.ptr + used));
        buf_add_str(ret_body, data);
        at += used;
    }
    assert(*ret_result != HTTP1_BAD || why != NULL);
    if (*ret_result == HTTP1_BAD)
        assert(http1_chunks_read(&chunks, STR("0\r\n\r\n"), &used, &data, &why) == HTTP1_BAD);
    return at;
}

static uint64_t read_size(struct str line)
{
    uint64_t size = 0;

    assert(line.len > 0 && line.len <= 16 && is_hex(line));
    for (size_t i = 0; i < line.len; i++) {
        char c = line.ptr[i];
        size = size * 16 + (uint64_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return size;
}

static struct str cut_line(struct str *rest)
{
    struct str line = str_sub(*rest, 0, str_find(*rest, '\n'));

    assert(line.len < rest->len && str_ends(line, STR("\r")));
    *rest = str_sub(*rest, line.len + 1, SIZE_MAX);
    return str_sub(line, 0, line.len - 1);
}

/* A body that was found to be whole. */
static void check_plainly(struct str bytes, struct str body)
{
    struct str rest = bytes, line;
    uint64_t size;

    while ((size = read_size(cut_line(&rest))) > 0) {
        assert(size <= rest.len && size <= body.len);
        assert(str_eq(str_sub(rest, 0, size), str_sub(body, 0, size)));
        body = str_sub(body, size, SIZE_MAX);
        rest = str_sub(rest, size, SIZE_MAX);
        assert(cut_line(&rest).len == 0);
    }
    while ((line = cut_line(&rest)).len > 0)
        assert(str_find(line, ':') < line.len && line.ptr[0] != ' ' && line.ptr[0] != '\t');
    assert(rest.len == 0 && body.len == 0);
}

static void check_again(struct str body)
{
    AUTO(buf_done) struct buf text = {0};
    AUTO(buf_done) struct buf again = {0};
    enum http1_result result;

    if (body.len > 0)
        buf_addf(&text, "%zX\r\n", body.len);
    buf_add_str(&text, body);
    buf_add_text(&text, body.len > 0 ? "\r\n0\r\n\r\n" : "0\r\n\r\n");
    assert(read_all(buf_str(&text), UNEVEN, &again, &result) == text.len);
    assert(result == HTTP1_DONE && str_eq(buf_str(&again), body));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(buf_done) struct buf whole = {0};
    AUTO(buf_done) struct buf bytewise = {0};
    AUTO(buf_done) struct buf uneven = {0};
    struct str bytes = str_from(data, size);
    enum http1_result result, result_bytewise, result_uneven;

    size_t used = read_all(bytes, MAX(size, (size_t)1), &whole, &result);
    assert(read_all(bytes, 1, &bytewise, &result_bytewise) == used);
    assert(read_all(bytes, UNEVEN, &uneven, &result_uneven) == used);
    assert(result == result_bytewise && result == result_uneven);
    assert(str_eq(buf_str(&whole), buf_str(&bytewise)));
    assert(str_eq(buf_str(&whole), buf_str(&uneven)));
    if (result == HTTP1_DONE) {
        check_plainly(str_sub(bytes, 0, used), buf_str(&whole));
        check_again(buf_str(&whole));
    }
    return 0;
}
