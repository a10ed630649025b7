/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/err.h"
#include "edge/cache_control.h"
#include "edge/cache_key.h"
#include "edge/table.h"

static const struct route_cache nothing;

static struct http1_head *request_of(const char *text)
{
    static struct http1_head head;
    const char *why = "";

    if (http1_parse_request(str_of(text), &head, &why) != HTTP1_DONE)
        fail_msg("not a request: %s: %s", text, why);
    return &head;
}

/* The key of "GET <target>" with <lines>, in memory of its own. */
static struct str key_of(const struct route_cache *policy, const char *target, const char *lines)
{
    static char bytes[4][CACHE_MAX_KEY_BYTES];
    static unsigned turn;
    char text[1024];
    struct cache_key key;

    str_format(text, sizeof text, "GET %s HTTP/1.1\r\nHost: a.test\r\n%s\r\n", target, lines);
    const struct http1_head *head = request_of(text);
    struct cache_place place = {.system = STR("s"),
                                .upstream = STR("s/app:80"),
                                .host = head->host,
                                .path = head->path,
                                .query = head->query};
    assert_true(cache_key_write(policy, &place, head, bytes[turn++ % 4], &key));
    return key.text;
}

static bool same(const struct route_cache *policy, const char *a, const char *b)
{
    return str_eq(key_of(policy, a, ""), key_of(policy, b, ""));
}

static void addresses_that_may_mean_different_things_have_different_keys(void **state)
{
    (void)state;
    assert_true(same(&nothing, "/a?b=1", "/a?b=1"));
    assert_false(same(&nothing, "/a", "/a?"));
    assert_false(same(&nothing, "/a", "/A"));
    assert_false(same(&nothing, "/a", "//a"));
    assert_false(same(&nothing, "/a", "/%61"));
    assert_false(same(&nothing, "/a?b=1&c=2", "/a?c=2&b=1"));
}

static void parameters_that_make_no_difference_are_left_out_wherever_they_stand(void **state)
{
    struct str names[] = {STR("u"), STR("v")};
    struct route_cache policy = {.ignore = names, .ignore_count = 2};

    (void)state;
    assert_true(same(&policy, "/a?u=1&x=2&v&y", "/a?x=2&u&y"));
    assert_true(same(&policy, "/a?u=1", "/a"));
    assert_false(same(&policy, "/a?uu=1", "/a"));
    assert_false(same(&policy, "/a?x=2", "/a?x=3"));
    assert_false(same(&policy, "/a?u=1;x=2", "/a"));
    assert_false(same(&policy, "/a?u;x=2", "/a?u;x=3"));
}

static void parts_tell_no_value_from_an_empty_one(void **state)
{
    struct cache_part parts[] = {{.is_cookie = true, .name = STR("c")}, {.name = STR("X-H")}};
    struct route_cache policy = {.key = parts, .key_count = 2};
    static const char *const lines[] = {
        "",
        "Cookie: c=\r\n",
        "Cookie: c=1\r\n",
        "Cookie: a=b; c=2\r\n",
        "Cookie: c=1; c=2\r\n",
        "Cookie: c=2\r\nCookie: c=1\r\n",
        "X-H:\r\n",
        "X-H: 1\r\n",
        "X-H: 1\r\nX-H: 2\r\n",
        "Cookie: c=1\r\nX-H: 1\r\n",
        "X-H: 1=2\r\n",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lines); i++)
        for (size_t k = 0; k < ARRAY_LEN(lines); k++)
            assert_int_equal(str_eq(key_of(&policy, "/", lines[i]), key_of(&policy, "/", lines[k])),
                             i == k);
    assert_true(
        str_eq(key_of(&policy, "/", "Cookie: cc=1; xc=2; C=3\r\n"), key_of(&policy, "/", "")));
}

