/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "http/http1.h"
#include "http/http_condition.h"
#include "http/http_mime.h"
#include "http/http_names.h"
#include "http/http_negotiate.h"
#include "http/http_range.h"

static void ranges_are_read_by_rfc_9110(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        uint64_t size;
        enum http_range_result result;
        struct http_range ranges[3];
        size_t count;
    } table[] = {
        {"bytes=0-4", 10, HTTP_RANGE_PARTS, {{0, 4}}, 1},
        {"Bytes=0-0", 10, HTTP_RANGE_PARTS, {{0, 0}}, 1},
        {"bytes=5-", 10, HTTP_RANGE_PARTS, {{5, 9}}, 1},
        {"bytes=-3", 10, HTTP_RANGE_PARTS, {{7, 9}}, 1},
        {"bytes=-30", 10, HTTP_RANGE_PARTS, {{0, 9}}, 1},
        {"bytes=5-100", 10, HTTP_RANGE_PARTS, {{5, 9}}, 1},
        {"bytes=5-99999999999999999999999", 10, HTTP_RANGE_PARTS, {{5, 9}}, 1},
        {"bytes=8-9, 0-1 ,3-3", 10, HTTP_RANGE_PARTS, {{8, 9}, {0, 1}, {3, 3}}, 3},
        {"bytes=0-1,20-30", 10, HTTP_RANGE_PARTS, {{0, 1}}, 1},
        {"bytes=10-", 10, HTTP_RANGE_UNSATISFIABLE, {{0, 0}}, 0},
        {"bytes=99999999999999999999999-", 10, HTTP_RANGE_UNSATISFIABLE, {{0, 0}}, 0},
        {"bytes=-0", 10, HTTP_RANGE_UNSATISFIABLE, {{0, 0}}, 0},
        {"bytes=0-", 0, HTTP_RANGE_UNSATISFIABLE, {{0, 0}}, 0},
        {"bytes=-5", 0, HTTP_RANGE_UNSATISFIABLE, {{0, 0}}, 0},
        {"bytes=", 10, HTTP_RANGE_WHOLE, {{0, 0}}, 0},
        {"bytes=,", 10, HTTP_RANGE_WHOLE, {{0, 0}}, 0},
        {"bytes=4-3", 10, HTTP_RANGE_WHOLE, {{0, 0}}, 0},
        {"bytes=a-b", 10, HTTP_RANGE_WHOLE, {{0, 0}}, 0},
        {"bytes=-", 10, HTTP_RANGE_WHOLE, {{0, 0}}, 0},
        {"bytes=1-2-3", 10, HTTP_RANGE_WHOLE, {{0, 0}}, 0},
        {"bytes= 1", 10, HTTP_RANGE_WHOLE, {{0, 0}}, 0},
        {"items=0-1", 10, HTTP_RANGE_WHOLE, {{0, 0}}, 0},
        {"", 10, HTTP_RANGE_WHOLE, {{0, 0}}, 0},
        {"bytes=0-5,5-6", 10, HTTP_RANGE_WHOLE, {{0, 0}}, 0},
        {"bytes=0-,0-", 10, HTTP_RANGE_WHOLE, {{0, 0}}, 0},
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct http_range ranges[HTTP_MAX_RANGES];
        size_t count = 0;
        if (http_range_parse(str_of(table[i].value), table[i].size, ranges, &count) !=
            table[i].result)
            fail_msg("wrong result for '%s'", table[i].value);
        assert_int_equal(count, table[i].count);
        for (size_t r = 0; r < count; r++) {
            assert_true(ranges[r].first == table[i].ranges[r].first);
            assert_true(ranges[r].last == table[i].ranges[r].last);
        }
    }
}

static void one_range_more_than_the_limit_gets_the_whole(void **state)
{
    (void)state;
    for (int count = HTTP_MAX_RANGES; count <= HTTP_MAX_RANGES + 1; count++) {
        AUTO(buf_done) struct buf value = {0};
        struct http_range ranges[HTTP_MAX_RANGES];
        size_t found;
        buf_add_text(&value, "bytes=");
        for (int i = 0; i < count; i++)
            buf_addf(&value, "%d-%d,", i * 2, i * 2);
        assert_int_equal(http_range_parse(buf_str(&value), 1000, ranges, &found),
                         count <= HTTP_MAX_RANGES ? HTTP_RANGE_PARTS : HTTP_RANGE_WHOLE);
    }
}

