/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "http/http_names.h"

#define TOKEN  HTTP_CLASS_TOKEN
#define TARGET HTTP_CLASS_TARGET
#define HOST   HTTP_CLASS_HOST
#define HEX    HTTP_CLASS_HEX
#define WORD   (TOKEN | TARGET | HOST)

/* clang-format off */
const uint8_t http_classes[256] = {
    [0x00 ... 0x08] = HTTP_CLASS_CONTROL, [0x0a ... 0x1f] = HTTP_CLASS_CONTROL,
    [0x7f] = HTTP_CLASS_CONTROL,
    ['0' ... '9'] = WORD | HEX,
    ['A' ... 'F'] = WORD | HEX, ['G' ... 'Z'] = WORD,
    ['a' ... 'f'] = WORD | HEX, ['g' ... 'z'] = WORD,
    ['-'] = WORD, ['.'] = WORD, ['_'] = WORD, ['~'] = WORD,
    ['!'] = TOKEN | TARGET, ['$'] = TOKEN | TARGET, ['%'] = TOKEN | TARGET, ['&'] = TOKEN | TARGET,
    ['\''] = TOKEN | TARGET, ['*'] = TOKEN | TARGET, ['+'] = TOKEN | TARGET,
    ['^'] = TOKEN | TARGET, ['`'] = TOKEN | TARGET, ['|'] = TOKEN | TARGET,
    ['#'] = TOKEN,
    ['"'] = TARGET, ['('] = TARGET, [')'] = TARGET, [','] = TARGET, ['/'] = TARGET, [':'] = TARGET,
    [';'] = TARGET, ['<'] = TARGET, ['='] = TARGET, ['>'] = TARGET, ['?'] = TARGET, ['@'] = TARGET,
    ['['] = TARGET, ['\\'] = TARGET, [']'] = TARGET, ['{'] = TARGET, ['}'] = TARGET,
};

/* First letter, last letter, id, text. */
#define NAMES(X)                                                                                   \
    X('a', 'g', HTTP_ACCEPT_ENCODING, "Accept-Encoding")                                           \
    X('a', 'n', HTTP_AUTHORIZATION, "Authorization")                                               \
    X('c', 'l', HTTP_CACHE_CONTROL, "Cache-Control")                                               \
    X('c', 'n', HTTP_CONNECTION, "Connection")                                                     \
    X('c', 'g', HTTP_CONTENT_ENCODING, "Content-Encoding")                                         \
    X('c', 'h', HTTP_CONTENT_LENGTH, "Content-Length")                                             \
    X('c', 'e', HTTP_CONTENT_TYPE, "Content-Type")                                                 \
    X('c', 'e', HTTP_COOKIE, "Cookie")                                                             \
    X('d', 'e', HTTP_DATE, "Date")                                                                 \
    X('e', 'g', HTTP_ETAG, "ETag")                                                                 \
    X('e', 't', HTTP_EXPECT, "Expect")                                                             \
    X('h', 't', HTTP_HOST, "Host")                                                                 \
    X('i', 'e', HTTP_IF_MODIFIED_SINCE, "If-Modified-Since")                                       \
    X('i', 'h', HTTP_IF_NONE_MATCH, "If-None-Match")                                               \
    X('i', 'e', HTTP_IF_RANGE, "If-Range")                                                         \
    X('k', 'e', HTTP_KEEP_ALIVE, "Keep-Alive")                                                     \
    X('l', 'd', HTTP_LAST_MODIFIED, "Last-Modified")                                               \
    X('l', 'n', HTTP_LOCATION, "Location")                                                         \
    X('p', 'e', HTTP_PROXY_AUTHENTICATE, "Proxy-Authenticate")                                     \
    X('p', 'n', HTTP_PROXY_AUTHORIZATION, "Proxy-Authorization")                                   \
    X('p', 'n', HTTP_PROXY_CONNECTION, "Proxy-Connection")                                         \
    X('r', 'e', HTTP_RANGE, "Range")                                                               \
    X('s', 'r', HTTP_SERVER, "Server")                                                             \
    X('s', 'e', HTTP_SET_COOKIE, "Set-Cookie")                                                     \
    X('s', 'y', HTTP_STRICT_TRANSPORT_SECURITY, "Strict-Transport-Security")                       \
    X('t', 'e', HTTP_TE, "TE")                                                                     \
    X('t', 't', HTTP_TRACEPARENT, "traceparent")                                                   \
    X('t', 'r', HTTP_TRAILER, "Trailer")                                                           \
    X('t', 'g', HTTP_TRANSFER_ENCODING, "Transfer-Encoding")                                       \
    X('u', 'e', HTTP_UPGRADE, "Upgrade")                                                           \
    X('v', 'y', HTTP_VARY, "Vary")                                                                 \
    X('x', 's', HTTP_X_CONTENT_TYPE_OPTIONS, "X-Content-Type-Options")                             \
    X('x', 'r', HTTP_X_FORWARDED_FOR, "X-Forwarded-For")                                           \
    X('x', 't', HTTP_X_FORWARDED_HOST, "X-Forwarded-Host")                                         \
    X('x', 'o', HTTP_X_FORWARDED_PROTO, "X-Forwarded-Proto")                                       \
    X('x', 's', HTTP_X_FRAME_OPTIONS, "X-Frame-Options")                                           \
    X('x', 'd', HTTP_X_REQUEST_ID, "X-Request-Id")                                                 \
    X('x', 'n', HTTP_X_XSS_PROTECTION, "X-XSS-Protection")

