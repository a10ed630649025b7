/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>

#include "base/arena.h"

enum { BLOCK_BYTES = 8192 - 64, HUGE_PAGE_BYTES = 2 * 1024 * 1024 };

#if defined(__has_feature) /* clang; GCC says it by a macro */
#if __has_feature(address_sanitizer)
#define HAS_ADDRESS_SANITIZER
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(HAS_ADDRESS_SANITIZER)
#define IS_CHECKED true /* what lies behind a block is found only on the heap */
#else
#define IS_CHECKED false
#endif

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
    if (arena->mapped != NULL)
        (void)munmap(arena->mapped, arena->mapped_bytes);
    *arena = (struct arena){0};
}

void arena_reserve(struct arena *arena, size_t bytes)
{
    const size_t mapped_bytes = bytes + HUGE_PAGE_BYTES;

    assert(arena->mapped == NULL);
    if (IS_CHECKED)
        return;
    char *mapped = mmap(NULL, mapped_bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped == MAP_FAILED)
        return;
    arena->mapped = mapped;
    arena->mapped_bytes = mapped_bytes;
    arena->at = mapped + (HUGE_PAGE_BYTES - (uintptr_t)mapped % HUGE_PAGE_BYTES) % HUGE_PAGE_BYTES;
    arena->end = arena->at + bytes;
    (void)madvise(arena->at, bytes, MADV_HUGEPAGE);
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

    if (arena->at == NULL || size > (size_t)(arena->end - arena->at)) {
        if (size > BLOCK_BYTES / 4)
            return new_block(arena, size); /* its own block; the current one goes on */
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
