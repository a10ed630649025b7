/* SPDX-License-Identifier: Apache-2.0
 *
 * Growing array on the heap: a struct with ptr, len and cap.
 *     VEC(int) ports = {0};   VEC_PUSH(&ports, 80);   VEC_DONE(&ports);
 * VEC_PUSH may move the array: keep indexes, not pointers into it.
 */
#pragma once

#include "base/base.h"

#define VEC(type)                                                                                  \
    struct {                                                                                       \
        type *ptr;                                                                                 \
        size_t len;                                                                                \
        size_t cap;                                                                                \
    }

#define VEC_PUSH(vec, ...)                                                                         \
    do {                                                                                           \
        if ((vec)->len == (vec)->cap) {                                                            \
            (vec)->cap = (vec)->cap == 0 ? 8 : (vec)->cap * 2;                                     \
            (vec)->ptr = mem_grow((vec)->ptr, (vec)->cap * sizeof *(vec)->ptr);                    \
        }                                                                                          \
        (vec)->ptr[(vec)->len++] = __VA_ARGS__;                                                    \
    } while (0)

/* Takes out item <i>; the later ones move up, so order is kept. */
#define VEC_REMOVE(vec, i)                                                                         \
    do {                                                                                           \
        size_t at_ = (i);                                                                          \
        assert(at_ < (vec)->len);                                                                  \
        memmove((vec)->ptr + at_, (vec)->ptr + at_ + 1,                                            \
                ((vec)->len - at_ - 1) * sizeof *(vec)->ptr);                                      \
        (vec)->len--;                                                                              \
    } while (0)

#define VEC_DONE(vec)                                                                              \
    do {                                                                                           \
        free((vec)->ptr);                                                                          \
        (vec)->ptr = NULL;                                                                         \
        (vec)->len = (vec)->cap = 0;                                                               \
    } while (0)
