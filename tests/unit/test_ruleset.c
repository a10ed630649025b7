/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/err.h"
#include "runtime/netns.h"
#include "runtime/rootfs.h"
#include "runtime/ruleset.h"

static const char *const service[] = {"10.213.0.1"};
static const char *const two[] = {"10.213.4.7", "10.213.4.8"};

static struct runtime_network network_of(struct runtime_endpoint *endpoints, size_t count,
                                         struct runtime_service_address *services,
                                         size_t service_count)
{
    return (struct runtime_network){.endpoints = endpoints,
                                    .endpoint_count = count,
                                    .services = services,
                                    .service_count = service_count};
}

static const char golden[] =
    "add table inet ishizue\n"
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
    "    set machine {\n"
    "        type ipv4_addr\n"
    "        elements = { 10.213.4.8 }\n"
    "    }\n"
    "    set reaches {\n"
    "        type ipv4_addr . ipv4_addr\n"
    "        elements = { 10.213.4.7 . 10.213.0.1 }\n"
    "    }\n"
    "    set refused {\n"
    "        type ipv4_addr\n"
    "        elements = { 10.213.0.2 }\n"
    "    }\n"
    "    set published {\n"
    "        type ipv4_addr . inet_proto . inet_service\n"
    "        elements = { 10.213.4.7 . udp . 53,\n"
    "                     10.213.4.8 . udp . 5353 }\n"
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
    "    chain publications {\n"
    "        ip daddr 192.0.2.1 udp dport 53 meta l4proto udp dnat ip to "
    "10.213.4.7:53\n"
    "        udp dport 53 meta l4proto udp dnat ip to numgen inc mod 2 map { "
    "0 : 10.213.4.7 . 53, 1 : 10.213.4.8 . 5353 }\n"
    "    }\n"
    "    chain unserved {\n"
    "        ip daddr 127.0.0.1 udp dport 54 reject\n"
    "    }\n"
    "    chain source {\n";

/* Only what changes with the network is compared in full; the fixed chains are pinned by the real
 * test, which sends packets. */
