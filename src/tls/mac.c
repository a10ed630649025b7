/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/mem.h"
#include "tls/mac.h"

void mac_sign(const void *key, size_t key_len, struct str text, unsigned char *ret)
{
    unsigned len = 0;

    while (HMAC(EVP_sha256(), key, (int)key_len, (const unsigned char *)text.ptr, text.len, ret,
                &len) == NULL)
        mem_make_room();
    assert(len == MAC_BYTES);
}

uint64_t mac_sign_u64(const void *key, size_t key_len, struct str text)
{
    unsigned char mac[MAC_BYTES];
    uint64_t number;

    mac_sign(key, key_len, text, mac);
    memcpy(&number, mac, sizeof number);
    return number;
}
