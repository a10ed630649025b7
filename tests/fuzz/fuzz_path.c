/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a path: a normal form is its own normal form, is never longer,
 * has no segment that moves, and a file name made of it stays below its root.
 * However the same path is written, with more slashes, "/./" or needless
 * percent-encodings, its form is the same: nobody gets around a route. A host's
 * form has no capital letter and no port, and is its own form.
 */
#include "base/base.h"

#include "base/buf.h"
#include "http/http_names.h"
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

/* What is encoded must be, and in capital digits. */
static void check_encodings(struct str form)
{
    for (size_t i = 0; i < form.len; i++) {
        char c = form.ptr[i];
        assert(http_is(c, HTTP_CLASS_TARGET) && c != '?' && c != '\\');
        if (c != '%')
            continue;
        struct str digits = str_sub(form, i + 1, 2);
        assert(digits.len == 2 && !str_is(digits, "00"));
        for (size_t k = 0; k < 2; k++)
            assert(http_is(digits.ptr[k], HTTP_CLASS_HEX) && digits.ptr[k] <= 'F');
        i += 2;
    }
}

/* <input> with <slash> for each slash and, when <encodes>, all that may stand as it is encoded. */
static void write_other(struct str input, const char *slash, bool encodes, struct buf *ret)
{
    for (size_t i = 0; i < input.len; i++) {
        char c = input.ptr[i];
        if (c == '%') {
            buf_add_str(ret, str_sub(input, i, 3));
            i += 2;
        } else if (c == '/') {
            buf_add_text(ret, slash);
        } else if (encodes && http_is(c, HTTP_CLASS_UNRESERVED)) {
            buf_addf(ret, i % 2 == 0 ? "%%%02x" : "%%%02X", (unsigned)(unsigned char)c);
        } else {
            buf_add_char(ret, c);
        }
    }
}

static void check_other(struct str input, struct str form, const char *slash, bool encodes)
{
    AUTO(buf_done) struct buf other = {0};
    const char *why = NULL;
    size_t len = 0;

    write_other(input, slash, encodes, &other);
    AUTO(free) char *bytes = mem_new(other.len);
    bool ok = http_path_normalize(buf_str(&other), bytes, &len, &why);
    assert(ok && str_eq(form, str_from(bytes, len)));
}

static void check_host(struct str host)
{
    AUTO(free) char *bytes = mem_new(host.len);
    size_t len = 0;

    for (size_t i = 0; i < host.len; i++)
        assert(host.ptr[i] < 'A' || host.ptr[i] > 'Z');
    assert(host.ptr[0] == '[' || str_find(host, ':') == host.len);
    if (host.ptr[0] == '[' || !str_ends(host, STR("."))) {
        bool ok = http_host_normalize(host, bytes, &len);
        assert(ok && str_eq(host, str_from(bytes, len)));
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
    check_encodings(form);
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
        struct str form = str_from(bytes, len);
        check_form(form);
        check_other(input, form, "//", false);
        check_other(input, form, "/./", true);
        check_other(input, form, "/%2e/", false);
        check_other(input, form, "/x/../", true);
    } else {
        assert(why != NULL);
    }
    if (http_host_normalize(input, bytes, &len)) {
        assert(len > 0 && len <= size);
        check_host(str_from(bytes, len));
    }
    return 0;
}
