/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "cli/text_width.h"

struct range {
    uint32_t first;
    uint32_t last;
};

/* Unicode 15, East_Asian_Width W and F, neighbours joined where what lies between is unassigned. */
static const struct range wide[] = {
    {0x1100, 0x115F},   {0x231A, 0x231B},   {0x2329, 0x232A},   {0x23E9, 0x23EC},
    {0x25FD, 0x25FE},   {0x2614, 0x2615},   {0x2648, 0x2653},   {0x26A1, 0x26A1},
    {0x26AA, 0x26AB},   {0x26BD, 0x26BE},   {0x26C4, 0x26C5},   {0x26CE, 0x26CE},
    {0x26D4, 0x26D4},   {0x26EA, 0x26EA},   {0x26F2, 0x26F5},   {0x26FA, 0x26FD},
    {0x2705, 0x2705},   {0x270A, 0x270B},   {0x2728, 0x2728},   {0x274C, 0x274E},
    {0x2753, 0x2757},   {0x2795, 0x2797},   {0x27B0, 0x27BF},   {0x2B1B, 0x2B1C},
    {0x2B50, 0x2B55},   {0x2E80, 0x303E},   {0x3041, 0x33FF},   {0x3400, 0x4DBF},
    {0x4E00, 0xA4CF},   {0xA960, 0xA97F},   {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},
    {0xFE10, 0xFE19},   {0xFE30, 0xFE6F},   {0xFF01, 0xFF60},   {0xFFE0, 0xFFE6},
    {0x16FE0, 0x18CFF}, {0x1AFF0, 0x1B2FF}, {0x1F004, 0x1F004}, {0x1F0CF, 0x1F0CF},
    {0x1F18E, 0x1F18E}, {0x1F191, 0x1F19A}, {0x1F200, 0x1F320}, {0x1F32D, 0x1F335},
    {0x1F337, 0x1F37C}, {0x1F37E, 0x1F393}, {0x1F3A0, 0x1F3CA}, {0x1F3CF, 0x1F3D3},
    {0x1F3E0, 0x1F3F0}, {0x1F3F4, 0x1F3F4}, {0x1F3F8, 0x1F43E}, {0x1F440, 0x1F440},
    {0x1F442, 0x1F4FC}, {0x1F4FF, 0x1F53D}, {0x1F54B, 0x1F567}, {0x1F57A, 0x1F57A},
    {0x1F595, 0x1F596}, {0x1F5A4, 0x1F5A4}, {0x1F5FB, 0x1F64F}, {0x1F680, 0x1F6C5},
    {0x1F6CC, 0x1F6CC}, {0x1F6D0, 0x1F6DF}, {0x1F6EB, 0x1F6EC}, {0x1F6F4, 0x1F6FC},
    {0x1F7E0, 0x1F7F0}, {0x1F90C, 0x1F9FF}, {0x1FA70, 0x1FAFF}, {0x20000, 0x3FFFD},
};

/* Marks that stand on the character before, joiners and variation selectors. */
static const struct range zero[] = {
    {0x0300, 0x036F}, {0x0483, 0x0489},   {0x0591, 0x05BD}, {0x0610, 0x061A}, {0x064B, 0x065F},
    {0x06D6, 0x06DC}, {0x0E31, 0x0E31},   {0x0E34, 0x0E3A}, {0x0E47, 0x0E4E}, {0x1160, 0x11FF},
    {0x1AB0, 0x1AFF}, {0x1DC0, 0x1DFF},   {0x200B, 0x200F}, {0x2028, 0x202E}, {0x2060, 0x2064},
    {0x20D0, 0x20F0}, {0x302A, 0x302D},   {0x3099, 0x309A}, {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F},
    {0xFEFF, 0xFEFF}, {0xE0001, 0xE01EF},
};

static bool is_in(const struct range *ranges, size_t count, uint32_t c)
{
    size_t low = 0, high = count;

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (c > ranges[middle].last)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && c >= ranges[low].first;
}

