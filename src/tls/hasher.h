/* SPDX-License-Identifier: Apache-2.0
 *
 * SHA-256 by OpenSSL. Parts cannot run into each other: each goes in with its
 * length.
 */
#pragma once

#include "base/base.h"
#include "base/str.h"

enum { HASHER_BYTES = 32, HASHER_TEXT_BYTES = 65 };

struct hasher {
    void *context; /* EVP_MD_CTX */
};

void hasher_init(struct hasher *hasher);
void hasher_done(struct hasher *hasher);
AUTO_VALUE(struct hasher, hasher_done)

void hasher_add(struct hasher *hasher, struct str part);
/* Bytes as they are, for content that comes in pieces. */
void hasher_add_raw(struct hasher *hasher, const void *bytes, size_t len);
/* As hexadecimal digits and NUL; <ret> has HASHER_TEXT_BYTES. */
void hasher_end(struct hasher *hasher, char *ret);
