/* SPDX-License-Identifier: Apache-2.0
 *
 * The server side of TLS 1.2 and 1.3 by OpenSSL, behind a dozen functions: the
 * only folder that includes its headers. A context holds certificates and is
 * shared by threads; a stream belongs to one connection and one thread and does
 * its own reads and writes on the socket.
 *
 * Settings are Mozilla's "intermediate"; sessions resume by tickets whose key is
 * drawn once per process, so any worker and any later context can resume them.
 */
#pragma once

#include <sys/types.h>

#include "base/base.h"
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

/* Adds a certificate chain and its key, both PEM, for <count> host names: "a.example" or
 * "*.example", which stands for one label. The first certificate added answers unknown names. */
MUST_CHECK bool tls_context_add(struct tls_context *context, const struct str *names, size_t count,
                                struct str chain, struct str key, struct err *err);

/* Where a stream reads and writes: embedded in the connection, and must outlive the stream.
 * <drained> is set when the socket gave less than was asked for, so that an edge-triggered
 * loop knows it need not ask again. */
struct tls_io {
    int fd;
    bool drained;
};

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
/* Tells the other side that no more will come; best effort. */
void tls_stream_shutdown(struct tls_stream *stream);
