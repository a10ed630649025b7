/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <time.h>

#include "base/err.h"
#include "guard/x509_build.h"

enum { SERIAL_BITS = 159 }; /* positive in 20 bytes, RFC 5280, 4.1.2.2 */

static inline void bignum_free(BIGNUM *number)
{
    BN_free(number);
}
AUTO_TYPE(BIGNUM *, bignum_free)
static inline void bio_free(BIO *bio)
{
    (void)BIO_free(bio);
}
AUTO_TYPE(BIO *, bio_free)

bool x509_err(struct err *err, const char *what)
{
    char text[200] = "unknown reason";
    unsigned long code = ERR_get_error();

    if (code != 0)
        ERR_error_string_n(code, text, sizeof text);
    ERR_clear_error();
    return err_set(err, ERR_INVALID, "%s: %s", what, text);
}

EVP_PKEY *x509_key_new(struct err *err)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");

    if (key == NULL)
        x509_err(err, "cannot make a key");
    return key;
}

static bool set_serial(X509 *certificate)
{
    AUTO(bignum_free) BIGNUM *number = BN_new();

    return number != NULL && BN_rand(number, SERIAL_BITS, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) &&
           BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != NULL;
}

static bool set_times(X509 *certificate, const struct x509_plan *plan)
{
    return ASN1_TIME_set(X509_getm_notBefore(certificate), (time_t)(plan->wall_from_ms / 1000)) !=
               NULL &&
           ASN1_TIME_set(X509_getm_notAfter(certificate), (time_t)(plan->wall_to_ms / 1000)) !=
               NULL;
}

static bool set_names(X509 *certificate, const struct x509_plan *plan)
{
    X509_NAME *name = X509_get_subject_name(certificate);

    return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                                      (const unsigned char *)plan->common_name, -1, -1, 0) &&
           X509_set_issuer_name(certificate,
                                plan->issuer == NULL ? name : X509_get_subject_name(plan->issuer));
}

static bool add_extensions(X509 *certificate, const struct x509_plan *plan)
{
    X509V3_CTX context;

    X509V3_set_ctx(&context, plan->issuer == NULL ? certificate : plan->issuer, certificate, NULL,
                   NULL, 0);
    for (size_t i = 0; i < plan->extension_count; i++) {
        const struct x509_extension *wanted = &plan->extensions[i];
        X509_EXTENSION *made = X509V3_EXT_conf_nid(NULL, &context, wanted->nid, wanted->value);
        bool added = made != NULL && X509_add_ext(certificate, made, -1);
        X509_EXTENSION_free(made);
        if (!added)
            return false;
    }
    return true;
}

X509 *x509_new(const struct x509_plan *plan, struct err *err)
{
    AUTO(x509_free) X509 *certificate = X509_new();

    if (certificate == NULL || !X509_set_version(certificate, X509_VERSION_3) ||
        !set_serial(certificate) || !set_times(certificate, plan) ||
        !set_names(certificate, plan) || !X509_set_pubkey(certificate, plan->key) ||
        !add_extensions(certificate, plan) ||
        X509_sign(certificate, plan->issuer_key, EVP_sha256()) <= 0) {
        x509_err(err, "cannot make a certificate");
        return NULL;
    }
    return TAKE(certificate);
}

static bool take_bio(BIO *bio, struct secret *ret, struct err *err)
{
    char *bytes = NULL;
    long len = BIO_get_mem_data(bio, &bytes);

    if (len <= 0)
        return x509_err(err, "cannot write PEM");
    secret_set(ret, str_from(bytes, (size_t)len));
    return true;
}

/* A memory BIO wipes its bytes when it grows and when it is freed. */
bool x509_key_format(EVP_PKEY *key, struct secret *ret, struct err *err)
{
    AUTO(bio_free) BIO *bio = BIO_new(BIO_s_mem());

    if (bio == NULL || !PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL))
        return x509_err(err, "cannot write a key");
    return take_bio(bio, ret, err);
}

bool x509_format(X509 *certificate, struct secret *ret, struct err *err)
{
    AUTO(bio_free) BIO *bio = BIO_new(BIO_s_mem());

    if (bio == NULL || !PEM_write_bio_X509(bio, certificate))
        return x509_err(err, "cannot write a certificate");
    return take_bio(bio, ret, err);
}

/* Without it OpenSSL asks for the passphrase on the terminal. */
static int no_passphrase(char *buf, /* NOLINT(readability-non-const-parameter): OpenSSL's type */
                         int size, int writing, void *arg)
{
    (void)buf, (void)size, (void)writing, (void)arg;
    return -1;
}

EVP_PKEY *x509_key_parse(struct str pem, struct err *err)
{
    assert(pem.len <= INT32_MAX);
    AUTO(bio_free) BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    EVP_PKEY *key = bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);

    if (key == NULL)
        x509_err(err, "not a private key in PEM form");
    return key;
}

X509 *x509_parse(struct str pem, struct err *err)
{
    assert(pem.len <= INT32_MAX);
    AUTO(bio_free) BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    X509 *certificate = bio == NULL ? NULL : PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);

    if (certificate == NULL)
        x509_err(err, "not a certificate in PEM form");
    return certificate;
}

bool x509_time_ms(const ASN1_TIME *time, int64_t *ret_wall_ms)
{
    struct tm tm = {0};

    if (!ASN1_TIME_to_tm(time, &tm))
        return false;
    *ret_wall_ms = (int64_t)timegm(&tm) * 1000;
    return true;
}
