/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <arpa/inet.h>

#include "base/err.h"
#include "edge/proxy_protocol.h"

enum {
    V1_MAX_BYTES = 107,
    V2_HEAD_BYTES = 16,
    V2_LOCAL = 0x20,
    V2_PROXY = 0x21,
    V2_UNSPECIFIED = 0x00,
    V2_TCP4 = 0x11,
    V2_TCP6 = 0x21,
    V2_STREAM_UNIX = 0x31,
    V2_TCP4_BYTES = 12,
    V2_TCP6_BYTES = 36,
    V2_UNIX_BYTES = 216,
    TLV_HEAD_BYTES = 3,
};

static const char signature[] = "\r\n\r\n\0\r\nQUIT\n";
enum { SIGNATURE_BYTES = sizeof signature - 1 };

static enum proxy_protocol_result bad(const char **ret_why, const char *why)
{
    *ret_why = why;
    return PROXY_PROTOCOL_BAD;
}

static bool starts_like(struct str bytes, const char *text, size_t len)
{
    return memcmp(bytes.ptr, text, MIN(bytes.len, len)) == 0;
}

/* ---- version 1 ---- */

static bool read_port(struct str text, uint16_t *ret)
{
    uint64_t port;

    if (text.len == 0 || (text.len > 1 && text.ptr[0] == '0') || !str_to_u64(text, 65535, &port))
        return false;
    *ret = (uint16_t)port;
    return true;
}

static bool read_address(struct str ip, struct str port_text, bool is_v6, union socket_address *ret)
{
    char text[SOCKET_TEXT_BYTES];
    uint16_t port;
    struct err err;

    if (ip.len == 0 || ip.len >= sizeof text || memchr(ip.ptr, '\0', ip.len) != NULL ||
        (str_find(ip, ':') < ip.len) != is_v6 || !read_port(port_text, &port))
        return false;
    memcpy(text, ip.ptr, ip.len);
    text[ip.len] = '\0';
    return socket_address_parse(text, port, ret, &err);
}

/* "TCP4 192.0.2.1 198.51.100.1 56324 443" */
static enum proxy_protocol_result read_line(struct str line, struct proxy_protocol *ret,
                                            const char **ret_why)
{
    struct str rest = line;
    struct str family = str_cut(&rest, ' ');
    bool is_v6 = str_is(family, "TCP6");

    if (str_is(family, "UNKNOWN"))
        return PROXY_PROTOCOL_DONE;
    if (!is_v6 && !str_is(family, "TCP4"))
        return bad(ret_why, "unknown family");
    struct str source = str_cut(&rest, ' '), destination = str_cut(&rest, ' ');
    struct str source_port = str_cut(&rest, ' '), destination_port = rest;
    if (!read_address(source, source_port, is_v6, &ret->source) ||
        !read_address(destination, destination_port, is_v6, &ret->destination))
        return bad(ret_why, "bad address or port");
    ret->has_source = true;
    return PROXY_PROTOCOL_DONE;
}

static enum proxy_protocol_result read_v1(struct str bytes, struct proxy_protocol *ret,
                                          const char **ret_why)
{
    struct str head = STR("PROXY ");
    struct str start = str_sub(bytes, 0, V1_MAX_BYTES);
    size_t end = str_find(start, '\r');

    if (end + 1 >= start.len) {
        if (str_find(start, '\n') < start.len)
            return bad(ret_why, "line feed without carriage return");
        return start.len < V1_MAX_BYTES ? PROXY_PROTOCOL_MORE : bad(ret_why, "line too long");
    }
    if (start.ptr[end + 1] != '\n' || str_find(start, '\n') != end + 1)
        return bad(ret_why, "line does not end with CRLF");
    ret->header_bytes = end + 2;
    return read_line(str_sub(start, head.len, end - head.len), ret, ret_why);
}

/* ---- version 2 ---- */

static uint16_t read_u16(const char *at)
{
    uint16_t number;

    memcpy(&number, at, sizeof number);
    return ntohs(number);
}

static void take_v4(const char *at, struct proxy_protocol *ret)
{
    ret->source.v4.sin_family = ret->destination.v4.sin_family = AF_INET;
    memcpy(&ret->source.v4.sin_addr, at, 4);
    memcpy(&ret->destination.v4.sin_addr, at + 4, 4);
    memcpy(&ret->source.v4.sin_port, at + 8, 2);
    memcpy(&ret->destination.v4.sin_port, at + 10, 2);
    ret->has_source = true;
}

static void take_v6(const char *at, struct proxy_protocol *ret)
{
    ret->source.v6.sin6_family = ret->destination.v6.sin6_family = AF_INET6;
    memcpy(&ret->source.v6.sin6_addr, at, 16);
    memcpy(&ret->destination.v6.sin6_addr, at + 16, 16);
    memcpy(&ret->source.v6.sin6_port, at + 32, 2);
    memcpy(&ret->destination.v6.sin6_port, at + 34, 2);
    ret->has_source = true;
}

/* What stands behind the addresses is not used, but it must fill its space. */
static bool check_tlvs(struct str bytes)
{
    while (bytes.len > 0) {
        if (bytes.len < TLV_HEAD_BYTES)
            return false;
        size_t len = TLV_HEAD_BYTES + (size_t)read_u16(bytes.ptr + 1);
        if (len > bytes.len)
            return false;
        bytes = str_sub(bytes, len, SIZE_MAX);
    }
    return true;
}

