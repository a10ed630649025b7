/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "http/http_names.h"
#include "http/path.h"

static unsigned hex_value(char c)
{
    return (unsigned)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
}

/* The byte that "%XX" at <text> stands for, or -1. */
static int decode_byte(struct str text)
{
    if (text.len < 3 || !http_is(text.ptr[1], HTTP_CLASS_HEX) ||
        !http_is(text.ptr[2], HTTP_CLASS_HEX))
        return -1;
    return (int)(hex_value(text.ptr[1]) * 16 + hex_value(text.ptr[2]));
}

/* Reads a percent-encoding at <text> into <to>; returns the length written, 1 or 3, or 0. */
static size_t read_encoded(struct str text, char *to)
{
    static const char digits[] = "0123456789ABCDEF";
    int byte = decode_byte(text);

    if (byte <= 0)
        return 0;
    if (http_is((char)byte, HTTP_CLASS_UNRESERVED)) {
        to[0] = (char)byte;
        return 1;
    }
    to[0] = '%';
    to[1] = digits[byte >> 4];
    to[2] = digits[byte & 15];
    return 3;
}

/* Reads up to the next '/' of <path> from *at on; writes what it means to <to>. */
static const char *read_segment(struct str path, size_t *at, char *to, size_t *ret_len)
{
    size_t len = 0, i = *at;

    while (i < path.len && path.ptr[i] != '/') {
        char c = path.ptr[i];
        if (c == '%') {
            size_t written = read_encoded(str_sub(path, i, 3), to + len);
            if (written == 0)
                return "bad percent-encoding in the path";
            len += written;
            i += 3;
        } else {
            if (!http_is(c, HTTP_CLASS_TARGET) || c == '?' || c == '\\')
                return "bad character in the path";
            to[len++] = c;
            i++;
        }
    }
    *at = i;
    *ret_len = len;
    return NULL;
}

/* Dots at the start of a segment that mean a move: 1, 2, or 0 for a name. */
static int count_dots(struct str segment, bool *ret_parameters)
{
    int dots = 0;

    while (dots < 2 && (size_t)dots < segment.len && segment.ptr[dots] == '.')
        dots++;
    if ((size_t)dots == segment.len)
        return dots;
    *ret_parameters = dots > 0 && segment.ptr[dots] == ';';
    return 0;
}

/* Drops the last segment of <bytes>, which ends in '/'; false at the root. */
static bool pop_segment(const char *bytes, size_t *len)
{
    if (*len <= 1)
        return false;
    size_t end = *len - 1;
    while (bytes[end - 1] != '/')
        end--;
    *len = end;
    return true;
}

bool http_path_normalize(struct str path, char *ret_bytes, size_t *ret_len, const char **ret_why)
{
    size_t at = 1, len = 1;
    const char *why = NULL;

    if (path.len == 0 || path.ptr[0] != '/') {
        *ret_why = "path does not start with '/'";
        return false;
    }
    ret_bytes[0] = '/';
    for (; at <= path.len; at++) { /* ret_bytes ends in '/' here, and at is behind one */
        size_t segment = 0;
        bool has_parameters = false;
        if ((why = read_segment(path, &at, ret_bytes + len, &segment)) != NULL)
            break;
        int dots = count_dots(str_from(ret_bytes + len, segment), &has_parameters);
        if (has_parameters)
            why = "dot segment with parameters in the path";
        else if (dots == 2 && !pop_segment(ret_bytes, &len))
            why = "path leads above the root";
        if (why != NULL)
            break;
        if (dots > 0 || segment == 0)
            continue;
        len += segment;
        if (at < path.len)
            ret_bytes[len++] = '/';
    }
    if (why != NULL) {
        *ret_why = why;
        return false;
    }
    *ret_len = len;
    return true;
}

bool http_path_decode(struct str path, char *ret_bytes, size_t *ret_len)
{
    size_t len = 0;

    for (size_t i = 0; i < path.len; i++) {
        char c = path.ptr[i];
        if (c == '%') {
            int byte = decode_byte(str_sub(path, i, 3));
            if (byte < ' ' || byte == '/' || byte == '\\' || byte == 0x7f)
                return false;
            c = (char)byte;
            i += 2;
        }
        ret_bytes[len++] = c;
    }
    ret_bytes[len] = '\0';
    *ret_len = len;
    return true;
}

bool http_host_normalize(struct str authority, char *ret_bytes, size_t *ret_len)
{
    size_t len = authority.len;

    if (len > 0 && authority.ptr[0] == '[') {
        len = MIN(str_find(authority, ']') + 1, len);
    } else {
        len = str_find(authority, ':');
        if (len > 0 && authority.ptr[len - 1] == '.')
            len--;
    }
    for (size_t i = 0; i < len; i++) {
        char c = authority.ptr[i];
        ret_bytes[i] = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
    }
    *ret_len = len;
    return len > 0;
}
