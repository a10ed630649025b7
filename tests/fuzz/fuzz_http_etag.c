/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as If-Match and If-None-Match, for the tag "a": what the strong comparison finds the
 * weak one does too, nothing is found that is not there, and nothing but a comma may follow.
 */
#include "base/base.h"

#include "http/http_negotiate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool mentions(struct str list, struct str text)
{
    for (size_t i = 0; i + text.len <= list.len; i++)
        if (memcmp(list.ptr + i, text.ptr, text.len) == 0)
            return true;
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str list = str_from(data, size), tag = STR("\"a\"");
    bool is_weak = http_etag_is_listed(list, tag);

    assert(is_weak || !http_etag_is_listed_strongly(list, tag));
    assert(http_etag_is_listed(list, STR("W/\"a\"")) == is_weak);
    assert(!is_weak || mentions(list, tag) || str_is(str_trim(list), "*"));
    assert(!http_etag_is_listed_strongly(list, STR("W/\"a\"")) || str_is(str_trim(list), "*"));
    if (mentions(list, STR("\"a\"x")) && !mentions(list, STR(",")) && size > 0)
        assert(!is_weak);
    return 0;
}