/* Perfect over NAMES: two names in one slot are an error of the compiler
 * (-Woverride-init). A new name that collides wants another multiplier. */
#define SLOT(first, last, len) (((size_t)(len) + (size_t)(first) + 47 * (size_t)(last)) & 127)

struct known_name {
    char text[30];
    uint8_t len;
    uint8_t id;
};

#define X(first, last, id, text) [SLOT(first, last, sizeof(text) - 1)] = {text, sizeof(text) - 1, id},
static const struct known_name known[128] = {NAMES(X)};
#undef X
#define X(first, last, id, text) [id] = (text),
static const char *const name_texts[HTTP_NAME_COUNT] = {NAMES(X)};
#undef X

const bool http_hop_by_hop[HTTP_NAME_COUNT] = {
    [HTTP_CONNECTION] = true, [HTTP_KEEP_ALIVE] = true, [HTTP_PROXY_CONNECTION] = true,
    [HTTP_TE] = true,         [HTTP_TRAILER] = true,    [HTTP_TRANSFER_ENCODING] = true,
    [HTTP_UPGRADE] = true,
};

static const char *const method_texts[] = {
    [HTTP_GET] = "GET",         [HTTP_HEAD] = "HEAD",       [HTTP_POST] = "POST",
    [HTTP_PUT] = "PUT",         [HTTP_DELETE] = "DELETE",   [HTTP_CONNECT] = "CONNECT",
    [HTTP_OPTIONS] = "OPTIONS", [HTTP_TRACE] = "TRACE",     [HTTP_PATCH] = "PATCH",
};

static const char *const status_texts[600] = {
    [100] = "Continue", [101] = "Switching Protocols", [102] = "Processing", [103] = "Early Hints",
    [200] = "OK", [201] = "Created", [202] = "Accepted", [203] = "Non-Authoritative Information",
    [204] = "No Content", [205] = "Reset Content", [206] = "Partial Content",
    [207] = "Multi-Status", [208] = "Already Reported", [226] = "IM Used",
    [300] = "Multiple Choices", [301] = "Moved Permanently", [302] = "Found", [303] = "See Other",
    [304] = "Not Modified", [305] = "Use Proxy", [307] = "Temporary Redirect",
    [308] = "Permanent Redirect",
    [400] = "Bad Request", [401] = "Unauthorized", [402] = "Payment Required", [403] = "Forbidden",
    [404] = "Not Found", [405] = "Method Not Allowed", [406] = "Not Acceptable",
    [407] = "Proxy Authentication Required", [408] = "Request Timeout", [409] = "Conflict",
    [410] = "Gone", [411] = "Length Required", [412] = "Precondition Failed",
    [413] = "Content Too Large", [414] = "URI Too Long", [415] = "Unsupported Media Type",
    [416] = "Range Not Satisfiable", [417] = "Expectation Failed", [421] = "Misdirected Request",
    [422] = "Unprocessable Content", [423] = "Locked", [424] = "Failed Dependency",
    [425] = "Too Early", [426] = "Upgrade Required", [428] = "Precondition Required",
    [429] = "Too Many Requests", [431] = "Request Header Fields Too Large",
    [451] = "Unavailable For Legal Reasons",
    [500] = "Internal Server Error", [501] = "Not Implemented", [502] = "Bad Gateway",
    [503] = "Service Unavailable", [504] = "Gateway Timeout", [505] = "HTTP Version Not Supported",
    [506] = "Variant Also Negotiates", [507] = "Insufficient Storage", [508] = "Loop Detected",
    [510] = "Not Extended", [511] = "Network Authentication Required",
};
/* clang-format on */

/* Equal but for case, when both are tokens and <b> has only letters and '-':
 * 0x20 folds letters, and no other token character folds into a letter or '-'. */
static bool same_name(const char *a, const char *b, size_t len)
{
    const uint64_t fold = 0x2020202020202020;
    uint64_t x, y;

    for (; len >= sizeof x; len -= sizeof x, a += sizeof x, b += sizeof x) {
        memcpy(&x, a, sizeof x);
        memcpy(&y, b, sizeof y);
        if (((x ^ y) & ~fold) != 0)
            return false;
    }
    for (size_t i = 0; i < len; i++)
        if (((a[i] ^ b[i]) & ~0x20) != 0)
            return false;
    return true;
}

enum http_name http_name_find(struct str text)
{
    if (text.len < 2 || text.len >= sizeof known[0].text)
        return HTTP_OTHER;

    char first = (char)(text.ptr[0] | 0x20);
    char last = (char)(text.ptr[text.len - 1] | 0x20);
    const struct known_name *name = &known[SLOT(first, last, text.len)];
    if (name->len != text.len || !same_name(text.ptr, name->text, text.len))
        return HTTP_OTHER;
    return (enum http_name)name->id;
}

const char *http_name_text(enum http_name name)
{
    assert((size_t)name < HTTP_NAME_COUNT);
    return name_texts[name];
}

enum http_method http_method_find(struct str text)
{
    for (size_t i = HTTP_GET; i < ARRAY_LEN(method_texts); i++)
        if (str_is(text, method_texts[i]))
            return (enum http_method)i;
    return HTTP_METHOD_OTHER;
}

const char *http_method_text(enum http_method method)
{
    assert((size_t)method < ARRAY_LEN(method_texts));
    return method_texts[method];
}

const char *http_status_text(int status)
{
    if (status < 0 || (size_t)status >= ARRAY_LEN(status_texts) || status_texts[status] == NULL)
        return "Status";
    return status_texts[status];
}
