/* SPDX-License-Identifier: Apache-2.0
 *
 * Growing byte buffer, owned by whoever declared it. Always followed by a NUL
 * that does not count, so that buf_text() is a C string. Zero is a valid start:
 *     AUTO(buf_done) struct buf out = {0};
 * Growth has no limit of its own: callers check sizes that come from outside.
 */
#pragma once

#include "base/base.h"
#include "base/str.h"

struct buf {
    char *ptr;
    size_t len;
    size_t cap;
};

void buf_done(struct buf *buf);
AUTO_VALUE(struct buf, buf_done)

/* Empties it; keeps the memory. */
static inline void buf_clear(struct buf *buf)
{
    buf->len = 0;
    if (buf->ptr != NULL)
        buf->ptr[0] = '\0';
}

/* Room for <len> more bytes at the returned place; buf_grew() says how many were filled. */
char *buf_reserve(struct buf *buf, size_t len);
static inline void buf_grew(struct buf *buf, size_t len)
{
    buf->len += len;
    buf->ptr[buf->len] = '\0';
}

void buf_add(struct buf *buf, const void *bytes, size_t len);
static inline void buf_add_str(struct buf *buf, struct str text)
{
    buf_add(buf, text.ptr, text.len);
}
static inline void buf_add_text(struct buf *buf, const char *text)
{
    buf_add(buf, text, strlen(text));
}
void buf_add_char(struct buf *buf, char c);
void buf_addf(struct buf *buf, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Removes the first <len> bytes. */
void buf_drop(struct buf *buf, size_t len);

static inline struct str buf_str(const struct buf *buf)
{
    return (struct str){buf->ptr, buf->len};
}
static inline const char *buf_text(const struct buf *buf)
{
    return buf->ptr == NULL ? "" : buf->ptr;
}

/* Gives the bytes (heap, NUL-terminated, never NULL) to the caller; the buffer is empty after. */
char *buf_take(struct buf *buf) MUST_CHECK;
