/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/err.h"
#include "cli/progress.h"
#include "cli/rollout_format.h"
#include "json/json.h"

static struct term plain = {0};

static json_t *read_line(const char *text)
{
    json_t *line = NULL;
    struct err err;

    assert_true(json_parse(str_of(text), 1 << 20, &line, &err));
    return line;
}

static const char baking[] =
    "{\"event\":\"rollout\",\"from\":12,\"to\":13,\"state\":\"watching\",\"step\":1,\"steps\":3,"
    "\"share\":500,\"text\":\"errors are few enough\",\"until_ms\":61000,\"releases\":["
    "{\"release\":12,\"requests\":19000,\"errors\":19,\"p99_ms\":12},"
    "{\"release\":13,\"requests\":1000,\"errors\":31,\"p99_ms\":14.5},"
    "{\"release\":11,\"requests\":0,\"errors\":0,\"p99_ms\":null}]}";

static void a_step_says_how_far_it_is_and_how_long_it_takes(void **state)
{
    (void)state;
    AUTO(json_unref) json_t *line = read_line(baking);
    AUTO(buf_done) struct buf out = {0};

    rollout_format_line(line, 19000, &plain, &out);
    assert_string_equal(buf_text(&out),
                        "release 12 -> 13  watching     step 1 of 3, 5 % at release "
                        "13  42 s left  errors are few enough");
}

static void a_first_release_comes_from_nowhere(void **state)
{
    (void)state;
    AUTO(json_unref)
    json_t *line =
        read_line("{\"from\":0,\"to\":1,\"state\":\"starting\",\"share\":0,\"until_ms\":null}");
    AUTO(buf_done) struct buf out = {0};

    rollout_format_line(line, 0, &plain, &out);
    assert_string_equal(buf_text(&out), "release 1  starting   ");
}

static void figures_leave_out_who_answered_nothing(void **state)
{
    (void)state;
    AUTO(json_unref) json_t *line = read_line(baking);
    AUTO(buf_done) struct buf out = {0};

    rollout_format_figures(line, "", &out);
    assert_string_equal(buf_text(&out),
                        "release 12  19000 requests  19 failed (0.1 %)  p99 12 ms\n"
                        "release 13  1000 requests  31 failed (3.1 %)  p99 14.5 ms\n");
}

static void shares_are_as_short_as_they_can_be(void **state)
{
    (void)state;
    static const struct {
        uint64_t share;
        const char *text;
    } cases[] = {{0, "0 %"},   {5, "0.05 %"},   {10, "0.1 %"},
                 {500, "5 %"}, {525, "5.25 %"}, {10000, "100 %"}};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(buf_done) struct buf out = {0};
        rollout_format_share(cases[i].share, &out);
        assert_string_equal(buf_text(&out), cases[i].text);
    }
}

static void what_a_daemon_should_not_say_does_no_harm(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{\"event\":\"rollout\"}",
        "{\"event\":\"rollout\",\"from\":\"x\",\"to\":-1,\"state\":\"\\u001b[2J\",\"share\":99999}",
        "{\"event\":\"rollout\",\"releases\":[1,null,{\"requests\":2,\"errors\":7}]}",
    };

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        AUTO(json_unref) json_t *line = read_line(texts[i]);
        AUTO(buf_done) struct buf out = {0};
        rollout_format_line(line, 0, &plain, &out);
        rollout_format_figures(line, "", &out);
        assert_null(strchr(buf_text(&out), '\033'));
        assert_null(strstr(buf_text(&out), "350 %"));
    }
}

static void feed(struct progress *progress, uint64_t at_ms, const char *text, struct buf *ret)
{
    AUTO(json_unref) json_t *line = read_line(text);

    progress_feed(progress, str_of(text), line, at_ms * NS_PER_MS, ret);
}

static size_t count_lines(const struct buf *buf)
{
    size_t count = 0;

    for (size_t i = 0; i < buf->len; i++)
        count += buf->ptr[i] == '\n';
    return count;
}

static void a_log_gets_a_line_for_each_change_and_figures_now_and_then(void **state)
{
    (void)state;
    AUTO(buf_done) struct buf out = {0};
    struct progress progress;

    progress_init(&progress, PROGRESS_PLAIN, PROGRESS_DEPLOY, "shop", &plain, 0);
    feed(&progress, 1000, baking, &out);
    assert_int_equal(count_lines(&out), 3);
    for (uint64_t ms = 3000; ms < 11000; ms += 2000)
        feed(&progress, ms, baking, &out);
    assert_int_equal(count_lines(&out), 3);
    feed(&progress, 11000, baking, &out);
    assert_int_equal(count_lines(&out), 6);
    feed(&progress, 11500, "{\"event\":\"rollout\",\"from\":12,\"to\":13,\"state\":\"aborting\"}",
         &out);
    assert_int_equal(count_lines(&out), 7);
    progress_done(&progress);
}

static void a_screen_shows_the_rollout_below_the_services(void **state)
{
    (void)state;
    AUTO(buf_done) struct buf out = {0};
    struct term screen = {.is_tty = true, .moves = true, .utf8 = true, .width = 120, .height = 24};
    struct progress progress;

    progress_init(&progress, PROGRESS_TTY, PROGRESS_DEPLOY, "shop", &screen, 0);
    progress_expect(&progress, "web");
    feed(&progress, 1000, baking, &out);
    progress_end(&progress, 2000 * NS_PER_MS, &out);
    const char *service = strstr(buf_text(&out), " web");
    const char *rollout = strstr(buf_text(&out), "release 12 -> 13");
    assert_non_null(service);
    assert_non_null(rollout);
    assert_true(rollout > service);
    assert_non_null(strstr(buf_text(&out), "Deploying shop"));
    assert_non_null(strstr(buf_text(&out), "31 failed (3.1 %)"));
    progress_done(&progress);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_step_says_how_far_it_is_and_how_long_it_takes),
        cmocka_unit_test(a_first_release_comes_from_nowhere),
        cmocka_unit_test(figures_leave_out_who_answered_nothing),
        cmocka_unit_test(shares_are_as_short_as_they_can_be),
        cmocka_unit_test(what_a_daemon_should_not_say_does_no_harm),
        cmocka_unit_test(a_log_gets_a_line_for_each_change_and_figures_now_and_then),
        cmocka_unit_test(a_screen_shows_the_rollout_below_the_services),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
