/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/err.h"
#include "cli/line_diff.h"
#include "cli/release_format.h"
#include "json/json.h"

enum { TEXT_BYTES = 1 << 20 };

static const struct term file = {.fd = 1};

static void expect_diff(const char *a, const char *b, const char *wanted)
{
    AUTO(buf_done) struct buf out = {0};

    line_diff("a", str_of(a), "b", str_of(b), &out);
    assert_string_equal(buf_text(&out), wanted);
}

static void equal_texts_have_no_difference(void **state)
{
    (void)state;
    expect_diff("", "", "");
    expect_diff("x\ny\n", "x\ny\n", "");
}

static void a_changed_line_is_shown_with_three_lines_around_it(void **state)
{
    (void)state;
    expect_diff("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nfive\n6\n7\n8\n9\n",
                "--- a\n+++ b\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n");
}

static void lines_are_added_to_nothing_and_taken_from_something(void **state)
{
    (void)state;
    expect_diff("", "x\ny\n", "--- a\n+++ b\n@@ -0,0 +1,2 @@\n+x\n+y\n");
    expect_diff("x\n", "", "--- a\n+++ b\n@@ -1 +0,0 @@\n-x\n");
}

static void near_changes_share_a_hunk_and_far_ones_do_not(void **state)
{
    (void)state;
    expect_diff("a\n1\n2\n3\n4\n5\n6\nb\n", "A\n1\n2\n3\n4\n5\n6\nB\n",
                "--- a\n+++ b\n@@ -1,8 +1,8 @@\n-a\n+A\n 1\n 2\n 3\n 4\n 5\n 6\n-b\n+B\n");
    expect_diff("a\n1\n2\n3\n4\n5\n6\n7\nb\n", "A\n1\n2\n3\n4\n5\n6\n7\nB\n",
                "--- a\n+++ b\n@@ -1,4 +1,4 @@\n-a\n+A\n 1\n 2\n 3\n"
                "@@ -6,4 +6,4 @@\n 5\n 6\n 7\n-b\n+B\n");
}

/* As `patch` would: the lines of the first text with the edits made are the second. */
static void apply(struct str diff, struct buf *ret_a, struct buf *ret_b)
{
    while (diff.ptr != NULL && diff.len > 0) {
        struct str line = str_cut(&diff, '\n');
        if (line.len == 0 || str_starts(line, STR("@@")) || str_starts(line, STR("---")) ||
            str_starts(line, STR("+++")))
            continue;
        struct str text = str_sub(line, 1, line.len);
        if (line.ptr[0] != '+')
            buf_addf(ret_a, STR_FMT "\n", STR_ARG(text));
        if (line.ptr[0] != '-')
            buf_addf(ret_b, STR_FMT "\n", STR_ARG(text));
    }
}

static void a_difference_too_large_to_search_is_still_right(void **state)
{
    AUTO(buf_done) struct buf a = {0}, b = {0}, out = {0}, a_again = {0}, b_again = {0};

    (void)state;
    for (unsigned i = 0; i < 3000; i++) { /* 9 million pairs */
        buf_addf(&a, "old %u\n", i);
        buf_addf(&b, "new %u\n", i);
    }
    line_diff("a", buf_str(&a), "b", buf_str(&b), &out);
    apply(buf_str(&out), &a_again, &b_again);
    assert_true(str_eq(buf_str(&a), buf_str(&a_again)));
    assert_true(str_eq(buf_str(&b), buf_str(&b_again)));
}

/* ---- tables ---- */

static json_t *read_json(const char *text)
{
    json_t *root = NULL;
    struct err err;

    assert_true(json_parse(str_of(text), TEXT_BYTES, &root, &err));
    return root;
}

static void a_release_says_who_made_it_of_what_and_what_it_changed(void **state)
{
    AUTO(json_unref)
    json_t *answer = read_json(
        "{\"releases\":[{\"number\":7,\"created_ms\":1000,\"state\":\"current\",\"user\":\"anna\","
        "\"commit\":\"0123456789abcdef0123\",\"dirty\":true,\"command\":\"rollback\",\"back_to\":5,"
        "\"changed\":{\"replaced\":[\"web\"],\"added\":[\"job\"],\"removed\":[\"old\"]}}]}");
    AUTO(arena_done) struct arena arena = {0};
    AUTO(buf_done) struct buf out = {0};

    (void)state;
    releases_format_table(answer, &file, 1000 + 2 * 3600 * 1000, &arena, &out);
    assert_non_null(strstr(buf_text(&out), "2 hours ago"));
    assert_non_null(strstr(buf_text(&out), "0123456789ab+ "));
    assert_non_null(strstr(buf_text(&out), "rollback to 5"));
    assert_non_null(strstr(buf_text(&out), "web, +job, -old"));
    assert_non_null(strstr(buf_text(&out), "anna"));
}

static void an_age_has_one_unit(void **state)
{
    static const struct {
        int64_t ms;
        const char *text;
    } rows[] = {{-5, "0 seconds ago"},     {1000, "1 second ago"},   {59999, "59 seconds ago"},
                {60000, "1 minute ago"},   {7200000, "2 hours ago"}, {86400000, "1 day ago"},
                {864000000, "10 days ago"}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(buf_done) struct buf out = {0};
        release_format_age(rows[i].ms, &out);
        assert_string_equal(buf_text(&out), rows[i].text);
    }
}

static void escape_sequences_do_not_reach_the_terminal(void **state)
{
    AUTO(json_unref)
    json_t *answer = read_json(
        "{\"actions\":[{\"time_ms\":0,\"system\":\"shop\",\"user\":\"anna\",\"action\":\"up\","
        "\"ok\":false,\"error\":\"bad \\u001b[31mred\",\"took_ms\":1234,\"release\":3}]}");
    AUTO(json_unref)
    json_t *diff = read_json("{\"from\":1,\"to\":2,\"differences\":[\"web: \\u001b[2J\"]}");
    AUTO(arena_done) struct arena arena = {0};
    AUTO(buf_done) struct buf out = {0};

    (void)state;
    history_format_table(answer, &file, &arena, &out);
    assert_non_null(strstr(buf_text(&out), "1970-01-01T00:00:00"));
    assert_non_null(strstr(buf_text(&out), "1.2"));
    release_format_diff(diff, &out);
    assert_null(strchr(buf_text(&out), '\033'));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_texts_have_no_difference),
        cmocka_unit_test(a_changed_line_is_shown_with_three_lines_around_it),
        cmocka_unit_test(lines_are_added_to_nothing_and_taken_from_something),
        cmocka_unit_test(near_changes_share_a_hunk_and_far_ones_do_not),
        cmocka_unit_test(a_difference_too_large_to_search_is_still_right),
        cmocka_unit_test(a_release_says_who_made_it_of_what_and_what_it_changed),
        cmocka_unit_test(an_age_has_one_unit),
        cmocka_unit_test(escape_sequences_do_not_reach_the_terminal),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
