/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "edge/cache.h"
#include "edge/head.h"
#include "edge/limits.h"
#include "edge/rules.h"
#include "edge/worker.h"

/* What head_write_request() adds at most beside copies of what came. */
enum { REQUEST_EXTRA_BYTES = 512 };

char *head_put_number(char *at, uint64_t number)
{
    char digits[20];
    size_t len = 0;

    do
        digits[sizeof digits - ++len] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    return head_put(at, str_from(digits + sizeof digits - len, len));
}

/* What only a proxy in front may say, and nothing trusted stands in front of the edge. "Proxy"
 * becomes HTTP_PROXY in CGI-like services (CVE-2016-5385). */
static inline bool is_for_proxies(struct str name)
{
    static const struct str names[] = {{"Forwarded", 9},           {"Proxy", 5},
                                       {"X-Real-IP", 9},           {"X-Forwarded-Port", 16},
                                       {"X-Forwarded-Prefix", 18}, {"X-Forwarded-Server", 18}};

    if (name.ptr[0] != 'X' && name.ptr[0] != 'x' && name.ptr[0] != 'F' && name.ptr[0] != 'f' &&
        name.ptr[0] != 'P' && name.ptr[0] != 'p')
        return false;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_eq_nocase(name, names[i]))
            return true;
    return limits_owns_header(name);
}

/* X_Forwarded_For, X_Real_IP, Content_Length: services that read headers as CGI variables cannot
 * tell them from those with dashes, and the client must not write these. */
static inline bool is_disguised(struct str name)
{
    char dashed[32];

    if (name.len > sizeof dashed || str_find(name, '_') == name.len)
        return false;
    for (size_t i = 0; i < name.len; i++)
        dashed[i] = name.ptr[i] == '_' ? '-' : name.ptr[i];
    name.ptr = dashed;
    return http_name_find(name) != HTTP_OTHER || is_for_proxies(name);
}

static bool is_replaced_in_request(const struct http_header *header)
{
    switch ((int)header->id) {
    case HTTP_HOST:
    case HTTP_X_FORWARDED_FOR:
    case HTTP_X_FORWARDED_HOST:
    case HTTP_X_FORWARDED_PROTO:
    case HTTP_X_REQUEST_ID:
        return true;
    case HTTP_OTHER:
        return header->hop_by_hop || is_for_proxies(header->name) || is_disguised(header->name);
    default:
        return header->hop_by_hop;
    }
}

bool head_allows_trailer(struct str name)
{
    return name.len > 0 && http_name_find(name) == HTTP_OTHER && !is_for_proxies(name) &&
           !is_disguised(name);
}

/* Behind the CRLF of the line of <header>. */
static const char *line_end(const struct http_header *header)
{
    const char *at = header->value.ptr + header->value.len;

    while (*at != '\n')
        at++;
    return at + 1;
}

/* Copies the header lines of <head> in runs, without those that <is_dropped> or the rules of
 * <ruled> name, which may be NULL. */
static inline char *copy_lines(const struct http1_head *head, char *at,
                               bool (*is_dropped)(const struct http_header *),
                               const struct exchange *ruled)
{
    const char *run = NULL;

    for (size_t i = 0; i < head->header_count; i++) {
        const struct http_header *header = &head->headers[i];
        bool dropped = is_dropped(header) || (ruled != NULL && rules_drop_request(ruled, header));
        if (!dropped && run == NULL)
            run = header->name.ptr;
        if (dropped && run != NULL) {
            at = head_put(at, str_from(run, (size_t)(header->name.ptr - run)));
            run = NULL;
        }
    }
    if (run == NULL)
        return at;
    const char *end = line_end(&head->headers[head->header_count - 1]);
    return head_put(at, str_from(run, (size_t)(end - run)));
}

static bool is_sane_id(struct str id)
{
    if (id.len == 0 || id.len > REQUEST_ID_MAX_BYTES)
        return false;
    for (size_t i = 0; i < id.len; i++)
        if (!http_is(id.ptr[i], HTTP_CLASS_TOKEN))
            return false;
    return true;
}

static char *put_request_id(struct exchange *exchange, struct str given, char *at)
{
    at = HEAD_PUT(at, "X-Request-Id: ");
    if (is_sane_id(given)) {
        exchange->request_id = str_from(at, given.len);
        at = head_put(at, given);
    } else {
        worker_random_id(exchange->worker, at);
        exchange->request_id = str_from(at, REQUEST_ID_BYTES);
        at += REQUEST_ID_BYTES;
    }
    return HEAD_PUT(at, "\r\n");
}

