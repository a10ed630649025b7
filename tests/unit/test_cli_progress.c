/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/err.h"
#include "cli/progress.h"
#include "json/json.h"

static struct term term_plain = {0};
static struct term term_screen = {
    .is_tty = true, .moves = true, .utf8 = true, .width = 70, .height = 24};

struct feeding {
    struct progress progress;
    struct buf out;
};

static void feed(struct feeding *feeding, uint64_t at_ms, const char *text)
{
    AUTO(json_unref) json_t *line = NULL;
    struct err err;

    assert_true(json_parse(str_of(text), 1 << 20, &line, &err));
    progress_feed(&feeding->progress, str_of(text), line, at_ms * NS_PER_MS, &feeding->out);
}

static void start(struct feeding *feeding, enum progress_mode mode, struct term *term)
{
    *feeding = (struct feeding){0};
    progress_init(&feeding->progress, mode, PROGRESS_UP, "shop", term, NS_PER_SECOND);
    progress_expect(&feeding->progress, "postgres");
    progress_expect(&feeding->progress, "backend");
}

static void end(struct feeding *feeding)
{
    progress_done(&feeding->progress);
    buf_done(&feeding->out);
}

static const struct {
    uint64_t at_ms;
    const char *line;
} recorded[] = {
    {1000, "{\"event\":\"step\",\"service\":\"postgres\",\"state\":\"starting\",\"text\":\"\"}"},
    {1100,
     "{\"event\":\"step\",\"service\":\"backend\",\"state\":\"building\",\"text\":\"step 1 of 1: "
     "make\"}"},
    {1200, "{\"event\":\"output\",\"service\":\"backend\",\"text\":\"\\u001b[32mcc\\u001b[0m -o "
           "main\"}"},
    {2500, "{\"event\":\"step\",\"service\":\"postgres\",\"state\":\"ready\",\"text\":\"\"}"},
    {2500, "{\"event\":\"step\",\"service\":\"postgres\",\"state\":\"ready\",\"text\":\"\"}"},
    {4000, "{\"event\":\"step\",\"service\":\"backend\",\"state\":\"starting\",\"text\":\"\"}"},
    {4200, "{\"event\":\"warning\",\"text\":\"port 80 is taken\"}"},
    {5400, "{\"event\":\"step\",\"service\":\"backend\",\"state\":\"ready\",\"text\":\"\"}"},
    {5400, "{\"event\":\"result\",\"ok\":true,\"changed\":true,\"elapsed_ms\":4400}"},
};

static void feed_all(struct feeding *feeding)
{
    for (size_t i = 0; i < ARRAY_LEN(recorded); i++)
        feed(feeding, recorded[i].at_ms, recorded[i].line);
    progress_end(&feeding->progress, 5400 * NS_PER_MS, &feeding->out);
}

static void plain_lines_are_aligned_one_for_each_change(void **state)
{
    (void)state;
    struct feeding feeding;

    start(&feeding, PROGRESS_PLAIN, &term_plain);
    feed_all(&feeding);
    assert_string_equal(buf_text(&feeding.out), " postgres  starting\n"
                                                " backend   building   step 1 of 1: make\n"
                                                " backend   | cc -o main\n"
                                                " postgres  ready      1.5 s\n"
                                                " backend   starting\n"
                                                "warning: port 80 is taken\n"
                                                " backend   ready      4.3 s\n");
    assert_true(json_find_bool(feeding.progress.result, "ok", false));
    end(&feeding);
}

static void json_mode_passes_the_lines_through(void **state)
{
    (void)state;
    struct feeding feeding;
    AUTO(buf_done) struct buf expected = {0};

    start(&feeding, PROGRESS_JSON, &term_screen);
    feed_all(&feeding);
    for (size_t i = 0; i < ARRAY_LEN(recorded); i++)
        buf_addf(&expected, "%s\n", recorded[i].line);
    assert_string_equal(buf_text(&feeding.out), buf_text(&expected));
    end(&feeding);
}

static void quiet_mode_prints_nothing_and_keeps_the_result(void **state)
{
    (void)state;
    struct feeding feeding;

    start(&feeding, PROGRESS_QUIET, &term_screen);
    feed_all(&feeding);
    assert_int_equal(feeding.out.len, 0);
    assert_non_null(feeding.progress.result);
    end(&feeding);
}

static void the_live_view_has_a_line_for_each_service(void **state)
{
    (void)state;
    struct feeding feeding;

    start(&feeding, PROGRESS_TTY, &term_screen);
    feed(&feeding, 1000, recorded[0].line);
    assert_string_equal(buf_text(&feeding.out), "Bringing up shop  0 of 2  0 s\033[K\n"
                                                " ● postgres  starting      0 s\033[K\n"
                                                " · backend\033[K\n");
    buf_clear(&feeding.out);
    feed(&feeding, 1100, recorded[1].line);
    feed(&feeding, 1200, recorded[2].line);
    buf_clear(&feeding.out);
    feed(&feeding, 2500, recorded[3].line);
    assert_string_equal(buf_text(&feeding.out),
                        "\033[3FBringing up shop  1 of 2  1 s\033[K\n"
                        " ✔ postgres  ready       1.5 s\033[K\n"
                        " ● backend   building      1 s  cc -o main\033[K\n");
    end(&feeding);
}

