/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/err.h"
#include "control/releases.h"
#include "control/retention.h"
#include "json/json.h"

enum { ROWS_MAX = 40, TEXT_BYTES = 1 << 20 };

/* Releases <newest> down to 1, all reached. */
static void make_rows(struct retention_row *rows, uint32_t newest)
{
    for (uint32_t i = 0; i < newest; i++)
        rows[i] = (struct retention_row){.number = newest - i, .reached = true};
}

static bool is_kept(const struct retention_row *rows, uint32_t newest, uint32_t number)
{
    return rows[newest - number].kept;
}

static size_t count_kept(const struct retention_row *rows, size_t count)
{
    size_t kept = 0;

    for (size_t i = 0; i < count; i++)
        kept += rows[i].kept;
    return kept;
}

static void the_newest_releases_stay_and_no_more(void **state)
{
    struct retention_row rows[ROWS_MAX];

    (void)state;
    make_rows(rows, 30);
    rows[0].used = true;
    retention_choose(rows, 30, 30, 10, 0);
    assert_int_equal(count_kept(rows, 30), 10);
    assert_true(is_kept(rows, 30, 21));
    assert_false(is_kept(rows, 30, 20));
}

static void what_is_used_stays_however_old_it_is(void **state)
{
    struct retention_row rows[ROWS_MAX];

    (void)state;
    make_rows(rows, 30);
    rows[30 - 3].used = true;
    retention_choose(rows, 30, 30, 10, 0);
    assert_true(is_kept(rows, 30, 3));
    assert_int_equal(count_kept(rows, 30), 11);
}

static void many_failures_do_not_push_out_the_last_good_one(void **state)
{
    struct retention_row rows[ROWS_MAX];

    (void)state;
    make_rows(rows, 30);
    for (uint32_t number = 6; number <= 30; number++)
        rows[30 - number].reached = false;
    rows[30 - 5].used = true; /* it runs */
    retention_choose(rows, 30, 5, 10, 0);
    assert_true(is_kept(rows, 30, 5));
    assert_true(is_kept(rows, 30, 4));
    assert_false(is_kept(rows, 30, 3));
    assert_int_equal(count_kept(rows, 30), 12);
}

static void many_restarts_do_not_push_out_the_one_that_differs(void **state)
{
    struct retention_row rows[ROWS_MAX];

    (void)state;
    make_rows(rows, 30);
    rows[0].used = true; /* 30 runs, and so do 6 to 29 but for who is made anew */
    for (uint32_t number = 6; number < 30; number++)
        rows[30 - number].alike = true;
    retention_choose(rows, 30, 30, 10, 0);
    assert_true(is_kept(rows, 30, 5));
    assert_false(is_kept(rows, 30, 6));
    assert_false(is_kept(rows, 30, 4));
    assert_int_equal(count_kept(rows, 30), 11);
}

static void one_offs_take_nobodys_place_and_go_when_unused(void **state)
{
    struct retention_row rows[ROWS_MAX];

    (void)state;
    make_rows(rows, 30);
    for (size_t i = 0; i < 20; i += 2)
        rows[i].one_off = true;
    rows[4].used = true;
    retention_choose(rows, 30, 29, 10, 0);
    assert_true(rows[4].kept);
    assert_false(rows[0].kept);
    assert_int_equal(count_kept(rows, 30), 11);
    assert_true(is_kept(rows, 30, 11));
}

static void without_a_current_release_the_last_good_one_stays(void **state)
{
    struct retention_row rows[ROWS_MAX];

    (void)state;
    make_rows(rows, 20);
    for (size_t i = 0; i < 15; i++)
        rows[i].reached = false;
    retention_choose(rows, 20, 0, 10, 0);
    assert_true(is_kept(rows, 20, 5));
    assert_int_equal(count_kept(rows, 20), 11);
    retention_choose(rows, 0, 0, 10, 0);
}

static void above_the_budget_the_oldest_go_but_never_what_runs_and_what_ran_before(void **state)
{
    struct retention_row rows[ROWS_MAX];

    (void)state;
    for (uint64_t budget = 1; budget <= 1500; budget += 7) {
        uint64_t total = 0;
        make_rows(rows, 20);
        for (size_t i = 0; i < 20; i++)
            rows[i].bytes = 100;
        rows[1].used = true;  /* 19 runs */
        rows[17].used = true; /* an old instance of 3 is still there */
        retention_choose(rows, 20, 19, 15, budget);
        assert_true(is_kept(rows, 20, 19));
        assert_true(is_kept(rows, 20, 18));
        assert_true(is_kept(rows, 20, 3));
        for (size_t i = 0; i < 20; i++)
            total += rows[i].kept ? rows[i].bytes : 0;
        assert_true(total <= MAX(budget, 300U)); /* three stay whatever it is */
        assert_true(count_kept(rows, 20) <= 16);
        assert_int_equal(is_kept(rows, 20, 20), budget >= 400);
    }
}

/* ---- comparing ---- */

static json_t *read_json(const char *text)
{
    json_t *root = NULL;
    struct err err;

    assert_true(json_parse(str_of(text), TEXT_BYTES, &root, &err));
    return root;
}

static void format(const json_t *value, struct buf *ret)
{
    buf_clear(ret);
    json_format(value, false, ret);
}

