/* SPDX-License-Identifier: Apache-2.0
 *
 * The server side of TLS 1.2 and 1.3 by OpenSSL, behind a dozen functions: the
 * only folder that includes its headers. A context holds certificates and is
 * shared by threads; a stream belongs to one connection and one thread and does
 * its own reads and writes on the socket.
 *
 * Settings are Mozilla's "intermediate"; sessions resume by tickets whose keys
 * belong to the process, so any thread and any later context can resume them.
 */
#pragma once

#include <sys/types.h>

#include "base/base.h"
#include "base/buf.h"
#include "base/str.h"

struct err;
struct tls_context;
struct tls_stream;

enum { TLS_MAX_CERTIFICATES = 1000, TLS_MAX_NAMES = 100, TLS_MAX_NAME_BYTES = 253 };

/* Loads what OpenSSL reads from files. Once per process, before it is confined. */
void tls_init(void);

struct tls_context *tls_context_new(struct err *err);
/* Streams made from it stay valid. */
void tls_context_free(struct tls_context *context);
AUTO_TYPE(struct tls_context *, tls_context_free)

/* For <name_count> host names: "a.example" or "*.example", which stands for one label. */
struct tls_certificate {
    const struct str *names;
    size_t name_count;
    struct str chain; /* PEM, and so is the key */
    struct str key;
    struct str ocsp;      /* DER as base64, handed out until it is out of date; empty: none */
    struct str client_ca; /* PEM: clients are asked for a certificate by it; empty: they are not */
};

/* The first certificate added answers unknown names. */
MUST_CHECK bool tls_context_add(struct tls_context *context,
                                const struct tls_certificate *certificate, struct err *err);

/* Appends <bytes> as <ocsp> above wants them. */
void tls_encode_base64(struct str bytes, struct buf *ret);

enum { TLS_TICKET_KEYS = 3, TLS_TICKET_KEY_BYTES = 80, TLS_TICKET_KEY_TEXT_BYTES = 161 };

/* Keys of session tickets as hexadecimal text, the newest first; without a call the process has one
 * of its own. Any thread. */
MUST_CHECK bool tls_tickets_set(const struct str *keys, size_t count, struct err *err);
void tls_ticket_key_draw(char ret[TLS_TICKET_KEY_TEXT_BYTES]);

/* Where a stream reads and writes: embedded in the connection, and must outlive the stream.
 * <drained> is set when the socket gave less than was asked for, so that an edge-triggered
 * loop knows it need not ask again. <more>: what is written has a continuation that comes soon, so
 * that both may go in one segment. */
struct tls_io {
    int fd;
    bool drained;
    bool more;
};

/* NULL: out of memory. */
struct tls_stream *tls_stream_new(struct tls_context *context, struct tls_io *io);
void tls_stream_free(struct tls_stream *stream);

enum tls_result { TLS_DONE, TLS_WAIT, TLS_FAILED };
/* TLS_WAIT: call again at the next event. */
enum tls_result tls_stream_handshake(struct tls_stream *stream);

/* What ALPN chose, once the handshake is done. */
bool tls_stream_is_http2(const struct tls_stream *stream);

enum { TLS_AGAIN = -1, TLS_BROKEN = -2 };
/* More than 0: that many bytes. 0: the other side closed. Else TLS_AGAIN or TLS_BROKEN. */
ssize_t tls_stream_read(struct tls_stream *stream, void *bytes, size_t len);
/* At least 1, TLS_AGAIN or TLS_BROKEN. After TLS_AGAIN the next call must begin with the same
 * bytes; they may have moved. */
ssize_t tls_stream_write(struct tls_stream *stream, const void *bytes, size_t len);
/* Decrypted bytes are waiting that no event will announce. */
bool tls_stream_has_pending(const struct tls_stream *stream);
/* Tells the other side that no more will come; best effort, and in one segment with the end of the
 * socket, which the caller brings about at once. */
void tls_stream_shutdown(struct tls_stream *stream);

/* After the handshake. */
bool tls_stream_is_resumed(const struct tls_stream *stream);
/* May the connection be used for <host>? It was opened for the name that its client sent: a host
 * with another certificate, or other clients, needs a connection of its own. */
bool tls_stream_fits(const struct tls_stream *stream, const struct tls_context *context,
                     struct str host);

enum tls_client { TLS_CLIENT_NONE, TLS_CLIENT_UNVERIFIED, TLS_CLIENT_VERIFIED };
/* The client's certificate: UNVERIFIED is one of another authority, or out of date. */
enum tls_client tls_stream_client(const struct tls_stream *stream);

enum { TLS_SUBJECT_BYTES = 512, TLS_FINGERPRINT_BYTES = 65 };
/* Its subject by RFC 2253, cut off where it is too long, and its SHA-256 in hexadecimal digits. */
MUST_CHECK bool tls_stream_describe_client(const struct tls_stream *stream,
                                           char subject[TLS_SUBJECT_BYTES],
                                           char fingerprint[TLS_FINGERPRINT_BYTES]);
