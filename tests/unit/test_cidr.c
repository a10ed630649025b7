/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/cidr.h"
#include "base/err.h"

static bool covers(const char *range, const char *address)
{
    uint8_t bytes[CIDR_ADDRESS_BYTES];
    struct cidr cidr;
    struct err err;

    assert_true(cidr_parse(str_of(range), &cidr, &err));
    assert_true(cidr_parse_address(str_of(address), bytes));
    return cidr_covers(&cidr, bytes);
}

static void a_range_covers_its_first_and_last_address_and_no_neighbour(void **state)
{
    static const struct {
        const char *range, *before, *first, *last, *after;
    } cases[] = {
        {"10.0.0.0/8", "9.255.255.255", "10.0.0.0", "10.255.255.255", "11.0.0.0"},
        {"192.0.2.128/25", "192.0.2.127", "192.0.2.128", "192.0.2.255", "192.0.3.0"},
        {"192.0.2.6/31", "192.0.2.5", "192.0.2.6", "192.0.2.7", "192.0.2.8"},
        {"192.0.2.6", "192.0.2.5", "192.0.2.6", "192.0.2.6", "192.0.2.7"},
        {"2001:db8::/33", "2001:db7:ffff::", "2001:db8::", "2001:db8:7fff::1", "2001:db8:8000::"},
        {"::1", "::", "::1", "::1", "::2"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_false(covers(cases[i].range, cases[i].before));
        assert_true(covers(cases[i].range, cases[i].first));
        assert_true(covers(cases[i].range, cases[i].last));
        assert_false(covers(cases[i].range, cases[i].after));
    }
}

static void the_families_do_not_mix_except_where_one_maps_the_other(void **state)
{
    (void)state;
    assert_true(covers("0.0.0.0/0", "203.0.113.9"));
    assert_false(covers("0.0.0.0/0", "2001:db8::1"));
    assert_true(covers("::/0", "2001:db8::1"));
    assert_true(covers("::ffff:10.0.0.0/104", "10.1.2.3"));
    assert_true(covers("10.0.0.0/8", "::ffff:10.1.2.3"));
}

static void what_is_no_range_is_refused_with_its_text(void **state)
{
    static const char *const bad[] = {
        "",        "moon",     "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/a",   "10.0.0.1/8",
        "::1/129", "10.0.0/8", "010.0.0.1", "10.0.0.0/-1", "10.0.0.0/8/8", "2001:db8::1/64"};
    struct cidr cidr;
    struct err err;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_false(cidr_parse(str_of(bad[i]), &cidr, &err));
        assert_non_null(strstr(err.text, bad[i]));
    }
}

static void loopback_is_known_in_both_families(void **state)
{
    static const struct {
        const char *address;
        bool is_loopback;
    } cases[] = {{"127.0.0.1", true},  {"127.9.9.9", true}, {"::1", true},
                 {"128.0.0.1", false}, {"::2", false},      {"::ffff:127.0.0.1", true}};
    uint8_t bytes[CIDR_ADDRESS_BYTES];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_true(cidr_parse_address(str_of(cases[i].address), bytes));
        assert_int_equal(cidr_is_loopback(bytes), cases[i].is_loopback);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_range_covers_its_first_and_last_address_and_no_neighbour),
        cmocka_unit_test(the_families_do_not_mix_except_where_one_maps_the_other),
        cmocka_unit_test(what_is_no_range_is_refused_with_its_text),
        cmocka_unit_test(loopback_is_known_in_both_families),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
