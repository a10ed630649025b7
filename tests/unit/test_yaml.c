/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/err.h"
#include "yaml/yaml.h"

static struct yaml_node *parse(struct arena *arena, const char *text)
{
    struct yaml_node *root = NULL;
    struct err err;

    if (!yaml_parse(str_of(text), "f.yaml", NULL, arena, &root, &err))
        fail_msg("%s", err.text);
    return root;
}

static struct err refusal(struct str text, const struct yaml_limits *limits)
{
    AUTO(arena_done) struct arena arena = {0};
    struct yaml_node *root = NULL;
    struct err err = {0};

    assert_false(yaml_parse(text, "f.yaml", limits, &arena, &root, &err));
    assert_null(root);
    return err;
}

static void every_node_knows_its_line_and_column(void **state)
{
    (void)state;
    AUTO(arena_done) struct arena arena = {0};
    struct yaml_node *root = parse(&arena, "services:\n  web:\n    ports: [\"80:80\", 443]\n");
    struct yaml_node *ports = yaml_find(yaml_find(yaml_find(root, "services"), "web"), "ports");

    assert_non_null(ports);
    assert_int_equal(ports->count, 2);
    assert_int_equal(ports->items[1].node->line, 3);
    assert_int_equal(ports->items[1].node->column, 22);
    assert_true(ports->items[0].node->quoted);
    assert_false(ports->items[1].node->quoted);
    assert_string_equal(ports->file, "f.yaml");
}

static void plain_words_of_older_yaml_stay_text(void **state)
{
    (void)state;
    AUTO(arena_done) struct arena arena = {0};
    static const char *const words[] = {"no", "yes", "on", "off", "y", "22:22", "1.2.3", "0x", "-"};

    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        struct yaml_node *node = yaml_new_plain(&arena, words[i], NULL);
        assert_int_equal(yaml_value(node).type, YAML_TEXT);
        assert_string_equal(yaml_value_text(&arena, node), words[i]);
    }
}

static void plain_values_become_text_as_compose_writes_them(void **state)
{
    (void)state;
    AUTO(arena_done) struct arena arena = {0};
    static const struct {
        const char *in;
        const char *out;
    } rows[] = {{"1.10", "1.1"},      {"0440", "288"},   {"0o17", "15"},
                {"1e3", "1000"},      {"True", "true"},  {"1_000", "1000"},
                {"0x1F", "31"},       {"-7", "-7"},      {"1.0", "1"},
                {"0.00001", "1e-05"}, {"1e21", "1e+21"}, {"123456.75", "123456.75"},
                {"089", "89"},        {"0.5", "0.5"},    {"-0.25", "-0.25"}};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_string_equal(yaml_value_text(&arena, yaml_new_plain(&arena, rows[i].in, NULL)),
                            rows[i].out);
    assert_null(yaml_value_text(&arena, yaml_new_plain(&arena, "~", NULL)));
    assert_string_equal(yaml_value_text(&arena, yaml_new_text(&arena, "1.10", NULL)), "1.10");
}

static void an_alias_is_a_copy_that_can_be_changed_alone(void **state)
{
    (void)state;
    AUTO(arena_done) struct arena arena = {0};
    struct yaml_node *root = parse(&arena, "a: &x {k: 1}\nb: *x\n");

    yaml_set(&arena, yaml_find(root, "b"), "k", yaml_new_text(&arena, "2", NULL));
    assert_string_equal(yaml_find(yaml_find(root, "a"), "k")->text, "1");
    assert_string_equal(yaml_find(yaml_find(root, "b"), "k")->text, "2");
}

static void merge_keys_fill_in_what_is_not_there(void **state)
{
    (void)state;
    AUTO(arena_done) struct arena arena = {0};
    struct yaml_node *root = parse(&arena, "a: &a {k: 1, l: 1}\n"
                                           "b: &b {l: 2, m: 2}\n"
                                           "c: {<<: [*a, *b], k: own}\n"
                                           "d: {\"<<\": text}\n");
    struct yaml_node *merged = yaml_find(root, "c");

    assert_string_equal(yaml_find(merged, "k")->text, "own");
    assert_string_equal(yaml_find(merged, "l")->text, "1"); /* the first of the list wins */
    assert_string_equal(yaml_find(merged, "m")->text, "2");
    assert_null(yaml_find(merged, "<<"));
    assert_string_equal(yaml_find(yaml_find(root, "d"), "<<")->text, "text");
}

