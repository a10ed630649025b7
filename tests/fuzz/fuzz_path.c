/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a path: a normal form is its own normal form, is never longer,
 * has no segment that moves, and a file name made of it stays below its root.
 */
#include "base/base.h"

#include "http/path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_segments(struct str path)
{
    struct str rest = str_sub(path, 1, path.len);

    while (rest.ptr != NULL) {
        struct str segment = str_cut(&rest, '/');
        assert(!str_is(segment, ".") && !str_is(segment, ".."));
        assert(segment.len > 0 || rest.ptr == NULL);
    }
}

static void check_form(struct str form)
{
    char *again = mem_new(form.len);
    char *name = mem_new(form.len + 1);
    const char *why = NULL;
    size_t len = 0;
    bool ok = http_path_normalize(form, again, &len, &why);

    assert(form.len > 0 && form.ptr[0] == '/');
    check_segments(form);
    assert(ok && str_eq(form, str_from(again, len)));
    if (http_path_decode(form, name, &len)) {
        assert(len <= form.len && strlen(name) == len && name[0] == '/');
        check_segments(str_from(name, len));
    }
    free(again);
    free(name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(free) char *bytes = mem_new(size + 1);
    const char *why = NULL;
    size_t len = 0;
    struct str input = str_from(data, size);

    if (http_path_normalize(input, bytes, &len, &why)) {
        assert(len <= size);
        check_form(str_from(bytes, len));
    } else {
        assert(why != NULL);
    }
    if (http_host_normalize(input, bytes, &len))
        assert(len > 0 && len <= size);
    return 0;
}
