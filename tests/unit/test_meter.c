/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/file.h"
#include "edge/meter.h"

static void every_time_is_in_the_bucket_whose_bounds_hold_it(void **state)
{
    (void)state;
    for (uint64_t us = 0; us < UINT64_C(1) << 30; us += 1 + us / 97) {
        size_t bucket = meter_bucket(us);
        assert_in_range(bucket, 0, METER_BUCKETS - 1);
        assert_true(meter_bucket_us(bucket) <= us);
        if (bucket < METER_BUCKETS - 1)
            assert_true(us < meter_bucket_us(bucket + 1));
    }
    assert_int_equal(meter_bucket(0), 0);
    assert_int_equal(meter_bucket(UINT64_MAX), METER_BUCKETS - 1);
}

static void a_bucket_is_no_wider_than_a_quarter_of_its_values(void **state)
{
    (void)state;
    for (size_t i = 1; i < METER_BUCKETS - 1; i++)
        assert_true(meter_bucket_us(i + 1) - meter_bucket_us(i) <= meter_bucket_us(i) / 4);
}

static void quantiles_are_right_within_a_bucket(void **state)
{
    uint64_t buckets[METER_BUCKETS] = {0};

    (void)state;
    assert_int_equal(meter_quantile_us(buckets, 990), 0);
    for (uint64_t us = 1000; us < 101000; us += 10)
        buckets[meter_bucket(us)]++;
    assert_int_equal(meter_total(buckets), 10000);
    assert_in_range(meter_quantile_us(buckets, 500), 51000 - 1500, 51000 + 1500);
    assert_in_range(meter_quantile_us(buckets, 990), 98304, 114688);
    assert_in_range(meter_quantile_us(buckets, 0), 896, 1024);
    assert_true(meter_quantile_us(buckets, 1000) <= 114688);
}

static void the_reader_sums_up_what_the_workers_count(void **state)
{
    struct meter_region region = {.fd = -1};
    struct meter_view view;
    struct meter sum, before;
    struct err err;

    (void)state;
    assert_true(meter_region_open(&region, 3, &err));
    assert_true(meter_view_open(region.fd, &view, &err));
    for (unsigned i = 0; i < 3; i++) {
        struct meter *meter = &meter_region_shard(&region, i)[METER_SLOTS - 1];
        meter_add(meter, METER_REQUESTS, 1 + i);
        meter_add(meter, METER_ACTIVE, 1);
        meter_add_to(&meter->first_byte[meter_bucket(70)], 2);
    }
    meter_view_read(&view, METER_SLOTS - 1, &before);
    assert_int_equal(before.counts[METER_REQUESTS], 6);
    assert_int_equal(before.counts[METER_ACTIVE], 3);
    assert_int_equal(meter_total(before.first_byte), 6);
    struct meter *second = &meter_region_shard(&region, 1)[METER_SLOTS - 1];
    meter_add(second, METER_REQUESTS, 10);
    meter_add(second, METER_ACTIVE, UINT64_MAX); /* one less */
    meter_view_read(&view, METER_SLOTS - 1, &sum);
    meter_subtract(&sum, &before);
    assert_int_equal(sum.counts[METER_REQUESTS], 10);
    assert_int_equal(sum.counts[METER_ACTIVE], 2);
    assert_int_equal(meter_total(sum.first_byte), 0);
    meter_view_read(&view, METER_SLOTS - 2, &sum);
    assert_int_equal(sum.counts[METER_REQUESTS], 0);
    meter_view_read(&view, METER_SLOTS, &sum); /* there is none */
    assert_int_equal(sum.counts[METER_REQUESTS], 0);
    meter_view_close(&view);
    meter_view_read(&view, 1, &sum);
    assert_int_equal(sum.counts[METER_REQUESTS], 0);
    meter_region_close(&region);
}

static int memory_file(size_t bytes, bool sealed)
{
    int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    assert_true(fd >= 0 && ftruncate(fd, (off_t)bytes) == 0);
    assert_true(!sealed || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) == 0);
    return fd;
}

static void memory_that_is_no_region_is_refused(void **state)
{
    struct meter_header wrong = {.magic = METER_MAGIC, .version = METER_VERSION + 1};
    struct meter_view view;
    struct err err;

    (void)state;
    AUTO(fd_close) int open = memory_file(METER_HEADER_BYTES * 2, false);
    assert_false(meter_view_open(open, &view, &err));
    assert_non_null(strstr(err.text, "not sealed"));
    AUTO(fd_close) int small = memory_file(10, true);
    assert_false(meter_view_open(small, &view, &err));
    assert_non_null(strstr(err.text, "too small"));
    AUTO(fd_close) int other = memory_file(METER_HEADER_BYTES * 2, true);
    assert_int_equal(pwrite(other, &wrong, sizeof wrong, 0), sizeof wrong);
    assert_false(meter_view_open(other, &view, &err));
    assert_non_null(strstr(err.text, "another layout"));
    wrong = (struct meter_header){METER_MAGIC, METER_VERSION,        2,
                                  METER_SLOTS, sizeof(struct meter), METER_BUCKETS};
    assert_int_equal(pwrite(other, &wrong, sizeof wrong, 0), sizeof wrong);
    assert_false(meter_view_open(other, &view, &err));
    assert_non_null(strstr(err.text, "are not 2 shards"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_time_is_in_the_bucket_whose_bounds_hold_it),
        cmocka_unit_test(a_bucket_is_no_wider_than_a_quarter_of_its_values),
        cmocka_unit_test(quantiles_are_right_within_a_bucket),
        cmocka_unit_test(the_reader_sums_up_what_the_workers_count),
        cmocka_unit_test(memory_that_is_no_region_is_refused),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