static void custom_tags_are_kept(void **state)
{
    (void)state;
    AUTO(arena_done) struct arena arena = {0};
    struct yaml_node *root =
        parse(&arena, "a: !reset null\nb: !override [1]\nc: !reset {}\nd: !!str 12\ne: 1\n");

    assert_string_equal(yaml_find(root, "a")->tag, "!reset");
    assert_string_equal(yaml_find(root, "b")->tag, "!override");
    assert_string_equal(yaml_find(root, "c")->tag, "!reset");
    assert_true(yaml_find(root, "d")->quoted);
    assert_null(yaml_find(root, "e")->tag);
}

static void a_key_that_is_there_twice_names_both_places(void **state)
{
    (void)state;
    struct err err = refusal(STR("a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n"), NULL);

    assert_string_equal(err.text, "f.yaml:5:3: key 'c' is there twice, first at line 3; keep one");
}

static void what_is_not_yaml_names_its_place(void **state)
{
    (void)state;
    struct err err = refusal(STR("a: 1\nb: [1, 2\nc: 3\n"), NULL);

    assert_int_equal(err.code, ERR_INVALID);
    assert_int_equal(strncmp(err.text, "f.yaml:", 7), 0);
    assert_null(strchr(err.text, '\n'));
    err = refusal(STR("a:\n\tb: 1\n"), NULL);
    assert_non_null(strstr(err.text, "f.yaml:2:"));
    err = refusal(STR("a: 1\n---\nb: 1\n"), NULL);
    assert_string_equal(err.text, "f.yaml:3:1: a second document; give it as a file of its own");
    err = refusal(STR("a: *gone\n"), NULL);
    assert_non_null(strstr(err.text, "f.yaml:1:4: unknown anchor 'gone'"));
    err = refusal(STR("a: &a [*a]\n"), NULL); /* cannot hold itself */
    assert_non_null(strstr(err.text, "unknown anchor 'a'"));
    err = refusal(STR("{a: 1}: 2\n"), NULL);
    assert_string_equal(err.text, "f.yaml:1:1: a key must be a text");
    err = refusal(STR("a: \"\\0\"\n"), NULL);
    assert_non_null(strstr(err.text, "zero byte"));
    err = refusal(STR("a: 1\nb: \xff\n"), NULL);
    assert_string_equal(err.text, "f.yaml:2: not UTF-8; save the file as UTF-8");
}

static void a_file_above_the_limit_is_refused_unread(void **state)
{
    (void)state;
    AUTO(buf_done) struct buf text = {0};

    while (text.len <= 10U << 20)
        buf_add_text(&text, "# a comment that makes the file long\n");
    struct err err = refusal(buf_str(&text), NULL);
    assert_int_equal(err.code, ERR_LIMIT);
    assert_string_equal(err.text, "f.yaml: larger than 1024 KiB; a compose file is smaller");
}

static void an_alias_bomb_is_refused(void **state)
{
    (void)state;
    AUTO(buf_done) struct buf text = {0};

    buf_add_text(&text, "l0: &l0 [x, x, x, x, x, x, x, x, x, x]\n");
    for (int i = 1; i < 10; i++) {
        buf_addf(&text, "l%d: &l%d [", i, i);
        for (int k = 0; k < 10; k++)
            buf_addf(&text, "%s*l%d", k == 0 ? "" : ", ", i - 1);
        buf_add_text(&text, "]\n");
    }
    struct err err = refusal(buf_str(&text), NULL);
    assert_int_equal(err.code, ERR_LIMIT);
    assert_non_null(strstr(err.text, "f.yaml:6:"));
    assert_non_null(strstr(err.text, "more than 200000 values"));
}

