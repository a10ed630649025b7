/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a chunked body, read whole and byte by byte: both ways must give
 * the same data, the same verdict and stop at the same place.
 */
#include "base/base.h"

#include "base/buf.h"
#include "http/http1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads <bytes> in pieces of <step>; returns how many were used. */
static size_t read_all(struct str bytes, size_t step, struct buf *ret_body,
                       enum http1_result *ret_result)
{
    struct http1_chunks chunks = {0};
    size_t at = 0;
    const char *why = NULL;

    *ret_result = HTTP1_MORE;
    while (at < bytes.len && *ret_result == HTTP1_MORE) {
        struct str data, piece = str_sub(bytes, at, step);
        size_t used;
        *ret_result = http1_chunks_read(&chunks, piece, &used, &data, &why);
        assert(used <= piece.len && data.len <= used);
        assert(used > 0 || *ret_result != HTTP1_MORE);
        assert(data.len == 0 || (data.ptr >= piece.ptr && data.ptr + data.len <= piece.ptr + used));
        buf_add_str(ret_body, data);
        at += used;
    }
    assert(*ret_result != HTTP1_BAD || why != NULL);
    return at;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(buf_done) struct buf whole = {0};
    AUTO(buf_done) struct buf bytewise = {0};
    struct str bytes = str_from(data, size);
    enum http1_result result, result_bytewise;

    size_t used = read_all(bytes, size, &whole, &result);
    assert(read_all(bytes, 1, &bytewise, &result_bytewise) == used);
    assert(result == result_bytewise);
    assert(str_eq(buf_str(&whole), buf_str(&bytewise)));
    if (result == HTTP1_DONE)
        assert(used >= 5 && data[used - 1] == '\n' && data[used - 2] == '\r');
    return 0;
}
