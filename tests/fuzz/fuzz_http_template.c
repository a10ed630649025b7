/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a value with variables, as an origin, as a Traceparent: pieces
 * put together are the value again, what is accepted as an origin has no path
 * and no control character, and a star only where a pattern may have one.
 */
#include "base/base.h"

#include "base/buf.h"
#include "http/http_template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_template(struct str value)
{
    AUTO(buf_done) struct buf again = {0};
    struct str rest = value, text;
    enum http_variable variable;
    enum http_template_result result;
    size_t paths = 0;

    while ((result = http_template_next(&rest, &variable, &text)) != HTTP_TEMPLATE_END) {
        bool braced = result == HTTP_TEMPLATE_UNKNOWN || variable != HTTP_VARIABLE_TEXT;
        assert(text.len > 0);
        paths += variable == HTTP_VARIABLE_PATH;
        buf_add_text(&again, braced ? "{" : "");
        buf_add_str(&again, text);
        buf_add_text(&again, braced ? "}" : "");
    }
    assert(str_eq(buf_str(&again), value));
    assert(!http_template_is_path(value) || (paths <= 1 && value.len > 0));
}

static void check_origin(struct str origin)
{
    if (!http_origin_is_sane(origin) || str_is(origin, "*") || str_is(origin, "null"))
        return;
    struct str host = str_sub(origin, str_find(origin, ':') + 3, SIZE_MAX);
    for (size_t i = 0; i < host.len; i++)
        assert(host.ptr[i] > ' ' && host.ptr[i] < 0x7f && host.ptr[i] != '/' &&
               (host.ptr[i] != '*' || i == 0));
    assert(http_origin_matches(origin, origin) || str_find(origin, '*') < origin.len);
    struct str end = str_sub(origin, origin.len - MIN(origin.len, 13), SIZE_MAX);
    assert(!http_origin_matches(STR("https://*.example.test"), origin) ||
           str_eq_nocase(end, STR(".example.test")));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str input = str_from(data, size);

    check_template(input);
    check_origin(input);
    if (http_traceparent_is_valid(input))
        assert(size >= HTTP_TRACEPARENT_BYTES && size <= HTTP_VARIABLE_BYTES);
    if (http_value_is_sane(input, 100))
        assert(size <= 100 && memchr(data, '\n', size) == NULL && memchr(data, 0, size) == NULL);
    return 0;
}
