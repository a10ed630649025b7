/* SPDX-License-Identifier: Apache-2.0
 *
 * The bytes that json_dump() of jansson writes with JSON_SORT_KEYS, JSON_ENCODE_ANY,
 * JSON_REAL_PRECISION(15) and JSON_COMPACT or JSON_INDENT(2), a few times faster: a member is
 * found while it is sorted, and a text is copied in runs.
 */
#include "base/base.h"

#include <inttypes.h>

#include "json/json.h"

struct member {
    const char *key;
    const json_t *value;
};

struct writer {
    struct buf *out;
    bool indented;
};

static void add_escaped(struct buf *out, unsigned char c)
{
    static const char letters[] = {['"'] = '"',  ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f',
                                   ['\n'] = 'n', ['\r'] = 'r',  ['\t'] = 't'};

    if (c < sizeof letters && letters[c] != '\0')
        buf_add(out, (const char[]){'\\', letters[c]}, 2);
    else
        buf_addf(out, "\\u%04X", c);
}

/* It is UTF-8: jansson holds no other. */
static void add_text(struct buf *out, const char *text, size_t len)
{
    size_t from = 0;

    buf_add_char(out, '"');
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        buf_add(out, text + from, i - from);
        add_escaped(out, c);
        from = i + 1;
    }
    buf_add(out, text + from, len - from);
    buf_add_char(out, '"');
}

static void add_real(struct buf *out, const json_t *value)
{
    char text[64];
    size_t len = json_dumpb(value, text, sizeof text, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));

    assert(len > 0 && len <= sizeof text);
    buf_add(out, text, len);
}

static void add_integer(struct buf *out, json_int_t value)
{
    char digits[24];
    size_t at = sizeof digits;
    uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;

    do
        digits[--at] = (char)('0' + rest % 10);
    while ((rest /= 10) > 0);
    if (value < 0)
        digits[--at] = '-';
    buf_add(out, digits + at, sizeof digits - at);
}

static void add_break(const struct writer *to, size_t depth)
{
    static const char blanks[] = "\n                                                              ";
    const size_t wanted = 2 * depth;

    if (!to->indented)
        return;
    buf_add(to->out, blanks, MIN(wanted + 1, sizeof blanks - 1));
    for (size_t i = sizeof blanks - 2; i < wanted; i++)
        buf_add_char(to->out, ' ');
}

static int compare_members(const void *a, const void *b)
{
    return strcmp(((const struct member *)a)->key, ((const struct member *)b)->key);
}

static void add_value(const struct writer *to, const json_t *value, size_t depth);

static void add_members(const struct writer *to, const struct member *members, size_t count,
                        size_t depth)
{
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_add_char(to->out, ',');
        add_break(to, depth + 1);
        add_text(to->out, members[i].key, strlen(members[i].key));
        buf_add(to->out, ": ", to->indented ? 2 : 1);
        add_value(to, members[i].value, depth + 1);
    }
    add_break(to, depth);
}

static void add_object(const struct writer *to, const json_t *value, size_t depth)
{
    enum { FEW = 32 };
    struct member few[FEW];
    size_t size = json_object_size(value);
    struct member *members = size <= FEW ? few : mem_new(size * sizeof *members);
    json_t *object = (json_t *)(uintptr_t)value;
    size_t count = 0;

    for (void *at = json_object_iter(object); at != NULL; at = json_object_iter_next(object, at))
        members[count++] = (struct member){json_object_iter_key(at), json_object_iter_value(at)};
    qsort(members, count, sizeof *members, compare_members);
    buf_add_char(to->out, '{');
    if (count > 0)
        add_members(to, members, count, depth);
    buf_add_char(to->out, '}');
    if (members != few)
        free(members);
}

static void add_array(const struct writer *to, const json_t *value, size_t depth)
{
    size_t count = json_array_size(value);

    buf_add_char(to->out, '[');
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_add_char(to->out, ',');
        add_break(to, depth + 1);
        add_value(to, json_array_get(value, i), depth + 1);
    }
    if (count > 0)
        add_break(to, depth);
    buf_add_char(to->out, ']');
}

static void add_value(const struct writer *to, const json_t *value, size_t depth)
{
    assert(depth <= JSON_WRITE_DEPTH_MAX); /* only a value that holds itself is deeper */
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        add_object(to, value, depth);
        return;
    case JSON_ARRAY:
        add_array(to, value, depth);
        return;
    case JSON_STRING:
        add_text(to->out, json_string_value(value), json_string_length(value));
        return;
    case JSON_INTEGER:
        add_integer(to->out, json_integer_value(value));
        return;
    case JSON_REAL:
        add_real(to->out, value);
        return;
    case JSON_TRUE:
        buf_add_text(to->out, "true");
        return;
    case JSON_FALSE:
        buf_add_text(to->out, "false");
        return;
    case JSON_NULL:
        break;
    }
    buf_add_text(to->out, "null");
}

void json_format(const json_t *value, bool indented, struct buf *ret)
{
    const struct writer to = {ret, indented};

    add_value(&to, value, 0);
}
