/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "compose_fixture.h"

static void what_a_file_includes_belongs_to_the_project(void **state)
{
    (void)state;
    fixture_write("sub/db.yaml", "services:\n"
                                 "  db:\n"
                                 "    build: .\n"
                                 "    volumes: [\"./d:/d\", \"data:/data\"]\n"
                                 "    secrets: [key]\n"
                                 "volumes: {data: }\n"
                                 "secrets: {key: {file: key.txt}}\n"
                                 "name: ignored\n"
                                 "x-top: ignored\n");
    fixture_load("include: [sub/db.yaml]\n"
                 "services: {web: {image: a, depends_on: [db]}}\n");
    const struct compose_service *db = fixture_service("db");
    assert_string_equal(db->build.context, fixture_path("sub"));
    assert_string_equal(db->volumes[0].source, fixture_path("sub/d"));
    assert_string_equal(fixture.compose->secrets[0].file, fixture_path("sub/key.txt"));
    assert_string_equal(fixture.compose->volumes[0].name, "p_data");
    assert_string_equal(fixture.compose->name, "p");
    assert_null(json_object_get(fixture.resolved, "include"));
    assert_null(json_object_get(fixture.resolved, "x-top"));
}

static void an_included_file_has_its_own_variables_below_the_callers(void **state)
{
    (void)state;
    static char caller[] = "A=caller";
    fixture.environment[0] = caller;
    fixture_write(".env", "B=outer\n");
    fixture_write("sub/.env", "A=inner\nB=inner\nC=inner\n");
    fixture_write("own.env", "C=own\n");
    fixture_write("sub/db.yaml", "services: {db: {image: \"${A}-${B}-${C}\"}}\n");
    fixture_load("include: [sub/db.yaml]\nservices: {web: {image: \"x${C-}\"}}\n");
    assert_string_equal(fixture_json("db", "image"), "\"caller-outer-inner\"");
    assert_string_equal(fixture_json("web", "image"), "\"x\"");
    fixture_load("include: [{path: sub/db.yaml, env_file: own.env}]\n"
                 "services: {web: {image: x}}\n");
    assert_string_equal(fixture_json("db", "image"), "\"caller-outer-own\"");
}

static void the_long_form_names_files_and_folder(void **state)
{
    (void)state;
    fixture_write("other/here", "");
    fixture_write("sub/a.yaml", "services: {db: {image: a, volumes: [\"./d:/d\"], user: x}}\n");
    fixture_write("sub/b.yaml", "services: {db: {image: b}}\n");
    fixture_load("include: [{path: [sub/a.yaml, sub/b.yaml], project_directory: other}]\n"
                 "services: {web: {image: x}}\n");
    assert_string_equal(fixture_json("db", "image"), "\"b\"");
    assert_string_equal(fixture_json("db", "user"), "\"x\"");
    assert_string_equal(fixture_service("db")->volumes[0].source, fixture_path("other/d"));
}

static void the_includer_has_the_last_word(void **state)
{
    (void)state;
    fixture_write("db.yaml", "services: {db: {image: a, environment: {A: 1, B: 1}, user: x}}\n");
    fixture_load("include: [db.yaml]\n"
                 "services: {db: {image: b, environment: {B: 2}, user: !reset null}}\n");
    assert_string_equal(fixture_json("db", "image"), "\"b\"");
    assert_string_equal(fixture_json("db", "environment"), "{\"A\":\"1\",\"B\":\"2\"}");
    assert_string_equal(fixture_json("db", "user"), "missing");
}

static void a_file_that_is_reached_twice_counts_once(void **state)
{
    (void)state;
    fixture_write("base.yaml", "services: {db: {image: a, expose: [1], group_add: [\"5\"]}}\n");
    fixture_write("one.yaml", "include: [base.yaml]\nservices: {one: {image: a}}\n");
    fixture_write("two.yaml", "include: [base.yaml]\nservices: {two: {extends: db}}\n");
    fixture_load("include: [one.yaml, two.yaml]\nservices: {web: {image: a}}\n");
    assert_int_equal(fixture.compose->service_count, 4);
    assert_string_equal(fixture_json("db", "group_add"), "[\"5\"]");
    assert_string_equal(fixture_json("two", "expose"), "[\"1\"]");
}

static void secrets_of_an_included_file_see_its_variables(void **state)
{
    (void)state;
    fixture_write("sub/.env", "TOKEN=inner\n");
    fixture_write("sub/db.yaml", "services: {db: {image: a, secrets: [s]}}\n"
                                 "secrets: {s: {environment: TOKEN}}\n");
    fixture_load("include: [sub/db.yaml]\nservices: {web: {image: a}}\n");
    assert_string_equal(fixture.compose->secrets[0].content, "inner");
}