static void cookies_that_can_be_read_in_two_ways_are_not_plain(void **state)
{
    static const char *const plain[] = {
        "",
        "Cookie:\r\n",
        "Cookie: a=1\r\n",
        "Cookie: a=1;  b=2 ;\r\n",
        "Cookie: a\r\n",
        "Cookie: a=\"1 2\"; b\r\n",
        "Cookie: a= 1\r\n",
        "X: a = \"\r\n",
    };
    static const char *const odd[] = {
        "Cookie: a =1\r\n",
        "Cookie: a b=1\r\n",
        "Cookie: a\xa0=1\r\n",
        "Cookie: b=1\r\nCookie: c=2; a\t=1\r\n",
        "Cookie: x=\"; a=1; y=\"\r\n",
        "Cookie: a=\"1\r\n",
    };
    char text[256];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(plain); i++) {
        str_format(text, sizeof text, "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n", plain[i]);
        assert_true(cache_cookies_are_plain(request_of(text)));
    }
    for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
        str_format(text, sizeof text, "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n", odd[i]);
        assert_false(cache_cookies_are_plain(request_of(text)));
    }
}

static void what_connection_names_does_not_reach_the_target_and_counts_as_none(void **state)
{
    struct cache_part parts[] = {{.name = STR("X-H")}};
    struct route_cache policy = {.key = parts, .key_count = 1};
    const char *dropped = "X-H: 1\r\nConnection: x-h\r\n";

    (void)state;
    assert_true(str_eq(key_of(&policy, "/", dropped), key_of(&policy, "/", "")));
    assert_false(str_eq(key_of(&policy, "/", dropped), key_of(&policy, "/", "X-H: 1\r\n")));
    assert_false(cache_parts_match(parts, 1,
                                   request_of("GET / HTTP/1.1\r\nHost: a\r\n"
                                              "Connection: X-H\r\nX-H: 1\r\n\r\n")));
}

static void a_key_above_its_limit_is_none(void **state)
{
    AUTO(buf_done) struct buf text = {0};
    char bytes[CACHE_MAX_KEY_BYTES];
    struct cache_key key;

    (void)state;
    buf_add_char(&text, '/');
    while (text.len < CACHE_MAX_KEY_BYTES)
        buf_add_char(&text, 'x');
    struct cache_place place = {.system = STR("s"), .upstream = STR("u"), .path = buf_str(&text)};
    assert_false(cache_key_write(&nothing, &place, NULL, bytes, &key));
    place.path.len -= 16;
    assert_true(cache_key_write(&nothing, &place, NULL, bytes, &key));
}

static void a_listener_with_rules_of_its_own_has_keys_of_its_own_below_the_same_base(void **state)
{
    char bytes[2][CACHE_MAX_KEY_BYTES];
    struct cache_place place = {.system = STR("s"), .upstream = STR("u"), .path = STR("/")};
    struct cache_key one, other;

    (void)state;
    assert_true(cache_key_write(&nothing, &place, NULL, bytes[0], &one));
    place.listener = 7;
    assert_true(cache_key_write(&nothing, &place, NULL, bytes[1], &other));
    assert_false(str_eq(one.text, other.text));
    assert_int_equal(one.hash, other.hash);
    assert_int_equal(one.base_len, other.base_len);
}

static bool vary_of(const char *lines, char *bytes, struct str *ret)
{
    static struct http1_head head;
    static char text[1024];
    const char *why;

    str_format(text, sizeof text, "HTTP/1.1 200 OK\r\n%sContent-Length: 0\r\n\r\n", lines);
    assert_int_equal(http1_parse_response(str_of(text), HTTP_GET, &head, &why), HTTP1_DONE);
    return cache_vary_write(&head, bytes, ret);
}

