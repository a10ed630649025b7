/* SPDX-License-Identifier: Apache-2.0
 *
 * The HTTP/1 codec. The vectors are known ways to make two parsers disagree
 * about where a message ends or whom it is for.
 */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/buf.h"
#include "http/http1.h"

/* A literal with its length, so that it can hold NUL. */
#define BYTES(literal)                                                                             \
    {                                                                                              \
        literal, sizeof(literal) - 1                                                               \
    }
#define GET(headers)       BYTES("GET / HTTP/1.1\r\n" headers "\r\n")
#define HOST_AND(headers)  GET("Host: a\r\n" headers)
#define POST_WITH(headers) BYTES("POST / HTTP/1.1\r\nHost: a\r\n" headers "\r\n")
#define TARGET(target)     BYTES("GET " target " HTTP/1.1\r\nHost: a\r\n\r\n")

static struct http1_head head;

/* Line ends. */
static const struct str bad_lines[] = {
    BYTES("GET / HTTP/1.1\nHost: a\n\n"),
    BYTES("GET / HTTP/1.1\nHost: a\r\n\r\n"),
    BYTES("GET / HTTP/1.1\r\nHost: a\n\r\n"),
    BYTES("GET / HTTP/1.1\r\nHost: a\r\n\n"),
    BYTES("GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n"),
    BYTES("GET / HTTP/1.1\r\nHost: a\r\r\n\r\n"),
    BYTES("GET / HTTP/1.1\r\nHost: a\r\n\rX"),
    BYTES("GET / HTTP/1.1\rHost: a\r\r"),
    BYTES("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    BYTES("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    BYTES("\rGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    HOST_AND("X: a\r\n b\r\n"),
    HOST_AND("X: a\r\n\tb\r\n"),
    BYTES("GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
    HOST_AND("Transfer-Encoding:\r\n chunked\r\n"),
};

/* Header names and values. */
static const struct str bad_headers[] = {
    HOST_AND("X : b\r\n"),
    HOST_AND("X\t: b\r\n"),
    HOST_AND("Content-Length : 5\r\n"),
    HOST_AND("Transfer-Encoding : chunked\r\n"),
    HOST_AND("\x0bTransfer-Encoding: chunked\r\n"),
    HOST_AND("Transfer-Encoding\x00: chunked\r\n"),
    HOST_AND(": b\r\n"),
    HOST_AND("X\r\n"),
    HOST_AND("X y: b\r\n"),
    HOST_AND("X\xc3\xa4: b\r\n"),
    HOST_AND("X(y): b\r\n"),
    HOST_AND("X: a\x00b\r\n"),
    HOST_AND("X: a\x0b\r\n"),
    HOST_AND("X: a\x7f\r\n"),
    HOST_AND("X: \x01\r\n"),
    HOST_AND("Connection: close, a b\r\n"),
    HOST_AND("Connection: \"close\"\r\n"),
};

/* Where the body ends. */
static const struct str bad_framing[] = {
    POST_WITH("Content-Length: 5\r\nContent-Length: 5\r\n"),
    POST_WITH("Content-Length: 5\r\nContent-Length: 6\r\n"),
    POST_WITH("Content-Length: 5\r\ncontent-length: 0\r\n"),
    POST_WITH("Content-Length: 5, 5\r\n"),
    POST_WITH("Content-Length: +5\r\n"),
    POST_WITH("Content-Length: -5\r\n"),
    POST_WITH("Content-Length: 0x5\r\n"),
    POST_WITH("Content-Length: 5 5\r\n"),
    POST_WITH("Content-Length: 5.0\r\n"),
    POST_WITH("Content-Length: \"5\"\r\n"),
    POST_WITH("Content-Length:\r\n"),
    POST_WITH("Content-Length: 9223372036854775808\r\n"),
    POST_WITH("Content-Length: 18446744073709551621\r\n"),
    POST_WITH("Content-Length: 00000000000000000005\r\n"),
    POST_WITH("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
    POST_WITH("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
    POST_WITH("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n"),
    POST_WITH("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
    POST_WITH("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"),
    POST_WITH("Transfer-Encoding: chunked, chunked\r\n"),
    POST_WITH("Transfer-Encoding: chunked, identity\r\n"),
    POST_WITH("Transfer-Encoding: chunked;q=1\r\n"),
    POST_WITH("Transfer-Encoding: chunked \x0b\r\n"),
    POST_WITH("Transfer-Encoding: xchunked\r\n"),
    POST_WITH("Transfer-Encoding: identity\r\n"),
    POST_WITH("Transfer-Encoding: 'chunked'\r\n"),
    POST_WITH("Transfer-Encoding: ,chunked\r\n"),
    POST_WITH("Transfer-Encoding:\r\n"),
    POST_WITH("Transfer-Encoding: gzip\r\n"),
    BYTES("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"),
};

/* Whom it is for. */
static const struct str bad_hosts[] = {
    GET(""),
    GET("Host: a\r\nHost: a\r\n"),
    GET("Host: a\r\nHost: b\r\n"),
    GET("Host:\r\n"),
    GET("Host: a b\r\n"),
    GET("Host: a,b\r\n"),
    GET("Host: a/b\r\n"),
    GET("Host: a@b\r\n"),
    GET("Host: a?b\r\n"),
    GET("Host: a:\r\n"),
    GET("Host: a:x\r\n"),
    GET("Host: a:65536\r\n"),
    GET("Host: a:000080\r\n"),
    GET("Host: a:80:80\r\n"),
    GET("Host: :80\r\n"),
    GET("Host: [::1\r\n"),
    GET("Host: []\r\n"),
    GET("Host: [::1]a\r\n"),
    GET("Host: [::g]\r\n"),
    GET("Host: [fe80::1%25eth0]\r\n"),
    GET("Host: ::1\r\n"),
    GET("Host: a%2eb\r\n"),
    GET("Host: \xe3\x81\x82\r\n"),
    BYTES("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"),
};

/* Request lines. */
static const struct str bad_request_lines[] = {
    BYTES("GET /\r\n\r\n"),
    BYTES("GET\r\n\r\n"),
    BYTES(" GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    BYTES("GET  / HTTP/1.1\r\nHost: a\r\n\r\n"),
    BYTES("GET /  HTTP/1.1\r\nHost: a\r\n\r\n"),
    BYTES("GET / HTTP/1.1 \r\nHost: a\r\n\r\n"),
    BYTES("GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    BYTES("G(T / HTTP/1.1\r\nHost: a\r\n\r\n"),
    BYTES("GET / http/1.1\r\nHost: a\r\n\r\n"),
    BYTES("GET / HTTP/1.10\r\nHost: a\r\n\r\n"),
    BYTES("GET / HTTP/01.1\r\nHost: a\r\n\r\n"),
    BYTES("GET / HTTP/1\r\nHost: a\r\n\r\n"),
    BYTES("GET / HTTPS/1.1\r\nHost: a\r\n\r\n"),
    TARGET("/a#b"),
    TARGET("/a\tb"),
    TARGET("/a\x7f"),
    TARGET("/a\x00"),
    TARGET("/\xe3\x81\x82"),
    TARGET("a"),
    TARGET("*"),
    TARGET("?a"),
    TARGET("a:80"),
    TARGET("http://"),
    TARGET("http:///a"),
    TARGET("http://b@a/"),
    TARGET("http://a:99999/"),
    TARGET("ftp://a/"),
    TARGET("javascript:1"),
    BYTES("CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n"),
    BYTES("CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n"),
    BYTES("CONNECT http://a:1/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    BYTES("OPTIONS ** HTTP/1.1\r\nHost: a\r\n\r\n"),
};

static const struct str good_requests[] = {
    HOST_AND(""),
    BYTES("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    GET("host:a\r\n"),
    GET("HOST: \t a \t \r\n"),
    GET("Host: a.example.com:8443\r\n"),
    GET("Host: 127.0.0.1:80\r\n"),
    GET("Host: [::1]\r\n"),
    GET("Host: [2001:db8::192.0.2.1]:65535\r\n"),
    GET("Host: my_service.internal.\r\n"),
    HOST_AND("X:\r\n"),
    HOST_AND("X: \r\n"),
    HOST_AND("X: a\tb\r\n"),
    HOST_AND("X: \xe3\x81\x82\r\n"),
    HOST_AND("X!#$%&'*+-.^_`|~9: b\r\n"),
    HOST_AND("X: a\r\nX: b\r\n"),
    HOST_AND("Connection: close\r\n"),
    HOST_AND("Connection: , keep-alive ,, X-Y ,\r\n"),
    HOST_AND("Connection: Upgrade\r\nUpgrade: websocket\r\n"),
    POST_WITH("Content-Length: 0\r\n"),
    POST_WITH("Content-Length: 0005\r\n"),
    POST_WITH("Content-Length: 9223372036854775807\r\n"),
    POST_WITH("Transfer-Encoding: chunked\r\n"),
    POST_WITH("transfer-encoding:CHUNKED\r\n"),
    POST_WITH("Content-Length: 5\r\nExpect: 100-Continue\r\n"),
    TARGET("/a/b?c=d?e&f=%20|{}"),
    TARGET("//a"),
    TARGET("/a%2Fb/../c;d=1,2"),
    TARGET("http://b"),
    TARGET("HTTPS://b:8080?x"),
    TARGET("http://[::1]:80/a?b"),
    BYTES("GET / HTTP/1.0\r\n\r\n"),
    BYTES("GET / HTTP/1.0\r\nHost:\r\n\r\n"),
    BYTES("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"),
    BYTES("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"),
    BYTES("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n"),
    BYTES("PROPFIND / HTTP/1.1\r\nHost: a\r\n\r\n"),
};

static enum http1_result parse(struct str bytes)
{
    const char *why = NULL;
    enum http1_result result = http1_parse_request(bytes, &head, &why);

    assert_int_equal(why != NULL, result != HTTP1_DONE && result != HTTP1_MORE);
    return result;
}

static enum http1_result parse_text(const char *text)
{
    return parse(str_of(text));
}

/* Every strict prefix asks for more or is refused in the words of the whole. */
static void check_prefixes(struct str bytes, enum http1_result whole, const char *why)
{
    static struct http1_head part;

    for (size_t len = 0; len < bytes.len; len++) {
        /* a copy of its own size, so that a sanitizer sees a read behind it */
        char *copy = mem_new(len + 1);
        memcpy(copy, bytes.ptr, len);
        char *exact = mem_grow(copy, len == 0 ? 1 : len);
        const char *why_part = NULL;
        enum http1_result result = http1_parse_request(str_from(exact, len), &part, &why_part);
        if (result != HTTP1_MORE && (result != whole || strcmp(why_part, why) != 0))
            fail_msg("prefix %zu of '" STR_FMT "': %d", len, STR_ARG(bytes), (int)result);
        free(exact);
    }
}

static void check_refused(const struct str *vectors, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *why = NULL;
        enum http1_result result = http1_parse_request(vectors[i], &head, &why);
        if (result != HTTP1_BAD || head.status != 400)
            fail_msg("vector %zu: '" STR_FMT "' gave %d", i, STR_ARG(vectors[i]), (int)result);
        assert_non_null(why);
        check_prefixes(vectors[i], result, why);
    }
}

static void a_line_ends_in_crlf_and_nothing_else(void **state)
{
    (void)state;
    check_refused(bad_lines, ARRAY_LEN(bad_lines));
}

static void header_names_and_values_have_no_foreign_characters(void **state)
{
    (void)state;
    check_refused(bad_headers, ARRAY_LEN(bad_headers));
}

static void a_body_with_two_possible_ends_is_refused(void **state)
{
    (void)state;
    check_refused(bad_framing, ARRAY_LEN(bad_framing));
}

static void a_request_names_exactly_one_host(void **state)
{
    (void)state;
    check_refused(bad_hosts, ARRAY_LEN(bad_hosts));
}

static void a_request_line_has_three_words_and_a_valid_target(void **state)
{
    (void)state;
    check_refused(bad_request_lines, ARRAY_LEN(bad_request_lines));
}

static void good_requests_are_accepted_and_none_of_their_prefixes(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good_requests); i++) {
        struct str bytes = good_requests[i];
        if (parse(bytes) != HTTP1_DONE)
            fail_msg("refused '" STR_FMT "'", STR_ARG(bytes));
        assert_int_equal(head.head_bytes, bytes.len);
        check_prefixes(bytes, HTTP1_MORE, "");
    }
}

static void write_head(const struct http1_head *from, struct buf *ret)
{
    buf_addf(ret, STR_FMT " " STR_FMT " HTTP/1.%d\r\n", STR_ARG(from->method_text),
             STR_ARG(from->target), from->minor_version);
    for (size_t i = 0; i < from->header_count; i++) {
        buf_add_str(ret, from->headers[i].name);
        buf_add_text(ret, ": ");
        buf_add_str(ret, from->headers[i].value);
        buf_add_text(ret, "\r\n");
    }
    buf_add_text(ret, "\r\n");
}

static void a_head_written_again_means_the_same(void **state)
{
    (void)state;
    static struct http1_head again;

    for (size_t i = 0; i < ARRAY_LEN(good_requests); i++) {
        AUTO(buf_done) struct buf text = {0};
        const char *why = NULL;
        assert_int_equal(parse(good_requests[i]), HTTP1_DONE);
        write_head(&head, &text);
        assert_int_equal(http1_parse_request(buf_str(&text), &again, &why), HTTP1_DONE);
        assert_int_equal(again.framing, head.framing);
        assert_int_equal(again.content_length, head.content_length);
        assert_int_equal(again.keep_alive, head.keep_alive);
        assert_int_equal(again.upgrade, head.upgrade);
        assert_true(str_eq(again.path, head.path) && str_eq(again.query, head.query));
        assert_true(str_eq(again.host, head.host));
        assert_int_equal(again.header_count, head.header_count);
        for (size_t h = 0; h < head.header_count; h++) {
            assert_int_equal(again.headers[h].id, head.headers[h].id);
            assert_int_equal(again.headers[h].hop_by_hop, head.headers[h].hop_by_hop);
            assert_true(str_eq(again.headers[h].value, head.headers[h].value));
        }
    }
}

static void a_target_is_split_into_path_query_and_host(void **state)
{
    (void)state;
    static const struct {
        const char *line, *path, *query, *host;
    } table[] = {
        {"GET /a/b?c?d", "/a/b", "c?d", "h:1"},
        {"GET /a", "/a", NULL, "h:1"},
        {"GET /a?", "/a", "", "h:1"},
        {"GET http://x.example", "/", NULL, "x.example"},
        {"GET http://x.example?q", "/", "q", "x.example"},
        {"GET https://x.example:44/p/?q", "/p/", "q", "x.example:44"},
        {"OPTIONS *", "", NULL, "h:1"},
        {"CONNECT x:443", "", NULL, "x:443"},
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        AUTO(buf_done) struct buf text = {0};
        buf_addf(&text, "%s HTTP/1.1\r\nHost: h:1\r\n\r\n", table[i].line);
        assert_int_equal(parse(buf_str(&text)), HTTP1_DONE);
        assert_true(str_is(head.path, table[i].path));
        assert_int_equal(head.query.ptr == NULL, table[i].query == NULL);
        assert_true(str_is(head.query, table[i].query));
        assert_true(str_is(head.host, table[i].host));
    }
}

static void keep_alive_follows_version_and_connection(void **state)
{
    (void)state;
    static const struct {
        const char *version, *connection;
        bool keep_alive;
    } table[] = {
        {"1.1", "x", true},      {"1.1", "close", false},
        {"1.0", "x", false},     {"1.1", "keep-alive, Close", false},
        {"1.0", "CLOSE", false}, {"1.0", "x, Keep-Alive", true},
        {"1.1", "", true},       {"1.0", "keep-alive, close", false},
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        AUTO(buf_done) struct buf text = {0};
        buf_addf(&text, "GET / HTTP/%s\r\nHost: h\r\nConnection: %s\r\n\r\n", table[i].version,
                 table[i].connection);
        assert_int_equal(parse(buf_str(&text)), HTTP1_DONE);
        assert_int_equal(head.keep_alive, table[i].keep_alive);
    }
}

static bool is_marked(const char *name)
{
    for (size_t i = 0; i < head.header_count; i++)
        if (str_eq_nocase(head.headers[i].name, str_of(name)))
            return head.headers[i].hop_by_hop;
    fail_msg("no header %s", name);
    return false;
}

static void connection_marks_what_it_names_but_not_what_the_program_knows(void **state)
{
    (void)state;
    static const char *const marked[] = {"Connection", "Keep-Alive", "Proxy-Connection", "TE",
                                         "Trailer",    "Upgrade",    "X-Drop",           "X-Late"};
    static const char *const kept[] = {"Host",           "Cookie",          "Authorization",
                                       "Content-Length", "X-Forwarded-For", "X-Keep"};

    assert_int_equal(
        parse_text("POST / HTTP/1.1\r\nX-Drop: 1\r\nHost: a\r\nX-Keep: 1\r\nKeep-Alive: 5\r\n"
                   "Connection: x-drop, Host, Cookie, content-length, te\r\nTE: trailers\r\n"
                   "Connection: X-Late,X-Forwarded-For,Authorization,Upgrade\r\nCookie: a=b\r\n"
                   "Upgrade: h2c\r\nProxy-Connection: close\r\nTrailer: X\r\nX-Late: 2\r\n"
                   "Authorization: b\r\nX-Forwarded-For: c\r\nContent-Length: 3\r\n\r\n"),
        HTTP1_DONE);
    for (size_t i = 0; i < ARRAY_LEN(marked); i++)
        assert_true(is_marked(marked[i]));
    for (size_t i = 0; i < ARRAY_LEN(kept); i++)
        assert_false(is_marked(kept[i]));
    assert_int_equal(head.framing, HTTP_LENGTH);
    assert_true(head.upgrade && head.keep_alive);
    assert_true(str_is(head.upgrade_protocol, "h2c"));
}

static void a_header_is_found_by_its_name(void **state)
{
    (void)state;
    assert_int_equal(parse_text("GET / HTTP/1.1\r\nHost: a\r\nCookie: one\r\ncookie: two\r\n\r\n"),
                     HTTP1_DONE);
    assert_true(str_is(http1_header(&head, HTTP_COOKIE), "one"));
    assert_null(http1_header(&head, HTTP_RANGE).ptr);
    assert_true(str_is(http1_header_named(&head, STR("COOKIE")), "one"));
    assert_true(str_is(http1_header_named(&head, STR("host")), "a"));
    assert_null(http1_header_named(&head, STR("hos")).ptr);
    assert_null(http1_header_named(&head, STR("hosts")).ptr);
}

static void a_cookie_is_found_by_its_name(void **state)
{
    (void)state;
    assert_int_equal(
        parse_text("GET / HTTP/1.1\r\nHost: a\r\nX-Cookie: d=no\r\nCookie: ; a; "
                   "ab=1;\t b = 2 ;c==3;b=4\r\nCookie: d=\r\ncookie: b=5; a=6\r\n\r\n"),
        HTTP1_DONE);
    assert_true(str_is(http1_cookie(&head, STR("ab")), "1"));
    assert_true(str_is(http1_cookie(&head, STR("c")), "=3"));
    assert_true(str_is(http1_cookie(&head, STR("b")), "4")); /* a name has no blanks */
    assert_true(
        str_is(http1_cookie(&head, STR("a")), "6")); /* nor is one without a value a cookie */
    struct str empty = http1_cookie(&head, STR("d"));
    assert_true(empty.ptr != NULL && empty.len == 0);
    assert_null(http1_cookie(&head, STR("B")).ptr);
    assert_null(http1_cookie(&head, STR("")).ptr);
}

static void upgrade_needs_both_headers_and_http_1_1(void **state)
{
    (void)state;
    assert_int_equal(parse_text("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n"),
                     HTTP1_DONE);
    assert_false(head.upgrade);
    assert_int_equal(parse_text("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n\r\n"),
                     HTTP1_DONE);
    assert_false(head.upgrade);
    assert_int_equal(
        parse_text("GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"),
        HTTP1_DONE);
    assert_false(head.upgrade);
}

static void expect_counts_only_for_a_body_in_http_1_1(void **state)
{
    (void)state;
    assert_int_equal(
        parse_text(
            "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n"),
        HTTP1_DONE);
    assert_true(head.expect_continue && !head.expect_unknown);
    assert_int_equal(parse_text("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n"),
                     HTTP1_DONE);
    assert_false(head.expect_continue);
    assert_int_equal(
        parse_text("PUT / HTTP/1.0\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n"),
        HTTP1_DONE);
    assert_false(head.expect_continue || head.expect_unknown);
    assert_int_equal(parse_text("PUT / HTTP/1.1\r\nHost: a\r\nExpect: the-best\r\n\r\n"),
                     HTTP1_DONE);
    assert_true(head.expect_unknown);
}

static void what_is_valid_but_not_done_here_says_so(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int status;
    } table[] = {
        {"PRI * HTTP/2.0\r\n\r\n", 400}, /* '*' is for OPTIONS */
        {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
        {"GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505},
        {"GET / HTTP/0.9\r\nHost: a\r\n\r\n", 505},
        {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501},
        {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: x,y ,CHUNKED\r\n\r\n", 501},
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        assert_int_equal(parse_text(table[i].text),
                         table[i].status == 400 ? HTTP1_BAD : HTTP1_UNSUPPORTED);
        assert_int_equal(head.status, table[i].status);
    }
}

static void write_many_headers(struct buf *ret, int count)
{
    buf_add_text(ret, "GET / HTTP/1.1\r\nHost: a\r\n");
    for (int i = 1; i < count; i++)
        buf_addf(ret, "X-%d: b\r\n", i);
    buf_add_text(ret, "\r\n");
}

static void one_header_more_than_the_limit_is_too_large(void **state)
{
    (void)state;
    AUTO(buf_done) struct buf fits = {0};
    AUTO(buf_done) struct buf above = {0};

    write_many_headers(&fits, HTTP1_MAX_HEADERS);
    assert_int_equal(parse(buf_str(&fits)), HTTP1_DONE);
    assert_int_equal(head.header_count, HTTP1_MAX_HEADERS);
    write_many_headers(&above, HTTP1_MAX_HEADERS + 1);
    assert_int_equal(parse(buf_str(&above)), HTTP1_TOO_LARGE);
    assert_int_equal(head.status, 431);
}

static void one_connection_token_more_than_the_limit_is_refused(void **state)
{
    (void)state;
    for (int count = HTTP1_MAX_CONNECTION_TOKENS; count <= HTTP1_MAX_CONNECTION_TOKENS + 1;
         count++) {
        AUTO(buf_done) struct buf text = {0};
        buf_add_text(&text, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nConnection: ");
        for (int i = 1; i < count; i++)
            buf_add_text(&text, "x,");
        buf_add_text(&text, "\r\n\r\n");
        assert_int_equal(parse(buf_str(&text)),
                         count <= HTTP1_MAX_CONNECTION_TOKENS ? HTTP1_DONE : HTTP1_BAD);
    }
}

static void a_host_longer_than_the_limit_is_refused(void **state)
{
    (void)state;
    for (int len = HTTP1_MAX_HOST_BYTES; len <= HTTP1_MAX_HOST_BYTES + 1; len++) {
        AUTO(buf_done) struct buf text = {0};
        buf_add_text(&text, "GET / HTTP/1.1\r\nHost: ");
        for (int i = 0; i < len; i++)
            buf_add_char(&text, 'a');
        buf_add_text(&text, "\r\n\r\n");
        assert_int_equal(parse(buf_str(&text)),
                         len <= HTTP1_MAX_HOST_BYTES ? HTTP1_DONE : HTTP1_BAD);
    }
}

static void names_are_found_whatever_their_case(void **state)
{
    (void)state;
    for (int id = HTTP_OTHER + 1; id < HTTP_NAME_COUNT; id++) {
        char text[40];
        const char *name = http_name_text((enum http_name)id);
        assert_non_null(name);
        (void)snprintf(text, sizeof text, "%s", name);
        assert_int_equal(http_name_find(str_of(text)), id);
        for (char *p = text; *p != '\0'; p++)
            if (*p >= 'a' && *p <= 'z')
                *p = (char)(*p - 32);
        assert_int_equal(http_name_find(str_of(text)), id);
        for (char *p = text; *p != '\0'; p++) {
            char saved = *p;
            *p = '!';
            assert_int_not_equal(http_name_find(str_of(text)), id);
            *p = saved;
        }
    }
    assert_int_equal(http_name_find(STR("Hos")), HTTP_OTHER);
    assert_int_equal(http_name_find(STR("Hostt")), HTTP_OTHER);
    assert_int_equal(http_name_find(STR("")), HTTP_OTHER);
}

static const struct {
    enum http_method method;
    const char *text;
    enum http_framing framing;
    bool keep_alive;
} good_responses[] = {
    {HTTP_GET, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", HTTP_LENGTH, true},
    {HTTP_GET, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", HTTP_NO_BODY, true},
    {HTTP_GET, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP_CHUNKED, true},
    {HTTP_GET, "HTTP/1.1 200 OK\r\n\r\n", HTTP_UNTIL_CLOSE, false},
    {HTTP_GET, "HTTP/1.1 200 OK\r\nHost: a b\r\n\r\n", HTTP_UNTIL_CLOSE, false},
    {HTTP_GET, "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n", HTTP_UNTIL_CLOSE, false},
    {HTTP_GET, "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\n",
     HTTP_LENGTH, true},
    {HTTP_GET, "HTTP/1.1 200\r\nContent-Length: 5\r\n\r\n", HTTP_LENGTH, true},
    {HTTP_GET, "HTTP/1.1 200 \r\nConnection: close\r\nContent-Length: 5\r\n\r\n", HTTP_LENGTH,
     false},
    {HTTP_GET, "HTTP/1.1 200 \xe3\x81\x82 b\r\nContent-Length: 5\r\n\r\n", HTTP_LENGTH, true},
    {HTTP_HEAD, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", HTTP_NO_BODY, true},
    {HTTP_HEAD, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP_NO_BODY, true},
    {HTTP_HEAD, "HTTP/1.1 200 OK\r\n\r\n", HTTP_NO_BODY, true},
    {HTTP_GET, "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", HTTP_NO_BODY, true},
    {HTTP_GET, "HTTP/1.1 204 No Content\r\n\r\n", HTTP_NO_BODY, true},
    {HTTP_GET, "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", HTTP_NO_BODY, true},
    {HTTP_PUT, "HTTP/1.1 100 Continue\r\n\r\n", HTTP_NO_BODY, true},
    {HTTP_GET, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
     HTTP_NO_BODY, true},
    {HTTP_CONNECT, "HTTP/1.1 200 OK\r\n\r\n", HTTP_NO_BODY, true},
    {HTTP_CONNECT, "HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\n", HTTP_LENGTH, true},
};

static void the_body_of_a_response_ends_where_the_rfc_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good_responses); i++) {
        struct str bytes = str_of(good_responses[i].text);
        enum http_method method = good_responses[i].method;
        const char *why = NULL;
        for (size_t len = 0; len < bytes.len; len++)
            assert_int_equal(http1_parse_response(str_sub(bytes, 0, len), method, &head, &why),
                             HTTP1_MORE);
        assert_int_equal(http1_parse_response(bytes, method, &head, &why), HTTP1_DONE);
        assert_int_equal(head.head_bytes, bytes.len);
        if (head.framing != good_responses[i].framing)
            fail_msg("framing %d of '%s'", (int)head.framing, good_responses[i].text);
        assert_int_equal(head.keep_alive, good_responses[i].keep_alive);
    }
}

static void a_response_that_could_be_read_in_two_ways_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "HTTP/1.1 200 OK\n\n",
        "HTTP/1.1 200 OK\r\nX: a\n\r\n",
        "HTTP/1.1 20\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 099 OK\r\n\r\n",
        "HTTP/1.1 600 OK\r\n\r\n",
        "HTTP/1.1  200 OK\r\n\r\n",
        "HTTP/1.1\t200 OK\r\n\r\n",
        "HTTP/1.1 200\tOK\r\n\r\n",
        "HTTP/1.1 200 O\001K\r\n\r\n",
        "HTTP/1.1 +20 OK\r\n\r\n",
        "\r\nHTTP/1.1 200 OK\r\n\r\n",
        " HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1\r\n\r\n",
        "ICY 200 OK\r\n\r\n",
        "http/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 101 Switching\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\n folded\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX : b\r\n\r\n",
    };

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct str bytes = str_of(bad[i]);
        const char *why = NULL, *why_part = NULL;
        if (http1_parse_response(bytes, HTTP_GET, &head, &why) != HTTP1_BAD)
            fail_msg("accepted '%s'", bad[i]);
        for (size_t len = 0; len < bytes.len; len++) {
            enum http1_result result =
                http1_parse_response(str_sub(bytes, 0, len), HTTP_GET, &head, &why_part);
            assert_true(result == HTTP1_MORE || (result == HTTP1_BAD && why_part == why));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_ends_in_crlf_and_nothing_else),
        cmocka_unit_test(header_names_and_values_have_no_foreign_characters),
        cmocka_unit_test(a_body_with_two_possible_ends_is_refused),
        cmocka_unit_test(a_request_names_exactly_one_host),
        cmocka_unit_test(a_request_line_has_three_words_and_a_valid_target),
        cmocka_unit_test(good_requests_are_accepted_and_none_of_their_prefixes),
        cmocka_unit_test(a_head_written_again_means_the_same),
        cmocka_unit_test(a_target_is_split_into_path_query_and_host),
        cmocka_unit_test(keep_alive_follows_version_and_connection),
        cmocka_unit_test(connection_marks_what_it_names_but_not_what_the_program_knows),
        cmocka_unit_test(a_header_is_found_by_its_name),
        cmocka_unit_test(a_cookie_is_found_by_its_name),
        cmocka_unit_test(upgrade_needs_both_headers_and_http_1_1),
        cmocka_unit_test(expect_counts_only_for_a_body_in_http_1_1),
        cmocka_unit_test(what_is_valid_but_not_done_here_says_so),
        cmocka_unit_test(one_header_more_than_the_limit_is_too_large),
        cmocka_unit_test(one_connection_token_more_than_the_limit_is_refused),
        cmocka_unit_test(a_host_longer_than_the_limit_is_refused),
        cmocka_unit_test(names_are_found_whatever_their_case),
        cmocka_unit_test(the_body_of_a_response_ends_where_the_rfc_says),
        cmocka_unit_test(a_response_that_could_be_read_in_two_ways_is_refused),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
