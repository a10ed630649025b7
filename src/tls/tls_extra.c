/* SPDX-License-Identifier: Apache-2.0
 *
 * What goes with a certificate: the answer of its authority that it is still
 * good (OCSP, RFC 6066, 8), and the authority of its clients.
 */
#include "base/base.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <time.h>

#include "base/clock.h"
#include "base/err.h"
#include "tls/tls_priv.h"

enum { OCSP_MAX_BYTES = 64 * 1024 };

static int extra_index;

static void extra_free(void *parent, void *ptr, CRYPTO_EX_DATA *data, int index, long number,
                       void *arg)
{
    struct extra *extra = ptr;

    (void)parent, (void)data, (void)index, (void)number, (void)arg;
    if (extra == NULL)
        return;
    X509_STORE_free(extra->store);
    sk_X509_NAME_pop_free(extra->ca_names, X509_NAME_free);
    OPENSSL_free(extra->ocsp);
    free(extra);
}

void tls_extra_init(void)
{
    extra_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, extra_free);
    assert(extra_index >= 0);
}

const struct extra *tls_extra_of(const SSL_CTX *ctx)
{
    return SSL_CTX_get_ex_data(ctx, extra_index);
}

static struct extra *get_extra(SSL_CTX *ctx)
{
    struct extra *extra = SSL_CTX_get_ex_data(ctx, extra_index);

    if (extra == NULL) {
        extra = NEW(struct extra);
        (void)SSL_CTX_set_ex_data(ctx, extra_index, extra);
    }
    return extra;
}

/* ---- OCSP ---- */

static int on_status(SSL *ssl, void *arg)
{
    const struct extra *extra = tls_extra_of(SSL_get_SSL_CTX(ssl));

    (void)arg;
    if (extra == NULL || extra->ocsp == NULL ||
        (extra->ocsp_until != 0 && clock_wall_ms() / 1000 >= extra->ocsp_until))
        return SSL_TLSEXT_ERR_NOACK;
    unsigned char *copy = OPENSSL_memdup(extra->ocsp, (size_t)extra->ocsp_len);
    if (copy == NULL)
        return SSL_TLSEXT_ERR_NOACK;
    (void)SSL_set_tlsext_status_ocsp_resp(ssl, copy, extra->ocsp_len); /* owns it */
    return SSL_TLSEXT_ERR_OK;
}

static bool decode_base64(struct str text, unsigned char **ret, int *ret_len)
{
    unsigned char *bytes = OPENSSL_malloc(text.len + 1);
    int len =
        bytes == NULL ? 0 : EVP_DecodeBlock(bytes, (const unsigned char *)text.ptr, (int)text.len);

    for (size_t i = text.len; len > 0 && i > 0 && text.ptr[i - 1] == '='; i--)
        len--;
    if (len <= 0) {
        OPENSSL_free(bytes);
        return false;
    }
    *ret = bytes;
    *ret_len = len;
    return true;
}

void tls_encode_base64(struct str bytes, struct buf *ret)
{
    size_t room = (bytes.len + 2) / 3 * 4;
    char *at = buf_reserve(ret, room + 1);

    assert(bytes.len < INT_MAX);
    (void)EVP_EncodeBlock((unsigned char *)at, (const unsigned char *)bytes.ptr, (int)bytes.len);
    buf_grew(ret, room);
}

static int64_t time_of(const ASN1_GENERALIZEDTIME *when)
{
    struct tm tm;

    return when != NULL && ASN1_TIME_to_tm(when, &tm) == 1 ? timegm(&tm) : 0;
}

/* NULL: it may be used. */
static const char *judge_single(OCSP_SINGLERESP *single, const X509 *leaf, int64_t *ret_until)
{
    ASN1_GENERALIZEDTIME *next = NULL;
    ASN1_INTEGER *serial = NULL;
    int reason;
    int status = OCSP_single_get0_status(single, &reason, NULL, NULL, &next);
    OCSP_CERTID *id = (OCSP_CERTID *)(uintptr_t)OCSP_SINGLERESP_get0_id(single);

    if (OCSP_id_get0_info(NULL, NULL, NULL, &serial, id) != 1 ||
        ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(leaf)) != 0)
        return "is for another certificate";
    if (status != V_OCSP_CERTSTATUS_GOOD)
        return "does not say that the certificate is good";
    *ret_until = time_of(next);
    return *ret_until != 0 && *ret_until <= clock_wall_ms() / 1000 ? "is out of date" : NULL;
}

