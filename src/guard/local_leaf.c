/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <openssl/objects.h>
#include <openssl/x509v3.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "guard/local_ca.h"
#include "guard/local_ca_priv.h"
#include "guard/x509_build.h"

enum { NAME_MAX_BYTES = 253, LABEL_MAX_BYTES = 63 };

static inline void names_free(GENERAL_NAMES *names)
{
    GENERAL_NAMES_free(names);
}
AUTO_TYPE(GENERAL_NAMES *, names_free)

static bool is_label(struct str label)
{
    if (label.len == 0 || label.len > LABEL_MAX_BYTES || label.ptr[0] == '-' ||
        label.ptr[label.len - 1] == '-')
        return false;
    for (size_t i = 0; i < label.len; i++) {
        char c = label.ptr[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '_')
            return false;
    }
    return true;
}

bool local_ca_covers(struct str name)
{
    bool wildcard = str_starts(name, STR("*."));
    struct str host = wildcard ? str_sub(name, 2, SIZE_MAX) : name;
    struct str rest = host;
    size_t labels = 0;

    if (name.len > NAME_MAX_BYTES || host.len == 0)
        return false;
    while (rest.ptr != NULL) {
        if (!is_label(str_cut(&rest, '.')))
            return false;
        labels++;
    }
    if (wildcard && labels < 2)
        return false;
    return str_is(host, "localhost") || str_ends(host, STR(".localhost")) ||
           str_ends(host, STR(".test")) || str_ends(host, STR(".internal"));
}

void local_ca_leaf_done(struct local_ca_leaf *leaf)
{
    secret_done(&leaf->certificate_pem);
    secret_done(&leaf->key_pem);
    *leaf = (struct local_ca_leaf){0};
}

/* The id becomes a file name. */
static bool check_id(const char *id, struct err *err)
{
    size_t len = strlen(id);

    if (len == 0 || len > LOCAL_CA_ID_MAX)
        return err_set(err, ERR_LIMIT, "a certificate's id has 1 to %d bytes, not %zu",
                       LOCAL_CA_ID_MAX, len);
    if (id[0] == '.' || strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789._-") != len)
        return err_set(err, ERR_INVALID, "bad certificate id '%s'", id);
    return true;
}

static bool check_request(const struct local_ca_request *request, struct err *err)
{
    if (!check_id(request->id, err))
        return false;
    if (request->name_count == 0 || request->name_count > LOCAL_CA_NAMES_MAX)
        return err_set(err, ERR_LIMIT, "a certificate has 1 to %d names, not %zu",
                       LOCAL_CA_NAMES_MAX, request->name_count);
    for (size_t i = 0; i < request->name_count; i++)
        if (!local_ca_covers(str_of(request->names[i])))
            return err_set(err, ERR_INVALID,
                           "the local authority signs only localhost, *.localhost, *.test and "
                           "*.internal, not '%.260s'",
                           request->names[i]);
    return true;
}

static bool is_repeated(const struct local_ca_request *request, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (strcmp(request->names[i], request->names[index]) == 0)
            return true;
    return false;
}

static bool has_name(const GENERAL_NAMES *names, struct str wanted)
{
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        int type;
        const ASN1_STRING *value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type);
        if (type == GEN_DNS &&
            str_eq(str_from(ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value)),
                   wanted))
            return true;
    }
    return false;
}

/* The same set, in any order. */
static bool has_names(const X509 *certificate, const struct local_ca_request *request)
{
    AUTO(names_free)
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    int distinct = 0;

    if (names == NULL)
        return false;
    for (size_t i = 0; i < request->name_count; i++) {
        if (!has_name(names, str_of(request->names[i])))
            return false;
        distinct += !is_repeated(request, i);
    }
    return distinct == sk_GENERAL_NAME_num(names);
}

static bool renewal_of(const X509 *certificate, int64_t *ret_wall_from_ms,
                       int64_t *ret_wall_renew_ms)
{
    int64_t from_ms, to_ms;

    if (!x509_time_ms(X509_get0_notBefore(certificate), &from_ms) ||
        !x509_time_ms(X509_get0_notAfter(certificate), &to_ms))
        return false;
    *ret_wall_from_ms = from_ms;
    *ret_wall_renew_ms = from_ms + (to_ms - from_ms) / 3 * 2;
    return true;
}

static bool fill_leaf(X509 *certificate, EVP_PKEY *key, struct local_ca_leaf *ret, struct err *err)
{
    AUTO(local_ca_leaf_done) struct local_ca_leaf leaf = {0};
    int64_t from_ms;

    if (!renewal_of(certificate, &from_ms, &leaf.wall_renew_ms))
        return err_set(err, ERR_INVALID, "a certificate without a time");
    if (!x509_format(certificate, &leaf.certificate_pem, err) ||
        !x509_key_format(key, &leaf.key_pem, err))
        return false;
    *ret = leaf;
    leaf = (struct local_ca_leaf){0};
    return true;
}

