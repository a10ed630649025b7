/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/err.h"
#include "cli/help.h"
#include "cli/since.h"
#include "cli/term.h"
#include "cli/text_table.h"
#include "cli/text_width.h"

static void wide_characters_take_two_columns_and_marks_none(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t width;
    } cases[] = {
        {"", 0},
        {"abc", 3},
        {"礎", 2},
        {"日本語", 6},
        {"e\xCC\x81", 1},
        {"\033[31mred\033[0m", 3},
        {"✔", 1},
        {"🚀", 2},
        {"\xFF\xFE", 2},
        {"한글", 4},
        {"\033]0;title\a", 0},
        {"Ａ", 2},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(text_width(str_of(cases[i].text)), cases[i].width);
}

static void a_cut_text_is_never_wider_than_asked(void **state)
{
    (void)state;
    static const char *const texts[] = {"plain text", "日本語の名前", "a日b本c語",
                                        "\033[31mcoloured\033[0m text", "e\xCC\x81te\xCC\x81"};

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        for (size_t columns = 0; columns < 14; columns++) {
            AUTO(buf_done) struct buf out = {0};
            text_width_cut(str_of(texts[i]), columns, &out);
            assert_true(text_width(buf_str(&out)) <= columns);
            if (text_width(str_of(texts[i])) <= columns)
                assert_string_equal(buf_text(&out), texts[i]);
        }
    }
}

static void a_cut_in_colour_switches_the_colour_off(void **state)
{
    (void)state;
    AUTO(buf_done) struct buf out = {0};

    text_width_cut(STR("\033[31mcoloured\033[0m"), 5, &out);
    assert_string_equal(buf_text(&out), "\033[31mcolo…\033[0m");
}

static void foreign_text_cannot_move_the_cursor(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"a\033[2Jb", "ab"},
        {"a\033[31mb", "ab"},
        {"a\033]0;title\ab", "ab"},
        {"a\033]8;;x\033\\b", "ab"},
        {"a\tb\x01\x7F", "a b"},
        {"10%\r20%\r30%", "30%"},
        {"line\r\n", "line"},
        {"bad \xFF byte", "bad ? byte"},
        {"c1 \xC2\x9B"
         "31m",
         "c1 31m"},
        {"ends in \033", "ends in "},
        {"ends in \033[", "ends in "},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(buf_done) struct buf out = {0};
        text_clean(str_of(cases[i][0]), false, &out);
        assert_string_equal(buf_text(&out), cases[i][1]);
    }
}

static void colours_pass_when_they_may_and_end_with_the_line(void **state)
{
    (void)state;
    AUTO(buf_done) struct buf out = {0};

    text_clean(STR("\033[1;31mred\033[2J"), true, &out);
    assert_string_equal(buf_text(&out), "\033[1;31mred\033[0m");
}

static const struct text_table_column columns[] = {
    {.header = "NAME", .shrinks = true},
    {.header = "STATE"},
    {.header = "MEMORY", .right = true, .optional = true, .drops = 1},
    {.header = "PORTS", .optional = true, .shrinks = true},
};

static void fill(struct text_table *table, bool with_ports)
{
    static const char *const rows[][4] = {
        {"eshop-backend-1", "ready", "61.0 MiB", "8000->8000/http"},
        {"店-画面-1", "starting", "9.0 MiB", ""},
    };

    text_table_init(table, columns, ARRAY_LEN(columns));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        for (size_t c = 0; c < ARRAY_LEN(columns); c++)
            text_table_add(table, c == 1 ? STYLE_GREEN : STYLE_NONE,
                           c == 3 && !with_ports ? "" : rows[i][c]);
}

static void expect_table(bool with_ports, size_t width, const char *text)
{
    AUTO(text_table_done) struct text_table table;
    AUTO(buf_done) struct buf out = {0};
    struct term term = {.width = width};

    fill(&table, with_ports);
    text_table_format(&table, &term, &out);
    assert_string_equal(buf_text(&out), text);
}

