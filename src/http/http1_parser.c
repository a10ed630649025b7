/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "http/http1.h"
#include "http/http1_priv.h"

enum http1_result http1_refuse(struct http1_reader *reader, enum http1_result result, int status,
                               const char *why)
{
    reader->head->status = status;
    reader->why = why;
    return result;
}

/* First control character from <at> on (HTAB is none), or <end>. This is where
 * the time of a parse goes: values are most of the bytes of a head. */
static const char *find_control(const char *at, const char *end)
{
#ifdef __SSE2__
    const __m128i last_control = _mm_set1_epi8(0x1f);
    const __m128i tab = _mm_set1_epi8('\t');
    const __m128i del = _mm_set1_epi8(0x7f);

    for (; end - at >= 16; at += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
        __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(bytes, last_control), bytes);
        __m128i found = _mm_or_si128(_mm_andnot_si128(_mm_cmpeq_epi8(bytes, tab), low),
                                     _mm_cmpeq_epi8(bytes, del));
        int mask = _mm_movemask_epi8(found);
        if (mask != 0)
            return at + __builtin_ctz((unsigned)mask);
    }
#endif
    while (at < end && !http_is(*at, HTTP_CLASS_CONTROL))
        at++;
    return at;
}

/* First byte from <at> on that no name can hold, or <end>. Names are letters and
 * dashes, nearly all of them; other token characters take the slow way. */
static const char *find_name_end(const char *at, const char *end)
{
#ifdef __SSE2__
    const __m128i fold = _mm_set1_epi8(0x20);
    const __m128i first = _mm_set1_epi8('a');
    const __m128i last = _mm_set1_epi8('z');
    const __m128i dash = _mm_set1_epi8('-');

    for (; end - at >= 16; at += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
        __m128i lower = _mm_or_si128(bytes, fold);
        __m128i clamped = _mm_max_epu8(_mm_min_epu8(lower, last), first);
        __m128i plain = _mm_or_si128(_mm_cmpeq_epi8(clamped, lower), _mm_cmpeq_epi8(bytes, dash));
        unsigned others = (unsigned)_mm_movemask_epi8(plain) ^ 0xffff;
        if (others != 0) {
            at += __builtin_ctz(others);
            break;
        }
    }
#endif
    while (at < end && http_is(*at, HTTP_CLASS_TOKEN))
        at++;
    return at;
}

/* CRLF at reader->at, nothing less. */
static enum http1_result read_crlf(struct http1_reader *reader, const char *why)
{
    if (reader->at == reader->end)
        return HTTP1_MORE;
    if (*reader->at != '\r')
        return http1_bad(reader, why);
    if (reader->end - reader->at < 2)
        return HTTP1_MORE;
    if (reader->at[1] != '\n')
        return http1_bad(reader, "CR without LF");
    reader->at += 2;
    return HTTP1_DONE;
}

static struct str trim_blanks(const char *from, const char *to)
{
    while (from < to && (*from == ' ' || *from == '\t'))
        from++;
    while (to > from && (to[-1] == ' ' || to[-1] == '\t'))
        to--;
    return str_from(from, (size_t)(to - from));
}

/* field-line = field-name ":" OWS field-value OWS (RFC 9112, 5), with CRLF. */
static enum http1_result read_header(struct http1_reader *reader, struct http_header *ret)
{
    const char *name = reader->at, *at = find_name_end(name, reader->end);
    if (at == reader->end)
        return HTTP1_MORE;
    if (at == name)
        return http1_bad(reader, *at == ' ' || *at == '\t' ? "folded header line"
                                                           : "header without a name");
    if (*at != ':')
        return http1_bad(reader, "bad character in a header name");

    const char *value = at + 1;
    reader->at = find_control(value, reader->end);
    ret->name = str_from(name, (size_t)(at - name));
    ret->value = trim_blanks(value, reader->at);
    ret->id = http_name_find(ret->name);
    ret->hop_by_hop = http_name_is_hop_by_hop(ret->id);
    return read_crlf(reader, "control character in a header value");
}

/* The headers and the blank line behind them. */
static enum http1_result read_headers(struct http1_reader *reader)
{
    struct http1_head *head = reader->head;
    enum http1_result result;

    for (;;) {
        if (reader->at == reader->end)
            return HTTP1_MORE;
        if (*reader->at == '\r')
            return read_crlf(reader, "");
        if (head->header_count == HTTP1_MAX_HEADERS)
            return http1_refuse(reader, HTTP1_TOO_LARGE, 431, "too many headers");
        struct http_header *header = &head->headers[head->header_count];
        if ((result = read_header(reader, header)) != HTTP1_DONE)
            return result;
        head->header_count++;
        if (header->id != HTTP_OTHER && (result = http1_note_header(reader, header)) != HTTP1_DONE)
            return result;
    }
}

/* "HTTP/1.1" and a look at the byte behind it. */
static enum http1_result read_version(struct http1_reader *reader)
{
    const char *at = reader->at;
    size_t len = (size_t)(reader->end - at);

