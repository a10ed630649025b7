/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/file.h"
#include "runtime/recipe.h"

static const char minimal[] = "name: Thing\nmatch: [thing]\npackage: thing-server\n"
                              "find: /bin/sh\nuser: thing\n";

static bool parse(struct arena *arena, const char *more, struct recipe *ret, struct err *err)
{
    const char *text = arena_printf(arena, "%s%s", minimal, more);
    return recipe_parse(str_of(text), "thing.yaml", arena, ret, err);
}

static void an_image_name_is_split_from_registry_tag_and_digest(void **state)
{
    (void)state;
    static const struct {
        const char *image, *name, *tag;
    } cases[] = {
        {"postgres", "postgres", ""},
        {"postgres:15-alpine", "postgres", "15-alpine"},
        {"docker.io/library/postgres:15", "postgres", "15"},
        {"library/redis", "redis", ""},
        {"docker.io/postgis/postgis:15-3.3", "postgis/postgis", "15-3.3"},
        {"localhost:5000/postgres", "localhost:5000/postgres", ""},
        {"localhost:5000/postgres:14", "localhost:5000/postgres", "14"},
        {"postgres:15@sha256:0123", "postgres", "15"},
        {"", "", ""},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct str name, tag;
        recipe_split_image(str_of(cases[i].image), &name, &tag);
        assert_true(str_is(name, cases[i].name));
        assert_true(str_is(tag, cases[i].tag));
    }
}

static void every_key_is_read(void **state)
{
    (void)state;
    AUTO(arena_done) struct arena arena = {0};
    struct recipe recipe;
    struct err err;

    assert_true(
        parse(&arena,
              "versions: [\"7\"]\nhome: /data\nworking_dir: /w\nscript: a.sh\n"
              "library: b.sh\nnote: is another\n"
              "script_target: /a.sh\npath: [/p]\nentrypoint: [e]\ncommand: [c, d]\n"
              "environment: {A: 1, B: two}\nfolders: [/f]\nlinks: {/a: /b}\nvolumes: [/data]\n"
              "stop_signal: SIGINT\nexclusive: true\nport: 5432\n"
              "healthcheck: {test: [ok], interval: 5, timeout: 4, start_period: 3, "
              "start_interval: 2, retries: 9}\n",
              &recipe, &err));
    assert_string_equal(recipe.name, "Thing");
    assert_int_equal(recipe.command.count, 2);
    assert_string_equal(recipe.environment.items[0].value, "1");
    assert_string_equal(recipe.links.items[0].key, "/a");
    assert_string_equal(recipe.links.items[0].value, "/b");
    assert_true(recipe.image.exclusive);
    assert_int_equal(recipe.image.port, 5432);
    assert_int_equal(recipe.image.healthcheck.interval_ms, 5000);
    assert_int_equal(recipe.image.healthcheck.retries, 9);
    assert_string_equal(recipe.image.stop_signal, "SIGINT");
    assert_string_equal(recipe.image.volumes.items[0], "/data");
    assert_string_equal(recipe.library, "b.sh");
    assert_string_equal(recipe.image.note, "is another");
}

static void a_mistake_is_named_with_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *more, *text;
    } cases[] = {
        {"enviroment: {}\n", "thing.yaml:6:1: unknown key 'enviroment'"},
        {"port: 70000\n", "thing.yaml:6:7: a port from 1 to 65535 is expected"},
        {"command: redis\n", "thing.yaml:6:10: a list of texts is expected"},
        {"environment: [A=1]\n", "thing.yaml:6:14: a map of texts is expected"},
        {"exclusive: yes\n", "thing.yaml:6:12: true or false is expected"},
        {"healthcheck: {test: [x]}\n", "thing.yaml: 'interval' is missing"},
        {"library: x\n", "thing.yaml:1:1: library is a plain file name, and goes with script"},
        {"script: x\nscript_target: /x\nlibrary: ../y\n",
         "thing.yaml:1:1: library is a plain file name, and goes with script"},
        {"script: ../x\nscript_target: /x\n",
         "thing.yaml:1:1: script, a plain file name, and script_target go together"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(arena_done) struct arena arena = {0};
        struct recipe recipe;
        struct err err;
        assert_false(parse(&arena, cases[i].more, &recipe, &err));
        assert_string_equal(err.text, cases[i].text);
    }
}

static void a_recipe_above_its_size_is_refused(void **state)
{
    (void)state;
    AUTO(arena_done) struct arena arena = {0};
    struct recipe recipe;
    struct err err;
    const char *more = arena_printf(&arena, "home: \"%0*d\"\n", RECIPE_BYTES_MAX, 0);

    assert_false(parse(&arena, more, &recipe, &err));
    assert_int_equal(err.code, ERR_LIMIT);
}

static void the_tag_chooses_among_the_versions_that_are_served(void **state)
{
    (void)state;
    AUTO(arena_done) struct arena arena = {0};
    struct recipe recipe;
    struct err err;
    const char *version;

    assert_true(parse(&arena, "versions: [\"6\", \"7\"]\n", &recipe, &err));
    assert_true(recipe_find_version(&recipe, "thing", &arena, &version, &err));
    assert_true(recipe_find_version(&recipe, "thing:latest", &arena, &version, &err));
    assert_true(recipe_find_version(&recipe, "thing:7.2-alpine", &arena, &version, &err));
    assert_string_equal(version, "");
    assert_false(recipe_find_version(&recipe, "thing:70", &arena, &version, &err));
    assert_int_equal(err.code, ERR_INVALID);
    assert_non_null(strstr(err.text, "asks for version 70"));
    assert_non_null(strstr(err.text, "is 6, 7"));
    recipe.find = "/no/such/program";
    assert_false(recipe_find_version(&recipe, "thing", &arena, &version, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, "install the package thing-server"));
}

static void an_installed_version_is_found_by_its_path(void **state)
{
    (void)state;
    AUTO(arena_done) struct arena arena = {0};
    char folder[] = "/tmp/test-recipe-XXXXXX";
    struct recipe recipe;
    struct err err;
    const char *version;

    assert_non_null(mkdtemp(folder));
    assert_true(parse(&arena, "", &recipe, &err));
    recipe.find = arena_printf(&arena, "%s/{version}/bin", folder);
    assert_false(recipe_find_version(&recipe, "thing:15", &arena, &version, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_true(file_make_dirs(arena_printf(&arena, "%s/15/bin", folder), 0755, &err));
    assert_true(file_make_dirs(arena_printf(&arena, "%s/16/bin", folder), 0755, &err));
    assert_true(recipe_find_version(&recipe, "thing:15.4", &arena, &version, &err));
    assert_string_equal(version, "15");
    assert_true(recipe_find_version(&recipe, "thing", &arena, &version, &err));
    assert_string_equal(version, "16");
    assert_true(recipe_find_version(&recipe, "thing:pg15", &arena, &version, &err));
    assert_string_equal(version, "15");
    assert_false(recipe_find_version(&recipe, "thing:14", &arena, &version, &err));
    assert_string_equal(recipe_expand(&arena, "/x/{version}/y", "16"), "/x/16/y");
    assert_true(file_remove_tree(folder, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_image_name_is_split_from_registry_tag_and_digest),
        cmocka_unit_test(every_key_is_read),
        cmocka_unit_test(a_mistake_is_named_with_its_place),
        cmocka_unit_test(a_recipe_above_its_size_is_refused),
        cmocka_unit_test(the_tag_chooses_among_the_versions_that_are_served),
        cmocka_unit_test(an_installed_version_is_found_by_its_path),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