static char *put_forwarded(struct exchange *exchange, const struct http1_head *head, char *at)
{
    struct str ip = limits_ip(exchange), request_id = {0};

    at = HEAD_PUT(at, "X-Forwarded-For: ");
    for (size_t i = 0; i < head->header_count; i++) {
        const struct http_header *header = &head->headers[i];
        if (header->id == HTTP_X_FORWARDED_FOR && header->value.len > 0) {
            at = head_put(at, header->value);
            at = HEAD_PUT(at, ", ");
        } else if (header->id == HTTP_X_REQUEST_ID) {
            request_id = header->value;
        }
    }
    at = head_put(at, str_from(exchange->client->ip, exchange->client->ip_len));
    at = HEAD_PUT(at, "\r\nX-Real-IP: ");
    at = head_put(at, ip);
    at = exchange->is_secure ? HEAD_PUT(at, "\r\nX-Forwarded-Proto: https\r\n")
                             : HEAD_PUT(at, "\r\nX-Forwarded-Proto: http\r\n");
    if (head->host.len > 0) {
        at = HEAD_PUT(at, "X-Forwarded-Host: ");
        at = head_put(at, head->host);
        at = HEAD_PUT(at, "\r\n");
    }
    return put_request_id(exchange, request_id, at);
}

/* "GET /path?query HTTP/1.1" and Host; absolute form becomes origin form. <rewritten> may be
 * NULL. */
static char *put_request_line(struct exchange *exchange, const struct http1_head *head,
                              const char *rewritten, char *at)
{
    exchange->method_text = str_from(at, head->method_text.len);
    at = head_put(at, head->method_text);
    *at++ = ' ';
    struct str path = head->path.len > 0 ? head->path : STR("*");
    if (rewritten != NULL)
        path = str_of(rewritten);
    exchange->path = str_from(at, path.len);
    at = head_put(at, path);
    if (head->query.ptr != NULL) {
        *at++ = '?';
        at = head_put(at, head->query);
    }
    at = HEAD_PUT(at, " HTTP/1.1\r\nHost: ");
    exchange->host = str_from(at, head->host.len);
    at = head_put(at, head->host);
    return HEAD_PUT(at, "\r\n");
}

void head_write_request(struct exchange *exchange)
{
    const struct http1_head *head = &exchange->worker->head;
    size_t room =
        head->head_bytes + 3 * head->host.len + 2 * head->header_count + REQUEST_EXTRA_BYTES;

    if (exchange->rules != NULL)
        room += rules_request_room(exchange) + head->path.len;
    if (exchange->route->limits != NULL)
        room += LIMITS_CERTIFICATE_BYTES;
    if (exchange->cache != NULL)
        room += cache_conditions_bytes(exchange);
    exchange->head = spill_new(&exchange->worker->spills, room);
    char *at =
        put_request_line(exchange, head, exchange->rules == NULL ? NULL : exchange->rules->path,
                         exchange->head->bytes);
    at = copy_lines(head, at, is_replaced_in_request, exchange->rules == NULL ? NULL : exchange);
    at = put_forwarded(exchange, head, at);
    if (exchange->route->limits != NULL)
        at = limits_put_certificate(exchange, at);
    if (exchange->cache != NULL)
        at = cache_put_conditions(exchange, at);
    if (exchange->rules != NULL)
        at = rules_put_request(exchange, head, at);
    if (head->framing == HTTP_CHUNKED)
        at = HEAD_PUT(at, "Transfer-Encoding: chunked\r\n");
    if (exchange->upgrade) {
        at = HEAD_PUT(at, "Connection: upgrade\r\nUpgrade: ");
        at = head_put(at, head->upgrade_protocol);
        at = HEAD_PUT(at, "\r\n");
    }
    at = HEAD_PUT(at, "\r\n");
    exchange->head->end = (uint32_t)(at - exchange->head->bytes);
    if (exchange->rules != NULL && exchange->rules->path != NULL) { /* for the log: as it came */
        exchange->path = str_from(at, head->path.len);
        at = head_put(at, head->path);
    }
    assert(at <= exchange->head->bytes + exchange->head->cap);
}

void head_keep_texts(struct exchange *exchange)
{
    const struct http1_head *head = &exchange->worker->head;
    size_t room = head->head_bytes + head->host.len + REQUEST_EXTRA_BYTES;

    exchange->head = spill_new(&exchange->worker->spills, room);
    char *at = put_request_line(exchange, head, NULL, exchange->head->bytes);
    at = put_request_id(exchange, http1_header(head, HTTP_X_REQUEST_ID), at);
    exchange->head->end = (uint32_t)(at - exchange->head->bytes);
}