static void entity_tags_are_compared_weakly_in_lists(void **state)
{
    (void)state;
    static const struct {
        const char *list, *etag;
        bool listed;
    } table[] = {
        {"\"a\"", "\"a\"", true},
        {"W/\"a\"", "\"a\"", true},
        {"\"a\"", "W/\"a\"", true},
        {"\"x\", \"y\" ,W/\"a\"", "\"a\"", true},
        {"\"x,y\",\"a\"", "\"a\"", true},
        {",, \"a\",", "\"a\"", true},
        {"*", "\"a\"", true},
        {"\"x,\"a\"\"", "\"a\"", false},
        {"\"a\"x", "\"a\"", false},
        {"\"a\" \"b\"", "\"a\"", false},
        {"\"x\", \"a\"x", "\"a\"", false},
        {"\"b\"", "\"a\"", false},
        {"\"A\"", "\"a\"", false},
        {"a", "\"a\"", false},
        {"w/\"a\"", "\"a\"", false},
        {"\"a", "\"a\"", false},
        {"W/", "\"a\"", false},
        {"x, \"a\"", "\"a\"", false},
        {"\"x\" \"a\"", "\"a\"", false},
        {"", "\"a\"", false},
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (http_etag_is_listed(str_of(table[i].list), str_of(table[i].etag)) != table[i].listed)
            fail_msg("%s in %s", table[i].etag, table[i].list);
    assert_true(http_etag_is_same(STR("\"a\""), STR("\"a\"")));
    assert_false(http_etag_is_same(STR("W/\"a\""), STR("W/\"a\"")));
    assert_false(http_etag_is_same(STR("\"a\""), STR("\"b\"")));
    assert_false(http_etag_is_same(STR(""), STR("")));
}

static void entity_tags_are_compared_strongly_in_lists(void **state)
{
    (void)state;
    static const struct {
        const char *list, *etag;
        bool listed;
    } table[] = {
        {"\"a\"", "\"a\"", true},
        {"W/\"a\"", "\"a\"", false},
        {"\"a\"", "W/\"a\"", false},
        {"W/\"a\"", "W/\"a\"", false},
        {"W/\"a\", \"a\"", "\"a\"", true},
        {"\"b\",\"a\"", "\"a\"", true},
        {"*", "\"a\"", true},
        {"*", "W/\"a\"", true},
        {"\"a\"x", "\"a\"", false},
        {"\"b\"", "\"a\"", false},
        {"", "\"a\"", false},
        {"a", "\"a\"", false},
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct str list = str_of(table[i].list), etag = str_of(table[i].etag);
        if (http_etag_is_listed_strongly(list, etag) != table[i].listed)
            fail_msg("%s in %s", table[i].etag, table[i].list);
        assert_true(!table[i].listed || http_etag_is_listed(list, etag));
    }
}

#define BEFORE "Fri, 02 Jan 2026 03:04:04 GMT"
#define THEN   "Fri, 02 Jan 2026 03:04:05 GMT"
#define AFTER  "Fri, 02 Jan 2026 03:04:06 GMT"

/* RFC 9110, 13.2.2: of a file with the tag "a" that was changed at THEN. */
static void conditions_are_judged_in_their_order(void **state)
{
    static const struct {
        const char *lines;
        int status;
    } table[] = {
        {"", 200},
        {"If-Match: \"a\"\r\n", 200},
        {"if-match: *\r\n", 200},
        {"If-Match: \"b\"\r\n", 412},
        {"If-Match: W/\"a\"\r\n", 412},
        {"If-Match: \"a\"x\r\n", 412},
        {"If-Match:\r\n", 412},
        {"If-Match: \"b\"\r\nIF-MATCH: \"a\"\r\n", 200},
        {"If-Unmodified-Since: " BEFORE "\r\n", 412},
        {"If-Unmodified-Since: " THEN "\r\n", 200},
        {"If-Unmodified-Since: " AFTER "\r\n", 200},
        {"If-Unmodified-Since: yesterday\r\n", 200},
        {"If-Match: \"a\"\r\nIf-Unmodified-Since: " BEFORE "\r\n", 200},
        {"If-Match: \"b\"\r\nIf-Unmodified-Since: " AFTER "\r\n", 412},
        {"If-None-Match: \"a\"\r\n", 304},
        {"If-None-Match: W/\"a\"\r\n", 304},
        {"If-None-Match: *\r\n", 304},
        {"If-None-Match: \"b\"\r\n", 200},
        {"If-None-Match: \"a\"x\r\n", 200},
        {"If-None-Match: \"b\"\r\nIf-None-Match: \"c\", \"a\"\r\n", 304},
        {"If-Modified-Since: " BEFORE "\r\n", 200},
        {"If-Modified-Since: " THEN "\r\n", 304},
        {"If-Modified-Since: " AFTER "\r\n", 304},
        {"If-Modified-Since: 0\r\n", 200},
        {"If-None-Match: \"b\"\r\nIf-Modified-Since: " AFTER "\r\n", 200},
        {"If-None-Match: \"a\"\r\nIf-Modified-Since: " BEFORE "\r\n", 304},
        {"If-None-Match: \"a\"\r\nIf-Match: \"b\"\r\n", 412},
        {"If-None-Match: \"a\"\r\nIf-Match: \"a\"\r\n", 304},
        {"If-Modified-Since: " AFTER "\r\nIf-Unmodified-Since: " BEFORE "\r\n", 412},
        {"If-Modified-Since: " THEN "\r\nIf-Unmodified-Since: " THEN "\r\n", 304},
        {"If-Matched: \"b\"\r\nX-If-Match: \"b\"\r\n", 200},
    };
    int64_t then;

    (void)state;
    assert_true(clock_parse_http(STR(THEN), &then));
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        AUTO(buf_done) struct buf text = {0};
        struct http1_head head;
        const char *why;
        buf_addf(&text, "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n", table[i].lines);
        assert_int_equal(http1_parse_request(buf_str(&text), &head, &why), HTTP1_DONE);
        int status = http_condition_check(&head, STR("\"a\""), then);
        if (status != table[i].status)
            fail_msg("%d for %s", status, table[i].lines);
    }
}

