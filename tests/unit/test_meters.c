/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/file.h"
#include "base/str.h"
#include "control/daemon_priv.h"
#include "control/meters.h"

/* A daemon that has meters and nothing else, and the region of an edge with one worker. */
struct fixture {
    struct daemon daemon;
    struct meter_region region;
};

static struct fixture fixture;

static void attach(void)
{
    struct err err;

    fixture.region = (struct meter_region){.fd = -1};
    assert_true(meter_region_open(&fixture.region, 1, &err));
    meters_attach(&fixture.daemon, fcntl(fixture.region.fd, F_DUPFD_CLOEXEC, 0));
}

static int set_up(void **state)
{
    (void)state;
    fixture = (struct fixture){.daemon.meters = meters_new()};
    attach();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    meters_free(fixture.daemon.meters);
    meter_region_close(&fixture.region);
    return 0;
}

static void count(uint32_t number, uint64_t requests)
{
    meter_add(&meter_region_shard(&fixture.region, 0)[number], METER_REQUESTS, requests);
}

static uint64_t requests_of(const char *name)
{
    struct meter meter;

    assert_true(meters_read(&fixture.daemon, name, &meter));
    return meter.counts[METER_REQUESTS];
}

static void a_name_keeps_its_number_and_counts_from_when_it_got_it(void **state)
{
    struct meter meter;

    (void)state;
    uint32_t a = meters_number(&fixture.daemon, "a");
    count(a, 5);
    assert_int_equal(requests_of("a"), 5);
    meters_table_sent(&fixture.daemon);
    assert_int_equal(meters_number(&fixture.daemon, "a"), a);
    assert_int_not_equal(meters_number(&fixture.daemon, "b"), a);
    assert_int_equal(requests_of("b"), 0);
    assert_false(meters_read(&fixture.daemon, "c", &meter));
    assert_int_equal(meter.counts[METER_REQUESTS], 0);
}

static void numbers_of_names_that_are_gone_are_given_again_without_their_counts(void **state)
{
    char name[32];
    uint32_t last = 0;

    (void)state;
    for (unsigned i = 0; i < 3 * METER_SLOTS; i++) {
        str_format(name, sizeof name, "n%u", i);
        last = meters_number(&fixture.daemon, name);
        assert_in_range(last, 1, METER_SLOTS - 1);
        assert_int_equal(requests_of(name), 0);
        count(last, 1 + i);
        assert_int_equal(requests_of(name), 1 + i);
        meters_table_sent(&fixture.daemon);
    }
}

static void more_names_than_numbers_get_none(void **state)
{
    char name[32];
    unsigned given = 0;

    (void)state;
    for (unsigned i = 0; i < METER_SLOTS + 10; i++) {
        str_format(name, sizeof name, "n%u", i);
        given += meters_number(&fixture.daemon, name) != 0;
    }
    assert_int_equal(given, METER_SLOTS - 1);
}

static void another_edge_counts_from_zero_and_that_is_seen(void **state)
{
    uint64_t epoch = meters_epoch(&fixture.daemon);

    (void)state;
    uint32_t number = meters_number(&fixture.daemon, "a");
    count(number, 7);
    meter_region_close(&fixture.region);
    assert_int_equal(requests_of("a"), 7); /* it is still mapped */
    attach();
    assert_int_not_equal(meters_epoch(&fixture.daemon), epoch);
    assert_int_equal(requests_of("a"), 0);
    count(number, 2);
    assert_int_equal(requests_of("a"), 2);
}

static void the_key_of_the_cookies_is_made_once(void **state)
{
    char folder[] = "/tmp/ishizue-key.XXXXXX", first[SIGN_KEY_TEXT_BYTES],
         second[SIGN_KEY_TEXT_BYTES], path[64];
    struct stat stat_of;
    struct err err;

    (void)state;
    assert_non_null(mkdtemp(folder));
    str_format(path, sizeof path, "%s/edge.key", folder);
    assert_true(sign_key_open(folder, first, &err));
    assert_int_equal(strlen(first), 64);
    assert_true(stat(path, &stat_of) == 0 && (stat_of.st_mode & 0777) == 0600);
    assert_true(sign_key_open(folder, second, &err));
    assert_string_equal(first, second);
    assert_true(file_write(path, STR("short"), 0600, &err));
    assert_false(sign_key_open(folder, second, &err));
    assert_non_null(strstr(err.text, "is not a key; remove it"));
    assert_true(unlink(path) == 0);
    assert_true(sign_key_open(folder, second, &err));
    assert_string_not_equal(first, second);
    assert_true(unlink(path) == 0 && rmdir(folder) == 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_name_keeps_its_number_and_counts_from_when_it_got_it),
        TEST(numbers_of_names_that_are_gone_are_given_again_without_their_counts),
        TEST(more_names_than_numbers_get_none),
        TEST(another_edge_counts_from_zero_and_that_is_seen),
        TEST(the_key_of_the_cookies_is_made_once),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
