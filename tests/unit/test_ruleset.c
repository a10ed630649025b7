/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/err.h"
#include "runtime/netns.h"
#include "runtime/ruleset.h"

static const char *const service[] = {"10.213.0.1"};
static const char *const two[] = {"10.213.4.7", "10.213.4.8"};

static struct runtime_network network_of(struct runtime_endpoint *endpoints, size_t count,
                                         struct runtime_service_address *services,
                                         size_t service_count)
{
    return (struct runtime_network){endpoints, count, services, service_count};
}

/* Only what changes with the network is compared in full; the fixed chains are pinned by the real
 * test, which sends packets. */
static void every_address_is_where_it_belongs(void **state)
{
    (void)state;
    AUTO(buf_done) struct buf text = {0};
    struct err err;
    struct runtime_endpoint endpoints[] = {
        {"a", "10.213.4.7", (const char **)(uintptr_t)service, 1, true},
        {"b", "10.213.4.8", NULL, 0, false}};
    struct runtime_service_address services[] = {{"10.213.0.1", (const char **)(uintptr_t)two, 2},
                                                 {"10.213.0.2", NULL, 0},
                                                 {"10.213.0.3", (const char **)(uintptr_t)two, 1}};
    struct runtime_network network = network_of(endpoints, 2, services, 3);

    assert_true(ruleset_format(&network, &text, &err));
    const char *golden = "add table inet ishizue\n"
                         "delete table inet ishizue\n"
                         "table inet ishizue {\n"
                         "    set endpoints {\n"
                         "        type ifname . ipv4_addr\n"
                         "        elements = { \"iz0ad50407\" . 10.213.4.7,\n"
                         "                     \"iz0ad50408\" . 10.213.4.8 }\n"
                         "    }\n"
                         "    set itself {\n"
                         "        type ipv4_addr . ipv4_addr\n"
                         "        elements = { 10.213.4.7 . 10.213.4.7,\n"
                         "                     10.213.4.8 . 10.213.4.8 }\n"
                         "    }\n"
                         "    set outside {\n"
                         "        type ipv4_addr\n"
                         "        elements = { 10.213.4.7 }\n"
                         "    }\n"
                         "    set reaches {\n"
                         "        type ipv4_addr . ipv4_addr\n"
                         "        elements = { 10.213.4.7 . 10.213.0.1 }\n"
                         "    }\n"
                         "    set refused {\n"
                         "        type ipv4_addr\n"
                         "        elements = { 10.213.0.2 }\n"
                         "    }\n"
                         "    chain to_10.213.0.1 {\n"
                         "        dnat ip to numgen inc mod 2 map { 0 : 10.213.4.7, 1 : "
                         "10.213.4.8 }\n"
                         "    }\n"
                         "    chain to_10.213.0.3 {\n"
                         "        dnat ip to 10.213.4.7\n"
                         "    }\n"
                         "    chain services {\n"
                         "        ip daddr vmap { 10.213.0.1 : goto to_10.213.0.1, 10.213.0.3 : "
                         "goto to_10.213.0.3 }\n"
                         "    }\n"
                         "    chain source {\n";
    assert_int_equal(strncmp(buf_text(&text), golden, strlen(golden)), 0);
}

static void an_empty_network_has_sets_without_elements(void **state)
{
    (void)state;
    AUTO(buf_done) struct buf text = {0};
    struct err err;
    struct runtime_network network = {0};

    assert_true(ruleset_format(&network, &text, &err));
    assert_null(strstr(buf_text(&text), "elements"));
    assert_null(strstr(buf_text(&text), "vmap"));
    assert_non_null(strstr(buf_text(&text), "chain services {\n    }\n"));
}

static void text_that_is_no_address_never_gets_into_the_rules(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "", "10.0.0.1; flush ruleset", "10.0.0", "::1", "10.0.0.256", "10.0.0.1/8"};

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        AUTO(buf_done) struct buf text = {0};
        struct err err;
        struct runtime_endpoint as_endpoint = {"a", bad[i], NULL, 0, false};
        struct runtime_endpoint as_reach = {"a", "10.0.0.1", (const char **)(uintptr_t)&bad[i], 1,
                                            false};
        struct runtime_service_address as_service = {bad[i], NULL, 0};
        struct runtime_service_address as_instance = {"10.0.0.1", (const char **)(uintptr_t)&bad[i],
                                                      1};
        struct runtime_network networks[] = {
            network_of(&as_endpoint, 1, NULL, 0), network_of(&as_reach, 1, NULL, 0),
            network_of(NULL, 0, &as_service, 1), network_of(NULL, 0, &as_instance, 1)};
        for (size_t k = 0; k < ARRAY_LEN(networks); k++) {
            assert_false(ruleset_format(&networks[k], &text, &err));
            assert_int_equal(err.code, ERR_INVALID);
            assert_int_equal(text.len, 0);
        }
    }
}

static void too_many_instances_or_pairs_are_refused(void **state)
{
    (void)state;
    AUTO(buf_done) struct buf text = {0};
    struct err err;
    struct runtime_endpoint many = {"a", "10.0.0.1", (const char **)(uintptr_t)two,
                                    RULESET_REACHES_MAX + 1, false};
    struct runtime_network pairs = network_of(&many, 1, NULL, 0);
    struct runtime_network instances = network_of(&many, RULESET_ENDPOINTS_MAX + 1, NULL, 0);

    assert_false(ruleset_format(&pairs, &text, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_false(ruleset_format(&instances, &text, &err));
    assert_int_equal(err.code, ERR_LIMIT);
}

static void an_interface_is_named_after_its_address(void **state)
{
    (void)state;
    char name[NETNS_NAME_BYTES];

    assert_true(netns_interface_name("10.213.4.7", name));
    assert_string_equal(name, "iz0ad50407");
    assert_true(netns_interface_name("255.255.255.255", name));
    assert_string_equal(name, "izffffffff");
    assert_false(netns_interface_name("fe80::1", name));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_address_is_where_it_belongs),
        cmocka_unit_test(an_empty_network_has_sets_without_elements),
        cmocka_unit_test(text_that_is_no_address_never_gets_into_the_rules),
        cmocka_unit_test(too_many_instances_or_pairs_are_refused),
        cmocka_unit_test(an_interface_is_named_after_its_address),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
