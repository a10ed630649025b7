/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/err.h"
#include "edge/proxy_protocol.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

static void parse_as(struct str bytes, enum proxy_protocol_result result, const char *source)
{
    struct proxy_protocol header;
    const char *why = NULL;
    char text[SOCKET_TEXT_BYTES];

    assert_int_equal(proxy_protocol_parse(bytes, &header, &why), result);
    if (result == PROXY_PROTOCOL_BAD)
        assert_non_null(why);
    assert_int_equal(header.has_source, source != NULL);
    if (source != NULL) {
        socket_address_format(&header.source, text);
        assert_string_equal(text, source);
    }
}

/* However it is cut, it is incomplete until it is whole, and what follows does not count. */
static void parse_cut(struct str bytes, const char *source)
{
    char more[512];
    struct proxy_protocol header;
    const char *why;

    for (size_t i = 0; i < bytes.len; i++)
        parse_as(str_from(bytes.ptr, i), PROXY_PROTOCOL_MORE, NULL);
    parse_as(bytes, PROXY_PROTOCOL_DONE, source);
    memcpy(more, bytes.ptr, bytes.len);
    memcpy(more + bytes.len, "GET /\n\r\n", 8);
    assert_int_equal(proxy_protocol_parse(str_from(more, bytes.len + 8), &header, &why),
                     PROXY_PROTOCOL_DONE);
    assert_int_equal(header.header_bytes, bytes.len);
}

static void headers_of_both_versions_are_read(void **state)
{
    (void)state;
    parse_cut(STR("PROXY TCP4 192.0.2.5 192.0.2.6 4444 80\r\n"), "192.0.2.5:4444");
    parse_cut(STR("PROXY TCP6 2001:db8::5 2001:db8::6 0 65535\r\n"), "[2001:db8::5]:0");
    parse_cut(STR("PROXY UNKNOWN\r\n"), NULL);
    parse_cut(STR("PROXY UNKNOWN ffff:f...f:ffff 65535 65535\r\n"), NULL);
    parse_cut(STR(SIGNATURE "\x21\x11\0\x0c\xc0\0\2\7\xc0\0\2\x08\x11\x5c\0\x50"),
              "192.0.2.7:4444");
    parse_cut(STR(SIGNATURE "\x21\x11\0\x10\xc0\0\2\7\xc0\0\2\x08\x11\x5c\0\x50\4\0\1x"),
              "192.0.2.7:4444");
    parse_cut(STR(SIGNATURE "\x20\0\0\0"), NULL);
    parse_cut(STR(SIGNATURE "\x20\x11\0\3xyz"), NULL); /* what LOCAL says does not count */
    parse_cut(STR(SIGNATURE "\x21\0\0\3xyz"), NULL);
}

static void what_the_document_does_not_allow_is_refused(void **state)
{
    static const struct str bad[] = {
        {"GET / HTTP/1.1\r\n", 16},
        {"PROXX", 5},
        {"proxy ", 6},
        {"\r\n\r\n\0\r\nQUIX", 11},
        {"PROXY TCP4 192.0.2.5 192.0.2.6 4444\r\n", 37},
        {"PROXY TCP4 192.0.2.5 192.0.2.6 4444 80 \r\n", 41},
        {"PROXY TCP4  192.0.2.5 192.0.2.6 4444 80\r\n", 41},
        {"PROXY TCP4 192.0.2.5 192.0.2.6 04444 80\r\n", 41},
        {"PROXY TCP4 192.0.2.5 192.0.2.6 +444 80\r\n", 40},
        {"PROXY TCP4 192.0.2.5 192.0.2.6 4444 65536\r\n", 43},
        {"PROXY TCP4 ::1 ::1 4444 80\r\n", 28},
        {"PROXY TCP6 192.0.2.5 192.0.2.6 1 1\r\n", 36},
        {"PROXY TCP5 192.0.2.5 192.0.2.6 1 1\r\n", 36},
        {"PROXY TCP4 192.0.2.5\n", 21},
        {"PROXY UNKNOWN\rX", 15},
        {SIGNATURE "\x11\x11\0\0", 16},
        {SIGNATURE "\x22\x11\0\0", 16},
        {SIGNATURE "\x21\x12\0\0", 16},
        {SIGNATURE "\x21\x11\0\1x", 17},
        {SIGNATURE "\x21\x11\xff\xff", 16},
        {SIGNATURE "\x21\x11\0\x0e\xc0\0\2\7\xc0\0\2\x08\x11\x5c\0\x50\4\0", 30},
        {SIGNATURE "\x21\x11\0\x0f\xc0\0\2\7\xc0\0\2\x08\x11\x5c\0\x50\4\0\1", 31},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        parse_as(bad[i], PROXY_PROTOCOL_BAD, NULL);
}

static void a_line_has_an_end(void **state)
{
    char line[120];

    (void)state;
    memset(line, 'x', sizeof line);
    memcpy(line, "PROXY UNKNOWN ", 14);
    parse_as(str_from(line, 106), PROXY_PROTOCOL_MORE, NULL);
    parse_as(str_from(line, 107), PROXY_PROTOCOL_BAD, NULL);
    memcpy(line + 105, "\r\n", 2);
    parse_as(str_from(line, 107), PROXY_PROTOCOL_DONE, NULL);
}

static void a_proxy_may_speak_for_itself(void **state)
{
    (void)state;
    for (unsigned version = 1; version <= 2; version++) {
        char bytes[PROXY_PROTOCOL_OUT_BYTES];
        parse_cut(str_from(bytes, proxy_protocol_format_own(version, bytes)), NULL);
    }
}

static void what_is_written_can_be_read(void **state)
{
    static const char *const ips[][2] = {
        {"192.0.2.1", "198.51.100.1"}, {"2001:db8::1", "::1"}, {"::ffff:192.0.2.1", "2001:db8::2"}};
    union socket_address source, destination;
    struct err err;

    (void)state;
    for (unsigned version = 1; version <= 2; version++)
        for (size_t i = 0; i < ARRAY_LEN(ips); i++) {
            char bytes[PROXY_PROTOCOL_OUT_BYTES], text[SOCKET_TEXT_BYTES];
            assert_true(socket_address_parse(ips[i][0], 1234, &source, &err));
            assert_true(socket_address_parse(ips[i][1], 443, &destination, &err));
            size_t len = proxy_protocol_format(version, &source, &destination, bytes);
            assert_true(len < sizeof bytes);
            socket_address_format(&source, text);
            parse_as(str_from(bytes, len), PROXY_PROTOCOL_DONE, text);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_of_both_versions_are_read),
        cmocka_unit_test(what_the_document_does_not_allow_is_refused),
        cmocka_unit_test(a_line_has_an_end),
        cmocka_unit_test(what_is_written_can_be_read),
        cmocka_unit_test(a_proxy_may_speak_for_itself),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