static void columns_line_up_and_empty_ones_are_left_out(void **state)
{
    (void)state;
    expect_table(true, 0,
                 "NAME             STATE       MEMORY  PORTS\n"
                 "eshop-backend-1  ready     61.0 MiB  8000->8000/http\n"
                 "店-画面-1        starting   9.0 MiB\n");
    expect_table(false, 0,
                 "NAME             STATE       MEMORY\n"
                 "eshop-backend-1  ready     61.0 MiB\n"
                 "店-画面-1        starting   9.0 MiB\n");
}

static void when_room_is_short_columns_go_and_then_texts_are_cut(void **state)
{
    (void)state;
    expect_table(true, 45,
                 "NAME             STATE     PORTS\n"
                 "eshop-backend-1  ready     8000->8000/http\n"
                 "店-画面-1        starting\n");
    expect_table(true, 36,
                 "NAME          STATE     PORTS\n"
                 "eshop-backe…  ready     8000->8000/…\n"
                 "店-画面-1     starting\n");
}

static void no_line_of_a_table_is_wider_than_the_terminal(void **state)
{
    (void)state;
    for (size_t width = 1; width < 70; width++) {
        AUTO(text_table_done) struct text_table table;
        AUTO(buf_done) struct buf out = {0};
        struct term term = {.width = width, .colour = true};

        fill(&table, true);
        text_table_format(&table, &term, &out);
        struct str rest = buf_str(&out);
        while (rest.ptr != NULL)
            assert_true(text_width(str_cut(&rest, '\n')) <= width);
    }
}

static void expect_drawn(struct live *live, const struct term *term, const char *lines,
                         const char *bytes)
{
    AUTO(buf_done) struct buf out = {0};

    live_draw(live, term, str_of(lines), &out);
    assert_string_equal(buf_text(&out), bytes);
}

static void live_lines_are_drawn_over_the_ones_before(void **state)
{
    (void)state;
    AUTO(live_done) struct live live = {0};
    struct term term = {.is_tty = true, .moves = true, .width = 20, .height = 10};

    expect_drawn(&live, &term, "one\ntwo\n", "one\033[K\ntwo\033[K\n");
    expect_drawn(&live, &term, "one\ntwo\n", "");
    expect_drawn(&live, &term, "one\nthree\n", "\033[2Fone\033[K\nthree\033[K\n");
    expect_drawn(&live, &term, "four\n", "\033[2Ffour\033[K\n\033[J");
    live_keep(&live);
    expect_drawn(&live, &term, "five\n", "five\033[K\n");
}

static void a_narrower_window_wraps_what_was_drawn(void **state)
{
    (void)state;
    AUTO(live_done) struct live live = {0};
    struct term term = {.is_tty = true, .moves = true, .width = 20, .height = 10};

    expect_drawn(&live, &term, "0123456789abcdef\nx\n", "0123456789abcdef\033[K\nx\033[K\n");
    term.width = 10; /* the first line takes two rows now */
    expect_drawn(&live, &term, "0123456789abcdef\nx\n", "\033[3F012345678…\033[K\nx\033[K\n\033[J");
}

static void more_lines_than_rows_show_the_last_ones(void **state)
{
    (void)state;
    AUTO(live_done) struct live live = {0};
    struct term term = {.is_tty = true, .moves = true, .width = 20, .height = 3};

    expect_drawn(&live, &term, "1\n2\n3\n4\n", "3\033[K\n4\033[K\n");
}

