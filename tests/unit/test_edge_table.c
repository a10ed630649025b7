/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/err.h"
#include "edge/route.h"
#include "edge/table.h"

static void refused(const char *json, enum err_code code, const char *text)
{
    struct table *table;
    struct err err = {0};

    if (table_read(str_of(json), NULL, 0, &table, &err))
        fail_msg("accepted: %.200s", json);
    if (strstr(err.text, text) == NULL)
        fail_msg("'%s' does not say '%s'", err.text, text);
    assert_int_equal(err.code, code);
}

static void a_whole_table_is_read_with_its_defaults(void **state)
{
    static const char json[] =
        "{\"generation\": 7, \"listeners\": [{\"id\": 3, \"kind\": \"http\", \"port\": 80,"
        " \"https_port\": 443}, {\"id\": 4, \"kind\": \"tcp\", \"upstream\": 1}],"
        " \"upstreams\": [{\"name\": \"s/a\", \"targets\": ["
        "   {\"id\": \"a1\", \"address\": \"10.0.0.1:80\"},"
        "   {\"id\": \"a2\", \"address\": \"[::1]:81\", \"weight\": 5, \"draining\": true}]},"
        "  {\"name\": \"s/db\", \"targets\": [{\"id\": \"d1\", \"address\": \"10.0.0.2:5432\"}]}],"
        " \"routes\": [{\"system\": \"s\", \"host\": \"Shop.TEST.\", \"path\": \"/%61/\","
        "   \"listeners\": [3], \"upstream\": 0}]}";
    AUTO(table_unref) struct table *table = NULL;
    struct err err;

    (void)state;
    assert_true(table_read(str_of(json), NULL, 0, &table, &err));
    assert_int_equal(table->generation, 7);
    assert_int_equal(table->listener_count, 2);
    assert_int_equal(table->listeners[0].https_port, 443);
    assert_int_equal(table->listeners[1].upstream, 1);
    assert_int_equal(table->target_count, 3);
    assert_int_equal(table->upstreams[1].first_target, 2);
    assert_int_equal(table->targets[0].weight, 1);
    assert_int_equal(table->targets[1].weight, 5);
    assert_true(table->targets[1].draining);
    assert_int_equal(socket_address_port(&table->targets[2].address), 5432);
    assert_true(str_is(table->routes[0].host, "shop.test"));
    assert_true(str_is(table->routes[0].path, "/a/"));
    assert_int_equal(table->routes[0].body_limit_bytes, 100 * 1024 * 1024);
    assert_int_equal(table->routes[0].connect_timeout_ms, 5000);
}

