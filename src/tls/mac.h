/* SPDX-License-Identifier: Apache-2.0
 *
 * HMAC-SHA-256 (RFC 2104) by OpenSSL.
 */
#pragma once

#include "base/base.h"
#include "base/str.h"

enum { MAC_BYTES = 32 };

/* Of <text> under the <key_len> bytes at <key>; <ret> has MAC_BYTES. */
void mac_sign(const void *key, size_t key_len, struct str text, unsigned char *ret);
/* The first eight bytes of it as a number: enough for what can only be tried online. */
uint64_t mac_sign_u64(const void *key, size_t key_len, struct str text);
