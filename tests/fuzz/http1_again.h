/* SPDX-License-Identifier: Apache-2.0
 *
 * A head that the strict parser took, written out again from what it says and
 * read once more: both must say the same, so nothing was understood in a way that
 * the next reader could not understand too.
 */
#pragma once

#include "base/buf.h"
#include "http/http1.h"

static inline bool http1_is_made_of(struct str text, uint8_t classes)
{
    for (size_t i = 0; i < text.len; i++)
        if (!http_is(text.ptr[i], classes))
            return false;
    return true;
}

static inline void http1_again_headers(const struct http1_head *head, struct buf *out)
{
    for (size_t i = 0; i < head->header_count; i++) {
        const struct http_header *header = &head->headers[i];
        assert(header->name.len > 0 && http1_is_made_of(header->name, HTTP_CLASS_TOKEN));
        for (size_t k = 0; k < header->value.len; k++)
            assert(!http_is(header->value.ptr[k], HTTP_CLASS_CONTROL));
        assert(str_eq(header->value, str_trim(header->value)));
        buf_add_str(out, header->name);
        buf_add_text(out, ": ");
        buf_add_str(out, header->value);
        buf_add_text(out, "\r\n");
    }
    buf_add_text(out, "\r\n");
}

/* What a reader would act on. */
static inline void http1_again_check(const struct http1_head *one, const struct http1_head *two)
{
    assert(one->minor_version == two->minor_version && one->framing == two->framing);
    assert(one->content_length == two->content_length);
    assert(one->has_content_length == two->has_content_length);
    assert(one->keep_alive == two->keep_alive && one->upgrade == two->upgrade);
    assert(one->expect_continue == two->expect_continue);
    assert(one->expect_unknown == two->expect_unknown);
    assert(str_eq(one->upgrade_protocol, two->upgrade_protocol));
    assert(one->header_count == two->header_count);
    for (size_t i = 0; i < one->header_count; i++) {
        assert(one->headers[i].id == two->headers[i].id);
        assert(one->headers[i].hop_by_hop == two->headers[i].hop_by_hop);
        assert(str_eq(one->headers[i].name, two->headers[i].name));
        assert(str_eq(one->headers[i].value, two->headers[i].value));
    }
}