    if (len < sizeof("HTTP/1.1")) /* a line that ends too early is wrong now, not one day */
        return memchr(at, '\n', len) == NULL ? HTTP1_MORE : http1_bad(reader, "bad version");
    if (memcmp(at, "HTTP/", 5) != 0 || at[5] < '0' || at[5] > '9' || at[6] != '.' || at[7] < '0' ||
        at[7] > '9')
        return http1_bad(reader, "bad version");
    if (at[8] != '\r' && at[8] != ' ')
        return http1_bad(reader, "bad version");
    if (at[5] != '1' || at[7] > '1')
        return http1_refuse(reader, HTTP1_UNSUPPORTED, 505, "version is not 1.0 or 1.1");
    reader->head->minor_version = at[7] - '0';
    reader->at += 8;
    return HTTP1_DONE;
}

/* request-line = method SP request-target SP HTTP-version CRLF */
static enum http1_result read_request_line(struct http1_reader *reader)
{
    struct http1_head *head = reader->head;
    const char *at = reader->at;

    while (at < reader->end && http_is(*at, HTTP_CLASS_TOKEN))
        at++;
    if (at == reader->end)
        return HTTP1_MORE;
    if (*at != ' ' || at == reader->at)
        return http1_bad(reader, "bad method");
    head->method_text = str_from(reader->at, (size_t)(at - reader->at));
    head->method = http_method_find(head->method_text);

    const char *target = ++at;
    while (at < reader->end && http_is(*at, HTTP_CLASS_TARGET))
        at++;
    if (at == reader->end)
        return HTTP1_MORE;
    if (*at != ' ')
        return http1_bad(reader, "bad character in the target");
    head->target = str_from(target, (size_t)(at - target));
    reader->at = at + 1;

    enum http1_result result = http1_split_target(reader);
    if (result == HTTP1_DONE)
        result = read_version(reader);
    return result == HTTP1_DONE ? read_crlf(reader, "bad version") : result;
}

/* status-line = HTTP-version SP status-code SP [ reason-phrase ] CRLF. The second
 * blank may be missing with the reason: servers do that, and it is not ambiguous. */
static enum http1_result read_status_line(struct http1_reader *reader)
{
    struct http1_head *head = reader->head;
    enum http1_result result = read_version(reader);
    if (result != HTTP1_DONE)
        return result;

    const char *at = reader->at;
    size_t len = (size_t)(reader->end - at);
    int status = 0;
    if (len < sizeof(" 200\r") - 1)
        return memchr(at, '\n', len) == NULL ? HTTP1_MORE : http1_bad(reader, "bad status");
    for (int i = 1; i <= 3; i++) {
        if (at[i] < '0' || at[i] > '9')
            return http1_bad(reader, "bad status");
        status = status * 10 + (at[i] - '0');
    }
    if (at[0] != ' ' || (at[4] != ' ' && at[4] != '\r') || status < 100 || status > 599)
        return http1_bad(reader, "bad status");

    const char *reason = at[4] == ' ' ? at + 5 : at + 4;
    reader->at = find_control(reason, reader->end);
    head->reason = str_from(reason, (size_t)(reader->at - reason));
    if ((result = read_crlf(reader, "control character in the reason")) == HTTP1_DONE)
        head->status = status;
    return result;
}

/* All but the headers, which would be 5 KB of writes for nothing. */
static void clear(struct http1_head *head)
{
    const size_t from = offsetof(struct http1_head, headers) + sizeof head->headers;

    memset(head, 0, offsetof(struct http1_head, headers));
    memset((char *)head + from, 0, sizeof *head - from);
}

enum http1_result http1_parse_request(struct str bytes, struct http1_head *ret,
                                      const char **ret_why)
{
    struct http1_reader reader = {.at = bytes.ptr, .head = ret, .is_request = true};
    enum http1_result result = HTTP1_DONE;

    clear(ret);
    if (bytes.len == 0)
        return HTTP1_MORE;
    reader.end = bytes.ptr + bytes.len;
    if (*reader.at == '\r')
        result = read_crlf(&reader, "");
    if (result == HTTP1_DONE)
        result = read_request_line(&reader);
    if (result == HTTP1_DONE)
        result = read_headers(&reader);
    if (result == HTTP1_DONE)
        result = http1_finish_request(&reader);
    if (result == HTTP1_DONE)
        ret->head_bytes = (size_t)(reader.at - bytes.ptr);
    else if (result != HTTP1_MORE)
        *ret_why = reader.why;
    return result;
}

enum http1_result http1_parse_response(struct str bytes, enum http_method method,
                                       struct http1_head *ret, const char **ret_why)
{
    struct http1_reader reader = {.at = bytes.ptr, .head = ret};

    clear(ret);
    if (bytes.len == 0)
        return HTTP1_MORE;
    reader.end = bytes.ptr + bytes.len;
    enum http1_result result = read_status_line(&reader);
    if (result == HTTP1_DONE)
        result = read_headers(&reader);
    if (result == HTTP1_DONE)
        result = http1_finish_response(&reader, method);
    if (result == HTTP1_DONE)
        ret->head_bytes = (size_t)(reader.at - bytes.ptr);
    else if (result != HTTP1_MORE)
        *ret_why = reader.why;
    return result;
}