static void contents_of_secrets_are_not_shown_and_the_rest_is(void **state)
{
    AUTO(json_unref)
    json_t *config = read_json("{\"secrets\":{\"a\":{\"content\":\"hush\","
                               "\"x-value\":\"hush too\"},\"b\":{\"file\":\"/x\"}},"
                               "\"configs\":{\"c\":{\"content\":\"open\"}},\"services\":{}}");
    AUTO(json_unref) json_t *masked = releases_mask(config);
    AUTO(buf_done) struct buf text = {0};

    (void)state;
    format(masked, &text);
    assert_null(strstr(buf_text(&text), "hush"));
    assert_non_null(strstr(buf_text(&text), "\"file\":\"/x\""));
    assert_non_null(strstr(buf_text(&text), "open"));
    format(config, &text);
    assert_non_null(strstr(buf_text(&text), "hush")); /* its own is as it was */
}

static void services_are_added_removed_or_replaced(void **state)
{
    AUTO(json_unref)
    json_t *now =
        read_json("{\"a\":{\"hash\":\"1\"},\"b\":{\"hash\":\"2\"},\"c\":{\"hash\":\"3\"}}");
    AUTO(json_unref)
    json_t *former =
        read_json("{\"b\":{\"hash\":\"2\"},\"c\":{\"hash\":\"9\"},\"d\":{\"hash\":\"4\"}}");
    AUTO(json_unref) json_t *changed = releases_changed(now, former, "hash");
    AUTO(json_unref) json_t *first = releases_changed(now, NULL, "hash");
    AUTO(buf_done) struct buf text = {0};

    (void)state;
    format(changed, &text);
    assert_string_equal(buf_text(&text),
                        "{\"added\":[\"a\"],\"removed\":[\"d\"],\"replaced\":[\"c\"]}");
    assert_int_equal(json_array_size(json_object_get(first, "added")), 3);
}

static void a_restart_alone_makes_no_other_release(void **state)
{
    AUTO(json_unref) json_t *config = read_json("{\"services\":{\"a\":{\"scale\":1}}}");
    AUTO(json_unref) json_t *scaled = read_json("{\"services\":{\"a\":{\"scale\":2}}}");
    AUTO(json_unref) json_t *one = read_json("{\"a\":{\"hash\":\"1\",\"config_hash\":\"c\"}}");
    AUTO(json_unref) json_t *other = read_json("{\"a\":{\"hash\":\"2\",\"config_hash\":\"c\"}}");
    AUTO(json_unref) json_t *built = read_json("{\"a\":{\"hash\":\"2\",\"config_hash\":\"d\"}}");

    (void)state;
    assert_true(releases_are_alike(config, one, config, other));
    assert_false(releases_are_alike(config, one, scaled, other));
    assert_false(releases_are_alike(config, one, config, built));
}

static void trees_and_contents_differ_by_their_hashes(void **state)
{
    static const char file[] =
        "{\"services\":{\"web\":{\"image\":\"%s\",\"secrets\":[{\"source\":\"pw\"}],"
        "\"configs\":[{\"source\":\"pw\"}]}}}";
    char text[256], rows[256];

    (void)state;
    str_format(text, sizeof text, file, "nginx:1");
    AUTO(json_unref) json_t *config = read_json(text);
    str_format(text, sizeof text, file, "nginx:2");
    AUTO(json_unref) json_t *other = read_json(text);
    str_format(rows, sizeof rows,
               "{\"web\":{\"tree\":\"/t/aaa\",\"files\":[\"1111111111111111\",\"3333\"]}}");
    AUTO(json_unref) json_t *before = read_json(rows);
    str_format(rows, sizeof rows,
               "{\"web\":{\"tree\":\"/t/bbb\",\"files\":[\"2222222222222222\",\"3333\"]}}");
    AUTO(json_unref) json_t *after = read_json(rows);
    AUTO(json_unref) json_t *lines = releases_differences(config, before, other, after);
    AUTO(json_unref) json_t *none = releases_differences(config, before, config, before);

    assert_int_equal(json_array_size(none), 0);
    assert_int_equal(json_array_size(lines), 3);
    assert_string_equal(json_string_value(json_array_get(lines, 0)),
                        "web: image: nginx:1 is now nginx:2");
    assert_string_equal(json_string_value(json_array_get(lines, 1)),
                        "web: built tree: aaa is now bbb");
    assert_string_equal(json_string_value(json_array_get(lines, 2)),
                        "web: content of secret 'pw': 111111111111 is now 222222222222");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_releases_stay_and_no_more),
        cmocka_unit_test(what_is_used_stays_however_old_it_is),
        cmocka_unit_test(many_failures_do_not_push_out_the_last_good_one),
        cmocka_unit_test(many_restarts_do_not_push_out_the_one_that_differs),
        cmocka_unit_test(one_offs_take_nobodys_place_and_go_when_unused),
        cmocka_unit_test(without_a_current_release_the_last_good_one_stays),
        cmocka_unit_test(above_the_budget_the_oldest_go_but_never_what_runs_and_what_ran_before),
        cmocka_unit_test(contents_of_secrets_are_not_shown_and_the_rest_is),
        cmocka_unit_test(services_are_added_removed_or_replaced),
        cmocka_unit_test(a_restart_alone_makes_no_other_release),
        cmocka_unit_test(trees_and_contents_differ_by_their_hashes),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
