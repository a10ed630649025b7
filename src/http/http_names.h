/* SPDX-License-Identifier: Apache-2.0
 *
 * Words of HTTP that the program knows: header names, methods, status codes,
 * and the classes of bytes that grammar is made of. Constant tables; any thread.
 */
#pragma once

#include "base/base.h"
#include "base/str.h"

/* Names this program looks at; the others are HTTP_OTHER. Found while parsing. */
enum http_name {
    HTTP_OTHER,
    HTTP_ACCEPT_ENCODING,
    HTTP_AUTHORIZATION,
    HTTP_CACHE_CONTROL,
    HTTP_CONNECTION,
    HTTP_CONTENT_ENCODING,
    HTTP_CONTENT_LENGTH,
    HTTP_CONTENT_TYPE,
    HTTP_COOKIE,
    HTTP_DATE,
    HTTP_ETAG,
    HTTP_EXPECT,
    HTTP_HOST,
    HTTP_IF_MODIFIED_SINCE,
    HTTP_IF_NONE_MATCH,
    HTTP_IF_RANGE,
    HTTP_KEEP_ALIVE,
    HTTP_LAST_MODIFIED,
    HTTP_LOCATION,
    HTTP_PROXY_AUTHENTICATE,
    HTTP_PROXY_AUTHORIZATION,
    HTTP_PROXY_CONNECTION,
    HTTP_RANGE,
    HTTP_SERVER,
    HTTP_SET_COOKIE,
    HTTP_STRICT_TRANSPORT_SECURITY,
    HTTP_TE,
    HTTP_TRACEPARENT,
    HTTP_TRAILER,
    HTTP_TRANSFER_ENCODING,
    HTTP_UPGRADE,
    HTTP_VARY,
    HTTP_X_CONTENT_TYPE_OPTIONS,
    HTTP_X_FORWARDED_FOR,
    HTTP_X_FORWARDED_HOST,
    HTTP_X_FORWARDED_PROTO,
    HTTP_X_FRAME_OPTIONS,
    HTTP_X_REQUEST_ID,
    HTTP_X_XSS_PROTECTION,
    HTTP_NAME_COUNT,
};

enum http_method {
    HTTP_METHOD_OTHER, /* any other token */
    HTTP_GET,
    HTTP_HEAD,
    HTTP_POST,
    HTTP_PUT,
    HTTP_DELETE,
    HTTP_CONNECT,
    HTTP_OPTIONS,
    HTTP_TRACE,
    HTTP_PATCH,
};

/* Bits of http_classes[], one byte each (RFC 9110, 5.6.2; RFC 3986, 2). */
enum {
    HTTP_CLASS_TOKEN = 1,      /* tchar */
    HTTP_CLASS_TARGET = 2,     /* visible ASCII without '#' */
    HTTP_CLASS_HOST = 4,       /* letters, digits, "-._~" */
    HTTP_CLASS_CONTROL = 8,    /* 0x00-0x1f and 0x7f, without HTAB */
    HTTP_CLASS_HEX = 16,       /* 0-9 a-f A-F */
    HTTP_CLASS_UNRESERVED = 4, /* the same bytes as in a host */
};

extern const uint8_t http_classes[256];

static inline bool http_is(char c, uint8_t classes)
{
    return (http_classes[(unsigned char)c] & classes) != 0;
}

/* <text> must be made of token characters, as every parsed name is. */
enum http_name http_name_find(struct str text);

/* As it is usually written: "Content-Length". NULL for HTTP_OTHER. */
const char *http_name_text(enum http_name name);

extern const bool http_hop_by_hop[HTTP_NAME_COUNT];

/* Of RFC 9110, 7.6.1: for this connection only, never passed on. */
static inline bool http_name_is_hop_by_hop(enum http_name name)
{
    return http_hop_by_hop[name];
}

/* Case counts: "get" is HTTP_METHOD_OTHER. */
enum http_method http_method_find(struct str text);

/* "GET"; NULL for HTTP_METHOD_OTHER. */
const char *http_method_text(enum http_method method);

/* "Not Found"; "Status" for a code that is not registered. Never NULL. */
const char *http_status_text(int status);
