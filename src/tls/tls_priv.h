/* SPDX-License-Identifier: Apache-2.0
 *
 * Between the files of TLS: contexts (tls.c), streams (tls_stream.c), tickets
 * (tls_tickets.c) and what a certificate has beside (tls_extra.c).
 */
#pragma once

#include <openssl/ssl.h>

#include "base/map.h"
#include "tls/tls.h"

/* <front> makes every stream; at the server name it swaps in the one with the right certificate.
 * Names belong to <front> (ex_data), because a stream in its handshake may outlive the struct
 * tls_context. */
struct names {
    struct map map; /* lower case name -> SSL_CTX, "*.example" included */
};

struct tls_context {
    SSL_CTX *front;
    struct names *names;
    size_t count;
    bool asks_clients; /* some certificate has an authority of clients */
};

/* Beside a certificate, as ex_data of its SSL_CTX. */
struct extra {
    uint64_t client_ca; /* hash of the authority; 0: clients are not asked */
    X509_STORE *store;
    STACK_OF(X509_NAME) * ca_names;
    unsigned char *ocsp; /* DER, by OPENSSL_malloc() */
    int ocsp_len;
    int64_t ocsp_until; /* UNIX time; 0: it does not say */
};

/* Puts the reason of OpenSSL's first error behind <what> and empties the queue of this thread. */
bool tls_ssl_error(struct err *err, const char *what);

/* tls.c. NULL: there is no certificate for <name>, which is in lower case. */
SSL_CTX *tls_find_name(struct names *names, struct str name);
bool tls_lower_name(struct str name, char ret[TLS_MAX_NAME_BYTES]);

/* tls_extra.c */
void tls_extra_init(void);
/* NULL when there is nothing beside. */
const struct extra *tls_extra_of(const SSL_CTX *ctx);
MUST_CHECK bool tls_extra_add(SSL_CTX *ctx, const struct tls_certificate *certificate,
                              struct err *err);
/* Asks for a certificate if the authority of clients is known to <ctx>. */
void tls_extra_apply(SSL *ssl, const SSL_CTX *ctx);

/* tls_stream.c */
void tls_stream_init(void);

/* tls_tickets.c */
void tls_tickets_init(void);
void tls_tickets_use(SSL_CTX *ctx);
