/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTP/1.1 messages, strictly by RFC 9110 and RFC 9112: the one reader of heads
 * and chunks for the edge (both directions), the API and the tests. No
 * allocation, no I/O, no state beyond the structs below. What two parsers could
 * read in two ways is refused: bare CR or LF, obs-fold, blanks around names,
 * NUL and controls, more than one Content-Length, Transfer-Encoding beside
 * Content-Length, anything but a single final "chunked", chunk extensions.
 */
#pragma once

#include "base/base.h"
#include "base/str.h"
#include "http/http_names.h"

enum {
    HTTP1_MAX_HEADERS = 100,
    HTTP1_MAX_CONNECTION_TOKENS = 32,
    HTTP1_MAX_HOST_BYTES = 255,
    HTTP1_MAX_TRAILER_BYTES = 8192,
};

/* How the end of a body is found (RFC 9112, 6.3). */
enum http_framing {
    HTTP_NO_BODY,
    HTTP_LENGTH,      /* content_length bytes follow */
    HTTP_CHUNKED,     /* chunks, read by struct http1_chunks */
    HTTP_UNTIL_CLOSE, /* responses only */
};

/* Everything points into the bytes that were parsed. */
struct http_header {
    struct str name;  /* as it came */
    struct str value; /* without blanks around it */
    enum http_name id;
    /* Not to be passed on: of RFC 9110, 7.6.1, or HTTP_OTHER and named by Connection. A header of
     * the table above that Connection names stays, so nobody strips Host or Authorization. */
    bool hop_by_hop;
};

/* 5 KB, of which a parse writes what it needs: keep one per connection or worker
 * rather than on the stack, where -ftrivial-auto-var-init would clear it. */
struct http1_head {
    /* request */
    enum http_method method;
    struct str method_text;
    struct str target; /* as it came: origin, absolute, authority or asterisk form */
    struct str path;   /* of target up to '?'; "/" when absolute form has none; empty for "*" */
    struct str query;  /* after '?', ptr NULL when there is no '?' */
    struct str host; /* authority that counts (absolute form wins over Host: pass this one on), with
                        port; may be empty in 1.0 only. Letters, digits and "-._~", or [IPv6] */
    /* response */
    int status; /* 100..599. Of a request that is not DONE or MORE: the status to answer it with
                   (400, 431, 501 or 505), the one field that counts then */
    struct str reason;
    /* both */
    int minor_version; /* 1.0 or 1.1 */
    struct http_header headers[HTTP1_MAX_HEADERS];
    size_t header_count;
    enum http_framing framing;
    uint64_t content_length; /* with HTTP_LENGTH, or in a response to HEAD and in 304 if given */
    bool has_content_length;
    bool keep_alive;             /* the sender is willing to go on (RFC 9112, 9.3) */
    bool expect_continue;        /* a body follows once "100 Continue" was sent */
    bool expect_unknown;         /* DONE, but asks for something else: 417 (RFC 9110, 10.1.1) */
    bool upgrade;                /* Connection: upgrade and an Upgrade header, in 1.1 */
    struct str upgrade_protocol; /* value of the first Upgrade header, also without upgrade */
    size_t head_bytes; /* length of the head with its blank line (and the skipped one before) */
};

enum http1_result {
    HTTP1_DONE,
    HTTP1_MORE,        /* incomplete: call again with the same bytes and more */
    HTTP1_BAD,         /* 400 (or 502 from an upstream); ret_why says what in a few words */
    HTTP1_TOO_LARGE,   /* more headers than HTTP1_MAX_HEADERS: 431 */
    HTTP1_UNSUPPORTED, /* version other than 1.0 and 1.1: 505; coding before chunked: 501 */
};

/* Reads a request head at the start of <bytes>. The caller limits how long it
 * lets <bytes> grow (431). One empty line before the request line is skipped
 * (RFC 9112, 2.2). <ret_why> is a static text, set when the result is not
 * DONE or MORE. What is refused is refused at the same byte with the same words
 * however the head was cut into reads. */
enum http1_result http1_parse_request(struct str bytes, struct http1_head *ret,
                                      const char **ret_why);

/* Reads a response head. <method> is that of the request it answers: HEAD and
 * CONNECT change the framing, as do 1xx, 204 and 304. */
enum http1_result http1_parse_response(struct str bytes, enum http_method method,
                                       struct http1_head *ret, const char **ret_why);

/* The value of the first header <id>, or <name>, or of the first cookie <name>; a text with ptr
 * NULL where there is none. Of two cookies of one name it is open which one counts (RFC
 * 6265, 4.2.2). */
struct str http1_header(const struct http1_head *head, enum http_name id);
struct str http1_header_named(const struct http1_head *head, struct str name);
struct str http1_cookie(const struct http1_head *head, struct str name);

/* Reader of chunked bodies. Zero is the start. Trailers are read, checked and
 * dropped, with a limit on their size. */
struct http1_chunks {
    uint8_t state;
    uint8_t digits;
    uint32_t trailer_bytes;
    uint64_t left; /* bytes of data still to come in this chunk */
};

/* Reads on at <bytes>. Sets <ret_used> to how many bytes were consumed and
 * <ret_data> to the piece of body among them (may be empty): one call yields at
 * most one piece, so loop until the result is DONE or nothing is left. DONE:
 * the last chunk and its trailers were consumed, and there is no piece. After
 * BAD every further call is BAD. */
enum http1_result http1_chunks_read(struct http1_chunks *chunks, struct str bytes, size_t *ret_used,
                                    struct str *ret_data, const char **ret_why);