static void the_names_of_vary_are_one_list(void **state)
{
    char bytes[CACHE_MAX_VARIANT_BYTES];
    struct str vary;

    (void)state;
    assert_true(vary_of("Vary: Foo,bar\r\nVary: X\r\n", bytes, &vary));
    assert_true(str_is(vary, "foo,bar,x"));
    assert_true(vary_of("Vary: Host, Foo, X-Forwarded-Proto\r\n", bytes, &vary));
    assert_true(str_is(vary, "foo")); /* the others are in the key */
    assert_true(vary_of("Vary: ,\r\n", bytes, &vary));
    assert_int_equal(vary.len, 0);
    assert_true(vary_of("Vary: a,b,c,d,e,f,g,h\r\n", bytes, &vary));
    assert_false(vary_of("Vary: a,b,c,d,e,f,g,h,i\r\n", bytes, &vary));
    assert_false(vary_of("Vary: X-Real-IP\r\n", bytes, &vary));
}

static bool same_variant(const char *vary, const char *a, const char *b)
{
    char bytes[2][CACHE_MAX_VARIANT_BYTES], text[1024];
    const char *lines[] = {a, b};
    struct str variants[2];

    for (size_t i = 0; i < 2; i++) {
        str_format(text, sizeof text, "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n", lines[i]);
        assert_true(cache_variant_write(str_of(vary), request_of(text), bytes[i], &variants[i]));
    }
    return str_eq(variants[0], variants[1]);
}

static void how_a_list_is_written_makes_no_other_variant(void **state)
{
    (void)state;
    assert_true(same_variant("foo", "Foo: 1, 2\r\n", "Foo: 1\r\nFOO:  2 \r\n"));
    assert_false(same_variant("foo", "Foo: 1, 2\r\n", "Foo: 2, 1\r\n"));
    assert_false(same_variant("foo", "Foo: a\r\n", "Foo: A\r\n"));
    assert_false(same_variant("foo", "Foo:\r\n", ""));
    assert_false(same_variant("foo,bar", "Foo: 1\r\n", "Bar: 1\r\n"));
    assert_true(same_variant("accept-encoding", "Accept-Encoding: br, GZIP\r\n",
                             "Accept-Encoding: gzip,,BR\r\n"));
    assert_false(same_variant("accept-encoding", "Accept-Encoding: br\r\n",
                              "Accept-Encoding: br;q=0.5\r\n"));
    assert_false(same_variant("cookie", "Cookie: a=\"1, 2\"\r\n", "Cookie: a=\"1,2\"\r\n"));
    assert_true(same_variant("foo", "Foo: 1\r\nConnection: Foo\r\n", ""));
    assert_false(same_variant("foo", "Foo: 1\r\nConnection: Foo\r\n", "Foo: 1\r\n"));
}

static void what_a_service_that_reads_no_list_tells_apart_are_two_variants(void **state)
{
    (void)state;
    assert_false(same_variant("foo", "Foo: 1\r\n", "Foo: ,1\r\n"));
    assert_false(same_variant("foo", "Foo: 1\r\n", "Foo: 1,\r\n"));
    assert_false(same_variant("foo", "Foo: 1\r\n", "Foo: 1\r\nFoo:\r\n"));
    assert_false(same_variant("foo", "Foo: 1, 2\r\n", "Foo: 1,, 2\r\n"));
    assert_false(same_variant("accept-language", "Accept-Language: de,en\r\n",
                              "Accept-Language: en,de\r\n"));
    assert_false(
        same_variant("accept-language", "Accept-Language: de\r\n", "Accept-Language: DE\r\n"));
}

/* With <count> elements, from the first or from the last on. */
static char *codings(char *bytes, size_t room, int count, bool backwards)
{
    size_t len = (size_t)snprintf(bytes, room, "Accept-Encoding: ");

    for (int i = 0; i < count; i++)
        len += (size_t)snprintf(bytes + len, room - len, "%sc%d", i > 0 ? ", " : "",
                                backwards ? count - 1 - i : i);
    (void)snprintf(bytes + len, room - len, "\r\n");
    return bytes;
}