/* False, with the reason in <err>, when a new one has to be made. */
static bool read_leaf(struct local_ca *ca, const char *path, const struct local_ca_request *request,
                      int64_t wall_now_ms, struct local_ca_leaf *ret, struct err *err)
{
    AUTO(secret_done) struct secret pem = {0};
    int64_t from_ms, renew_ms;

    if (!secret_read(path, PEM_FILE_MAX, &pem, err))
        return false;
    AUTO(evp_pkey_free) EVP_PKEY *key = x509_key_parse(secret_str(&pem), err);
    AUTO(x509_free) X509 *certificate = x509_parse(secret_str(&pem), err);
    if (key == NULL || certificate == NULL)
        return false;
    if (X509_check_private_key(certificate, key) != 1 || X509_verify(certificate, ca->key) != 1)
        return x509_err(err, "of another key or authority");
    if (!has_names(certificate, request))
        return err_set(err, ERR_INVALID, "for other names");
    if (!renewal_of(certificate, &from_ms, &renew_ms) || wall_now_ms < from_ms ||
        wall_now_ms >= renew_ms)
        return err_set(err, ERR_INVALID, "due for renewal");
    return fill_leaf(certificate, key, ret, err);
}

static X509 *sign_leaf(struct local_ca *ca, EVP_PKEY *key, const struct local_ca_request *request,
                       int64_t wall_now_ms, struct err *err)
{
    AUTO(buf_done) struct buf names = {0};
    int64_t ca_to_ms = wall_now_ms;

    for (size_t i = 0; i < request->name_count; i++)
        if (!is_repeated(request, i))
            buf_addf(&names, "%sDNS:%s", i == 0 ? "" : ",", request->names[i]);
    if (!x509_time_ms(X509_get0_notAfter(ca->certificate), &ca_to_ms) || ca_to_ms <= wall_now_ms) {
        err_set(err, ERR_INVALID, "the local authority has expired, open it again for a new one");
        return NULL;
    }
    const struct x509_extension extensions[] = {
        {NID_basic_constraints, "critical,CA:FALSE"},
        {NID_key_usage, "critical,digitalSignature"},
        {NID_ext_key_usage, "serverAuth"},
        {NID_subject_key_identifier, "hash"},
        {NID_authority_key_identifier, "keyid"},
        {NID_subject_alt_name, buf_text(&names)},
    };
    return x509_new(
        &(struct x509_plan){
            .common_name = strlen(request->names[0]) <= 64 ? request->names[0] : request->id,
            .key = key,
            .issuer = ca->certificate,
            .issuer_key = ca->key,
            .wall_from_ms = wall_now_ms - CLOCK_SKEW_MS,
            .wall_to_ms = MIN(wall_now_ms + LEAF_DAYS * MS_PER_DAY, ca_to_ms),
            .extensions = extensions,
            .extension_count = ARRAY_LEN(extensions),
        },
        err);
}

/* One file for both, so that key and certificate change together. */
static bool write_leaf(const char *path, const struct local_ca_leaf *leaf, struct err *err)
{
    AUTO(secret_done)
    struct secret both = {mem_new(leaf->key_pem.len + leaf->certificate_pem.len + 1),
                          leaf->key_pem.len + leaf->certificate_pem.len};

    assert(leaf->key_pem.ptr != NULL && leaf->certificate_pem.ptr != NULL);
    memcpy(both.ptr, leaf->key_pem.ptr, leaf->key_pem.len);
    memcpy(both.ptr + leaf->key_pem.len, leaf->certificate_pem.ptr, leaf->certificate_pem.len);
    return file_write(path, secret_str(&both), 0600, err);
}

bool local_ca_issue(struct local_ca *ca, const struct local_ca_request *request,
                    int64_t wall_now_ms, struct local_ca_leaf *ret, struct err *err)
{
    AUTO(buf_done) struct buf path = {0};
    AUTO(local_ca_leaf_done) struct local_ca_leaf leaf = {0};

    if (!check_request(request, err))
        return false;
    buf_addf(&path, "%s/leaf/%s.pem", ca->dir, request->id);
    struct err why_not = {0};
    if (read_leaf(ca, buf_text(&path), request, wall_now_ms, ret, &why_not))
        return true;
    AUTO(evp_pkey_free) EVP_PKEY *key = x509_key_new(err);
    if (key == NULL)
        return false;
    AUTO(x509_free) X509 *certificate = sign_leaf(ca, key, request, wall_now_ms, err);
    if (certificate == NULL || !fill_leaf(certificate, key, &leaf, err) ||
        !write_leaf(buf_text(&path), &leaf, err))
        return err_prefix(err, "certificate of %s", request->id);
    leaf.made = true;
    *ret = leaf;
    leaf = (struct local_ca_leaf){0};
    return true;
}