static void what_is_wrong_with_include_is_refused(void **state)
{
    (void)state;
    fixture_write("a.yaml", "include: [b.yaml]\nservices: {a: {image: a}}\n");
    fixture_write("b.yaml", "include:\n  - c.yaml\n");
    fixture_write("c.yaml", "include: [{path: a.yaml}]\n");
    fixture_refused(
        "include: [a.yaml]\nservices: {w: {image: a}}\n",
        "c.yaml:1:18: include[0]: files include each other in a circle: compose.yaml -> "
        "a.yaml -> b.yaml -> c.yaml -> a.yaml");
    fixture_refused("include: [{env_file: x}]\nservices: {w: {image: a}}\n",
                    "compose.yaml:1:11: include[0]: needs 'path'");
    fixture_refused(
        "include: {path: x}\nservices: {w: {image: a}}\n",
        "compose.yaml:1:10: include: must be a list, not a map; begin each entry with '- '");
    fixture_write("wrong.yaml", "services: {a: {image: a, prots: []}}\n");
    fixture_refused("include: [wrong.yaml]\nservices: {w: {image: a}}\n",
                    "wrong.yaml:1:26: services.a: unknown key 'prots'; did you mean 'ports'?");
    fixture_write("compose.yaml", "include: [gone.yaml]\nservices: {w: {image: a}}\n");
    assert_false(fixture_try());
    assert_non_null(strstr(fixture.err.text, "compose.yaml:1:11: include[0]: "));
}

static void includes_that_are_nested_too_deep_are_refused(void **state)
{
    (void)state;
    char name[32];

    for (int i = 0; i <= COMPOSE_INCLUDE_DEPTH; i++) {
        (void)snprintf(name, sizeof name, "f%d.yaml", i);
        fixture_write(name, i == 0 ? "services: {s: {image: a}}\n"
                                   : arena_printf(&fixture.arena, "include: [f%d.yaml]\n", i - 1));
    }
    fixture_load("include: [f15.yaml]\n");
    fixture_write("compose.yaml", "include: [f16.yaml]\n");
    assert_false(fixture_try());
    assert_non_null(strstr(fixture.err.text, "f1.yaml:1:11: include[0]: includes are nested deeper "
                                             "than 16"));
}

static void the_number_of_files_has_a_limit(void **state)
{
    (void)state;
    AUTO(buf_done) struct buf text = {0};

    fixture_write("one.yaml", "services: {s: {image: a}}\n");
    buf_add_text(&text, "services: {w: {image: a}}\ninclude:\n");
    for (int i = 0; i < COMPOSE_LOADED_FILES_MAX - 1; i++)
        buf_add_text(&text, "  - one.yaml\n");
    fixture_load(buf_text(&text));
    buf_add_text(&text, "  - one.yaml\n");
    fixture_write("compose.yaml", buf_text(&text));
    assert_false(fixture_try());
    assert_non_null(strstr(fixture.err.text, "one.yaml: more than 256 compose files are needed"));
}

static void the_bytes_of_all_files_together_have_a_limit(void **state)
{
    (void)state;
    AUTO(buf_done) struct buf text = {0};

    buf_add_text(&text, "services: {s: {image: a}}\n");
    while (text.len < 1000000)
        buf_add_text(&text, "# a comment that is long enough to fill the file in few turns\n");
    fixture_write("big.yaml", buf_text(&text));
    fixture_load("services: {w: {image: a}}\ninclude: [big.yaml, big.yaml, big.yaml]\n");
    fixture_write("compose.yaml", "services: {w: {image: a}}\n"
                                  "include: [big.yaml, big.yaml, big.yaml, big.yaml, big.yaml, "
                                  "big.yaml, big.yaml, big.yaml, big.yaml]\n");
    assert_false(fixture_try());
    assert_non_null(strstr(fixture.err.text, "the compose files have more than 8 MiB together"));
}

static void documents_of_one_file_merge_like_files(void **state)
{
    (void)state;
    fixture_load("services: {s: {image: a, expose: [1]}}\n"
                 "---\n"
                 "---\n"
                 "services: {s: {image: b, expose: [2]}}\n");
    assert_string_equal(fixture_json("s", "image"), "\"b\"");
    assert_string_equal(fixture_json("s", "expose"), "[\"1\",\"2\"]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(what_a_file_includes_belongs_to_the_project),
        FIXTURE_TEST(an_included_file_has_its_own_variables_below_the_callers),
        FIXTURE_TEST(the_long_form_names_files_and_folder),
        FIXTURE_TEST(the_includer_has_the_last_word),
        FIXTURE_TEST(a_file_that_is_reached_twice_counts_once),
        FIXTURE_TEST(secrets_of_an_included_file_see_its_variables),
        FIXTURE_TEST(what_is_wrong_with_include_is_refused),
        FIXTURE_TEST(includes_that_are_nested_too_deep_are_refused),
        FIXTURE_TEST(the_number_of_files_has_a_limit),
        FIXTURE_TEST(the_bytes_of_all_files_together_have_a_limit),
        FIXTURE_TEST(documents_of_one_file_merge_like_files),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