/* While a release takes the place of another, both have their own listeners and routes. */
static void one_path_may_lead_elsewhere_on_another_listener(void **state)
{
    static const char json[] =
        "{\"generation\": 7, \"listeners\": [{\"id\": 3, \"kind\": \"http\", \"port\": 80},"
        " {\"id\": 4, \"kind\": \"http\", \"port\": 81}],"
        " \"upstreams\": [{\"name\": \"s/a\", \"targets\": []}, {\"name\": \"s/b\", \"targets\": "
        "[]}],"
        " \"routes\": [{\"system\": \"s\", \"path\": \"/\", \"listeners\": [3], \"upstream\": 0},"
        "  {\"system\": \"s\", \"path\": \"/\", \"listeners\": [4], \"upstream\": 1},"
        "  {\"system\": \"s\", \"path\": \"/x/\", \"listeners\": [4], \"upstream\": 0}]}";
    AUTO(table_unref) struct table *table = NULL;
    struct err err;
    bool known;

    (void)state;
    assert_true(table_read(str_of(json), NULL, 0, &table, &err));
    assert_int_equal(route_find(table, 3, STR("any"), STR("/x/y"), &known)->upstream, 0);
    assert_string_equal(route_find(table, 3, STR("any"), STR("/x/y"), &known)->path.ptr, "/");
    assert_int_equal(route_find(table, 4, STR("any"), STR("/"), &known)->upstream, 1);
    assert_int_equal(route_find(table, 4, STR("any"), STR("/x/y"), &known)->upstream, 0);
    assert_null(route_find(table, 5, STR("any"), STR("/"), &known));
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    refused("{", ERR_INVALID, "line 1");
    refused("[]", ERR_INVALID, "not an object");
    refused("{}", ERR_INVALID, "generation");
    refused("{\"generation\":1,\"routes\":{}}", ERR_INVALID, "'routes' is not a list");
    refused("{\"generation\":1,\"routes\":[1]}", ERR_INVALID, "routes[0]");
    refused("{\"generation\":1,\"listeners\":[{\"id\":1,\"kind\":\"ftp\"}]}", ERR_INVALID, "'ftp'");
    refused("{\"generation\":1,\"listeners\":[{\"id\":1,\"kind\":\"https\"}]}", ERR_INVALID,
            "without a certificate");
    refused("{\"generation\":1,\"listeners\":[{\"id\":1,\"kind\":\"http\"},"
            "{\"id\":1,\"kind\":\"http\"}]}",
            ERR_INVALID, "twice");
    refused("{\"generation\":1,\"listeners\":[{\"id\":1,\"kind\":\"tcp\",\"upstream\":0}]}",
            ERR_INVALID, "upstream 0");
    refused("{\"generation\":1,\"routes\":[{\"path\":\"x\",\"redirect\":\"y\"}]}", ERR_INVALID,
            "start with '/'");
    refused("{\"generation\":1,\"routes\":[{\"path\":\"/%zz\",\"redirect\":\"y\"}]}", ERR_INVALID,
            "path '/%zz'");
    refused("{\"generation\":1,\"routes\":[{\"path\":\"/\"}]}", ERR_INVALID, "neither");
    refused("{\"generation\":1,\"routes\":[{\"path\":\"/\",\"files_fd\":0}]}", ERR_INVALID,
            "descriptor 0");
    refused("{\"generation\":1,\"routes\":[{\"path\":\"/\",\"redirect\":\"a\\r\\nb: c\"}]}",
            ERR_INVALID, "neither");
    refused("{\"generation\":1,\"routes\":[{\"path\":\"/\",\"redirect\":\"a\","
            "\"cache_control\":\"x\\r\\nInjected: 1\"}]}",
            ERR_INVALID, "control character");
    refused("{\"generation\":1,\"routes\":[{\"path\":\"/\",\"redirect\":\"a\",\"status\":200}]}",
            ERR_INVALID, "status 200");
    refused(
        "{\"generation\":1,\"certificates\":[{\"names\":[],\"certificate\":\"x\",\"key\":\"y\"}]}",
        ERR_INVALID, "cannot read the certificate");
    refused("{\"generation\":1,\"upstreams\":[{\"name\":\"a\",\"targets\":[{\"id\":\"t\","
            "\"address\":\"example.com:80\"}]}]}",
            ERR_INVALID, "example.com");
    refused("{\"generation\":1,\"upstreams\":[{\"name\":\"a\",\"targets\":[{\"id\":\"t\","
            "\"address\":\"10.0.0.1:0\"}]}]}",
            ERR_INVALID, "10.0.0.1:0");
    refused("{\"generation\":1,\"upstreams\":[{\"name\":\"a\",\"targets\":[{\"id\":\"t\","
            "\"address\":\"10.0.0.1:80\",\"weight\":0}]}]}",
            ERR_INVALID, "'weight' is 0");
}

/* Upstreams are read one after the other: <members> are those of one, behind <key>. */
static void signed_by(const char *key, const char *members, const char *text)
{
    char json[512];

    (void)snprintf(json, sizeof json,
                   "{\"generation\":1,%s\"upstreams\":[{\"name\":\"u\",%s,"
                   "\"targets\":[]}]}",
                   key, members);
    if (text != NULL) {
        refused(json, ERR_INVALID, text);
        return;
    }
    AUTO(table_unref) struct table *table = NULL;
    struct err err;
    if (!table_read(str_of(json), NULL, 0, &table, &err))
        fail_msg("%s: %s", json, err.text);
}

