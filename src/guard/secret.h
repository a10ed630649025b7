/* SPDX-License-Identifier: Apache-2.0
 *
 * Bytes that must not be left behind in memory: keys, passwords. Owned by
 * whoever declared it and wiped by secret_done(). Never grows in place, because
 * realloc() would leave a copy. Zero is a valid start.
 */
#pragma once

#include "base/base.h"
#include "base/str.h"

struct err;

struct secret {
    char *ptr; /* followed by a NUL that does not count; NULL when empty */
    size_t len;
};

void secret_done(struct secret *secret);
AUTO_VALUE(struct secret, secret_done)

/* Replaces what <secret> held by a copy of <bytes>. */
void secret_set(struct secret *secret, struct str bytes);

/* The whole file into <ret>. ERR_NOT_FOUND when it is not there, ERR_LIMIT above <limit_bytes>,
 * ERR_DENIED when others than its owner may read it. */
MUST_CHECK bool secret_read(const char *path, size_t limit_bytes, struct secret *ret,
                            struct err *err);

static inline struct str secret_str(const struct secret *secret)
{
    return (struct str){secret->ptr, secret->len};
}
