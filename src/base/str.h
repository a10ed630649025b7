/* SPDX-License-Identifier: Apache-2.0
 *
 * Text as pointer and length. A `struct str` owns nothing and need not end in
 * NUL; whoever makes one says whose memory it points into. Zero is the empty
 * text and a valid start.
 */
#pragma once

#include "base/base.h"

struct arena;

struct str {
    const char *ptr;
    size_t len;
};

#define STR(literal)  ((struct str){"" literal, sizeof(literal) - 1})
#define STR_FMT       "%.*s"
#define STR_ARG(text) ((int)(text).len), ((text).ptr)

/* A view of a C string; NULL gives the empty text. */
static inline struct str str_of(const char *text)
{
    return (struct str){text, text == NULL ? 0 : strlen(text)};
}

static inline struct str str_from(const void *ptr, size_t len)
{
    return (struct str){(const char *)ptr, len};
}

static inline bool str_eq(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool str_is(struct str a, const char *text)
{
    return str_eq(a, str_of(text));
}

/* For searches in which most candidates differ in their first byte. */
static inline bool text_eq(const char *a, const char *b)
{
    return a[0] == b[0] && strcmp(a, b) == 0;
}

/* ASCII letters only: locale does not matter. */
bool str_eq_nocase(struct str a, struct str b);
bool str_starts(struct str text, struct str prefix);
bool str_ends(struct str text, struct str suffix);

/* <text> from <from> (clamped) on, at most <len> bytes. */
struct str str_sub(struct str text, size_t from, size_t len);

/* Index of the first <c>, or text.len. */
size_t str_find(struct str text, char c);
size_t str_find_last(struct str text, char c);

/* Without ASCII blanks (space, tab, CR, LF) at both ends. */
struct str str_trim(struct str text);

/* Cuts off and returns what stands before the first <c>, moving <rest> past
 * it; the last piece leaves rest->ptr NULL. Loop while (rest.ptr != NULL). */
struct str str_cut(struct str *rest, char c);

/* Whole text as a decimal number: no sign, no blank, not above <max>. */
MUST_CHECK bool str_to_u64(struct str text, uint64_t max, uint64_t *ret);

/* Formats into <ret>, which has <ret_bytes>: what does not fit is cut off, NUL-terminated always.
 */
void str_format(char *ret, size_t ret_bytes, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Order of bytes, as strcmp(). */
int str_cmp(struct str a, struct str b);

/* Bytes of the UTF-8 character that <text> starts with; 0 when it starts with none (RFC 3629: no
 * overlong form, no surrogate, nothing above U+10FFFF). */
size_t str_utf8_len(struct str text);
