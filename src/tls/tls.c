/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/map.h"
#include "tls/tls.h"

/* <front> makes every stream; the callback of the server name swaps in the one
 * with the right certificate. Names belong to <front> (ex_data), because a
 * stream in its handshake may outlive the struct tls_context. */
struct names {
    struct map map; /* lower case name -> SSL_CTX, "*.example" included */
};

struct tls_context {
    SSL_CTX *front;
    struct names *names;
    size_t count;
};

enum { TICKET_KEY_BYTES = 80 };

static const char ciphers[] =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"
    "DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384";

static pthread_once_t once = PTHREAD_ONCE_INIT;
static unsigned char ticket_keys[TICKET_KEY_BYTES];
static int names_index;
static BIO_METHOD *socket_method;

/* Keeps the queue of errors of this thread short and says the first of them. */
static bool ssl_error(struct err *err, const char *what)
{
    unsigned long code = ERR_get_error();
    const char *reason = code == 0 ? NULL : ERR_reason_error_string(code);

    ERR_clear_error();
    return err_set(err, ERR_INVALID, "%s: %s", what, reason == NULL ? "unknown reason" : reason);
}

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
        n = send(io->fd, bytes, (size_t)len, MSG_NOSIGNAL);
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

static void names_free(void *parent, void *ptr, CRYPTO_EX_DATA *data, int index, long number,
                       void *arg)
{
    struct names *names = ptr;
    struct map_entry *entry;

    (void)parent, (void)data, (void)index, (void)number, (void)arg;
    if (names == NULL)
        return;
    for (size_t i = 0; (entry = map_next(&names->map, &i)) != NULL;)
        SSL_CTX_free(entry->value);
    map_done(&names->map);
    free(names);
}

static void init_once(void)
{
    (void)OPENSSL_init_ssl(OPENSSL_INIT_LOAD_SSL_STRINGS, NULL);
    int drawn = RAND_bytes(ticket_keys, sizeof ticket_keys);
    assert(drawn == 1);
    names_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, names_free);
    socket_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");
    assert(socket_method != NULL && names_index >= 0);
    (void)BIO_meth_set_read(socket_method, socket_read);
    (void)BIO_meth_set_write(socket_method, socket_write);
    (void)BIO_meth_set_ctrl(socket_method, socket_control);
}

void tls_init(void)
{
    (void)pthread_once(&once, init_once);
}

static SSL_CTX *find_name(struct names *names, struct str name)
{
    SSL_CTX *found = map_find(&names->map, name);
    size_t dot = str_find(name, '.');
    char wild[TLS_MAX_NAME_BYTES + 2];

    if (found != NULL || dot == name.len)
        return found;
    wild[0] = '*';
    memcpy(wild + 1, name.ptr + dot, name.len - dot);
    return map_find(&names->map, str_from(wild, name.len - dot + 1));
}

static bool lower_name(struct str name, char *ret)
{
    if (name.len == 0 || name.len > TLS_MAX_NAME_BYTES)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        ret[i] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
    }
    return true;
}

static int on_server_name(SSL *ssl, int *alert, void *arg)
{
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    char lower[TLS_MAX_NAME_BYTES];

    (void)alert;
    (void)arg;
    struct names *names = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), names_index);
    if (name == NULL || names == NULL || !lower_name(str_of(name), lower))
        return SSL_TLSEXT_ERR_NOACK;
    SSL_CTX *found = find_name(names, str_from(lower, strlen(name)));
    if (found == NULL)
        return SSL_TLSEXT_ERR_NOACK;
    (void)SSL_set_SSL_CTX(ssl, found);
    return SSL_TLSEXT_ERR_OK;
}

/* HTTP/2 before HTTP/1.1; a client that offers only others goes on without. */
static int on_alpn(SSL *ssl, const unsigned char **ret, unsigned char *ret_len,
                   const unsigned char *offered, unsigned len, void *arg)
{
    static const unsigned char ours[] = "\x02h2\x08http/1.1";
    unsigned char *chosen;

    (void)ssl;
    (void)arg;
    if (SSL_select_next_proto(&chosen, ret_len, ours, sizeof ours - 1, offered, len) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    *ret = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static SSL_CTX *context_new(struct err *err)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    char groups[] = "X25519:P-256:P-384"; /* the macro casts const away */

    if (ctx == NULL || SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_cipher_list(ctx, ciphers) != 1 || SSL_CTX_set1_groups_list(ctx, groups) != 1 ||
        SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"ishizue", 7) != 1 ||
        SSL_CTX_set_tlsext_ticket_keys(ctx, ticket_keys, sizeof ticket_keys) != 1) {
        SSL_CTX_free(ctx);
        (void)ssl_error(err, "cannot set up TLS");
        return NULL;
    }
    (void)SSL_CTX_set_dh_auto(ctx, 1);
    (void)SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                       SSL_OP_IGNORE_UNEXPECTED_EOF);
    (void)SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    (void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_num_tickets(ctx, 1);
    SSL_CTX_set_read_ahead(ctx, 1); /* header and body of a record in one recv() */
    SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
    return ctx;
}

