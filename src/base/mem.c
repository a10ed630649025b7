/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <stdio.h>

static void *or_end(void *mem)
{
    if (mem == NULL) {
        (void)fputs("ishizue: out of memory\n", stderr);
        abort();
    }
    return mem;
}

void *mem_new(size_t size)
{
    return or_end(calloc(1, size == 0 ? 1 : size));
}

void *mem_grow(void *ptr, size_t size)
{
    return or_end(realloc(ptr, size == 0 ? 1 : size));
}

char *mem_copy_text(const char *text)
{
    return or_end(strdup(text));
}
