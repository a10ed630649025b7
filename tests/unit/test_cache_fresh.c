/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/buf.h"
#include "edge/cache_fresh.h"

/* Wall clock of all tests: Sat, 21 Nov 2026 12:00:00 GMT */
#define NOW      INT64_C(1795262400)
#define DATE     "Date: Sat, 21 Nov 2026 12:00:00 GMT\r\n"
#define EARLY    "Date: Sat, 21 Nov 2026 11:00:00 GMT\r\n"
#define MODIFIED "Last-Modified: Sat, 21 Nov 2026 11:43:20 GMT\r\n" /* 1000 s before */
#define IN_HOUR  "Expires: Sat, 21 Nov 2026 13:00:00 GMT\r\n"

static struct cache_facts facts_of(int status, const char *lines)
{
    static struct http1_head head;
    static struct buf text;
    struct cache_facts facts;
    const char *why = "";

    buf_clear(&text);
    buf_addf(&text, "HTTP/1.1 %d X\r\n%sContent-Length: 0\r\n\r\n", status, lines);
    if (http1_parse_response(buf_str(&text), HTTP_GET, &head, &why) != HTTP1_DONE)
        fail_msg("not a head: %s: %s", lines, why);
    cache_facts_read(&head, &facts);
    return facts;
}

static void freshness_comes_from_the_first_that_says_it(void **state)
{
    static const struct {
        const char *lines;
        int64_t default_s;
        int64_t fresh_s;
        bool assumed;
    } cases[] = {
        {DATE "Cache-Control: max-age=60\r\n", CACHE_NONE, 60, false},
        {DATE "Cache-Control: max-age=60, s-maxage=5\r\n", CACHE_NONE, 5, false},
        {DATE "Cache-Control: s-maxage=0\r\nCache-Control: max-age=60\r\n", CACHE_NONE, 0, false},
        {DATE IN_HOUR, CACHE_NONE, 3600, false},
        {EARLY IN_HOUR, CACHE_NONE, 7200, false},
        {IN_HOUR, CACHE_NONE, 3600, false},
        {DATE IN_HOUR "Expires: 0\r\n", CACHE_NONE, 0, false},
        {DATE "Expires: never\r\n", 30, 0, false},
        {DATE IN_HOUR "Cache-Control: max-age=7\r\n", CACHE_NONE, 7, false},
        {DATE IN_HOUR "Cache-Control: max-age=x\r\n", CACHE_NONE, 0, false},
        {DATE IN_HOUR "CDN-Cache-Control: max-age=9\r\nCache-Control: no-store\r\n", 1, 9, false},
        {DATE IN_HOUR "CDN-Cache-Control: public\r\n", CACHE_NONE, 0, true},
        {DATE, CACHE_NONE, 0, true},
        {DATE, 30, 30, true},
        {DATE MODIFIED, CACHE_NONE, 100, true},
        {DATE MODIFIED, 30, 30, true},
        {DATE MODIFIED "Pragma: no-cache\r\n", 30, 0, true},
        {DATE "Last-Modified: Sat, 21 Nov 2026 12:30:00 GMT\r\n", CACHE_NONE, 0, true},
        {DATE "Last-Modified: Thu, 01 Jan 1970 00:00:01 GMT\r\n", CACHE_NONE, CACHE_HEURISTIC_MAX_S,
         true},
        {DATE "Cache-Control: max-age=99999999999999999999\r\n", 1, CACHE_SECONDS_MAX, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct cache_facts facts = facts_of(200, cases[i].lines);
        struct cache_life life = cache_facts_life(&facts, cases[i].default_s, NOW);
        if (life.fresh_s != cases[i].fresh_s || life.assumed != cases[i].assumed)
            fail_msg("%zu: %s: %ld %d", i, cases[i].lines, (long)life.fresh_s, life.assumed);
    }
}

static void age_is_the_larger_of_what_was_said_and_what_the_clock_says(void **state)
{
    static const struct {
        const char *lines;
        int64_t delay_s;
        int64_t age_s;
    } cases[] = {
        {DATE, 0, 0},
        {DATE, 3, 3},
        {EARLY, 0, 3600},
        {EARLY "Age: 5000\r\n", 2, 5002},
        {EARLY "Age: 10\r\n", 2, 3600},
        {"Age: 10\r\n", 2, 12},
        {"Date: Sat, 21 Nov 2026 13:00:00 GMT\r\n", 0, 0},
        {DATE "Age: -1\r\n", 0, CACHE_SECONDS_MAX},
        {DATE "Age: 1, 2\r\n", 0, CACHE_SECONDS_MAX},
        {DATE "Age: 0\r\nAge: 0\r\n", 0, CACHE_SECONDS_MAX},
        {DATE "Age: 99999999999\r\n", 9, CACHE_SECONDS_MAX},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct cache_facts facts = facts_of(200, cases[i].lines);
        int64_t age_s = cache_facts_age(&facts, cases[i].delay_s, NOW);
        if (age_s != cases[i].age_s)
            fail_msg("%zu: %s: %ld", i, cases[i].lines, (long)age_s);
    }
}

struct refusal {
    int status;
    const char *lines;
    const char *why; /* NULL: it may be stored */
};

static void check_refusals(const struct refusal *cases, size_t count,
                           struct cache_request_facts request)
{
    for (size_t i = 0; i < count; i++) {
        struct cache_facts facts = facts_of(cases[i].status, cases[i].lines);
        const char *why = cache_facts_refuse(&facts, &request);
        if ((why == NULL) != (cases[i].why == NULL) ||
            (why != NULL && strcmp(why, cases[i].why) != 0))
            fail_msg("%zu: %d %s: %s", i, cases[i].status, cases[i].lines,
                     why == NULL ? "stored" : why);
    }
}

static void what_may_be_stored_is_decided_by_the_answer(void **state)
{
    static const struct refusal cases[] = {
        {200, "", NULL},
        {200, "Cache-Control: no-store, max-age=60\r\n", "no-store"},
        {200, "Cache-Control: NO-STORE\r\n", "no-store"},
        {200, "Cache-Control: private\r\n", "private"},
        {200, "Cache-Control: private=\"x-a\", max-age=60\r\n", NULL},
        {200, "Cache-Control: private; max-age=60\r\n", "no-store"},
        {200, "Cache-Control: no-cache\r\n", NULL},
        {200, "Cache-Control: ext=\"no-store\", max-age=60\r\n", NULL},
        {200, "Vary: A, *\r\nCache-Control: max-age=60\r\n", "vary"},
        {200, "Vary: A\r\nCache-Control: max-age=60\r\n", NULL},
        {200, "Set-Cookie: a=b\r\nCache-Control: max-age=60\r\n", "set-cookie"},
        {200, "Set-Cookie: a=b\r\nCache-Control: max-age=60, public\r\n", NULL},
        {200, "Set-Cookie: a=b\r\nCache-Control: s-maxage=60\r\n", NULL},
        {200, "Set-Cookie: a=b\r\nCDN-Cache-Control: max-age=60\r\n", NULL},
        {206, "Cache-Control: max-age=60\r\n", "status"},
        {304, "Cache-Control: max-age=60\r\n", "status"},
        {302, "", "status"},
        {302, "Cache-Control: max-age=60\r\n", NULL},
        {302, "Cache-Control: public\r\n", NULL},
        {404, "", NULL},
        {500, "", "status"},
        {500, "Cache-Control: max-age=1\r\n", NULL},
        {599, "Cache-Control: max-age=60\r\n", NULL},
        {599, "Cache-Control: max-age=60, must-understand\r\n", "must-understand"},
        {200, "Cache-Control: max-age=60, must-understand, no-store\r\n", NULL},
    };

    (void)state;
    check_refusals(cases, ARRAY_LEN(cases), (struct cache_request_facts){.default_s = CACHE_NONE});
}

static void credentials_cookies_and_no_store_of_a_request_count(void **state)
{
    static const struct refusal authorized[] = {
        {200, "Cache-Control: max-age=60\r\n", "authorization"},
        {200, "Cache-Control: max-age=60, public\r\n", NULL},
        {200, "Cache-Control: s-maxage=60\r\n", NULL},
        {200, "Cache-Control: max-age=60, must-revalidate\r\n", NULL},
    };
    static const struct refusal with_cookie[] = {
        {200, "Cache-Control: max-age=60\r\n", NULL},
        {200, "", "cookie"},
        {200, MODIFIED, "cookie"},
    };
    static const struct refusal not_stored[] = {
        {200, "Cache-Control: max-age=60\r\n", "request"},
    };

    (void)state;
    check_refusals(authorized, ARRAY_LEN(authorized),
                   (struct cache_request_facts){.authorized = true, .default_s = 60});
    check_refusals(with_cookie, ARRAY_LEN(with_cookie),
                   (struct cache_request_facts){.has_cookie = true, .default_s = 60});
    check_refusals(not_stored, ARRAY_LEN(not_stored),
                   (struct cache_request_facts){.no_store = true, .default_s = 60});
}

static void directives_are_read_as_they_are_meant(void **state)
{
    static const struct {
        const char *text;
        int64_t max_age;
        bool no_cache;
        const char *fields;
    } cases[] = {
        {"max-age=5", 5, false, ""},
        {" , ,max-age=5,", 5, false, ""},
        {"MAX-AGE=\"5\"", 5, false, ""},
        {"max-age=5, max-age=6", 5, false, ""},
        {"max-age='5'", 0, false, ""},
        {"max-age=-5", 0, false, ""},
        {"max-age=5.0", 0, false, ""},
        {"max-age=", 0, false, ""},
        {"max-age", 0, false, ""},
        {"max-age =5", CACHE_NONE, false, ""},
        {"x=\"max-age=5", CACHE_NONE, false, ""},
        {"x=\"\\\"\", max-age=5", 5, false, ""},
        {"no-cache", CACHE_NONE, true, ""},
        {"no-cache=\"a, b\"", CACHE_NONE, false, "a, b"},
        {"no-cache=\"a\", no-cache=\"b\"", CACHE_NONE, true, "a"},
        {"no-cache=\"\"", CACHE_NONE, true, ""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct cache_control control;
        cache_control_init(&control);
        cache_control_parse(&control, str_of(cases[i].text));
        if (control.max_age != cases[i].max_age || control.no_cache != cases[i].no_cache ||
            !str_is(control.no_cache_fields, cases[i].fields))
            fail_msg("%s: %ld %d", cases[i].text, (long)control.max_age, control.no_cache);
    }
}

static void a_field_that_is_too_long_to_be_read_forbids_to_store(void **state)
{
    AUTO(buf_done) struct buf text = {0};
    struct cache_control control;

    (void)state;
    buf_add_text(&text, "max-age=60, x=");
    while (text.len <= CACHE_CONTROL_MAX_BYTES)
        buf_add_char(&text, 'y');
    cache_control_init(&control);
    cache_control_parse(&control, buf_str(&text));
    assert_true(control.no_store);
    cache_control_init(&control);
    cache_control_parse(&control, str_sub(buf_str(&text), 0, CACHE_CONTROL_MAX_BYTES));
    assert_false(control.no_store);
    assert_int_equal(control.max_age, 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(freshness_comes_from_the_first_that_says_it),
        cmocka_unit_test(age_is_the_larger_of_what_was_said_and_what_the_clock_says),
        cmocka_unit_test(what_may_be_stored_is_decided_by_the_answer),
        cmocka_unit_test(credentials_cookies_and_no_store_of_a_request_count),
        cmocka_unit_test(directives_are_read_as_they_are_meant),
        cmocka_unit_test(a_field_that_is_too_long_to_be_read_forbids_to_store),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
