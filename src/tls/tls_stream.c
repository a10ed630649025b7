/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <sys/socket.h>

#include "tls/tls_priv.h"

static BIO_METHOD *socket_method;

static int socket_read(BIO *bio, char *bytes, int len)
{
    struct tls_io *io = BIO_get_data(bio);
    ssize_t n;

    do
        n = recv(io->fd, bytes, (size_t)len, 0);
    while (n < 0 && errno == EINTR);
    BIO_clear_retry_flags(bio);
    io->drained = n < len;
    if (n < 0 && errno == EAGAIN)
        BIO_set_retry_read(bio);
    return (int)n;
}

static int socket_write(BIO *bio, const char *bytes, int len)
{
    struct tls_io *io = BIO_get_data(bio);
    ssize_t n;

    do
        n = send(io->fd, bytes, (size_t)len, MSG_NOSIGNAL | (io->more ? MSG_MORE : 0));
    while (n < 0 && errno == EINTR);
    BIO_clear_retry_flags(bio);
    if (n < 0 && errno == EAGAIN)
        BIO_set_retry_write(bio);
    return (int)n;
}

static long socket_control(BIO *bio, int command, long number, void *ptr)
{
    (void)bio;
    (void)number;
    (void)ptr;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

void tls_stream_init(void)
{
    socket_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");
    assert(socket_method != NULL);
    (void)BIO_meth_set_read(socket_method, socket_read);
    (void)BIO_meth_set_write(socket_method, socket_write);
    (void)BIO_meth_set_ctrl(socket_method, socket_control);
}

static SSL *ssl_of(struct tls_stream *stream)
{
    return (SSL *)(void *)stream;
}

struct tls_stream *tls_stream_new(struct tls_context *context, struct tls_io *io)
{
    SSL *ssl = SSL_new(context->front);
    BIO *bio = BIO_new(socket_method);

    if (ssl == NULL || bio == NULL) {
        SSL_free(ssl);
        (void)BIO_free(bio);
        ERR_clear_error();
        return NULL;
    }
    BIO_set_data(bio, io);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio);
    SSL_set_accept_state(ssl);
    return (struct tls_stream *)(void *)ssl;
}

void tls_stream_free(struct tls_stream *stream)
{
    SSL_free(ssl_of(stream));
}

static struct tls_io *io_of(struct tls_stream *stream)
{
    return BIO_get_data(SSL_get_wbio(ssl_of(stream)));
}

/* What the server writes in TLS 1.3 behind its part of the handshake are tickets, which nobody
 * waits for: they go with the answer to the first request, or with the next packet that comes. Not
 * so the rest of what did not go out the last time. */
static bool writes_tickets(struct tls_stream *stream)
{
    char none[1];

    return !SSL_want_write(ssl_of(stream)) && SSL_get_finished(ssl_of(stream), none, 0) > 0;
}

enum tls_result tls_stream_handshake(struct tls_stream *stream)
{
    struct tls_io *io = io_of(stream);

    ERR_clear_error();
    io->more = writes_tickets(stream);
    int done = SSL_do_handshake(ssl_of(stream));
    io->more = false;
    if (done == 1)
        return TLS_DONE;
    int reason = SSL_get_error(ssl_of(stream), done);
    ERR_clear_error();
    return reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE ? TLS_WAIT : TLS_FAILED;
}

bool tls_stream_is_http2(const struct tls_stream *stream)
{
    const unsigned char *protocol;
    unsigned len;

    SSL_get0_alpn_selected((const SSL *)(const void *)stream, &protocol, &len);
    return len == 2 && memcmp(protocol, "h2", 2) == 0;
}

static ssize_t failed(struct tls_stream *stream, int result)
{
    int reason = SSL_get_error(ssl_of(stream), result);

    ERR_clear_error();
    if (reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE)
        return TLS_AGAIN;
    return reason == SSL_ERROR_ZERO_RETURN ? 0 : TLS_BROKEN;
}

ssize_t tls_stream_read(struct tls_stream *stream, void *bytes, size_t len)
{
    int n = SSL_read(ssl_of(stream), bytes, (int)MIN(len, INT_MAX));
    return n > 0 ? n : failed(stream, n);
}

