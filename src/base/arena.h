/* SPDX-License-Identifier: Apache-2.0
 *
 * Arena: many small things that live and die together (one configuration
 * generation, one request, one command). Nothing is freed alone. Belongs to one
 * thread at a time. Zero is a valid start.
 */
#pragma once

#include "base/base.h"
#include "base/str.h"

struct arena_block;

struct arena {
    struct arena_block *blocks;
    char *at;
    char *end;
    size_t total_bytes;  /* asked from the heap so far */
    size_t mapped_bytes; /* of the reserved range; it begins at <mapped> */
    char *mapped;
};

void arena_done(struct arena *arena);
AUTO_VALUE(struct arena, arena_done)

/* For a process that needs much for a moment: what is asked for next comes from one range of
 * <bytes> of address space, which the kernel may give in huge pages; a page costs nothing until it
 * is touched. Once; without effect where there is no room for the range. */
void arena_reserve(struct arena *arena, size_t bytes);

/* Zeroed and aligned for any type. */
void *arena_alloc(struct arena *arena, size_t size) MUST_CHECK;
#define ARENA_NEW(arena, type)          ((type *)arena_alloc((arena), sizeof(type)))
#define ARENA_ARRAY(arena, type, count) ((type *)arena_alloc((arena), sizeof(type) * (count)))

/* NUL-terminated copies. */
char *arena_text(struct arena *arena, const char *text) MUST_CHECK;
char *arena_str(struct arena *arena, struct str text) MUST_CHECK;
char *arena_printf(struct arena *arena, const char *fmt, ...) PRINTF_LIKE(2, 3) MUST_CHECK;
