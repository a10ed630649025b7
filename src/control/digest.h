/* SPDX-License-Identifier: Apache-2.0
 *
 * SHA-256 of things that must be told apart, by OpenSSL. Two digests with equal
 * parts in equal order are equal; parts cannot run into each other.
 */
#pragma once

#include "base/base.h"
#include "base/str.h"

struct digest;

struct digest *digest_new(void) MUST_CHECK;
void digest_free(struct digest *digest);
AUTO_TYPE(struct digest *, digest_free)

void digest_add(struct digest *digest, struct str part);
/* The first 128 bits as 32 hexadecimal digits and NUL; <ret> has 33 bytes. */
void digest_end(struct digest *digest, char *ret);