ssize_t tls_stream_write(struct tls_stream *stream, const void *bytes, size_t len)
{
    int n = SSL_write(ssl_of(stream), bytes, (int)MIN(len, INT_MAX));
    if (n > 0)
        return n;
    ssize_t result = failed(stream, n);
    return result == 0 ? TLS_BROKEN : result;
}

bool tls_stream_has_pending(const struct tls_stream *stream)
{
    return SSL_has_pending((const SSL *)(const void *)stream) == 1;
}

void tls_stream_shutdown(struct tls_stream *stream)
{
    SSL *ssl = ssl_of(stream);
    struct tls_io *io = io_of(stream);

    if (SSL_is_init_finished(ssl) && (SSL_get_shutdown(ssl) & SSL_SENT_SHUTDOWN) == 0) {
        io->more = true; /* the end of the connection */
        (void)SSL_shutdown(ssl);
        io->more = false;
    }
    ERR_clear_error();
}

/* ---- who it is ---- */

static const SSL *const_ssl_of(const struct tls_stream *stream)
{
    return (const SSL *)(const void *)stream;
}

bool tls_stream_is_resumed(const struct tls_stream *stream)
{
    return SSL_session_reused(const_ssl_of(stream)) == 1;
}

/* NULL: no certificate is for <name>. */
static SSL_CTX *find_named(const struct tls_context *context, struct str name)
{
    char lower[TLS_MAX_NAME_BYTES];

    return tls_lower_name(name, lower) ? tls_find_name(context->names, str_from(lower, name.len))
                                       : NULL;
}

static uint64_t client_ca_of(const SSL_CTX *ctx)
{
    const struct extra *extra = tls_extra_of(ctx);
    return extra == NULL ? 0 : extra->client_ca;
}

bool tls_stream_fits(const struct tls_stream *stream, const struct tls_context *context,
                     struct str host)
{
    const char *name = SSL_get_servername(const_ssl_of(stream), TLSEXT_NAMETYPE_host_name);
    bool same = name != NULL && str_eq_nocase(str_of(name), host);

    if (!context->asks_clients && (same || name == NULL))
        return true;
    const SSL_CTX *wanted = find_named(context, host);
    if (wanted == NULL)
        wanted = context->front;
    if (client_ca_of(wanted) != client_ca_of(SSL_get_SSL_CTX(const_ssl_of(stream))))
        return false;
    /* A name that is nobody's, such as an address, was shown what a client without one is shown. */
    const SSL_CTX *opened = same || name == NULL ? NULL : find_named(context, str_of(name));
    return opened == NULL || opened == wanted;
}

enum tls_client tls_stream_client(const struct tls_stream *stream)
{
    const SSL *ssl = const_ssl_of(stream);

    if (SSL_get0_peer_certificate(ssl) == NULL)
        return TLS_CLIENT_NONE;
    return client_ca_of(SSL_get_SSL_CTX(ssl)) != 0 && SSL_get_verify_result(ssl) == X509_V_OK
               ? TLS_CLIENT_VERIFIED
               : TLS_CLIENT_UNVERIFIED;
}

bool tls_stream_describe_client(const struct tls_stream *stream, char subject[TLS_SUBJECT_BYTES],
                                char fingerprint[TLS_FINGERPRINT_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    X509 *certificate = SSL_get0_peer_certificate(const_ssl_of(stream));
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    BIO *bio = BIO_new(BIO_s_mem());
    bool good =
        certificate != NULL && bio != NULL &&
        X509_digest(certificate, EVP_sha256(), digest, &len) == 1 &&
        X509_NAME_print_ex(bio, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253) >= 0;
    int n = good ? BIO_read(bio, subject, TLS_SUBJECT_BYTES - 1) : 0;

    subject[MAX(n, 0)] = '\0';
    BIO_free(bio);
    for (unsigned i = 0; i < len; i++) {
        fingerprint[i * 2] = digits[digest[i] >> 4];
        fingerprint[i * 2 + 1] = digits[digest[i] & 15];
    }
    fingerprint[len * 2] = '\0';
    return good;
}
