/* SPDX-License-Identifier: Apache-2.0
 *
 * The first byte chooses the method that is answered, the rest is a response
 * head. A body must never be expected where HTTP has none, and what is accepted
 * reads the same once more when it is written out again.
 */
#include "base/base.h"

#include "http1_again.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct http1_head head, part;

static void check_accepted(enum http_method method)
{
    assert(head.status >= 100 && head.status <= 599);
    assert(head.header_count <= HTTP1_MAX_HEADERS);
    if (method == HTTP_HEAD || head.status < 200 || head.status == 204 || head.status == 304)
        assert(head.framing == HTTP_NO_BODY);
    if (head.framing == HTTP_UNTIL_CLOSE)
        assert(!head.keep_alive && !head.has_content_length);
    if (head.framing == HTTP_LENGTH)
        assert(head.has_content_length && head.content_length <= INT64_MAX);
    if (head.framing == HTTP_CHUNKED)
        assert(head.minor_version == 1 && !head.has_content_length);
}

static void check_again(enum http_method method)
{
    AUTO(buf_done) struct buf text = {0};
    static struct http1_head again;
    const char *why;

    buf_addf(&text, "HTTP/1.%d %d ", head.minor_version, head.status);
    buf_add_str(&text, head.reason);
    buf_add_text(&text, "\r\n");
    http1_again_headers(&head, &text);
    assert(http1_parse_response(buf_str(&text), method, &again, &why) == HTTP1_DONE);
    assert(again.head_bytes == text.len);
    http1_again_check(&head, &again);
    assert(head.status == again.status && str_eq(head.reason, again.reason));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    enum http_method method = (enum http_method)(data[0] % (HTTP_PATCH + 1));
    struct str bytes = str_from(data + 1, size - 1);
    const char *why = NULL, *why_part = NULL;
    enum http1_result whole = http1_parse_response(bytes, method, &head, &why);

    if (whole == HTTP1_DONE) {
        check_accepted(method);
        check_again(method);
    } else if (whole != HTTP1_MORE) {
        assert(why != NULL);
    }

    size_t end = whole == HTTP1_DONE ? head.head_bytes : bytes.len;
    size_t step = end / 64 + 1;
    for (size_t len = 0; len < end; len += step) {
        enum http1_result result =
            http1_parse_response(str_sub(bytes, 0, len), method, &part, &why_part);
        assert(result == HTTP1_MORE || (result == whole && why_part == why));
    }
    return 0;
}
