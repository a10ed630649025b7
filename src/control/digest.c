/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <openssl/evp.h>
#include <stdio.h>

#include "control/digest.h"

struct digest {
    EVP_MD_CTX *ctx;
};

struct digest *digest_new(void)
{
    struct digest *digest = NEW(struct digest);

    digest->ctx = EVP_MD_CTX_new();
    int started = digest->ctx == NULL ? 0 : EVP_DigestInit_ex(digest->ctx, EVP_sha256(), NULL);
    assert(started == 1);
    return digest;
}

void digest_free(struct digest *digest)
{
    if (digest == NULL)
        return;
    EVP_MD_CTX_free(digest->ctx);
    free(digest);
}

void digest_add(struct digest *digest, struct str part)
{
    uint64_t len = part.len;
    int added = EVP_DigestUpdate(digest->ctx, &len, sizeof len);
    assert(added == 1);
    added = EVP_DigestUpdate(digest->ctx, part.ptr, part.len);
    assert(added == 1);
}

void digest_end(struct digest *digest, char *ret)
{
    unsigned char bytes[EVP_MAX_MD_SIZE];

    int ended = EVP_DigestFinal_ex(digest->ctx, bytes, NULL);
    assert(ended == 1);
    for (size_t i = 0; i < 16; i++)
        str_format(ret + 2 * i, 3, "%02x", bytes[i]);
}
