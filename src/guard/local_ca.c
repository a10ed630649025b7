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

/* Addresses are excluded by hand: a constraint on names alone would leave them free. */
static const struct x509_extension extensions[] = {
    {NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
    {NID_key_usage, "critical,keyCertSign,cRLSign"},
    {NID_ext_key_usage, "serverAuth"},
    {NID_subject_key_identifier, "hash"},
    {NID_name_constraints,
     "critical,permitted;DNS:localhost,permitted;DNS:test,permitted;DNS:internal,"
     "excluded;IP:0.0.0.0/0.0.0.0,excluded;IP:0:0:0:0:0:0:0:0/0:0:0:0:0:0:0:0"},
};

/* "Ishizue local CA (web1)". A common name has at most 64 characters (RFC 5280, A.1). */
static void format_name(char ret[65])
{
    char host[46] = "";

    (void)gethostname(host, sizeof host - 1);
    for (char *p = host; *p != '\0'; p++)
        if (!(*p >= 'a' && *p <= 'z') && !(*p >= 'A' && *p <= 'Z') && !(*p >= '0' && *p <= '9') &&
            *p != '.')
            *p = '-';
    (void)snprintf(ret, 65, "Ishizue local CA (%s)", host);
}

/* The key goes to disk first: a ca.pem that is there always has its key. */
static bool make_pair(struct local_ca *ca, const char *path, const char *key_path,
                      int64_t wall_now_ms, struct err *err)
{
    AUTO(secret_done) struct secret key_pem = {0};
    char name[65];

    format_name(name);
    ca->key = x509_key_new(err);
    if (ca->key == NULL)
        return false;
    ca->certificate = x509_new(
        &(struct x509_plan){
            .common_name = name,
            .key = ca->key,
            .issuer_key = ca->key,
            .wall_from_ms = wall_now_ms - CLOCK_SKEW_MS,
            .wall_to_ms = wall_now_ms + LOCAL_CA_DAYS * MS_PER_DAY,
            .extensions = extensions,
            .extension_count = ARRAY_LEN(extensions),
        },
        err);
    return ca->certificate != NULL && x509_key_format(ca->key, &key_pem, err) &&
           x509_format(ca->certificate, &ca->pem, err) &&
           file_write(key_path, secret_str(&key_pem), 0600, err) &&
           file_write(path, secret_str(&ca->pem), 0644, err);
}

static bool read_certificate(struct local_ca *ca, const char *path, struct err *err)
{
    AUTO(buf_done) struct buf pem = {0};

    if (!file_read(path, PEM_FILE_MAX, &pem, err))
        return false;
    ca->certificate = x509_parse(buf_str(&pem), err);
    if (ca->certificate == NULL)
        return err_prefix(err, "%s", path);
    if (X509_check_ca(ca->certificate) != 1)
        return err_set(err, ERR_INVALID, "%s: not the certificate of an authority", path);
    return x509_format(ca->certificate, &ca->pem, err);
}

static bool read_key(struct local_ca *ca, const char *path, struct err *err)
{
    AUTO(secret_done) struct secret pem = {0};

    if (!secret_read(path, PEM_FILE_MAX, &pem, err)) {
        if (err->code == ERR_NOT_FOUND)
            return err_set(err, ERR_INVALID,
                           "'%s' is missing though ca.pem is there, put it back or remove ca.pem "
                           "to have a new authority made",
                           path);
        return false;
    }
    ca->key = x509_key_parse(secret_str(&pem), err);
    if (ca->key == NULL)
        return err_prefix(err, "%s", path);
    if (X509_check_private_key(ca->certificate, ca->key) != 1)
        return err_set(err, ERR_INVALID, "%s: does not belong to the ca.pem beside it", path);
    return true;
}

static void forget_pair(struct local_ca *ca)
{
    X509_free(ca->certificate);
    EVP_PKEY_free(ca->key);
    secret_done(&ca->pem);
    ca->certificate = NULL;
    ca->key = NULL;
}

static bool is_ending(const struct local_ca *ca, int64_t wall_now_ms)
{
    int64_t wall_to_ms;

    return !x509_time_ms(X509_get0_notAfter(ca->certificate), &wall_to_ms) ||
           wall_to_ms - wall_now_ms < LEAF_DAYS * MS_PER_DAY;
}

static bool load_or_make(struct local_ca *ca, int64_t wall_now_ms, struct err *err)
{
    AUTO(buf_done) struct buf path = {0};
    AUTO(buf_done) struct buf key_path = {0};

    buf_addf(&path, "%s/leaf", ca->dir);
    if (!file_make_dirs(ca->dir, 0700, err) || !file_make_dirs(buf_text(&path), 0700, err))
        return false;
    buf_clear(&path);
    buf_addf(&path, "%s/ca.pem", ca->dir);
    buf_addf(&key_path, "%s/ca-key.pem", ca->dir);
    if (file_exists(buf_text(&path))) {
        if (!read_certificate(ca, buf_text(&path), err) || !read_key(ca, buf_text(&key_path), err))
            return false;
        if (!is_ending(ca, wall_now_ms))
            return true;
        /* No ca.pem without its key, also when we end halfway. */
        if (unlink(buf_text(&path)) != 0)
            return err_sys(err, "cannot remove '%s'", buf_text(&path));
        forget_pair(ca);
    }
    return make_pair(ca, buf_text(&path), buf_text(&key_path), wall_now_ms, err);
}

struct local_ca *local_ca_open(const char *dir, int64_t wall_now_ms, struct err *err)
{
    AUTO(local_ca_close) struct local_ca *ca = NEW(struct local_ca);

    ca->dir = mem_copy_text(dir);
    if (!load_or_make(ca, wall_now_ms, err)) {
        err_prefix(err, "local certificate authority");
        return NULL;
    }
    return TAKE(ca);
}

void local_ca_close(struct local_ca *ca)
{
    if (ca == NULL)
        return;
    forget_pair(ca);
    free(ca->dir);
    free(ca);
}

const char *local_ca_pem(const struct local_ca *ca)
{
    return ca->pem.ptr;
}