static void the_live_view_is_redrawn_only_when_something_changed(void **state)
{
    (void)state;
    struct feeding feeding;

    start(&feeding, PROGRESS_TTY, &term_screen);
    feed(&feeding, 1000, recorded[0].line);
    buf_clear(&feeding.out);
    progress_tick(&feeding.progress, 1400 * NS_PER_MS, &feeding.out);
    assert_int_equal(feeding.out.len, 0);
    progress_tick(&feeding.progress, 2100 * NS_PER_MS, &feeding.out);
    assert_true(feeding.out.len > 0);
    end(&feeding);
}

static void a_warning_stays_above_the_live_view(void **state)
{
    (void)state;
    struct feeding feeding;

    start(&feeding, PROGRESS_TTY, &term_screen);
    feed(&feeding, 1000, recorded[0].line);
    buf_clear(&feeding.out);
    feed(&feeding, 1050, recorded[6].line);
    assert_string_equal(buf_text(&feeding.out), "\033[3F\033[Jwarning: port 80 is taken\n"
                                                "Bringing up shop  0 of 2  0 s\033[K\n"
                                                " ● postgres  starting      0 s\033[K\n"
                                                " · backend\033[K\n");
    end(&feeding);
}

static void an_empty_line_of_output_keeps_the_one_before(void **state)
{
    (void)state;
    struct feeding feeding;

    start(&feeding, PROGRESS_TTY, &term_screen);
    feed(&feeding, 1100, recorded[1].line);
    feed(&feeding, 1200, recorded[2].line);
    buf_clear(&feeding.out);
    feed(&feeding, 1300, "{\"event\":\"output\",\"service\":\"backend\",\"text\":\"\"}");
    assert_int_equal(feeding.out.len, 0);
    end(&feeding);
}

static void lines_of_foreign_shape_do_no_harm(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "{}",
        "[]",
        "{\"event\":5}",
        "{\"event\":\"step\"}",
        "{\"event\":\"step\",\"service\":\"\\u001b[2J\",\"state\":\"\\u001b[2J\"}",
        "{\"event\":\"step\",\"service\":\"a\",\"state\":\"averylongstatethatnobodyknowsabout\"}",
        "{\"event\":\"output\",\"service\":null,\"text\":7}",
        "{\"event\":\"something new\"}",
    };

    for (enum progress_mode mode = PROGRESS_TTY; mode <= PROGRESS_QUIET; mode++) {
        struct feeding feeding;
        start(&feeding, mode, &term_plain);
        for (size_t i = 0; i < ARRAY_LEN(lines); i++)
            feed(&feeding, 1000 + i, lines[i]);
        assert_null(feeding.progress.result);
        assert_null(strstr(buf_text(&feeding.out), "\033[2J"));
        end(&feeding);
    }
}

static void services_without_end_share_the_last_line(void **state)
{
    (void)state;
    struct feeding feeding;

    start(&feeding, PROGRESS_TTY, &term_screen);
    for (int i = 0; i < 1100; i++) {
        AUTO(buf_done) struct buf name = {0};
        buf_addf(&name, "service-%d", i);
        progress_expect(&feeding.progress, buf_text(&name));
    }
    assert_int_equal(feeding.progress.services.len, 1000);
    end(&feeding);
}

static void auto_follows_the_terminal(void **state)
{
    (void)state;
    assert_int_equal(progress_mode_choose(NULL, &term_screen), PROGRESS_TTY);
    assert_int_equal(progress_mode_choose("auto", &term_plain), PROGRESS_PLAIN);
    assert_int_equal(progress_mode_choose("json", &term_screen), PROGRESS_JSON);
    assert_int_equal(progress_mode_choose("quiet", &term_screen), PROGRESS_QUIET);
    assert_int_equal(progress_mode_choose("plain", &term_screen), PROGRESS_PLAIN);
    assert_int_equal(progress_mode_choose("tty", &term_plain), PROGRESS_TTY);
}

static void durations_read_well(void **state)
{
    (void)state;
    static const struct {
        uint64_t ms;
        const char *text;
    } cases[] = {{0, "0.0 s"},        {949, "0.9 s"},         {59999, "59.9 s"},
                 {60000, "1 m 00 s"}, {3599999, "59 m 59 s"}, {7500000, "2 h 05 m"}};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(buf_done) struct buf out = {0};
        progress_format_seconds(cases[i].ms, &out);
        assert_string_equal(buf_text(&out), cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_lines_are_aligned_one_for_each_change),
        cmocka_unit_test(json_mode_passes_the_lines_through),
        cmocka_unit_test(quiet_mode_prints_nothing_and_keeps_the_result),
        cmocka_unit_test(the_live_view_has_a_line_for_each_service),
        cmocka_unit_test(the_live_view_is_redrawn_only_when_something_changed),
        cmocka_unit_test(a_warning_stays_above_the_live_view),
        cmocka_unit_test(an_empty_line_of_output_keeps_the_one_before),
        cmocka_unit_test(lines_of_foreign_shape_do_no_harm),
        cmocka_unit_test(services_without_end_share_the_last_line),
        cmocka_unit_test(auto_follows_the_terminal),
        cmocka_unit_test(durations_read_well),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
