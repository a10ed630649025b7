/* SPDX-License-Identifier: Apache-2.0
 *
 * What local_ca.c (the authority) and local_leaf.c (what it signs) share.
 */
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "guard/secret.h"

#define MS_PER_DAY INT64_C(86400000)

enum {
    LOCAL_CA_DAYS = 3650,
    LEAF_DAYS = 90,
    PEM_FILE_MAX = 65536,
};

/* Certificates are valid from a little before they were made: clocks differ. */
#define CLOCK_SKEW_MS INT64_C(3600000)

struct local_ca {
    char *dir;
    EVP_PKEY *key;
    X509 *certificate;
    struct secret pem; /* of the certificate */
};
