/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "http/path.h"

static bool normalize(struct str path, char *ret, struct str *ret_form)
{
    const char *why = NULL;
    size_t len = 0;
    bool ok = http_path_normalize(path, ret, &len, &why);

    assert_int_equal(ok, why == NULL);
    *ret_form = str_from(ret, len);
    return ok;
}

static const struct {
    const char *path, *form;
} good[] = {
    {"/", "/"},
    {"/a", "/a"},
    {"/a/", "/a/"},
    {"/a/b.html", "/a/b.html"},
    {"//", "/"},
    {"//a", "/a"},
    {"/a//b///", "/a/b/"},
    {"/.", "/"},
    {"/./a", "/a"},
    {"/a/.", "/a/"},
    {"/a/./b", "/a/b"},
    {"/a/..", "/"},
    {"/a/../", "/"},
    {"/a/b/..", "/a/"},
    {"/a/b/../c", "/a/c"},
    {"/a//../b", "/b"},
    {"/a/b/../../c/", "/c/"},
    {"/%61", "/a"},
    {"/%2e/a", "/a"},
    {"/a/%2E%2e/b", "/b"},
    {"/a/.%2e/b", "/b"},
    {"/%7Euser/%2d%5f", "/~user/-_"},
    {"/a%2fb", "/a%2Fb"},
    {"/a%2F..%2Fb", "/a%2F..%2Fb"},
    {"/%e3%81%82", "/%E3%81%82"},
    {"/%25", "/%25"},
    {"/%252e%252e/", "/%252e%252e/"},
    {"/a%5cb", "/a%5Cb"},
    {"/a%3Fb%23c", "/a%3Fb%23c"},
    {"/%0d%0a", "/%0D%0A"},
    {"/...", "/..."},
    {"/..a", "/..a"},
    {"/.well-known/acme", "/.well-known/acme"},
    {"/a;x=1/b", "/a;x=1/b"},
    {"/...;x", "/...;x"},
    {"/a+b,c=d&e@f:g!$'()*", "/a+b,c=d&e@f:g!$'()*"},
};

static void a_path_has_one_normal_form(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        char once[64], twice[64];
        struct str form, again;
        if (!normalize(str_of(good[i].path), once, &form) || !str_is(form, good[i].form))
            fail_msg("'%s' became '" STR_FMT "'", good[i].path, STR_ARG(form));
        assert_true(normalize(form, twice, &again));
        assert_true(str_eq(form, again));
    }
}

static void paths_that_could_lead_elsewhere_are_refused(void **state)
{
    (void)state;
    static const struct str bad[] = {
        {"", 0},         {"a", 1},           {"a/b", 3},
        {"*", 1},        {"/..", 3},         {"/../a", 5},
        {"/a/../..", 8}, {"//..", 4},        {"/%2e%2e/a", 9},
        {"/./../a", 7},  {"/%", 2},          {"/%2", 3},
        {"/%2g", 4},     {"/%g2", 4},        {"/%%41", 5},
        {"/%u0041", 7},  {"/%00", 4},        {"/a%00.js", 8},
        {"/a\\b", 4},    {"/..\\a", 5},      {"/a/..;x/b", 9},
        {"/a/.;/b", 7},  {"/%2e%2e;/b", 10}, {"/a b", 4},
        {"/a\tb", 4},    {"/a\0b", 4},       {"/a\x7f", 3},
        {"/a#b", 4},     {"/a?b", 4},        {"/\xe3\x81\x82", 4},
    };

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        char bytes[64];
        struct str form;
        if (normalize(bad[i], bytes, &form))
            fail_msg("accepted '" STR_FMT "'", STR_ARG(bad[i]));
    }
}

static void a_form_is_never_longer_than_its_path(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        struct str path = str_of(good[i].path), form;
        char *exact = mem_new(path.len); /* a sanitizer sees a write behind it */
        assert_true(normalize(path, exact, &form));
        free(exact);
    }
}

static void a_file_name_is_decoded_fully_or_not_at_all(void **state)
{
    (void)state;
    static const struct {
        const char *path, *name;
    } table[] = {
        {"/", "/"},
        {"/a/b.css", "/a/b.css"},
        {"/%E3%81%82", "/\xe3\x81\x82"},
        {"/a%20b%25", "/a b%"},
        {"/%252e%252e/a", "/%2e%2e/a"},
        {"/a%2Fb", NULL},
        {"/..%2F..%2Fetc", NULL},
        {"/a%5Cb", NULL},
        {"/a%0Ab", NULL},
        {"/a%7Fb", NULL},
        {"/a%00b", NULL},
        {"/a%", NULL},
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        char bytes[64];
        size_t len = 0;
        bool ok = http_path_decode(str_of(table[i].path), bytes, &len);
        assert_int_equal(ok, table[i].name != NULL);
        if (ok) {
            assert_string_equal(bytes, table[i].name);
            assert_int_equal(len, strlen(table[i].name));
        }
    }
}

static void a_host_loses_case_port_and_final_dot(void **state)
{
    (void)state;
    static const struct {
        const char *authority, *host;
    } table[] = {
        {"Shop.Example.COM", "shop.example.com"},
        {"shop.example.com.", "shop.example.com"},
        {"shop.example.com.:8443", "shop.example.com"},
        {"127.0.0.1:80", "127.0.0.1"},
        {"[2001:DB8::1]:443", "[2001:db8::1]"},
        {"[::1]", "[::1]"},
        {"a..", "a."},
        {"", NULL},
        {".", NULL},
        {":80", NULL},
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        char bytes[64];
        size_t len = 0;
        bool ok = http_host_normalize(str_of(table[i].authority), bytes, &len);
        assert_int_equal(ok, table[i].host != NULL);
        if (ok)
            assert_true(str_is(str_from(bytes, len), table[i].host));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_has_one_normal_form),
        cmocka_unit_test(paths_that_could_lead_elsewhere_are_refused),
        cmocka_unit_test(a_form_is_never_longer_than_its_path),
        cmocka_unit_test(a_file_name_is_decoded_fully_or_not_at_all),
        cmocka_unit_test(a_host_loses_case_port_and_final_dot),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
