/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "edge/exchange.h"
#include "edge/head.h"
#include "edge/rules.h"
#include "edge/worker.h"

enum { JOIN_BYTES = 4096 }; /* a body up to here is copied behind its head */

/* The route's Cache-Control is for its own content, not for errors. */
#define WITHOUT_CACHE (UINT64_C(1) << HTTP_CACHE_CONTROL)

struct page {
    int status;
    const char *text;
};

static const struct page pages[] = {
    {400, "The request could not be understood."},
    {401, "This address is for those who have a name and a password."},
    {403, "This is not allowed here."},
    {404, "There is nothing at this address."},
    {405, "This address does not answer that kind of request."},
    {408, "The request took too long to arrive."},
    {412, "The file is not the one that was meant: it has changed."},
    {413, "What was sent is larger than this address accepts."},
    {414, "The address is too long."},
    {416, "That part of the file does not exist."},
    {417, "The request expects something that is not offered."},
    {421,
     "There is no site by that name here. A site is reached by its own name, not by an address."},
    {429, "There were too many requests. Please wait a moment and try again."},
    {431, "The request's headers are too large."},
    {501, "The request uses something that is not supported."},
    {502, "The application behind this address did not answer properly. Please try again."},
    {503, "The application behind this address is not available right now. Please try again."},
    {504, "The application behind this address took too long to answer. Please try again."},
    {505, "This version of HTTP is not supported."},
};

static const char *page_text(int status)
{
    for (size_t i = 0; i < ARRAY_LEN(pages); i++)
        if (pages[i].status == status)
            return pages[i].text;
    return "The request could not be served.";
}

char *answer_put_start(struct exchange *exchange, int status, uint64_t present, char *at)
{
    at = HEAD_PUT(at, "HTTP/1.1 ");
    at = head_put_number(at, (uint64_t)status);
    *at++ = ' ';
    at = head_put(at, str_of(http_status_text(status)));
    at = HEAD_PUT(at, "\r\nDate: ");
    at = head_put(at, str_of(worker_date(exchange->worker)));
    at = HEAD_PUT(at, "\r\n");
    return head_write_route_headers(exchange, present, at);
}

static char *put_html(const struct exchange *exchange, int status, char *at)
{
    struct str reason = str_of(http_status_text(status));

    at = HEAD_PUT(at, "<!doctype html><html lang=en><meta charset=utf-8>"
                      "<meta name=viewport content=\"width=device-width\"><title>");
    at = head_put(at, reason);
    at = HEAD_PUT(at, "</title><style>body{font:1rem/1.6 system-ui,sans-serif;color:#333;"
                      "max-width:32rem;margin:20vh auto;padding:0 1.5rem}h1{font-size:1.4rem}"
                      "small{color:#888}</style><h1>");
    at = head_put(at, reason);
    at = HEAD_PUT(at, "</h1><p>");
    at = head_put(at, str_of(page_text(status)));
    at = HEAD_PUT(at, "<p><small>");
    at = head_put_number(at, (uint64_t)status);
    if (exchange->request_id.len > 0) {
        at = HEAD_PUT(at, " &middot; ");
        for (size_t i = 0; i < exchange->request_id.len; i++) {
            char c = exchange->request_id.ptr[i]; /* token characters: of these only & is special */
            *at++ = c == '&' || c == '\'' || c == '`' ? '_' : c;
        }
    }
    return HEAD_PUT(at, "</small></html>\n");
}

static char *put_json(const struct exchange *exchange, int status, char *at)
{
    at = HEAD_PUT(at, "{\"status\":");
    at = head_put_number(at, (uint64_t)status);
    at = HEAD_PUT(at, ",\"error\":\"");
    at = head_put(at, str_of(page_text(status)));
    at = HEAD_PUT(at, "\",\"request_id\":\"");
    at = head_put(at, exchange->request_id);
    return HEAD_PUT(at, "\"}\n");
}

char *answer_put_end(const struct exchange *exchange, char *at)
{
    if (!exchange->keep_alive || !exchange->request.done)
        at = HEAD_PUT(at, "Connection: close\r\n");
    else if (exchange->minor_version == 0)
        at = HEAD_PUT(at, "Connection: keep-alive\r\n");
    return HEAD_PUT(at, "\r\n");
}