#define SHARES "\"shares\":[{\"release\":1,\"share\":10000}]"
#define ZEROS  "\"sign_key\":\"0000000000000000000000000000000000000000000000000000000000000000\","
#define KEY    "\"sign_key\":\"0000000000000000000000000000000000000000000000000000000000000001\","

static void cookies_that_choose_a_target_need_a_key(void **state)
{
    static const char sticky[] = "\"sticky_cookie\":\"s\"";
    static const char visitor[] = "\"split\":{\"by\":\"visitor\"," SHARES "}";
    static const char request[] = "\"split\":{\"cookie\":\"c\",\"values\":{\"b\":1}," SHARES "}";

    (void)state;
    signed_by("", sticky, "'sticky_cookie' needs cookies");
    signed_by(ZEROS, sticky, "'sticky_cookie' needs cookies");
    signed_by(KEY, sticky, NULL);
    signed_by("", visitor, "'split' needs cookies");
    signed_by(ZEROS, visitor, "'split' needs cookies");
    signed_by(KEY, visitor, NULL);
    signed_by("", request, NULL); /* nobody is kept by it */
    signed_by("\"sign_key\":\"00\",", request, "'sign_key' is not 64 hexadecimal digits");
}

static void add_repeated(struct buf *json, const char *piece, size_t count)
{
    for (size_t i = 0; i < count; i++)
        buf_addf(json, "%s%s", i == 0 ? "" : ",", piece);
}

static void many(const char *key, const char *piece, size_t count, const char *text)
{
    AUTO(buf_done) struct buf json = {0};

    buf_addf(&json, "{\"generation\":1,\"%s\":[", key);
    add_repeated(&json, piece, count);
    buf_add_text(&json, "]}");
    refused(buf_text(&json), ERR_LIMIT, text);
}

static void more_than_the_limit_of_anything_is_refused(void **state)
{
    (void)state;
    many("routes", "{\"path\":\"/\",\"redirect\":\"a\"}", TABLE_MAX_ROUTES + 1, "'routes'");
    many("upstreams", "{\"name\":\"a\"}", TABLE_MAX_UPSTREAMS + 1, "'upstreams'");
    many("listeners", "{\"id\":1,\"kind\":\"http\"}", TABLE_MAX_LISTENERS + 1, "'listeners'");
    many("certificates", "{}", 1001, "'certificates'");
}

static void too_many_targets_are_counted_over_all_upstreams(void **state)
{
    AUTO(buf_done) struct buf json = {0};
    static const char target[] = "{\"id\":\"t\",\"address\":\"10.0.0.1:80\"}";

    (void)state;
    buf_add_text(&json, "{\"generation\":1,\"upstreams\":[{\"name\":\"a\",\"targets\":[");
    add_repeated(&json, target, TABLE_MAX_TARGETS);
    buf_add_text(&json, "]},{\"name\":\"b\",\"targets\":[");
    add_repeated(&json, target, 1);
    buf_add_text(&json, "]}]}");
    refused(buf_text(&json), ERR_LIMIT, "'targets'");
}

static void long_texts_are_refused(void **state)
{
    AUTO(buf_done) struct buf json = {0};

    (void)state;
    buf_add_text(&json, "{\"generation\":1,\"routes\":[{\"redirect\":\"x\",\"path\":\"/");
    for (int i = 0; i < TABLE_MAX_PATH_BYTES; i++)
        buf_add_char(&json, 'a');
    buf_add_text(&json, "\"}]}");
    refused(buf_text(&json), ERR_LIMIT, "'path' is longer");
    buf_clear(&json);
    buf_add_char(&json, '"');
    for (int i = 0; i < TABLE_MAX_BYTES; i++)
        buf_add_char(&json, 'a');
    buf_add_char(&json, '"');
    refused(buf_text(&json), ERR_LIMIT, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_table_is_read_with_its_defaults),
        cmocka_unit_test(one_path_may_lead_elsewhere_on_another_listener),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(cookies_that_choose_a_target_need_a_key),
        cmocka_unit_test(more_than_the_limit_of_anything_is_refused),
        cmocka_unit_test(too_many_targets_are_counted_over_all_upstreams),
        cmocka_unit_test(long_texts_are_refused),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