enum {
    BR = 1 << HTTP_CODING_BR,
    ZSTD = 1 << HTTP_CODING_ZSTD,
    GZIP = 1 << HTTP_CODING_GZIP,
    IDENTITY = 1 << HTTP_CODING_IDENTITY,
    ALL = BR | ZSTD | GZIP | IDENTITY,
};

static void the_coding_a_client_likes_best_is_picked(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        unsigned available;
        const char *coding;
    } table[] = {
        {NULL, ALL, "identity"},
        {"", ALL, "identity"},
        {"gzip, deflate, br, zstd", ALL, "br"},
        {"gzip, deflate, br, zstd", GZIP | ZSTD | IDENTITY, "zstd"},
        {"gzip, deflate, br", GZIP | IDENTITY, "gzip"},
        {"gzip, deflate, br", IDENTITY, "identity"},
        {"gzip;q=1.0, br;q=0.5", ALL, "gzip"},
        {"gzip;q=0.123 , BR;q=0.124", ALL, "br"},
        {"gzip ; q=0.2", ALL, "gzip"},
        {"gzip;q=0", ALL, "identity"},
        {"x-gzip", ALL, "gzip"},
        {"*", ALL, "br"},
        {"*;q=0", ALL, "identity"},
        {"*;q=0.5, br;q=0", ALL, "zstd"},
        {"identity;q=1, gzip;q=0.5", ALL, "identity"},
        {"identity;q=0.5, gzip", ALL, "gzip"},
        {"identity;q=0", ALL, "identity"},
        {"deflate", ALL, "identity"},
        {"gzip;q=2", ALL, "identity"},
        {"gzip;q=x", ALL, "identity"},
        {"gzip;q=0.x", ALL, "identity"},
        {"gzip;q=1.001", ALL, "identity"},
        {"gzip;q=0.1234", ALL, "identity"},
        {"gzip;q=-1", ALL, "identity"},
        {"gzip;q=", ALL, "identity"},
        {"gzip;x=1", ALL, "identity"},
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        enum http_coding coding = http_coding_pick(str_of(table[i].value), table[i].available);
        if (strcmp(http_coding_name(coding), table[i].coding) != 0)
            fail_msg("'%s' gave %s", table[i].value, http_coding_name(coding));
    }
}