static const char *judge_ocsp(const unsigned char *der, int len, const X509 *leaf,
                              int64_t *ret_until)
{
    OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &der, len);
    OCSP_BASICRESP *basic = NULL;
    const char *why = "is not one that says that the certificate is good";

    if (response != NULL && OCSP_response_status(response) == OCSP_RESPONSE_STATUS_SUCCESSFUL)
        basic = OCSP_response_get1_basic(response);
    if (basic != NULL && OCSP_resp_count(basic) > 0)
        why = judge_single(OCSP_resp_get0(basic, 0), leaf, ret_until);
    OCSP_BASICRESP_free(basic);
    OCSP_RESPONSE_free(response);
    ERR_clear_error();
    return why;
}

static bool add_ocsp(SSL_CTX *ctx, struct str text, struct err *err)
{
    struct extra *extra = get_extra(ctx);
    const X509 *leaf = SSL_CTX_get0_certificate(ctx);

    if (text.len > OCSP_MAX_BYTES || text.len % 4 != 0 ||
        !decode_base64(text, &extra->ocsp, &extra->ocsp_len))
        return err_set(err, ERR_INVALID, "the OCSP response is not base64");
    const char *why = judge_ocsp(extra->ocsp, extra->ocsp_len, leaf, &extra->ocsp_until);
    if (why != NULL)
        return err_set(err, ERR_INVALID, "the OCSP response %s", why);
    (void)SSL_CTX_set_tlsext_status_cb(ctx, on_status);
    return true;
}

/* ---- clients ---- */

static bool add_authority(struct extra *extra, X509 *authority)
{
    if (X509_STORE_add_cert(extra->store, authority) != 1)
        return false;
    X509_NAME *name = X509_NAME_dup(X509_get_subject_name(authority));
    if (name != NULL && sk_X509_NAME_push(extra->ca_names, name) > 0)
        return true;
    X509_NAME_free(name);
    return false;
}

/* Stable across tables and processes: sessions carry it. */
static uint64_t hash_of(struct str pem)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    uint64_t hash = 0;

    (void)EVP_Digest(pem.ptr, pem.len, digest, NULL, EVP_sha256(), NULL);
    memcpy(&hash, digest, sizeof hash);
    return hash | 1;
}

static bool add_client_ca(SSL_CTX *ctx, struct str pem, struct err *err)
{
    struct extra *extra = get_extra(ctx);
    BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    bool good = true;
    int count = 0;

    extra->store = X509_STORE_new();
    extra->ca_names = sk_X509_NAME_new_null();
    for (X509 *next; good && (next = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL; count++) {
        good = add_authority(extra, next);
        X509_free(next);
    }
    BIO_free(bio);
    if (!good || count == 0)
        return tls_ssl_error(err, "cannot read the authority of clients");
    ERR_clear_error(); /* the end of the file is reported as an error */
    extra->client_ca = hash_of(pem);
    return true;
}

/* Whoever has none, or a wrong one, is let in: a route that needs one says so itself, in words. */
static int accept_all(int good, X509_STORE_CTX *context)
{
    (void)good, (void)context;
    return 1;
}

void tls_extra_apply(SSL *ssl, const SSL_CTX *ctx)
{
    const struct extra *extra = tls_extra_of(ctx);

    if (extra == NULL || extra->client_ca == 0)
        return;
    SSL_set_verify(ssl, SSL_VERIFY_PEER, accept_all);
    (void)SSL_set1_verify_cert_store(ssl, extra->store);
    SSL_set0_CA_list(ssl, SSL_dup_CA_list(extra->ca_names));
    /* A session that was made without being asked must not be resumed here. */
    (void)SSL_set_session_id_context(ssl, (const unsigned char *)&extra->client_ca,
                                     sizeof extra->client_ca);
}

bool tls_extra_add(SSL_CTX *ctx, const struct tls_certificate *certificate, struct err *err)
{
    if (certificate->ocsp.len > 0 && !add_ocsp(ctx, certificate->ocsp, err))
        return false;
    return certificate->client_ca.len == 0 || add_client_ca(ctx, certificate->client_ca, err);
}
