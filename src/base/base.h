/* SPDX-License-Identifier: Apache-2.0
 *
 * Prelude. The first include of every .c file: standard types, attributes and
 * scoped cleanup. Knows nothing about the rest of the program.
 */
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MUST_CHECK        __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))
#define ARRAY_LEN(a)      (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)         ((a) < (b) ? (a) : (b))
#define MAX(a, b)         ((a) > (b) ? (a) : (b))

/* The struct that holds <member> at <ptr>. */
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* AUTO_TYPE(struct route *, route_free), placed after the declaration of
 * route_free(), lets callers write
 *     AUTO(route_free) struct route *r = route_new(...);
 * and r is freed on every way out of the scope. */
#define AUTO_TYPE(type, free_fn)                                                                   \
    static inline void free_fn##_auto(type *p)                                                     \
    {                                                                                              \
        free_fn(*p);                                                                               \
    }
/* The same for a struct held by value whose free function takes its address. */
#define AUTO_VALUE(type, done_fn)                                                                  \
    static inline void done_fn##_auto(type *p)                                                     \
    {                                                                                              \
        done_fn(p);                                                                                \
    }
#define AUTO(free_fn) __attribute__((cleanup(free_fn##_auto)))

static inline void free_auto(void *p)
{
    void *mem;
    memcpy(&mem, p, sizeof mem); /* not *(void **)p: that breaks strict aliasing */
    free(mem);
}

/* Hands a scoped pointer to the caller: `return TAKE(r);` */
#define TAKE(p)                                                                                    \
    ({                                                                                             \
        __typeof__(p) take_ = (p);                                                                 \
        (p) = NULL;                                                                                \
        take_;                                                                                     \
    })

/* Hands a scoped file descriptor to the caller: `*ret = TAKE_FD(fd);` */
#define TAKE_FD(fd)                                                                                \
    ({                                                                                             \
        int take_ = (fd);                                                                          \
        (fd) = -1;                                                                                 \
        take_;                                                                                     \
    })

/* Memory or the end of the process, so every size that comes from outside is
 * checked before; base/mem.h has what comes before that end. mem_new() is
 * zeroed; mem_grow() is realloc(). */
void *mem_new(size_t size) MUST_CHECK;
void *mem_grow(void *ptr, size_t size) MUST_CHECK;
char *mem_copy_text(const char *text) MUST_CHECK;
#define NEW(type) ((type *)mem_new(sizeof(type)))

#include "base/banned.h"
