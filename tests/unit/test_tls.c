/* SPDX-License-Identifier: Apache-2.0
 *
 * The server side against OpenSSL's own client, over a socket pair in one
 * thread. Certificates are made on the spot.
 */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "tls/tls.h"

struct pair {
    struct buf chain;
    struct buf key;
};

static void take_bio(BIO *bio, struct buf *ret)
{
    char *bytes;
    long len = BIO_get_mem_data(bio, &bytes);

    buf_add(ret, bytes, (size_t)len);
    BIO_free(bio);
}

static void make_pair(const char *name, struct pair *ret)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x509 = X509_new();
    X509_NAME *subject = X509_get_subject_name(x509);
    BIO *chain_bio = BIO_new(BIO_s_mem()), *key_bio = BIO_new(BIO_s_mem());

    assert_true(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name,
                                           -1, -1, 0) == 1);
    assert_true(X509_set_issuer_name(x509, subject) == 1);
    assert_non_null(X509_gmtime_adj(X509_getm_notBefore(x509), 0));
    assert_non_null(X509_gmtime_adj(X509_getm_notAfter(x509), 3600));
    assert_true(X509_set_pubkey(x509, key) == 1 && X509_sign(x509, key, EVP_sha256()) > 0);
    assert_true(PEM_write_bio_X509(chain_bio, x509) == 1);
    assert_true(PEM_write_bio_PrivateKey(key_bio, key, NULL, NULL, 0, NULL, NULL) == 1);
    take_bio(chain_bio, &ret->chain);
    take_bio(key_bio, &ret->key);
    X509_free(x509);
    EVP_PKEY_free(key);
}

static bool add(struct tls_context *context, const struct str *names, size_t count,
                struct str chain, struct str key, struct err *err)
{
    return tls_context_add(
        context,
        &(struct tls_certificate){.names = names, .name_count = count, .chain = chain, .key = key},
        err);
}

static void pair_done(struct pair *pair)
{
    buf_done(&pair->chain);
    buf_done(&pair->key);
}
AUTO_VALUE(struct pair, pair_done)

static struct tls_context *context_of(const char *const *names, size_t count)
{
    struct err err;
    struct tls_context *context = tls_context_new(&err);

    assert_non_null(context);
    for (size_t i = 0; i < count; i++) {
        AUTO(pair_done) struct pair pair = {0};
        struct str name = str_of(names[i]);
        make_pair(names[i], &pair);
        assert_true(add(context, &name, 1, buf_str(&pair.chain), buf_str(&pair.key), &err));
    }
    return context;
}

/* Both ends of a connection. */
struct ends {
    SSL_CTX *client_ctx;
    SSL *client;
    struct tls_stream *server;
    struct tls_io io;
    int fds[2];
};

static void ends_open(struct ends *ends, struct tls_context *context, const char *name)
{
    *ends = (struct ends){.client_ctx = SSL_CTX_new(TLS_client_method())};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends->fds),
                     0);
    ends->client = SSL_new(ends->client_ctx);
    assert_true(SSL_set_fd(ends->client, ends->fds[0]) == 1);
    if (name != NULL) {
        char copy[256]; /* the macro casts const away */
        (void)snprintf(copy, sizeof copy, "%s", name);
        assert_true(SSL_set_tlsext_host_name(ends->client, copy) == 1);
    }
    SSL_set_connect_state(ends->client);
    ends->io.fd = ends->fds[1];
    ends->server = tls_stream_new(context, &ends->io);
}

static void ends_close(struct ends *ends)
{
    SSL_free(ends->client);
    SSL_CTX_free(ends->client_ctx);
    tls_stream_free(ends->server);
    fd_close(ends->fds[0]);
    fd_close(ends->fds[1]);
}

static enum tls_result handshake(struct ends *ends)
{
    enum tls_result result = TLS_WAIT;

    for (int i = 0; i < 20 && result == TLS_WAIT; i++) {
        (void)SSL_do_handshake(ends->client);
        result = tls_stream_handshake(ends->server);
    }
    if (result == TLS_DONE)
        (void)SSL_do_handshake(ends->client);
    return result;
}

static void expect_certificate(struct tls_context *context, const char *asked, const char *wanted)
{
    struct ends ends;
    char name[100];

    ends_open(&ends, context, asked);
    assert_int_equal(handshake(&ends), TLS_DONE);
    X509 *x509 = SSL_get1_peer_certificate(ends.client);
    assert_non_null(x509);
    assert_true(X509_NAME_get_text_by_NID(X509_get_subject_name(x509), NID_commonName, name,
                                          sizeof name) > 0);
    assert_string_equal(name, wanted);
    X509_free(x509);
    ends_close(&ends);
}

static void the_certificate_is_chosen_by_name(void **state)
{
    static const char *const names[] = {"first.test", "*.wild.test", "a.wild.test"};
    struct tls_context *context = context_of(names, ARRAY_LEN(names));

    (void)state;
    expect_certificate(context, "first.test", "first.test");
    expect_certificate(context, "b.wild.test", "*.wild.test");
    expect_certificate(context, "A.Wild.Test", "a.wild.test");
    expect_certificate(context, "x.b.wild.test", "first.test");
    expect_certificate(context, "wild.test", "first.test");
    expect_certificate(context, NULL, "first.test");
    tls_context_free(context);
}