static void depth_is_counted_through_aliases_too(void **state)
{
    (void)state;
    AUTO(buf_done) struct buf text = {0};
    AUTO(arena_done) struct arena arena = {0};
    struct yaml_limits limits = {.depth = 5};
    struct yaml_node *root;
    struct err err;

    for (int i = 0; i <= YAML_DEPTH_MAX; i++)
        buf_add_char(&text, '[');
    for (int i = 0; i <= YAML_DEPTH_MAX; i++)
        buf_add_char(&text, ']');
    assert_int_equal(refusal(buf_str(&text), NULL).code, ERR_LIMIT);
    assert_int_equal(refusal(STR("a: &a [[[1]]]\nb: [[*a]]\n"), &limits).code, ERR_LIMIT);
    assert_true(yaml_parse(STR("a: &a [[[1]]]\nb: *a\n"), "f", &limits, &arena, &root, &err));
}

static void more_keys_than_allowed_are_refused_also_by_merging(void **state)
{
    (void)state;
    struct yaml_limits limits = {.keys = 3};

    assert_int_equal(refusal(STR("a: 1\nb: 1\nc: 1\nd: 1\n"), &limits).code, ERR_LIMIT);
    struct err err = refusal(STR("a: &a {x: 1, y: 1}\nb: {<<: *a, z: 1, w: 1}\n"), &limits);
    assert_int_equal(err.code, ERR_LIMIT);
    assert_non_null(strstr(err.text, "more than 3 keys"));
}

static void a_tree_made_from_json_equals_the_one_made_from_yaml(void **state)
{
    (void)state;
    AUTO(arena_done) struct arena arena = {0};
    struct yaml_node *root = NULL;
    struct err err;
    json_t *json = json_pack("{s:[s,i,f,b,n], s:{s:s}}", "l", "1", 2, 0.5, 1, "m", "k", "v");

    assert_non_null(json);
    assert_true(yaml_from_json(json, NULL, &arena, &root, &err));
    assert_true(yaml_equal(root, parse(&arena, "m: {k: v}\nl: [\"1\", 2, 0.5, true, null]\n")));
    assert_false(yaml_equal(root, parse(&arena, "m: {k: v}\nl: [1, 2, 0.5, true, null]\n")));
    struct yaml_limits few = {.nodes = 5};
    assert_false(yaml_from_json(json, &few, &arena, &root, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    struct yaml_limits flat = {.depth = 1};
    assert_false(yaml_from_json(json, &flat, &arena, &root, &err));
    struct yaml_limits narrow = {.keys = 1};
    assert_false(yaml_from_json(json, &narrow, &arena, &root, &err));
    json_decref(json);
}

static void an_empty_file_is_null(void **state)
{
    (void)state;
    AUTO(arena_done) struct arena arena = {0};

    assert_true(yaml_is_null(parse(&arena, "")));
    assert_true(yaml_is_null(parse(&arena, "# only this\n")));
}

static void a_list_loses_only_the_entry_taken_out(void **state)
{
    (void)state;
    AUTO(arena_done) struct arena arena = {0};
    struct yaml_node *list = parse(&arena, "[a, b, c]");

    yaml_remove(list, 1);
    yaml_push(&arena, list, yaml_new_plain(&arena, "d", NULL));
    assert_true(yaml_equal(list, parse(&arena, "[a, c, d]")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_node_knows_its_line_and_column),
        cmocka_unit_test(plain_words_of_older_yaml_stay_text),
        cmocka_unit_test(plain_values_become_text_as_compose_writes_them),
        cmocka_unit_test(an_alias_is_a_copy_that_can_be_changed_alone),
        cmocka_unit_test(merge_keys_fill_in_what_is_not_there),
        cmocka_unit_test(custom_tags_are_kept),
        cmocka_unit_test(a_key_that_is_there_twice_names_both_places),
        cmocka_unit_test(what_is_not_yaml_names_its_place),
        cmocka_unit_test(a_file_above_the_limit_is_refused_unread),
        cmocka_unit_test(an_alias_bomb_is_refused),
        cmocka_unit_test(depth_is_counted_through_aliases_too),
        cmocka_unit_test(more_keys_than_allowed_are_refused_also_by_merging),
        cmocka_unit_test(a_tree_made_from_json_equals_the_one_made_from_yaml),
        cmocka_unit_test(an_empty_file_is_null),
        cmocka_unit_test(a_list_loses_only_the_entry_taken_out),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
