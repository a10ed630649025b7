/* SPDX-License-Identifier: Apache-2.0
 *
 * What llhttp reads in the head of a request, as a text. By itself, because its
 * header and ours have names in common.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { READING_BYTES = 8192 };

/* The target, names and values, each with a line end, then "METHOD 1.1 length 5". */
struct reading {
    char text[READING_BYTES];
    size_t len;
    bool complete;
};

void reading_add(struct reading *reading, const char *bytes, size_t len);
/* NULL: it takes the head, and <ret> is what it read; else its reason. */
const char *llhttp_read(const char *bytes, size_t len, struct reading *ret);