/* <head_end> is the end of the head in worker->head_bytes; <body> may be empty. */
static void send_answer(struct exchange *exchange, const char *head_end, struct str body)
{
    const char *head = exchange->worker->head_bytes;
    size_t len = (size_t)(head_end - head);
    struct iovec iov[2] = {{exchange->worker->head_bytes, len}};

    if (exchange->target != NULL)
        proxy_release(exchange, false);
    if (exchange->method == HTTP_HEAD)
        body.len = 0;
    exchange->sent_bytes = body.len;
    memcpy(&iov[1].iov_base, &body.ptr, sizeof iov[1].iov_base);
    iov[1].iov_len = body.len;
    if (body.len > 0 && body.len <= JOIN_BYTES) { /* one write without sendmsg() */
        (void)head_put(exchange->worker->head_bytes + len, body);
        iov[0].iov_len += body.len;
        iov[1].iov_len = 0;
    }
    if (exchange_write_head(exchange, len, iov, iov[1].iov_len > 0 ? 2 : 1, body.len == 0))
        exchange_done(exchange);
}

void answer_error_with(struct exchange *exchange, int status, struct str lines, struct str page)
{
    char *at, *text = exchange->worker->joined;
    struct str body = page;

    if (status >= 500 || status == 408 || status == 431 || status == 400)
        exchange->keep_alive = exchange->keep_alive && status >= 502;
    exchange->status = status;
    if (exchange->wants_json)
        body = str_from(text, (size_t)(put_json(exchange, status, text) - text));
    else if (page.len == 0)
        body = str_from(text, (size_t)(put_html(exchange, status, text) - text));
    at = answer_put_start(exchange, status, WITHOUT_CACHE, exchange->worker->head_bytes);
    at = exchange->wants_json ? HEAD_PUT(at, "Content-Type: application/json\r\n")
                              : HEAD_PUT(at, "Content-Type: text/html; charset=utf-8\r\n");
    at = HEAD_PUT(at, "Cache-Control: no-store\r\nContent-Length: ");
    at = head_put_number(at, body.len);
    at = HEAD_PUT(at, "\r\n");
    assert(lines.len <= ANSWER_LINES_BYTES);
    at = head_put(at, lines);
    if (status == 405)
        at = HEAD_PUT(at, "Allow: GET, HEAD\r\n");
    send_answer(exchange, answer_put_end(exchange, at), body);
}

void answer_error(struct exchange *exchange, int status)
{
    struct str page = exchange->rules == NULL ? (struct str){0} : rules_page(exchange, status);

    answer_error_with(exchange, status, (struct str){0}, page);
}

/* The client learns how much there is: it may have all of it (RFC 9110, 15.5.17). */
void answer_no_such_range(struct exchange *exchange, uint64_t whole_bytes)
{
    char line[48];
    struct str page = exchange->rules == NULL ? (struct str){0} : rules_page(exchange, 416);

    str_format(line, sizeof line, "Content-Range: bytes */%lu\r\n", (unsigned long)whole_bytes);
    answer_error_with(exchange, 416, str_of(line), page);
}

void answer_empty(struct exchange *exchange, int status, struct str lines)
{
    char *at = answer_put_start(exchange, status, WITHOUT_CACHE, exchange->worker->head_bytes);

    assert(lines.len <= ANSWER_LINES_BYTES);
    exchange->status = status;
    at = head_put(at, lines);
    if (status != 204)
        at = HEAD_PUT(at, "Content-Length: 0\r\n");
    send_answer(exchange, answer_put_end(exchange, at), (struct str){0});
}

static void send_redirect(struct exchange *exchange, int status, char *at)
{
    at = HEAD_PUT(at, "\r\nContent-Length: 0\r\n");
    exchange->status = status;
    at = answer_put_end(exchange, at);
    send_answer(exchange, at, (struct str){0});
}

void answer_redirect(struct exchange *exchange, int status, struct str location)
{
    char *at = answer_put_start(exchange, status, WITHOUT_CACHE, exchange->worker->head_bytes);

    at = HEAD_PUT(at, "Location: ");
    send_redirect(exchange, status, head_put(at, location));
}

void answer_to_https(struct exchange *exchange, uint16_t port, const struct http1_head *head)
{
    char *at = answer_put_start(exchange, 308, WITHOUT_CACHE, exchange->worker->head_bytes);
    struct str host = head->host;
    size_t colon = str_find_last(host, ':');

    if (host.len == 0) {
        answer_error(exchange, 400);
        return;
    }
    if (colon < host.len && str_find(str_sub(host, colon, SIZE_MAX), ']') == host.len - colon)
        host.len = colon;
    at = HEAD_PUT(at, "Location: https://");
    at = head_put(at, host);
    if (port != 443) {
        *at++ = ':';
        at = head_put_number(at, port);
    }
    at = head_put(at, head->path.len > 0 ? head->path : STR("/"));
    if (head->query.ptr != NULL) {
        *at++ = '?';
        at = head_put(at, head->query);
    }
    send_redirect(exchange, 308, at);
}
