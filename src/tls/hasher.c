/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <openssl/evp.h>

#include "base/mem.h"
#include "tls/hasher.h"

void hasher_init(struct hasher *hasher)
{
    while ((hasher->context = EVP_MD_CTX_new()) == NULL ||
           EVP_DigestInit_ex(hasher->context, EVP_sha256(), NULL) != 1) {
        EVP_MD_CTX_free(hasher->context);
        mem_make_room();
    }
}

void hasher_done(struct hasher *hasher)
{
    EVP_MD_CTX_free(hasher->context);
    hasher->context = NULL;
}

void hasher_add_raw(struct hasher *hasher, const void *bytes, size_t len)
{
    bool added = EVP_DigestUpdate(hasher->context, bytes, len) == 1;
    assert(added);
}

void hasher_add(struct hasher *hasher, struct str part)
{
    uint64_t len = part.len;

    hasher_add_raw(hasher, &len, sizeof len);
    hasher_add_raw(hasher, part.ptr, part.len);
}

void hasher_end(struct hasher *hasher, char *ret)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char bytes[HASHER_BYTES];

    bool ended = EVP_DigestFinal_ex(hasher->context, bytes, NULL) == 1;
    assert(ended);
    for (size_t i = 0; i < HASHER_BYTES; i++) {
        ret[i * 2] = digits[bytes[i] >> 4];
        ret[i * 2 + 1] = digits[bytes[i] & 15];
    }
    ret[HASHER_TEXT_BYTES - 1] = '\0';
}