/* <len> is what str_utf8_len() said. */
static uint32_t code_point(const char *at, size_t len)
{
    static const uint8_t first_mask[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    uint32_t c = (uint8_t)at[0] & first_mask[len];

    for (size_t i = 1; i < len; i++)
        c = c << 6 | ((uint8_t)at[i] & 0x3F);
    return c;
}

/* Bytes of the escape sequence (ECMA-48: CSI, the string kinds, two characters) at the start of
 * <text>, or 0. */
static size_t escape_len(struct str text)
{
    size_t i = 2;

    if (text.len == 0 || text.ptr[0] != '\033')
        return 0;
    if (text.len == 1)
        return 1;
    if (text.ptr[1] == '[') {
        while (i < text.len && text.ptr[i] >= 0x20 && text.ptr[i] < 0x40)
            i++;
        return MIN(i + 1, text.len);
    }
    if (strchr("]PX^_", text.ptr[1]) == NULL)
        return 2;
    while (i < text.len && text.ptr[i] != '\a' && text.ptr[i] != '\033')
        i++;
    if (i + 1 < text.len && text.ptr[i] == '\033' && text.ptr[i + 1] == '\\')
        return i + 2;
    return i < text.len && text.ptr[i] == '\a' ? i + 1 : i;
}

static bool is_colour(struct str escape)
{
    return escape.len >= 3 && escape.ptr[1] == '[' && escape.ptr[escape.len - 1] == 'm';
}

/* The next thing at the start of <text>: its bytes, and its columns in *ret_width. */
static size_t piece(struct str text, size_t *ret_width)
{
    size_t len = escape_len(text);

    *ret_width = 0;
    if (len > 0)
        return len;
    len = str_utf8_len(text);
    *ret_width = 1;
    if (len == 0)
        return 1;
    uint32_t c = code_point(text.ptr, len);
    if (c < 0x20 || c == 0x7F || is_in(zero, ARRAY_LEN(zero), c))
        *ret_width = 0;
    else if (is_in(wide, ARRAY_LEN(wide), c))
        *ret_width = 2;
    return len;
}

size_t text_width(struct str text)
{
    size_t total = 0, width;

    for (size_t i = 0; i < text.len; total += width)
        i += piece(str_sub(text, i, text.len), &width);
    return total;
}

void text_width_cut(struct str text, size_t columns, struct buf *ret)
{
    size_t used = 0, width;
    bool coloured = false;

    if (text_width(text) <= columns) {
        buf_add_str(ret, text);
        return;
    }
    for (size_t i = 0; i < text.len; used += width) {
        struct str rest = str_sub(text, i, text.len);
        size_t len = piece(rest, &width);

        if (used + width + 1 > columns)
            break;
        coloured |= rest.ptr[0] == '\033';
        buf_add(ret, rest.ptr, len);
        i += len;
    }
    if (columns > 0)
        buf_add_text(ret, "…");
    if (coloured)
        buf_add_text(ret, "\033[0m");
}

void text_width_pad(size_t width, size_t columns, struct buf *ret)
{
    while (width++ < columns)
        buf_add_char(ret, ' ');
}

/* What is left on a line that carriage returns go back on: programs draw progress bars so. */
static struct str last_overwrite(struct str text)
{
    while (text.len > 0 && (text.ptr[text.len - 1] == '\r' || text.ptr[text.len - 1] == '\n'))
        text.len--;
    size_t at = str_find_last(text, '\r');
    return at < text.len ? str_sub(text, at + 1, text.len) : text;
}

void text_clean(struct str text, bool keep_colours, struct buf *ret)
{
    bool coloured = false;

    text = last_overwrite(text);
    for (size_t i = 0; i < text.len;) {
        struct str rest = str_sub(text, i, text.len);
        size_t escape = escape_len(rest);
        size_t len = escape > 0 ? escape : MAX(str_utf8_len(rest), (size_t)1);
        uint32_t c = str_utf8_len(rest) == 0 ? '?' : code_point(rest.ptr, str_utf8_len(rest));

        if (escape > 0) {
            if (keep_colours && is_colour(str_sub(rest, 0, escape))) {
                coloured = true;
                buf_add(ret, rest.ptr, escape);
            }
        } else if (str_utf8_len(rest) == 0) {
            buf_add_char(ret, '?');
        } else if (c == '\t') {
            buf_add_char(ret, ' ');
        } else if (c >= 0x20 && c != 0x7F && (c < 0x80 || c > 0x9F)) {
            buf_add(ret, rest.ptr, len);
        }
        i += len;
    }
    if (coloured)
        buf_add_text(ret, "\033[0m");
}
