/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a request head. What is accepted must be framed in one way only,
 * read the same once more when it is written out again, and no prefix may be
 * judged differently from the whole.
 */
#include "base/base.h"

#include "http1_again.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct http1_head head, part;

static bool is_inside(struct str text, struct str all)
{
    return text.ptr == NULL || (text.ptr >= all.ptr && text.ptr + text.len <= all.ptr + all.len);
}

static void check_accepted(struct str bytes)
{
    struct str used = str_sub(bytes, 0, head.head_bytes);
    int hosts = 0, lengths = 0, codings = 0;

    assert(head.head_bytes >= 4 && str_ends(used, STR("\r\n\r\n")));
    assert(memchr(used.ptr, '\0', used.len) == NULL);
    assert(is_inside(head.target, used) && is_inside(head.path, used));
    assert(is_inside(head.query, used) && is_inside(head.host, used));
    for (size_t i = 0; i < head.header_count; i++) {
        const struct http_header *header = &head.headers[i];
        assert(is_inside(header->name, used) && is_inside(header->value, used));
        assert(header->name.len > 0 && header->name.ptr[header->name.len] == ':');
        assert(memchr(header->value.ptr, '\n', header->value.len) == NULL);
        assert(memchr(header->value.ptr, '\r', header->value.len) == NULL);
        hosts += header->id == HTTP_HOST;
        lengths += header->id == HTTP_CONTENT_LENGTH;
        codings += header->id == HTTP_TRANSFER_ENCODING;
        assert(!(header->hop_by_hop && header->id == HTTP_HOST));
        assert(!(header->hop_by_hop && header->id == HTTP_CONTENT_LENGTH));
    }
    assert(hosts == 1 || (hosts == 0 && head.minor_version == 0));
    assert(lengths + codings <= 1);
    assert((head.framing == HTTP_CHUNKED) == (codings == 1));
    assert(head.framing != HTTP_LENGTH || (lengths == 1 && head.content_length > 0));
    assert(head.framing != HTTP_UNTIL_CLOSE);
    assert(head.minor_version == 1 || (!head.upgrade && codings == 0));
}

static void check_again(void)
{
    AUTO(buf_done) struct buf text = {0};
    static struct http1_head again;
    const char *why;

    assert(head.method_text.len > 0 && http1_is_made_of(head.method_text, HTTP_CLASS_TOKEN));
    assert(head.target.len > 0 && http1_is_made_of(head.target, HTTP_CLASS_TARGET));
    buf_add_str(&text, head.method_text);
    buf_add_char(&text, ' ');
    buf_add_str(&text, head.target);
    buf_addf(&text, " HTTP/1.%d\r\n", head.minor_version);
    http1_again_headers(&head, &text);
    assert(http1_parse_request(buf_str(&text), &again, &why) == HTTP1_DONE);
    assert(again.head_bytes == text.len);
    http1_again_check(&head, &again);
    assert(head.method == again.method && str_eq(head.target, again.target));
    assert(str_eq(head.path, again.path) && str_eq(head.host, again.host));
    assert((head.query.ptr == NULL) == (again.query.ptr == NULL));
    assert(str_eq(head.query, again.query));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str bytes = str_from(data, size);
    const char *why = NULL, *why_part = NULL;
    enum http1_result whole = http1_parse_request(bytes, &head, &why);

    if (whole == HTTP1_DONE) {
        check_accepted(bytes);
        check_again();
    } else if (whole != HTTP1_MORE) {
        assert(why != NULL && head.status >= 400 && head.status < 600);
    }

    size_t end = whole == HTTP1_DONE ? head.head_bytes : size;
    size_t step = end / 64 + 1;
    for (size_t len = 0; len < end; len += step) {
        enum http1_result result = http1_parse_request(str_sub(bytes, 0, len), &part, &why_part);
        assert(result == HTTP1_MORE || (result == whole && why_part == why));
    }
    return 0;
}