static void every_address_is_where_it_belongs(void **state)
{
    (void)state;
    AUTO(buf_done) struct buf text = {0};
    struct err err;
    struct runtime_endpoint endpoints[] = {
        {"a", "10.213.4.7", (const char **)(uintptr_t)service, 1, true, false},
        {"b", "10.213.4.8", NULL, 0, false, true}};
    const struct runtime_target targets[] = {{"10.213.4.7", 53}, {"10.213.4.8", 5353}};
    const struct runtime_publication publications[] = {
        {NULL, 53, targets, 2}, {"192.0.2.1", 53, targets, 1}, {"127.0.0.1", 54, NULL, 0}};
    struct runtime_service_address services[] = {{"10.213.0.1", (const char **)(uintptr_t)two, 2},
                                                 {"10.213.0.2", NULL, 0},
                                                 {"10.213.0.3", (const char **)(uintptr_t)two, 1}};
    struct runtime_network network = network_of(endpoints, 2, services, 3);

    network.publications = publications;
    network.publication_count = ARRAY_LEN(publications);
    assert_true(ruleset_format(&network, &text, &err));

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
        struct runtime_endpoint as_endpoint = {"a", bad[i], NULL, 0, false, false};
        struct runtime_endpoint as_reach = {"a", "10.0.0.1", (const char **)(uintptr_t)&bad[i],
                                            1,   false,      false};
        struct runtime_service_address as_service = {bad[i], NULL, 0};
        struct runtime_service_address as_instance = {"10.0.0.1", (const char **)(uintptr_t)&bad[i],
                                                      1};
        struct runtime_target as_target = {bad[i], 53};
        struct runtime_publication to_it = {NULL, 53, &as_target, 1}, at_it = {bad[i], 53, NULL, 0};
        struct runtime_network networks[] = {network_of(&as_endpoint, 1, NULL, 0),
                                             network_of(&as_reach, 1, NULL, 0),
                                             network_of(NULL, 0, &as_service, 1),
                                             network_of(NULL, 0, &as_instance, 1),
                                             {.publications = &to_it, .publication_count = 1},
                                             {.publications = &at_it, .publication_count = 1}};
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
    struct runtime_endpoint many = {
        "a", "10.0.0.1", (const char **)(uintptr_t)two, RULESET_REACHES_MAX + 1, false, false};
    struct runtime_network pairs = network_of(&many, 1, NULL, 0);
    struct runtime_network instances = network_of(&many, RULESET_ENDPOINTS_MAX + 1, NULL, 0);
    struct runtime_publication port = {NULL, 53, NULL, 0};
    struct runtime_network ports = {.publications = &port,
                                    .publication_count = RULESET_PUBLICATIONS_MAX + 1};

    assert_false(ruleset_format(&pairs, &text, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_false(ruleset_format(&instances, &text, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_false(ruleset_format(&ports, &text, &err));
    assert_int_equal(err.code, ERR_LIMIT);
}

/* A set may name an element once only, or the kernel refuses all of it. */
static void two_ports_that_lead_to_one_are_listed_once(void **state)
{
    (void)state;
    AUTO(buf_done) struct buf text = {0};
    struct err err;
    const struct runtime_target targets[] = {{"10.213.4.7", 53}};
    const struct runtime_publication publications[] = {{NULL, 53, targets, 1},
                                                       {NULL, 54, targets, 1}};
    struct runtime_network network = {.publications = publications, .publication_count = 2};

    assert_true(ruleset_format(&network, &text, &err));
    const char *first = strstr(buf_text(&text), "10.213.4.7 . udp . 53");
    assert_non_null(first);
    assert_null(strstr(first + 1, "10.213.4.7 . udp . 53"));
}

static void an_address_of_an_interface_has_six_bytes_and_is_of_one_station(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",          "02:42:ac:11:65",    "02:42:ac:11:65:43:00", "02:42:ac:11:65:4g",
        "2:42:ac:1", "01:42:ac:11:65:43", "02.42.ac.11.65.43",    "02:42:ac:11:65:4"};
    static const uint8_t expected[] = {2, 0x42, 0xac, 0x11, 0x65, 0x43};
    uint8_t mac[6];

    assert_true(netns_parse_mac("02:42:Ac:11:65:43", mac));
    assert_memory_equal(mac, expected, sizeof mac);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(netns_parse_mac(bad[i], mac));
}

static void an_interface_has_a_name_the_kernel_takes(void **state)
{
    (void)state;
    assert_true(netns_check_interface("eth0"));
    assert_true(netns_check_interface("front.1_a-b"));
    assert_true(netns_check_interface("fifteen_letters"));
    assert_false(netns_check_interface("sixteen_letters_"));
    assert_false(netns_check_interface(""));
    assert_false(netns_check_interface(".."));
    assert_false(netns_check_interface("a/b"));
    assert_false(netns_check_interface("lo"));
}

/* ---- resolv.conf ---- */

static const char machine_resolv[] = "# the machine\nnameserver 192.0.2.53\nsearch home.test\n"
                                     "options ndots:2\n";

static void resolv_is(const struct compose_service *of, const char *expected)
{
    AUTO(buf_done) struct buf text = {0};

    rootfs_format_resolv(str_of(machine_resolv), of, &text);
    assert_string_equal(buf_text(&text), expected);
}

static void what_a_service_says_about_names_replaces_the_machines(void **state)
{
    (void)state;
    const char *servers[] = {"198.51.100.1", "2001:db8::1"}, *search[] = {"a.test", "b.test"};
    const char *none[] = {"."}, *options[] = {"use-vc", "timeout:1"};
    struct compose_service nothing = {0}, all = {0}, no_search = {0};

    all.dns = (struct compose_texts){servers, 2};
    all.dns_search = (struct compose_texts){search, 2};
    all.dns_options = (struct compose_texts){options, 2};
    no_search.dns_search = (struct compose_texts){none, 1};
    resolv_is(&nothing, machine_resolv);
    resolv_is(&all, "# the machine\nnameserver 198.51.100.1\nnameserver 2001:db8::1\n"
                    "search a.test b.test\noptions use-vc timeout:1\n");
    resolv_is(&no_search, "# the machine\nnameserver 192.0.2.53\noptions ndots:2\n");
}

static void a_word_cannot_begin_a_line_of_its_own(void **state)
{
    (void)state;
    const char *bad[] = {"x\nnameserver 203.0.113.1", "", "a b"};
    struct compose_service service_of = {0};

    service_of.dns_options = (struct compose_texts){bad, 3};
    resolv_is(&service_of, "# the machine\nnameserver 192.0.2.53\nsearch home.test\n");
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
        cmocka_unit_test(two_ports_that_lead_to_one_are_listed_once),
        cmocka_unit_test(an_address_of_an_interface_has_six_bytes_and_is_of_one_station),
        cmocka_unit_test(an_interface_has_a_name_the_kernel_takes),
        cmocka_unit_test(what_a_service_says_about_names_replaces_the_machines),
        cmocka_unit_test(a_word_cannot_begin_a_line_of_its_own),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