static void a_context_may_go_before_its_streams(void **state)
{
    static const char *const names[] = {"a.test", "b.test"};
    struct tls_context *context = context_of(names, ARRAY_LEN(names));
    struct ends ends;

    (void)state;
    ends_open(&ends, context, "b.test");
    tls_context_free(context);
    assert_int_equal(handshake(&ends), TLS_DONE);
    ends_close(&ends);
}

static void bytes_arrive_whole_however_small_the_socket_is(void **state)
{
    static const char *const names[] = {"a.test"};
    static char sent[300000], got[sizeof sent];
    struct tls_context *context = context_of(names, 1);
    struct ends ends;
    size_t out = 0, in = 0;
    bool waited = false;

    (void)state;
    ends_open(&ends, context, NULL);
    assert_int_equal(handshake(&ends), TLS_DONE);
    for (size_t i = 0; i < sizeof sent; i++)
        sent[i] = (char)(i * 7 + i / 251);
    for (int i = 0; i < 10000 && in < sizeof got; i++) {
        ssize_t n = out < sizeof sent ? tls_stream_write(ends.server, sent + out, sizeof sent - out)
                                      : TLS_AGAIN;
        assert_int_not_equal(n, TLS_BROKEN);
        waited |= n == TLS_AGAIN;
        out += n > 0 ? (size_t)n : 0;
        int r = SSL_read(ends.client, got + in, (int)MIN(sizeof got - in, 5000));
        in += r > 0 ? (size_t)r : 0;
    }
    assert_int_equal(in, sizeof got);
    assert_true(waited); /* or the socket was never full, and nothing was tested */
    assert_memory_equal(sent, got, sizeof sent);
    ends_close(&ends);
    tls_context_free(context);
}

static void the_end_and_rubbish_are_told_apart(void **state)
{
    static const char *const names[] = {"a.test"};
    struct tls_context *context = context_of(names, 1);
    struct ends ends;
    char bytes[10];

    (void)state;
    ends_open(&ends, context, NULL);
    assert_int_equal(handshake(&ends), TLS_DONE);
    assert_int_equal(tls_stream_read(ends.server, bytes, sizeof bytes), TLS_AGAIN);
    assert_int_equal(SSL_write(ends.client, "ab", 2), 2);
    assert_int_equal(tls_stream_read(ends.server, bytes, 1), 1);
    assert_true(tls_stream_has_pending(ends.server));
    assert_int_equal(tls_stream_read(ends.server, bytes, sizeof bytes), 1);
    (void)SSL_shutdown(ends.client);
    assert_int_equal(tls_stream_read(ends.server, bytes, sizeof bytes), 0);
    ends_close(&ends);

    ends_open(&ends, context, NULL);
    assert_int_equal(write(ends.fds[0], "GET / HTTP/1.1\r\n\r\n", 18), 18);
    assert_int_equal(tls_stream_handshake(ends.server), TLS_FAILED);
    ends_close(&ends);
    tls_context_free(context);
}

static void the_first_suite_is_the_cheapest_unless_a_client_has_no_aes(void **state)
{
    static const char *const names[] = {"a.test"};
    static const struct {
        const char *offered, *wanted;
    } table[] = {
        {TLS_DEFAULT_CIPHERSUITES, "TLS_AES_128_GCM_SHA256"},
        {"TLS_AES_256_GCM_SHA384", "TLS_AES_256_GCM_SHA384"},
        {"TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256", "TLS_CHACHA20_POLY1305_SHA256"},
    };
    struct tls_context *context = context_of(names, 1);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct ends ends;
        ends_open(&ends, context, NULL);
        assert_int_equal(SSL_set_ciphersuites(ends.client, table[i].offered), 1);
        assert_int_equal(handshake(&ends), TLS_DONE);
        assert_string_equal(SSL_get_cipher_name(ends.client), table[i].wanted);
        ends_close(&ends);
    }
    tls_context_free(context);
}

static void a_key_of_another_certificate_is_refused(void **state)
{
    AUTO(pair_done) struct pair a = {0}, b = {0};
    struct str name = STR("a.test");
    struct err err;
    struct tls_context *context = tls_context_new(&err);

    (void)state;
    make_pair("a.test", &a);
    make_pair("b.test", &b);
    assert_false(add(context, &name, 1, buf_str(&a.chain), buf_str(&b.key), &err));
    assert_int_equal(err.code, ERR_INVALID);
    assert_false(add(context, &name, 1, STR("nonsense"), buf_str(&b.key), &err));
    assert_non_null(strstr(err.text, "certificate"));
    assert_false(add(context, &name, 1, buf_str(&a.chain), STR("nonsense"), &err));
    assert_non_null(strstr(err.text, "key"));
    assert_false(add(context, &name, TLS_MAX_NAMES + 1, buf_str(&a.chain), buf_str(&a.key), &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_true(add(context, &name, 1, buf_str(&a.chain), buf_str(&a.key), &err));
    tls_context_free(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_certificate_is_chosen_by_name),
        cmocka_unit_test(a_context_may_go_before_its_streams),
        cmocka_unit_test(bytes_arrive_whole_however_small_the_socket_is),
        cmocka_unit_test(the_end_and_rubbish_are_told_apart),
        cmocka_unit_test(the_first_suite_is_the_cheapest_unless_a_client_has_no_aes),
        cmocka_unit_test(a_key_of_another_certificate_is_refused),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