static void every_ending_of_the_table_is_found(void **state)
{
    (void)state;
    static const char *const endings[] = {
        "7z",   "aac",  "apng",  "atom",  "avi",  "avif",   "bmp",  "br",   "bz2",
        "cjs",  "css",  "csv",   "doc",   "docx", "eot",    "epub", "flac", "geojson",
        "gif",  "glb",  "gltf",  "gz",    "heic", "htm",    "html", "ico",  "ics",
        "jar",  "jpeg", "jpg",   "js",    "json", "jsonld", "jxl",  "log",  "m3u8",
        "m4a",  "m4v",  "map",   "md",    "mid",  "mjs",    "mov",  "mp3",  "mp4",
        "mpd",  "mpeg", "odt",   "oga",   "ogg",  "ogv",    "opus", "otf",  "pdf",
        "png",  "ppt",  "pptx",  "rss",   "rtf",  "svg",    "tar",  "tif",  "tiff",
        "ts",   "ttf",  "txt",   "vtt",   "wasm", "wav",    "weba", "webm", "webmanifest",
        "webp", "woff", "woff2", "xhtml", "xls",  "xlsx",   "xml",  "yaml", "yml",
        "zip",  "zst",
    };

    for (size_t i = 0; i < ARRAY_LEN(endings); i++) {
        AUTO(buf_done) struct buf path = {0};
        buf_addf(&path, "/a.b/file.min.%s", endings[i]);
        assert_string_not_equal(http_mime_type(buf_str(&path)), "application/octet-stream");
    }
    assert_string_equal(http_mime_type(STR("/index.HTML")), "text/html; charset=utf-8");
    assert_string_equal(http_mime_type(STR("app.js")), "text/javascript; charset=utf-8");
    static const char *const unknown[] = {
        "/", "", "/html", "/a.html/b", "/a.", "/.x", "/a.", "/a.html ", "/a.averylongendingindeed"};
    for (size_t i = 0; i < ARRAY_LEN(unknown); i++)
        assert_string_equal(http_mime_type(str_of(unknown[i])), "application/octet-stream");
}

static void every_status_has_a_reason(void **state)
{
    (void)state;
    assert_string_equal(http_status_text(200), "OK");
    assert_string_equal(http_status_text(503), "Service Unavailable");
    assert_string_equal(http_status_text(299), "Status");
    assert_string_equal(http_status_text(-1), "Status");
    assert_string_equal(http_status_text(600), "Status");
}

static void methods_are_found_by_their_exact_name(void **state)
{
    (void)state;
    for (int method = HTTP_GET; method <= HTTP_PATCH; method++)
        assert_int_equal(http_method_find(str_of(http_method_text((enum http_method)method))),
                         method);
    assert_int_equal(http_method_find(STR("get")), HTTP_METHOD_OTHER);
    assert_int_equal(http_method_find(STR("GETS")), HTTP_METHOD_OTHER);
    assert_int_equal(http_method_find(STR("")), HTTP_METHOD_OTHER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_are_read_by_rfc_9110),
        cmocka_unit_test(one_range_more_than_the_limit_gets_the_whole),
        cmocka_unit_test(entity_tags_are_compared_weakly_in_lists),
        cmocka_unit_test(entity_tags_are_compared_strongly_in_lists),
        cmocka_unit_test(conditions_are_judged_in_their_order),
        cmocka_unit_test(the_coding_a_client_likes_best_is_picked),
        cmocka_unit_test(every_ending_of_the_table_is_found),
        cmocka_unit_test(every_status_has_a_reason),
        cmocka_unit_test(methods_are_found_by_their_exact_name),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
