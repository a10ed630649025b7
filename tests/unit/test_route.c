/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/err.h"
#include "edge/route.h"

/* A table of routes "host path", each a redirect to its own number; "N:host path" only on listener
 * N. */
static struct table *table_of(const char *const *places, size_t count)
{
    AUTO(buf_done) struct buf json = {0};
    struct table *table;
    struct err err;

    buf_add_text(&json, "{\"generation\":1,\"listeners\":[{\"id\":1,\"kind\":\"http\"},"
                        "{\"id\":2,\"kind\":\"http\"}],\"routes\":[");
    for (size_t i = 0; i < count; i++) {
        struct str place = str_of(places[i]);
        bool limited = place.len > 1 && place.ptr[1] == ':';
        struct str path = str_sub(place, limited ? 2 : 0, SIZE_MAX);
        struct str host = str_cut(&path, ' ');
        buf_addf(&json, "%s{\"host\":\"" STR_FMT "\",\"path\":\"" STR_FMT "\",\"redirect\":\"%zu\"",
                 i == 0 ? "" : ",", STR_ARG(host), STR_ARG(path), i);
        if (limited)
            buf_addf(&json, ",\"listeners\":[%c]", place.ptr[0]);
        buf_add_char(&json, '}');
    }
    buf_add_text(&json, "]}");
    if (!table_read(buf_str(&json), NULL, 0, &table, &err))
        fail_msg("%s", err.text);
    return table;
}

static void expect(const struct table *table, uint32_t listener, const char *host, const char *path,
                   const char *number)
{
    bool known;
    const struct route *route = route_find(table, listener, str_of(host), str_of(path), &known);

    if (number == NULL) {
        assert_null(route);
    } else {
        assert_non_null(route);
        assert_true(str_is(route->redirect, number));
        assert_true(known);
    }
}

static void the_longest_path_that_covers_the_request_wins(void **state)
{
    static const char *const places[] = {" /", " /api/", " /api/v2/", " /static"};
    AUTO(table_unref) struct table *table = table_of(places, ARRAY_LEN(places));

    (void)state;
    expect(table, 1, "a.test", "/", "0");
    expect(table, 1, "a.test", "/apix", "0");
    expect(table, 1, "a.test", "/api", "0");
    expect(table, 1, "a.test", "/api/", "1");
    expect(table, 1, "a.test", "/api/v2", "1");
    expect(table, 1, "a.test", "/api/v2/x", "2");
    expect(table, 1, "a.test", "/static", "3");
    expect(table, 1, "a.test", "/static/x", "3");
    expect(table, 1, "a.test", "/statics", "0");
    expect(table, 1, "a.test", "/zzz", "0");
}

static void the_most_exact_host_that_has_a_route_wins(void **state)
{
    static const char *const places[] = {"a.test /x/", "*.test /", " /any/", "b.c.test /"};
    AUTO(table_unref) struct table *table = table_of(places, ARRAY_LEN(places));
    bool known;

    (void)state;
    expect(table, 1, "a.test", "/x/1", "0");
    expect(table, 1, "a.test", "/y", "1");
    expect(table, 1, "z.test", "/", "1");
    expect(table, 1, "b.c.test", "/", "3");
    expect(table, 1, "x.c.test", "/", NULL);
    expect(table, 1, "test", "/any/", "2");
    expect(table, 1, "", "/any/", "2");
    assert_null(route_find(table, 1, STR("other"), STR("/"), &known));
    assert_true(known); /* by the routes for any host */
}

static void a_host_without_any_route_is_told_apart(void **state)
{
    static const char *const places[] = {"a.test /x/"};
    AUTO(table_unref) struct table *table = table_of(places, ARRAY_LEN(places));
    bool known = true;

    (void)state;
    assert_null(route_find(table, 1, STR("b.test"), STR("/x/"), &known));
    assert_false(known);
    assert_null(route_find(table, 1, STR("a.test"), STR("/"), &known));
    assert_true(known);
}

static void a_route_of_one_listener_is_not_seen_on_another(void **state)
{
    static const char *const places[] = {"1: /", "2: /", "2: /api/"};
    AUTO(table_unref) struct table *table = table_of(places, ARRAY_LEN(places));

    (void)state;
    expect(table, 1, "a", "/api/x", "0");
    expect(table, 2, "a", "/api/x", "2");
    expect(table, 2, "a", "/", "1");
}

/* The slow and obvious way. */
static const struct route *find_slowly(const struct table *table, struct str path)
{
    const struct route *best = NULL;

    for (size_t i = 0; i < table->route_count; i++) {
        const struct route *route = &table->routes[i];
        struct str own = route->path;
        bool covers =
            str_starts(path, own) &&
            (own.len == path.len || own.ptr[own.len - 1] == '/' || path.ptr[own.len] == '/');
        if (covers && (best == NULL || own.len > best->path.len))
            best = route;
    }
    return best;
}

static void random_text(unsigned *seed, char *ret, size_t max)
{
    size_t len = (size_t)rand_r(seed) % max + 1;

    ret[0] = '/';
    for (size_t i = 1; i < len; i++)
        ret[i] = "ab/"[rand_r(seed) % 3];
    ret[len] = '\0';
}

static void the_search_agrees_with_trying_every_route(void **state)
{
    unsigned seed = 1;

    (void)state;
    for (int round = 0; round < 200; round++) {
        char texts[40][16];
        const char *places[40];
        for (size_t i = 0; i < ARRAY_LEN(places); i++) {
            texts[i][0] = ' ';
            random_text(&seed, texts[i] + 1, 12);
            places[i] = texts[i];
        }
        AUTO(table_unref) struct table *table = table_of(places, ARRAY_LEN(places));
        for (int i = 0; i < 100; i++) {
            char path[16];
            bool known;
            random_text(&seed, path, 14);
            const struct route *found = route_find(table, 1, STR("h"), str_of(path), &known);
            const struct route *wanted = find_slowly(table, str_of(path));
            assert_true((found == NULL) == (wanted == NULL));
            if (found != NULL)
                assert_true(str_eq(found->path, wanted->path));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_longest_path_that_covers_the_request_wins),
        cmocka_unit_test(the_most_exact_host_that_has_a_route_wins),
        cmocka_unit_test(a_host_without_any_route_is_told_apart),
        cmocka_unit_test(a_route_of_one_listener_is_not_seen_on_another),
        cmocka_unit_test(the_search_agrees_with_trying_every_route),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
