/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <arpa/inet.h>

#include "http/http1_priv.h"

static bool check_port(struct str port)
{
    uint64_t number;

    return port.len <= 5 && http1_read_digits(port, 65535, &number);
}

/* "[::1]": what inet_pton() takes, so no zone and no IPvFuture. */
static bool check_ipv6(struct str bracketed)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;

    if (bracketed.len < 4 || bracketed.len - 2 >= sizeof text)
        return false;
    memcpy(text, bracketed.ptr + 1, bracketed.len - 2);
    text[bracketed.len - 2] = '\0';
    return strlen(text) == bracketed.len - 2 && inet_pton(AF_INET6, text, &address) == 1;
}

bool http1_check_authority(struct str authority, bool needs_port)
{
    size_t len = 0;

    if (authority.len == 0 || authority.len > HTTP1_MAX_HOST_BYTES)
        return false;
    if (authority.ptr[0] == '[') {
        len = str_find(authority, ']') + 1;
        if (len > authority.len || !check_ipv6(str_sub(authority, 0, len)))
            return false;
    } else {
        while (len < authority.len && http_is(authority.ptr[len], HTTP_CLASS_HOST))
            len++;
    }
    if (len == 0)
        return false;
    if (len == authority.len)
        return !needs_port;
    return authority.ptr[len] == ':' && check_port(str_sub(authority, len + 1, authority.len));
}

static void split_query(struct http1_head *head, struct str rest)
{
    size_t at = str_find(rest, '?');

    head->path = str_sub(rest, 0, at);
    if (at < rest.len)
        head->query = str_sub(rest, at + 1, rest.len);
}

/* Length of "http://" or "https://" at the start of <target>, or 0. */
static size_t scheme_length(struct str target)
{
    static const char *const schemes[] = {"http://", "https://"};

    for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
        struct str scheme = str_of(schemes[i]);
        if (str_eq_nocase(str_sub(target, 0, scheme.len), scheme))
            return scheme.len;
    }
    return 0;
}

static enum http1_result split_absolute(struct http1_reader *reader)
{
    struct http1_head *head = reader->head;
    size_t scheme = scheme_length(head->target);
    if (scheme == 0)
        return http1_bad(reader, "bad target");

    struct str rest = str_sub(head->target, scheme, head->target.len);
    size_t len = MIN(str_find(rest, '/'), str_find(rest, '?'));
    head->host = str_sub(rest, 0, len);
    if (!http1_check_authority(head->host, false))
        return http1_bad(reader, "bad host in the target");
    split_query(head, str_sub(rest, len, rest.len));
    if (head->path.len == 0) /* RFC 9110, 4.2.3: the same as "/", and there is one in "://" */
        head->path = str_from(head->target.ptr + scheme - 1, 1);
    return HTTP1_DONE;
}

enum http1_result http1_split_target(struct http1_reader *reader)
{
    struct http1_head *head = reader->head;
    struct str target = head->target;

    if (target.len == 0)
        return http1_bad(reader, "bad target");
    if (head->method == HTTP_CONNECT) {
        if (!http1_check_authority(target, true))
            return http1_bad(reader, "target of CONNECT is not host:port");
        head->host = target;
        return HTTP1_DONE;
    }
    if (target.ptr[0] == '/') {
        split_query(head, target);
        return HTTP1_DONE;
    }
    if (head->method == HTTP_OPTIONS && str_is(target, "*"))
        return HTTP1_DONE;
    return split_absolute(reader);
}