static void a_list_longer_than_is_sorted_keeps_its_order(void **state)
{
    char a[1000], b[1000];

    (void)state;
    for (int count = 32; count <= 33; count++)
        assert_int_equal(same_variant("accept-encoding", codings(a, sizeof a, count, false),
                                      codings(b, sizeof b, count, true)),
                         count == 32);
}

static void a_variant_above_its_limit_is_none(void **state)
{
    AUTO(buf_done) struct buf text = {0};
    char bytes[CACHE_MAX_VARIANT_BYTES];
    struct str variant;

    (void)state;
    buf_add_text(&text, "GET / HTTP/1.1\r\nHost: a\r\nFoo: ");
    for (size_t i = 0; i < CACHE_MAX_VARIANT_BYTES; i++)
        buf_add_char(&text, 'x');
    buf_add_text(&text, "\r\n\r\n");
    assert_false(cache_variant_write(STR("foo"), request_of(buf_text(&text)), bytes, &variant));
    assert_true(cache_variant_write(STR("bar"), request_of(buf_text(&text)), bytes, &variant));
}

static void table_with(const char *cache, const char *error)
{
    AUTO(buf_done) struct buf text = {0};
    struct table *table = NULL;
    struct err err = {0};

    buf_addf(&text,
             "{\"generation\":1,\"listeners\":[],\"upstreams\":[{\"name\":\"u\",\"targets\":[]}],"
             "\"routes\":[{\"path\":\"/\",\"upstream\":0,\"cache\":%s}]}",
             cache);
    bool good = table_read(buf_str(&text), NULL, 0, &table, &err);
    if (good != (error == NULL) || (!good && strstr(err.text, error) == NULL))
        fail_msg("%s: %s", cache, good ? "accepted" : err.text);
    if (good) {
        assert_non_null(table->routes[0].cache);
        assert_int_equal(table->routes[0].cache->default_s, CACHE_NONE);
        assert_int_equal(table->cache_bytes, 64 << 20);
    }
    table_unref(table);
}

static void what_a_table_says_of_a_cache_has_limits(void **state)
{
    (void)state;
    table_with("{}", NULL);
    table_with("{\"key\":[\"cookie a\",\"header X-B\"]}", NULL);
    table_with("5", "'cache' is not an object");
    table_with("{\"default_s\":-1}", "default_s");
    table_with("{\"default_s\":99999999999}", "default_s");
    table_with("{\"key\":[\"a\"]}", "is not 'cookie NAME' or 'header NAME'");
    table_with("{\"bypass\":[\"header A B\"]}", "is not 'cookie NAME' or 'header NAME'");
    table_with("{\"ignore\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",\"10\",\"11\","
               "\"12\",\"13\",\"14\",\"15\",\"16\",\"17\"]}",
               "more than 16 items");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_that_may_mean_different_things_have_different_keys),
        cmocka_unit_test(parameters_that_make_no_difference_are_left_out_wherever_they_stand),
        cmocka_unit_test(parts_tell_no_value_from_an_empty_one),
        cmocka_unit_test(cookies_that_can_be_read_in_two_ways_are_not_plain),
        cmocka_unit_test(what_connection_names_does_not_reach_the_target_and_counts_as_none),
        cmocka_unit_test(a_key_above_its_limit_is_none),
        cmocka_unit_test(a_listener_with_rules_of_its_own_has_keys_of_its_own_below_the_same_base),
        cmocka_unit_test(the_names_of_vary_are_one_list),
        cmocka_unit_test(how_a_list_is_written_makes_no_other_variant),
        cmocka_unit_test(what_a_service_that_reads_no_list_tells_apart_are_two_variants),
        cmocka_unit_test(a_list_longer_than_is_sorted_keeps_its_order),
        cmocka_unit_test(a_variant_above_its_limit_is_none),
        cmocka_unit_test(what_a_table_says_of_a_cache_has_limits),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
