/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "runtime/usage.h"

static void every_interface_counts_but_lo(void **state)
{
    struct runtime_usage usage = {0};

    (void)state;
    usage_add_network(
        STR("Inter-|   Receive                                                |  Transmit\n"
            " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets\n"
            "    lo: 99999      10    0    0    0     0          0         0    99999      10\n"
            "  eth0:    1450      12    0    0    0     0          0         0      900      11    "
            "0\n"
            "eth1:7 1 0 0 0 0 0 0 8 1 0 0 0 0 0 0\n"),
        &usage);
    assert_int_equal(usage.received_bytes, 1457);
    assert_int_equal(usage.sent_bytes, 908);
}

static void disks_are_summed_in_both_versions(void **state)
{
    struct runtime_usage first = {0}, second = {0};

    (void)state;
    usage_add_disks(STR("8:0 Read 4096\n8:0 Write 100\n8:0 Sync 7\n8:0 Total 4196\n"
                        "8:16 Read 4\n8:16 Write 1\nTotal 4201\n"),
                    false, &first);
    assert_int_equal(first.read_bytes, 4100);
    assert_int_equal(first.written_bytes, 101);
    usage_add_disks(STR("8:0 rbytes=4096 wbytes=100 rios=1 wios=1 dbytes=0 dios=0\n"
                        "8:16 rbytes=4 wbytes=1 rios=9 wios=9\n"),
                    true, &second);
    assert_int_equal(second.read_bytes, 4100);
    assert_int_equal(second.written_bytes, 101);
}

static void what_is_no_counter_counts_as_nothing(void **state)
{
    static const char *const texts[] = {
        "",
        "\n\n\n",
        "Total 0",
        "8:0 Read",
        "8:0 Read x",
        "8:0 rbytes= wbytes=-1",
        "a\nb\neth0: x",
        "a\nb\neth0:",
        "8:0 Read 99999999999999999999999999",
    };
    struct runtime_usage usage = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        usage_add_disks(str_of(texts[i]), false, &usage);
        usage_add_disks(str_of(texts[i]), true, &usage);
        usage_add_network(str_of(texts[i]), &usage);
    }
    assert_int_equal(usage.read_bytes + usage.written_bytes, 0);
    assert_int_equal(usage.received_bytes + usage.sent_bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_interface_counts_but_lo),
        cmocka_unit_test(disks_are_summed_in_both_versions),
        cmocka_unit_test(what_is_no_counter_counts_as_nothing),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
