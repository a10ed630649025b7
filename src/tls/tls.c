/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <pthread.h>

#include "base/err.h"
#include "base/mem.h"
#include "tls/tls_priv.h"

static const char ciphers[] =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"
    "DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384";

/* Of TLS 1.3, in the order of the above; the library would begin with AES-256, whose SHA-384 costs
 * a handshake several per cent more. */
static const char suites[] =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int names_index;

/* Keeps the queue of errors of this thread short and says the first of them. */
bool tls_ssl_error(struct err *err, const char *what)
{
    unsigned long code = ERR_get_error();
    const char *reason = code == 0 ? NULL : ERR_reason_error_string(code);

    ERR_clear_error();
    return err_set(err, ERR_INVALID, "%s: %s", what, reason == NULL ? "unknown reason" : reason);
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

/* ---- the library's memory, which may come from the reserve: what it does when it gets none is its
 * least tried part ---- */

static void *library_new(size_t size, const char *file, int line)
{
    (void)file, (void)line;
    return size == 0 ? NULL : mem_try(NULL, size);
}

static void library_free(void *ptr, const char *file, int line)
{
    (void)file, (void)line;
    free(ptr);
}

static void *library_grow(void *ptr, size_t size, const char *file, int line)
{
    if (size > 0)
        return mem_try(ptr, size);
    library_free(ptr, file, line);
    return NULL;
}

static void init_once(void)
{
    (void)CRYPTO_set_mem_functions(library_new, library_grow, library_free); /* not too late */
    (void)OPENSSL_init_ssl(OPENSSL_INIT_LOAD_SSL_STRINGS, NULL);
    names_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, names_free);
    assert(names_index >= 0);
    tls_extra_init();
    tls_stream_init();
    tls_tickets_init();
}

void tls_init(void)
{
    (void)pthread_once(&once, init_once);
}

SSL_CTX *tls_find_name(struct names *names, struct str name)
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

bool tls_lower_name(struct str name, char ret[TLS_MAX_NAME_BYTES])
{
    if (name.len == 0 || name.len > TLS_MAX_NAME_BYTES)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        ret[i] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
    }
    return true;
}

/* The name of the extension <bytes> (RFC 6066, 3), when that is well formed: else the library says
 * so itself. */
static struct str read_server_name(const unsigned char *bytes, size_t len)
{
    enum { HEAD_BYTES = 5 }; /* length of the list, type, length of the name */

    if (len <= HEAD_BYTES || bytes[2] != TLSEXT_NAMETYPE_host_name)
        return (struct str){0};
    size_t name_len = (size_t)bytes[3] << 8 | bytes[4];
    return name_len > len - HEAD_BYTES ? (struct str){0} : str_from(bytes + HEAD_BYTES, name_len);
}

/* Before anything else of the handshake, the resumption of sessions above all, so that what the
 * certificate asks of clients holds for it. */
static int on_hello(SSL *ssl, int *alert, void *arg)
{
    const unsigned char *bytes;
    char lower[TLS_MAX_NAME_BYTES];
    size_t len;

    (void)arg;
    struct names *names = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), names_index);
    if (names == NULL || SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &bytes, &len) != 1)
        return SSL_CLIENT_HELLO_SUCCESS;
    struct str name = read_server_name(bytes, len);
    SSL_CTX *found =
        tls_lower_name(name, lower) ? tls_find_name(names, str_from(lower, name.len)) : NULL;
    if (found != NULL && SSL_set_SSL_CTX(ssl, found) != found) {
        *alert = SSL_AD_INTERNAL_ERROR;
        return SSL_CLIENT_HELLO_ERROR;
    }
    if (found != NULL)
        tls_extra_apply(ssl, found);
    return SSL_CLIENT_HELLO_SUCCESS;
}

static int on_server_name(SSL *ssl, int *alert, void *front)
{
    (void)alert;
    return SSL_get_SSL_CTX(ssl) == front ? SSL_TLSEXT_ERR_NOACK : SSL_TLSEXT_ERR_OK;
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
        SSL_CTX_set_cipher_list(ctx, ciphers) != 1 || SSL_CTX_set_ciphersuites(ctx, suites) != 1 ||
        SSL_CTX_set1_groups_list(ctx, groups) != 1 ||
        SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"ishizue", 7) != 1) {
        SSL_CTX_free(ctx);
        (void)tls_ssl_error(err, "cannot set up TLS");
        return NULL;
    }
    (void)SSL_CTX_set_dh_auto(ctx, 1);
    /* Our order of ciphers, but ChaCha20 for those who put it first: they have no AES in hardware.
     */
    (void)SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                       SSL_OP_IGNORE_UNEXPECTED_EOF |
                                       SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    (void)SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    (void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_num_tickets(ctx, 1);
    tls_tickets_use(ctx);
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
    (void)SSL_CTX_set_tlsext_servername_arg(front, front);
    SSL_CTX_set_client_hello_cb(front, on_hello, NULL);
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
        return tls_ssl_error(err, "cannot read the certificate");
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
        return tls_ssl_error(err, "cannot use the certificate's key");
    return SSL_CTX_check_private_key(ctx) == 1 ||
           tls_ssl_error(err, "the key does not belong to the certificate");
}

static void add_name(struct tls_context *context, struct str name, SSL_CTX *ctx)
{
    char lower[TLS_MAX_NAME_BYTES];

    if (!tls_lower_name(name, lower))
        return;
    (void)SSL_CTX_up_ref(ctx);
    SSL_CTX_free(map_set(&context->names->map, str_from(lower, name.len), ctx));
}

static bool fill(SSL_CTX *ctx, const struct tls_certificate *certificate, struct err *err)
{
    return use_chain(ctx, certificate->chain, err) && use_key(ctx, certificate->key, err);
}

/* Whoever names no host, or an unknown one, gets the first certificate and is not asked for his. */
static bool fill_front(struct tls_context *context, const struct tls_certificate *certificate,
                       struct err *err)
{
    const struct tls_certificate without = {.ocsp = certificate->ocsp};

    return fill(context->front, certificate, err) && tls_extra_add(context->front, &without, err);
}

bool tls_context_add(struct tls_context *context, const struct tls_certificate *certificate,
                     struct err *err)
{
    bool first = context->count == 0;

    if (context->count == TLS_MAX_CERTIFICATES)
        return err_set(err, ERR_LIMIT, "more than %d certificates", TLS_MAX_CERTIFICATES);
    if (certificate->name_count > TLS_MAX_NAMES || certificate->chain.len > INT_MAX ||
        certificate->key.len > INT_MAX || certificate->client_ca.len > INT_MAX)
        return err_set(err, ERR_LIMIT, "a certificate for more than %d names", TLS_MAX_NAMES);
    SSL_CTX *ctx = context_new(err);
    if (ctx == NULL)
        return false;
    bool good = fill(ctx, certificate, err) && tls_extra_add(ctx, certificate, err) &&
                (!first || fill_front(context, certificate, err));
    for (size_t i = 0; good && i < certificate->name_count; i++)
        add_name(context, certificate->names[i], ctx);
    context->count += good;
    context->asks_clients = context->asks_clients || certificate->client_ca.len > 0;
    SSL_CTX_free(ctx);
    return good;
}
