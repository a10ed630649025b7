/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/arena.h"

enum { BLOCK_BYTES = 8192 - 64 };

struct arena_block {
    struct arena_block *next;
    _Alignas(max_align_t) char bytes[];
};

void arena_done(struct arena *arena)
{
    for (struct arena_block *block = arena->blocks, *next; block != NULL; block = next) {
        next = block->next;
        free(block);
    }
    *arena = (struct arena){0};
}

static void *new_block(struct arena *arena, size_t size)
{
    struct arena_block *block = mem_new(sizeof *block + size);

    block->next = arena->blocks;
    arena->blocks = block;
    arena->total_bytes += sizeof *block + size;
    return block->bytes;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    const size_t align = _Alignof(max_align_t);
    assert(size <= SIZE_MAX / 2);
    size = (size + align - 1) / align * align;

    if (size > BLOCK_BYTES / 4)
        return new_block(arena, size); /* its own block; the current one goes on */
    if (arena->at == NULL || size > (size_t)(arena->end - arena->at)) {
        arena->at = new_block(arena, BLOCK_BYTES);
        arena->end = arena->at + BLOCK_BYTES;
    }
    void *mem = arena->at;
    arena->at += size;
    return mem;
}

char *arena_text(struct arena *arena, const char *text)
{
    return arena_str(arena, str_of(text));
}

char *arena_str(struct arena *arena, struct str text)
{
    char *copy = arena_alloc(arena, text.len + 1);

    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    return copy;
}

char *arena_printf(struct arena *arena, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    assert(n >= 0);
    char *text = arena_alloc(arena, (size_t)n + 1);
    (void)vsnprintf(text, (size_t)n + 1, fmt, again);
    va_end(again);
    return text;
}