static enum proxy_protocol_result read_addresses(uint8_t family, struct str body,
                                                 struct proxy_protocol *ret, const char **ret_why)
{
    size_t len = family == V2_TCP4          ? V2_TCP4_BYTES
                 : family == V2_TCP6        ? V2_TCP6_BYTES
                 : family == V2_STREAM_UNIX ? V2_UNIX_BYTES
                                            : 0;

    if (family == V2_UNSPECIFIED)
        return PROXY_PROTOCOL_DONE; /* the rest has no form that is known */
    if (len == 0)
        return bad(ret_why, "unknown family");
    if (body.len < len || !check_tlvs(str_sub(body, len, SIZE_MAX)))
        return bad(ret_why, "lengths do not fit");
    if (family == V2_TCP4)
        take_v4(body.ptr, ret);
    else if (family == V2_TCP6)
        take_v6(body.ptr, ret);
    return PROXY_PROTOCOL_DONE;
}

static enum proxy_protocol_result read_v2(struct str bytes, struct proxy_protocol *ret,
                                          const char **ret_why)
{
    if (bytes.len < V2_HEAD_BYTES)
        return PROXY_PROTOCOL_MORE;
    uint8_t command = (uint8_t)bytes.ptr[SIGNATURE_BYTES];
    size_t len = read_u16(bytes.ptr + V2_HEAD_BYTES - 2);
    if (command != V2_LOCAL && command != V2_PROXY)
        return bad(ret_why, "unknown version or command");
    if (V2_HEAD_BYTES + len > PROXY_PROTOCOL_MAX_BYTES)
        return bad(ret_why, "header too long");
    if (bytes.len < V2_HEAD_BYTES + len)
        return PROXY_PROTOCOL_MORE;
    ret->header_bytes = V2_HEAD_BYTES + len;
    if (command == V2_LOCAL)
        return PROXY_PROTOCOL_DONE;
    return read_addresses((uint8_t)bytes.ptr[SIGNATURE_BYTES + 1],
                          str_sub(bytes, V2_HEAD_BYTES, len), ret, ret_why);
}

enum proxy_protocol_result proxy_protocol_parse(struct str bytes, struct proxy_protocol *ret,
                                                const char **ret_why)
{
    *ret = (struct proxy_protocol){0};
    if (bytes.len == 0)
        return PROXY_PROTOCOL_MORE;
    if (starts_like(bytes, "PROXY ", 6))
        return read_v1(bytes, ret, ret_why);
    if (starts_like(bytes, signature, SIGNATURE_BYTES))
        return read_v2(bytes, ret, ret_why);
    return bad(ret_why, "no header");
}

/* ---- writing ---- */

static size_t format_v1(const union socket_address *source, const union socket_address *destination,
                        char *ret)
{
    char from[SOCKET_TEXT_BYTES], to[SOCKET_TEXT_BYTES];
    bool is_v6 = source->any.sa_family == AF_INET6;

    if (is_v6) { /* not socket_address_format_ip(), which writes what is mapped as IPv4 */
        (void)inet_ntop(AF_INET6, &source->v6.sin6_addr, from, sizeof from);
        (void)inet_ntop(AF_INET6, &destination->v6.sin6_addr, to, sizeof to);
    } else {
        (void)socket_address_format_ip(source, from);
        (void)socket_address_format_ip(destination, to);
    }
    str_format(ret, PROXY_PROTOCOL_OUT_BYTES, "PROXY %s %s %s %u %u\r\n", is_v6 ? "TCP6" : "TCP4",
               from, to, (unsigned)socket_address_port(source),
               (unsigned)socket_address_port(destination));
    return strlen(ret);
}

static size_t format_v2(const union socket_address *source, const union socket_address *destination,
                        char *ret)
{
    bool is_v6 = source->any.sa_family == AF_INET6;
    char *at = ret + V2_HEAD_BYTES;
    size_t len = is_v6 ? V2_TCP6_BYTES : V2_TCP4_BYTES;

    memcpy(ret, signature, SIGNATURE_BYTES);
    ret[12] = V2_PROXY;
    ret[13] = is_v6 ? V2_TCP6 : V2_TCP4;
    ret[14] = 0;
    ret[15] = (char)len;
    if (is_v6) {
        memcpy(at, &source->v6.sin6_addr, 16);
        memcpy(at + 16, &destination->v6.sin6_addr, 16);
        memcpy(at + 32, &source->v6.sin6_port, 2);
        memcpy(at + 34, &destination->v6.sin6_port, 2);
    } else {
        memcpy(at, &source->v4.sin_addr, 4);
        memcpy(at + 4, &destination->v4.sin_addr, 4);
        memcpy(at + 8, &source->v4.sin_port, 2);
        memcpy(at + 10, &destination->v4.sin_port, 2);
    }
    return V2_HEAD_BYTES + len;
}

size_t proxy_protocol_format(unsigned version, const union socket_address *source,
                             const union socket_address *destination,
                             char ret[PROXY_PROTOCOL_OUT_BYTES])
{
    assert(source->any.sa_family == destination->any.sa_family);
    return version == 1 ? format_v1(source, destination, ret) : format_v2(source, destination, ret);
}

size_t proxy_protocol_format_own(unsigned version, char ret[PROXY_PROTOCOL_OUT_BYTES])
{
    struct str text = STR("PROXY UNKNOWN\r\n");

    if (version == 1) {
        memcpy(ret, text.ptr, text.len);
        return text.len;
    }
    memcpy(ret, signature, SIGNATURE_BYTES);
    memcpy(ret + SIGNATURE_BYTES, "\x20\0\0\0", 4); /* LOCAL, without addresses */
    return V2_HEAD_BYTES;
}
