/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "http/http_range.h"

enum spec { SPEC_BAD, SPEC_OUTSIDE, SPEC_INSIDE };

/* A number too large for us is as good as the largest: it lies behind every end. */
static bool read_number(struct str text, uint64_t *ret)
{
    if (str_to_u64(text, UINT64_MAX - 1, ret))
        return true;
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
    *ret = UINT64_MAX - 1;
    return text.len > 0;
}

/* "-5": the last five bytes, or all when there are fewer. */
static enum spec read_suffix(struct str digits, uint64_t size, struct http_range *ret)
{
    uint64_t count;

    if (!read_number(digits, &count))
        return SPEC_BAD;
    if (count == 0 || size == 0)
        return SPEC_OUTSIDE;
    *ret = (struct http_range){size - MIN(count, size), size - 1};
    return SPEC_INSIDE;
}

static enum spec read_spec(struct str text, uint64_t size, struct http_range *ret)
{
    size_t dash = str_find(text, '-');
    uint64_t first, last = UINT64_MAX;

    if (dash == text.len)
        return SPEC_BAD;
    struct str behind = str_sub(text, dash + 1, text.len);
    if (dash == 0)
        return read_suffix(behind, size, ret);
    if (!read_number(str_sub(text, 0, dash), &first) ||
        (behind.len > 0 && !read_number(behind, &last)) || first > last)
        return SPEC_BAD;
    if (first >= size)
        return SPEC_OUTSIDE;
    *ret = (struct http_range){first, MIN(last, size - 1)};
    return SPEC_INSIDE;
}

static bool overlaps_any(const struct http_range *ranges, size_t count, struct http_range range)
{
    for (size_t i = 0; i < count; i++)
        if (range.first <= ranges[i].last && ranges[i].first <= range.last)
            return true;
    return false;
}

enum http_range_result http_range_parse(struct str value, uint64_t size, struct http_range *ret,
                                        size_t *ret_count)
{
    struct http_range ranges[HTTP_MAX_RANGES], range = {0, 0};
    const struct str unit = STR("bytes=");
    size_t count = 0, specs = 0;

    if (!str_eq_nocase(str_sub(value, 0, unit.len), unit))
        return HTTP_RANGE_WHOLE;
    for (struct str rest = str_sub(value, unit.len, value.len); rest.ptr != NULL;) {
        struct str text = str_trim(str_cut(&rest, ','));
        if (text.len == 0)
            continue;
        if (++specs > HTTP_MAX_RANGES)
            return HTTP_RANGE_WHOLE;
        enum spec spec = read_spec(text, size, &range);
        if (spec == SPEC_BAD || (spec == SPEC_INSIDE && overlaps_any(ranges, count, range)))
            return HTTP_RANGE_WHOLE;
        if (spec == SPEC_INSIDE)
            ranges[count++] = range;
    }
    if (specs == 0)
        return HTTP_RANGE_WHOLE;
    if (count == 0)
        return HTTP_RANGE_UNSATISFIABLE;
    memcpy(ret, ranges, count * sizeof *ret);
    *ret_count = count;
    return HTTP_RANGE_PARTS;
}
