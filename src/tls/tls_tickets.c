/* SPDX-License-Identifier: Apache-2.0
 *
 * Session tickets (RFC 5077, 4): AES-256-CBC and HMAC-SHA-256 by keys that all
 * contexts and threads share. The first key makes tickets, the others still open
 * theirs, and the client gets a new one then.
 */
#include "base/base.h"

#include <openssl/core_names.h>
#include <openssl/rand.h>
#include <pthread.h>

#include "base/err.h"
#include "tls/tls_priv.h"

enum { NAME_BYTES = 16, SECRET_BYTES = 32 };

struct ticket_key {
    unsigned char name[NAME_BYTES];
    unsigned char cipher[SECRET_BYTES];
    unsigned char mac[SECRET_BYTES];
};

static_assert(sizeof(struct ticket_key) == TLS_TICKET_KEY_BYTES, "as bytes");

static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static struct ticket_key keys[TLS_TICKET_KEYS];
static size_t key_count;

void tls_tickets_init(void)
{
    int drawn = RAND_bytes((unsigned char *)&keys[0], sizeof keys[0]);

    assert(drawn == 1);
    key_count = 1;
}

static bool read_hex(struct str text, unsigned char *ret)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (digit < 0)
            return false;
        ret[i / 2] = (unsigned char)(i % 2 == 0 ? digit << 4 : ret[i / 2] | digit);
    }
    return true;
}

bool tls_tickets_set(const struct str *texts, size_t count, struct err *err)
{
    struct ticket_key next[TLS_TICKET_KEYS];
    bool good = count > 0 && count <= TLS_TICKET_KEYS;

    tls_init(); /* which draws one */
    for (size_t i = 0; good && i < count; i++)
        good = texts[i].len == 2 * TLS_TICKET_KEY_BYTES &&
               read_hex(texts[i], (unsigned char *)&next[i]);
    if (good) {
        (void)pthread_rwlock_wrlock(&lock);
        memcpy(keys, next, count * sizeof *next);
        key_count = count;
        (void)pthread_rwlock_unlock(&lock);
    }
    OPENSSL_cleanse(next, sizeof next);
    return good ||
           err_set(err, ERR_INVALID, "expected 1 to %d ticket keys of %d hexadecimal digits",
                   TLS_TICKET_KEYS, 2 * TLS_TICKET_KEY_BYTES);
}

void tls_ticket_key_draw(char ret[TLS_TICKET_KEY_TEXT_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char bytes[TLS_TICKET_KEY_BYTES];
    int drawn = RAND_bytes(bytes, sizeof bytes);

    assert(drawn == 1);
    for (size_t i = 0; i < sizeof bytes; i++) {
        ret[i * 2] = digits[bytes[i] >> 4];
        ret[i * 2 + 1] = digits[bytes[i] & 15];
    }
    ret[TLS_TICKET_KEY_TEXT_BYTES - 1] = '\0';
    OPENSSL_cleanse(bytes, sizeof bytes);
}

static bool find_key(const unsigned char name[NAME_BYTES], struct ticket_key *ret, bool *ret_newest)
{
    bool found = false;

    (void)pthread_rwlock_rdlock(&lock);
    for (size_t i = 0; i < key_count && !found; i++)
        if (name == NULL || memcmp(keys[i].name, name, NAME_BYTES) == 0) {
            *ret = keys[i];
            *ret_newest = i == 0;
            found = true;
        }
    (void)pthread_rwlock_unlock(&lock);
    return found;
}

static bool set_mac(EVP_MAC_CTX *mac, struct ticket_key *key)
{
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->mac, sizeof key->mac),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };

    return EVP_MAC_CTX_set_params(mac, params) == 1;
}

static int make(struct ticket_key *key, unsigned char *name, unsigned char *iv,
                EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
    memcpy(name, key->name, NAME_BYTES);
    return RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) == 1 &&
                   EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv) == 1 &&
                   set_mac(mac, key)
               ? 1
               : -1;
}

/* 0: unknown, a full handshake follows; 2: as good as 1, but with a new ticket. */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int encrypts)
{
    struct ticket_key key;
    bool newest;
    int result;

    if (!find_key(encrypts ? NULL : name, &key, &newest))
        return 0;
    if (encrypts)
        result = make(&key, name, iv, cipher, mac);
    else if (EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key.cipher, iv) == 1 &&
             set_mac(mac, &key))
        result = newest && SSL_version(ssl) < TLS1_3_VERSION ? 1 : 2; /* used once: RFC 8446, C.4 */
    else
        result = -1;
    OPENSSL_cleanse(&key, sizeof key);
    return result;
}

void tls_tickets_use(SSL_CTX *ctx)
{
    (void)SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket);
}
