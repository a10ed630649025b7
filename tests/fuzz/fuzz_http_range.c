/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a Range, for a file of a size that the first two bytes say: parts
 * lie in the file, are not more than the limit and do not overlap, so an answer
 * is never longer than the file and the heads of its parts.
 */
#include "base/base.h"

#include "http/http_range.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_range parts[HTTP_MAX_RANGES];
    uint64_t bytes = 0, total = 0;
    size_t count = 0;

    if (size < 2)
        return 0;
    bytes = (uint64_t)data[0] << 8 | data[1];
    if (http_range_parse(str_from(data + 2, size - 2), bytes, parts, &count) != HTTP_RANGE_PARTS)
        return 0;
    assert(count > 0 && count <= HTTP_MAX_RANGES);
    for (size_t i = 0; i < count; i++) {
        assert(parts[i].first <= parts[i].last && parts[i].last < bytes);
        total += parts[i].last - parts[i].first + 1;
        for (size_t k = 0; k < i; k++)
            assert(parts[i].first > parts[k].last || parts[k].first > parts[i].last);
    }
    assert(total <= bytes);
    return 0;
}
