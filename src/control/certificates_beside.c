/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/err.h"
#include "base/file.h"
#include "control/certificates_beside.h"
#include "tls/tls.h"

enum { FILE_LIMIT = 256 * 1024 };

void beside_done(struct beside *beside)
{
    buf_done(&beside->ocsp);
    buf_done(&beside->client_ca);
}

static bool is_taken(const struct tls_certificate *certificate, struct err *err)
{
    AUTO(tls_context_free) struct tls_context *context = tls_context_new(err);

    return context != NULL && tls_context_add(context, certificate, err);
}

static bool read_ocsp(struct beside *beside, const char *path, struct tls_certificate pair,
                      struct err *err)
{
    AUTO(buf_done) struct buf file = {0};

    buf_clear(&beside->ocsp);
    if (path == NULL)
        return true;
    if (!file_read_regular(path, FILE_LIMIT, &file, err))
        return false;
    tls_encode_base64(buf_str(&file), &beside->ocsp);
    pair.ocsp = buf_str(&beside->ocsp);
    if (is_taken(&pair, err))
        return true;
    buf_clear(&beside->ocsp);
    return err_prefix(err, "'%s'", path);
}

/* The authority that was good last stays, so that no client is turned away. */
static bool read_client_ca(struct beside *beside, const char *path, struct tls_certificate pair,
                           struct err *err)
{
    AUTO(buf_done) struct buf file = {0};

    if (path == NULL) {
        buf_clear(&beside->client_ca);
        return true;
    }
    if (!file_read_regular(path, FILE_LIMIT, &file, err))
        return false;
    if (memchr(file.ptr, '\0', file.len) != NULL)
        return err_set(err, ERR_INVALID, "'%s' is not PEM", path);
    pair.client_ca = buf_str(&file);
    if (!is_taken(&pair, err))
        return err_prefix(err, "'%s'", path);
    buf_clear(&beside->client_ca);
    buf_add_str(&beside->client_ca, buf_str(&file));
    return true;
}

bool beside_read(struct beside *beside, const struct compose *compose, struct str certificate,
                 struct str key, struct err *err)
{
    const struct tls_certificate pair = {.chain = certificate, .key = key};
    struct err second;

    bool good = read_ocsp(beside, compose->x.tls_ocsp, pair, err);
    return read_client_ca(beside, compose->x.tls_client_ca, pair, good ? err : &second) && good;
}
