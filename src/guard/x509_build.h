/* SPDX-License-Identifier: Apache-2.0
 *
 * The few things local_ca.h needs from OpenSSL: making keys and certificates
 * (RFC 5280) and their PEM form. Knows nothing about files. Private to guard/.
 */
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "base/base.h"
#include "guard/secret.h"

struct err;

static inline void evp_pkey_free(EVP_PKEY *key)
{
    EVP_PKEY_free(key);
}
AUTO_TYPE(EVP_PKEY *, evp_pkey_free)
static inline void x509_free(X509 *certificate)
{
    X509_free(certificate);
}
AUTO_TYPE(X509 *, x509_free)

struct x509_extension {
    int nid;
    const char *value; /* as in openssl's x509v3_config(5) */
};

struct x509_plan {
    const char *common_name;
    EVP_PKEY *key;
    X509 *issuer; /* NULL: signs itself */
    EVP_PKEY *issuer_key;
    int64_t wall_from_ms;
    int64_t wall_to_ms;
    const struct x509_extension *extensions;
    size_t extension_count;
};

/* EC P-256. NULL on failure. */
MUST_CHECK EVP_PKEY *x509_key_new(struct err *err);
/* Signed with ECDSA and SHA-256, random serial number of 159 bits. NULL on failure. */
MUST_CHECK X509 *x509_new(const struct x509_plan *plan, struct err *err);

/* PKCS #8 PEM, not encrypted. */
MUST_CHECK bool x509_key_format(EVP_PKEY *key, struct secret *ret, struct err *err);
MUST_CHECK bool x509_format(X509 *certificate, struct secret *ret, struct err *err);
/* The first one of its kind in <pem>; NULL when there is none. An encrypted key is refused. */
MUST_CHECK EVP_PKEY *x509_key_parse(struct str pem, struct err *err);
MUST_CHECK X509 *x509_parse(struct str pem, struct err *err);

/* The moment <time> in milliseconds since 1970; false when it is not a time. */
MUST_CHECK bool x509_time_ms(const ASN1_TIME *time, int64_t *ret_wall_ms);

/* err_set() with the oldest entry of OpenSSL's error queue, which is emptied. Returns false. */
bool x509_err(struct err *err, const char *what);
