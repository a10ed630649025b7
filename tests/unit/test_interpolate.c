/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "compose/interpolate.h"

static int unset_count;

static const char *find(void *context, struct str name)
{
    (void)context;
    if (str_is(name, "V"))
        return "value";
    if (str_is(name, "EMPTY"))
        return "";
    if (str_is(name, "DOLLAR"))
        return "$V";
    return NULL;
}

static void on_unset(void *context, struct str name)
{
    (void)context;
    assert_true(name.len > 0);
    unset_count++;
}

static const struct interpolate with = {find, on_unset, NULL};

struct row {
    const char *in;
    const char *out;
};

static void check_rows(const struct row *rows, size_t count)
{
    struct err err;

    for (size_t i = 0; i < count; i++) {
        AUTO(buf_done) struct buf out = {0};
        if (!interpolate_text(&with, str_of(rows[i].in), &out, &err))
            fail_msg("%s: %s", rows[i].in, err.text);
        assert_string_equal(buf_text(&out), rows[i].out);
    }
}

static void every_form_gives_its_value(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"$V ${V} $$V $${V}", "value value $V ${V}"},
        {"${X:-d} ${X-d} ${EMPTY:-d} ${EMPTY-d}|", "d d d |"},
        {"${V:-d} ${V-d}", "value value"},
        {"${V:?e} ${V?e} ${EMPTY?e}|", "value value |"},
        {"${V:+r} ${V+r} ${EMPTY:+r}|${EMPTY+r} ${X:+r}|${X+r}|", "r r |r ||"},
        {"$V-bar", "value-bar"},
        {"${X:-a:b-c?d}", "a:b-c?d"},
        {"${X:-}", ""},
    };
    check_rows(rows, ARRAY_LEN(rows));
}

static void branches_nest(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"${A:-${B:-c}}", "c"},
        {"${A:-x${V}y$V}", "xvalueyvalue"},
        {"${A:-${B:-${C:-${D:-deep}}}}!", "deep!"},
        {"${V:+${A:-in}}", "in"},
        {"${A:-$${not}}", "${not}"},
    };
    check_rows(rows, ARRAY_LEN(rows));
}

static void a_dollar_that_starts_no_variable_is_kept(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"a $ b", "a $ b"},     {"$}", "$}"}, {"$", "$"},
        {"^REGEX$", "^REGEX$"}, {"$1", "$1"}, {"100$%", "100$%"},
    };
    check_rows(rows, ARRAY_LEN(rows));
}

static void values_are_not_looked_into_again(void **state)
{
    (void)state;
    static const struct row rows[] = {{"$DOLLAR ${DOLLAR}", "$V $V"}};
    check_rows(rows, ARRAY_LEN(rows));
}

static void what_is_no_variable_is_an_error(void **state)
{
    (void)state;
    static const char *const bad[] = {"${",    "${}",   "${ a}",  "${a!}",  "${a",
                                      "${a:}", "${1a}", "${a:b}", "${a b}", "x ${A:-${B}"};
    struct err err;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        AUTO(buf_done) struct buf out = {0};
        if (interpolate_text(&with, str_of(bad[i]), &out, &err))
            fail_msg("%s was accepted", bad[i]);
        assert_int_equal(err.code, ERR_INVALID);
        assert_non_null(strstr(err.text, "is no variable; write ${NAME}"));
    }
}

static void a_required_variable_without_value_says_so(void **state)
{
    (void)state;
    AUTO(buf_done) struct buf out = {0};
    struct err err;

    assert_false(interpolate_text(&with, STR("${X:?set it in ${V}}"), &out, &err));
    assert_string_equal(err.text, "required variable 'X' has no value: set it in value");
    assert_false(interpolate_text(&with, STR("${EMPTY:?}"), &out, &err));
    assert_string_equal(err.text, "required variable 'EMPTY' has no value");
}

static void an_unused_branch_neither_warns_nor_fails(void **state)
{
    (void)state;
    AUTO(buf_done) struct buf out = {0};
    struct err err;

    unset_count = 0;
    assert_true(interpolate_text(&with, STR("${V:-${X:?no}} ${X:+${Y:?no}} ${V:-$Y}"), &out, &err));
    assert_int_equal(unset_count, 0);
    assert_true(interpolate_text(&with, STR("$X ${Y} ${A:-${B}}"), &out, &err));
    assert_int_equal(unset_count, 3);
}

static void nesting_and_growth_have_limits(void **state)
{
    (void)state;
    AUTO(buf_done) struct buf deep = {0};
    AUTO(buf_done) struct buf long_text = {0};
    AUTO(buf_done) struct buf out = {0};
    struct err err;

    for (int i = 0; i <= INTERPOLATE_DEPTH_MAX; i++)
        buf_add_text(&deep, "${X:-");
    for (int i = 0; i <= INTERPOLATE_DEPTH_MAX; i++)
        buf_add_char(&deep, '}');
    assert_false(interpolate_text(&with, buf_str(&deep), &out, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    buf_clear(&out);
    while (long_text.len < INTERPOLATE_BYTES_MAX)
        buf_add_text(&long_text, "$V");
    assert_false(interpolate_text(&with, buf_str(&long_text), &out, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_true(out.len <= INTERPOLATE_BYTES_MAX);
}

static void count_place(void *context, const struct interpolate_place *place)
{
    assert_true(place->name.len > 0);
    ++*(size_t *)context;
}

static void unbalanced_braces_cost_no_more_than_a_glance(void **state)
{
    (void)state;
    AUTO(buf_done) struct buf text = {0};
    AUTO(buf_done) struct buf out = {0};
    size_t count = 0;
    struct err err;

    while (text.len < 1 << 20)
        buf_add_text(&text, "${E}");
    assert_true(interpolate_text(&with, buf_str(&text), &out, &err));
    interpolate_list(buf_str(&text), count_place, &count);
    assert_int_equal(count, text.len / 4);
    buf_clear(&text);
    while (text.len < 1 << 20)
        buf_add_text(&text, "${E:-");
    assert_false(interpolate_text(&with, buf_str(&text), &out, &err));
    interpolate_list(buf_str(&text), count_place, &count);
}

static void note_place(void *context, const struct interpolate_place *place)
{
    struct buf *listed = (struct buf *)context;

    buf_addf(listed, STR_FMT "%s[" STR_FMT "][" STR_FMT "] ", STR_ARG(place->name),
             place->required ? "!" : "", STR_ARG(place->default_value),
             STR_ARG(place->replacement));
}

static void variables_are_listed_with_their_defaults(void **state)
{
    (void)state;
    AUTO(buf_done) struct buf listed = {0};

    interpolate_list(STR("$A $$B ${C:-d${E}} ${F?must} ${G+r} ${} ${1} end ${H"), note_place,
                     &listed);
    assert_string_equal(buf_text(&listed), "A[][] C[d${E}][] E[][] F![][] G[][r] ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_gives_its_value),
        cmocka_unit_test(branches_nest),
        cmocka_unit_test(a_dollar_that_starts_no_variable_is_kept),
        cmocka_unit_test(values_are_not_looked_into_again),
        cmocka_unit_test(what_is_no_variable_is_an_error),
        cmocka_unit_test(a_required_variable_without_value_says_so),
        cmocka_unit_test(an_unused_branch_neither_warns_nor_fails),
        cmocka_unit_test(nesting_and_growth_have_limits),
        cmocka_unit_test(unbalanced_braces_cost_no_more_than_a_glance),
        cmocka_unit_test(variables_are_listed_with_their_defaults),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