static bool is_replaced_in_response(const struct http_header *header)
{
    return header->hop_by_hop;
}

/* A second Content-Length, or one beside chunks, was refused by the parser; what is left is right
 * for a client except where the body goes as chunks or to the end of the connection. */
static bool is_replaced_with_length(const struct http_header *header)
{
    return header->hop_by_hop || header->id == HTTP_CONTENT_LENGTH;
}

static char *put_status_line(const struct http1_head *head, char *at)
{
    at = HEAD_PUT(at, "HTTP/1.1 ");
    at = head_put_number(at, (uint64_t)head->status);
    *at++ = ' ';
    at = head_put(at, head->reason);
    return HEAD_PUT(at, "\r\n");
}

static uint64_t names_present(const struct http1_head *head)
{
    uint64_t present = 0;

    static_assert(HTTP_NAME_COUNT <= 64, "a bit for each name");
    for (size_t i = 0; i < head->header_count; i++)
        present |= UINT64_C(1) << head->headers[i].id;
    return present;
}

static bool is_missing(uint64_t present, enum http_name name)
{
    return (present & (UINT64_C(1) << name)) == 0;
}

char *head_write_route_headers(const struct exchange *exchange, uint64_t present, char *at)
{
    const struct route *route = exchange->route;

    if (route == NULL)
        return at;
    if (route->hsts && exchange->is_secure && is_missing(present, HTTP_STRICT_TRANSPORT_SECURITY))
        at = HEAD_PUT(at, "Strict-Transport-Security: max-age=31536000; includeSubDomains\r\n");
    if (route->security_headers) {
        if (is_missing(present, HTTP_X_FRAME_OPTIONS))
            at = HEAD_PUT(at, "X-Frame-Options: DENY\r\n");
        if (is_missing(present, HTTP_X_CONTENT_TYPE_OPTIONS))
            at = HEAD_PUT(at, "X-Content-Type-Options: nosniff\r\n");
        if (is_missing(present, HTTP_X_XSS_PROTECTION))
            at = HEAD_PUT(at, "X-XSS-Protection: 1; mode=block\r\n");
    }
    if (route->cache_control.len > 0 && is_missing(present, HTTP_CACHE_CONTROL)) {
        at = HEAD_PUT(at, "Cache-Control: ");
        at = head_put(at, route->cache_control);
        at = HEAD_PUT(at, "\r\n");
    }
    return at;
}

static char *put_connection(const struct exchange *exchange, const struct http1_head *head,
                            char *at)
{
    if (head->status == 101) {
        at = HEAD_PUT(at, "Connection: upgrade\r\nUpgrade: ");
        at = head_put(at, head->upgrade_protocol);
        return HEAD_PUT(at, "\r\n");
    }
    if (!exchange->keep_alive)
        return HEAD_PUT(at, "Connection: close\r\n");
    return exchange->minor_version == 0 ? HEAD_PUT(at, "Connection: keep-alive\r\n") : at;
}

size_t head_write_response(struct exchange *exchange)
{
    struct worker *worker = exchange->worker;
    const struct http1_head *head = &worker->head;
    uint64_t present = names_present(head);
    bool whole = head->status >= 200;
    char *at = put_status_line(head, worker->head_bytes);

    at = copy_lines(head, at,
                    exchange->response.framing == HTTP_CHUNKED ? is_replaced_with_length
                                                               : is_replaced_in_response,
                    NULL);
    if (whole && is_missing(present, HTTP_DATE)) {
        at = HEAD_PUT(at, "Date: ");
        at = head_put(at, str_of(worker_date(worker)));
        at = HEAD_PUT(at, "\r\n");
    }
    if (whole)
        at = head_write_route_headers(exchange, present, at);
    if (whole && exchange->response.chunk_out)
        at = HEAD_PUT(at, "Transfer-Encoding: chunked\r\n");
    if (exchange->sets_cookies && (whole || head->status == 101))
        at = balance_put_cookies(exchange, at);
    if (exchange->cache != NULL && whole)
        at = cache_put_status(exchange, at);
    if (whole || head->status == 101)
        at = put_connection(exchange, head, at);
    at = HEAD_PUT(at, "\r\n");
    return (size_t)(at - worker->head_bytes);
}
