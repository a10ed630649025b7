/* SPDX-License-Identifier: Apache-2.0
 *
 * .dockerignore: the first line of the input is a path, the rest the patterns.
 * A name without special bytes matches itself and nothing else; a path that is
 * left out stays so when a line that takes another back is added.
 */
#include "base/base.h"

#include "base/arena.h"
#include "base/err.h"
#include "runtime/ignore.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_plain(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (strchr("*?[\\", text.ptr[i]) != NULL)
            return false;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(arena_done) struct arena arena = {0};
    struct str rest = str_from(data, size);
    struct str path = str_cut(&rest, '\n');
    struct ignore ignore;
    struct err err;

    if (path.len > 4096 || rest.ptr == NULL || !ignore_parse(rest, &arena, &ignore, &err))
        return 0;
    bool ignored = ignore_check(&ignore, path);
    assert(!ignored || ignore.count > 0);
    for (size_t i = 0; i < ignore.count; i++) {
        struct str pattern = ignore.patterns[i].text;
        assert(pattern.len > 0 && pattern.ptr[0] != '/');
        if (is_plain(pattern))
            assert(ignore_match(pattern, path) == str_eq(pattern, path));
    }
    return 0;
}
