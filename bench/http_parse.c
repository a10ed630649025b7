/* SPDX-License-Identifier: Apache-2.0
 *
 * Nanoseconds to parse one head, for heads as clients and servers send them.
 * Prints the fastest of several rounds: the others were disturbed.
 */
#include "base/base.h"

#include <stdio.h>

#include "base/clock.h"
#include "http/http1.h"

enum { ROUNDS = 40, PARSES = 20000 };

static const struct {
    const char *name;
    bool is_response;
    const char *text;
} heads[] = {
    {"wrk", false, "GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n"},
    {"curl", false,
     "GET /api/products?limit=20 HTTP/1.1\r\nHost: shop.example.com\r\nUser-Agent: curl/7.88.1\r\n"
     "Accept: */*\r\n\r\n"},
    {"Chrome", false,
     "GET /products/12?from=list HTTP/1.1\r\nHost: shop.example.com\r\nConnection: keep-alive\r\n"
     "Cache-Control: max-age=0\r\n"
     "sec-ch-ua: \"Chromium\";v=\"118\", \"Google Chrome\";v=\"118\", \"Not=A?Brand\";v=\"99\"\r\n"
     "sec-ch-ua-mobile: ?0\r\nsec-ch-ua-platform: \"Windows\"\r\nUpgrade-Insecure-Requests: 1\r\n"
     "User-Agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
     "Chrome/118.0.0.0 Safari/537.36\r\n"
     "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,"
     "image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7\r\n"
     "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-User: ?1\r\n"
     "Sec-Fetch-Dest: document\r\nReferer: https://shop.example.com/products\r\n"
     "Accept-Encoding: gzip, deflate, br\r\nAccept-Language: ja,en-US;q=0.9,en;q=0.8\r\n"
     "Cookie: session=eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI0MiIsImV4cCI6MTcwMDAwMDAwMH0."
     "c2lnbmF0dXJlIG9mIDMyIGJ5dGVzIG1vcmUgb3IgbGVzcw; theme=dark\r\n\r\n"},
    {"uvicorn", true,
     "HTTP/1.1 200 OK\r\ndate: Sat, 21 Nov 2026 02:14:07 GMT\r\nserver: uvicorn\r\n"
     "content-length: 600\r\ncontent-type: application/json\r\n\r\n"},
    {"Next.js", true,
     "HTTP/1.1 200 OK\r\nVary: RSC, Next-Router-State-Tree, Next-Router-Prefetch, "
     "Accept-Encoding\r\n"
     "X-Powered-By: Next.js\r\n"
     "Cache-Control: private, no-cache, no-store, max-age=0, must-revalidate\r\n"
     "Content-Type: text/html; charset=utf-8\r\nDate: Sat, 21 Nov 2026 02:14:07 GMT\r\n"
     "Connection: keep-alive\r\nKeep-Alive: timeout=5\r\nTransfer-Encoding: chunked\r\n\r\n"},
};

static struct http1_head head;

static double parse_ns(struct str text, bool is_response)
{
    const char *why;
    uint64_t best = UINT64_MAX;

    for (int round = 0; round < ROUNDS; round++) {
        uint64_t start = clock_now_ns();
        for (int i = 0; i < PARSES; i++) {
            enum http1_result result = is_response
                                           ? http1_parse_response(text, HTTP_GET, &head, &why)
                                           : http1_parse_request(text, &head, &why);
            assert(result == HTTP1_DONE);
        }
        best = MIN(best, clock_now_ns() - start);
    }
    return (double)best / PARSES;
}

int main(void)
{
    (void)printf("%-10s %8s %8s %10s\n", "head", "bytes", "headers", "ns");
    for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
        struct str text = str_of(heads[i].text);
        double ns = parse_ns(text, heads[i].is_response);
        (void)printf("%-10s %8zu %8zu %10.1f\n", heads[i].name, text.len, head.header_count, ns);
    }
    return 0;
}