static void times_are_read_as_people_type_them(void **state)
{
    (void)state;
    static const int64_t NOW = 1795226047123; /* 2026-11-21T01:54:07.123Z */
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {
        {"10m", NOW - 600000},
        {"1h30m", NOW - 5400000},
        {"45s", NOW - 45000},
        {"500ms", NOW - 500},
        {"999999999h", 0},
        {"1795226047", 1795226047000},
        {"2026-11-21T02:14:07Z", 1795227247000},
        {"2026-11-21T02:14:07.5Z", 1795227247500},
        {"2026-11-21T11:14:07+09:00", 1795227247000},
        {"2026-11-21T02:14:07", 1795227247000},
        {"2024-02-29", 1709164800000},
        {"1970-01-01", 0},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err;
        int64_t ms = -1;
        assert_true(since_parse(str_of(cases[i].text), NOW, &ms, &err));
        assert_int_equal(ms, cases[i].ms);
    }
}

static void what_is_no_time_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "m",
        "10x",
        "-5m",
        "10m ",
        "2026-13-01",
        "2023-02-29",
        "2026-11-21T",
        "2026-11-21T25:00:00Z",
        "yesterday",
        "1h30",
        "2026-1-1",
        "1.5h",
        "2026-11-21T02:14:07+9:00",
        "9999999999999999999999h",
        "0000-00-00",
        "2026-11-21T02:14:07.Z",
        "999999999999h999999999999h999999999999h",
    };

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct err err = {0};
        int64_t ms = 42;
        assert_false(since_parse(str_of(bad[i]), 1795226047123, &ms, &err));
        assert_int_equal(err.code, ERR_INVALID);
    }
}

static void help_fits_eighty_columns_and_names_every_option(void **state)
{
    (void)state;
    for (size_t c = 0; c <= command_count; c++) {
        const struct command *command = c == command_count ? NULL : &commands[c];
        AUTO(buf_done) struct buf out = {0};

        help_format(command, &out);
        for (size_t i = 0; command != NULL && i < command->option_count; i++)
            assert_int_equal(strstr(buf_text(&out), command->options[i].name) == NULL,
                             command->options[i].hidden);
        struct str rest = buf_str(&out);
        bool in_examples = false;
        while (rest.ptr != NULL) {
            struct str line = str_cut(&rest, '\n');
            in_examples |= str_is(line, "Examples:");
            if (!in_examples)
                assert_true(line.len <= HELP_WIDTH);
        }
    }
}

static void the_manual_names_every_command_and_option(void **state)
{
    (void)state;
    AUTO(buf_done) struct buf out = {0};
    AUTO(buf_done) struct buf plain = {0};

    help_format_man(&out);
    for (size_t i = 0; i < out.len; i++)
        if (out.ptr[i] != '\\')
            buf_add_char(&plain, out.ptr[i]);
    for (size_t c = 0; c < command_count; c++) {
        if (commands[c].hidden)
            continue;
        assert_non_null(strstr(buf_text(&plain), commands[c].text));
        for (size_t i = 0; i < commands[c].option_count; i++)
            if (!commands[c].options[i].hidden)
                assert_non_null(strstr(buf_text(&plain), commands[c].options[i].doc));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wide_characters_take_two_columns_and_marks_none),
        cmocka_unit_test(a_cut_text_is_never_wider_than_asked),
        cmocka_unit_test(a_cut_in_colour_switches_the_colour_off),
        cmocka_unit_test(foreign_text_cannot_move_the_cursor),
        cmocka_unit_test(colours_pass_when_they_may_and_end_with_the_line),
        cmocka_unit_test(columns_line_up_and_empty_ones_are_left_out),
        cmocka_unit_test(when_room_is_short_columns_go_and_then_texts_are_cut),
        cmocka_unit_test(no_line_of_a_table_is_wider_than_the_terminal),
        cmocka_unit_test(live_lines_are_drawn_over_the_ones_before),
        cmocka_unit_test(a_narrower_window_wraps_what_was_drawn),
        cmocka_unit_test(more_lines_than_rows_show_the_last_ones),
        cmocka_unit_test(times_are_read_as_people_type_them),
        cmocka_unit_test(what_is_no_time_is_refused),
        cmocka_unit_test(help_fits_eighty_columns_and_names_every_option),
        cmocka_unit_test(the_manual_names_every_command_and_option),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
