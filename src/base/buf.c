/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/buf.h"

void buf_done(struct buf *buf)
{
    free(buf->ptr);
    *buf = (struct buf){0};
}

char *buf_reserve(struct buf *buf, size_t len)
{
    size_t need = buf->len + len + 1;

    if (need > buf->cap) {
        size_t cap = MAX(buf->cap * 2, (size_t)64);
        buf->cap = MAX(cap, need);
        buf->ptr = mem_grow(buf->ptr, buf->cap);
        buf->ptr[buf->len] = '\0';
    }
    return buf->ptr + buf->len;
}

void buf_add(struct buf *buf, const void *bytes, size_t len)
{
    char *at = buf_reserve(buf, len);

    if (len > 0)
        memcpy(at, bytes, len);
    buf_grew(buf, len);
}

void buf_add_char(struct buf *buf, char c)
{
    buf_add(buf, &c, 1);
}

void buf_addf(struct buf *buf, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    assert(n >= 0);
    char *at = buf_reserve(buf, (size_t)n);
    (void)vsnprintf(at, (size_t)n + 1, fmt, again);
    va_end(again);
    buf_grew(buf, (size_t)n);
}

void buf_drop(struct buf *buf, size_t len)
{
    assert(len <= buf->len);
    if (len == 0)
        return;
    memmove(buf->ptr, buf->ptr + len, buf->len - len);
    buf->len -= len;
    buf->ptr[buf->len] = '\0';
}

char *buf_take(struct buf *buf)
{
    char *bytes = buf->ptr == NULL ? mem_copy_text("") : buf->ptr;

    *buf = (struct buf){0};
    return bytes;
}