struct tls_context *tls_context_new(struct err *err)
{
    tls_init();
    SSL_CTX *front = context_new(err);
    if (front == NULL)
        return NULL;

    struct tls_context *context = NEW(struct tls_context);
    context->front = front;
    context->names = NEW(struct names);
    (void)SSL_CTX_set_ex_data(front, names_index, context->names);
    (void)SSL_CTX_set_tlsext_servername_callback(front, on_server_name);
    return context;
}

void tls_context_free(struct tls_context *context)
{
    if (context == NULL)
        return;
    SSL_CTX_free(context->front);
    free(context);
}

/* No passphrase is ever asked for. */
static int no_passphrase(char *bytes, int len, int writing, void *arg)
{
    (void)bytes, (void)len, (void)writing, (void)arg;
    return 0;
}

static bool use_chain(SSL_CTX *ctx, struct str pem, struct err *err)
{
    BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    X509 *leaf = PEM_read_bio_X509_AUX(bio, NULL, no_passphrase, NULL);
    bool good = leaf != NULL && SSL_CTX_use_certificate(ctx, leaf) == 1;

    X509_free(leaf);
    for (X509 *next; good && (next = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)) != NULL;)
        good = SSL_CTX_add0_chain_cert(ctx, next) == 1;
    BIO_free(bio);
    if (!good)
        return ssl_error(err, "cannot read the certificate");
    ERR_clear_error(); /* the end of the file is reported as an error */
    return true;
}

static bool use_key(SSL_CTX *ctx, struct str pem, struct err *err)
{
    BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    bool good = key != NULL && SSL_CTX_use_PrivateKey(ctx, key) == 1;

    EVP_PKEY_free(key);
    BIO_free(bio);
    if (!good)
        return ssl_error(err, "cannot use the certificate's key");
    return SSL_CTX_check_private_key(ctx) == 1 ||
           ssl_error(err, "the key does not belong to the certificate");
}

static void add_name(struct tls_context *context, struct str name, SSL_CTX *ctx)
{
    char lower[TLS_MAX_NAME_BYTES];

    if (!lower_name(name, lower))
        return;
    (void)SSL_CTX_up_ref(ctx);
    SSL_CTX_free(map_set(&context->names->map, str_from(lower, name.len), ctx));
}

bool tls_context_add(struct tls_context *context, const struct str *names, size_t count,
                     struct str chain, struct str key, struct err *err)
{
    bool first = context->count == 0;

    if (context->count == TLS_MAX_CERTIFICATES)
        return err_set(err, ERR_LIMIT, "more than %d certificates", TLS_MAX_CERTIFICATES);
    if (count > TLS_MAX_NAMES || chain.len > INT_MAX || key.len > INT_MAX)
        return err_set(err, ERR_LIMIT, "a certificate for more than %d names", TLS_MAX_NAMES);
    SSL_CTX *ctx = context_new(err);
    if (ctx == NULL)
        return false;
    bool good = use_chain(ctx, chain, err) && use_key(ctx, key, err);
    if (good && first)
        good = use_chain(context->front, chain, err) && use_key(context->front, key, err);
    for (size_t i = 0; good && i < count; i++)
        add_name(context, names[i], ctx);
    context->count += good;
    SSL_CTX_free(ctx);
    return good;
}

static SSL *ssl_of(struct tls_stream *stream)
{
    return (SSL *)(void *)stream;
}

struct tls_stream *tls_stream_new(struct tls_context *context, struct tls_io *io)
{
    SSL *ssl = SSL_new(context->front);
    BIO *bio = BIO_new(socket_method);

    assert(ssl != NULL && bio != NULL);
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

enum tls_result tls_stream_handshake(struct tls_stream *stream)
{
    ERR_clear_error();
    int done = SSL_do_handshake(ssl_of(stream));
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
    if (SSL_is_init_finished(ssl_of(stream)))
        (void)SSL_shutdown(ssl_of(stream));
    ERR_clear_error();
}
