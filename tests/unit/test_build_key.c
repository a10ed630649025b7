/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "runtime/build_plan.h"
#include "runtime/ignore.h"

struct rig {
    char folder[64];
    struct arena arena;
    struct host host;
    struct compose_service service;
    struct build_spec spec;
    const char *steps[1];
    const char *dependencies[1];
    const char *files[1];
};

static void write_at(struct rig *rig, const char *name, const char *text)
{
    struct err err;
    assert_true(file_write(arena_printf(&rig->arena, "%s/src/%s", rig->folder, name), str_of(text),
                           0644, &err));
}

static int set_up(void **state)
{
    struct rig *rig = NEW(struct rig);
    struct err err;

    (void)snprintf(rig->folder, sizeof rig->folder, "/tmp/test-build-key-XXXXXX");
    assert_non_null(mkdtemp(rig->folder));
    rig->host.state_dir = rig->folder;
    assert_true(file_make_dirs(arena_printf(&rig->arena, "%s/src/app", rig->folder), 0755, &err));
    write_at(rig, "app/main.py", "print(1)\n");
    write_at(rig, "requirements.txt", "fastapi\n");
    rig->steps[0] = "make";
    rig->dependencies[0] = "pip install";
    rig->files[0] = "requirements.txt";
    rig->service = (struct compose_service){
        .name = "backend",
        .build = {.present = true, .context = arena_printf(&rig->arena, "%s/src", rig->folder)},
        .x = {.host = {.present = true,
                       .build = {rig->steps, 1},
                       .dependencies = {rig->dependencies, 1},
                       .cache_key = {rig->files, 1}}},
    };
    rig->spec = (struct build_spec){.system = "shop", .service = &rig->service, .uid = 60001};
    *state = rig;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;
    struct err err;

    assert_true(file_remove_tree(rig->folder, &err));
    arena_done(&rig->arena);
    free(rig);
    return 0;
}

static struct build_plan plan_of(struct rig *rig)
{
    struct build_plan plan;
    struct err err;

    assert_true(build_plan_make(&rig->host, &rig->spec, &rig->arena, &plan, &err));
    return plan;
}

static void the_same_content_has_the_same_name(void **state)
{
    struct rig *rig = *state;
    struct build_plan first = plan_of(rig);
    struct build_plan second = plan_of(rig);

    assert_string_equal(first.tree, second.tree);
    assert_string_equal(first.deps, second.deps);
    assert_non_null(strstr(first.tree, "/trees/shop/backend/"));
}

static void a_source_change_keeps_the_dependencies(void **state)
{
    struct rig *rig = *state;
    struct build_plan first = plan_of(rig);

    write_at(rig, "app/main.py", "print(2)\n");
    struct build_plan second = plan_of(rig);
    assert_string_not_equal(first.tree, second.tree);
    assert_string_equal(first.deps, second.deps);
}

static void a_cache_key_file_that_changes_renews_both(void **state)
{
    struct rig *rig = *state;
    struct build_plan first = plan_of(rig);

    write_at(rig, "requirements.txt", "fastapi\nuvicorn\n");
    struct build_plan second = plan_of(rig);
    assert_string_not_equal(first.tree, second.tree);
    assert_string_not_equal(first.deps, second.deps);
}

static void steps_user_and_build_arguments_are_part_of_the_name(void **state)
{
    struct rig *rig = *state;
    struct compose_pair pair = {"API_URL", "/v2"};
    struct build_plan first = plan_of(rig);

    rig->steps[0] = "make all";
    struct build_plan steps = plan_of(rig);
    rig->spec.uid++;
    struct build_plan user = plan_of(rig);
    rig->service.build.args = (struct compose_pairs){&pair, 1};
    struct build_plan args = plan_of(rig);
    assert_string_not_equal(first.tree, steps.tree);
    assert_string_equal(first.deps, steps.deps);
    assert_string_not_equal(steps.tree, user.tree);
    assert_string_not_equal(user.tree, args.tree);
}

static void ignored_files_do_not_matter(void **state)
{
    struct rig *rig = *state;

    write_at(rig, ".dockerignore", "*.log\n");
    struct build_plan first = plan_of(rig);
    write_at(rig, "debug.log", "noise\n");
    assert_string_equal(first.tree, plan_of(rig).tree);
}

static void a_cache_key_file_that_is_not_there_is_an_error(void **state)
{
    struct rig *rig = *state;
    struct build_plan plan;
    struct err err;

    rig->files[0] = "package-lock.json";
    assert_false(build_plan_make(&rig->host, &rig->spec, &rig->arena, &plan, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, "'package-lock.json' of host.cache_key"));
}

static void a_name_that_would_leave_the_folder_is_refused(void **state)
{
    struct rig *rig = *state;
    struct build_plan plan;
    struct err err;

    rig->spec.system = "../etc";
    assert_false(build_plan_make(&rig->host, &rig->spec, &rig->arena, &plan, &err));
    assert_int_equal(err.code, ERR_INVALID);
}

static void only_settled_files_are_remembered(void **state)
{
    (void)state;
    AUTO(stat_cache_done) struct stat_cache cache = {0};
    struct stat st = {.st_ino = 7, .st_size = 3, .st_ctim = {.tv_sec = 1000}};

    stat_cache_set(&cache, "a", &st, "fresh", 1000 * 1000 + 1999);
    assert_null(stat_cache_find(&cache, "a", &st));
    stat_cache_set(&cache, "a", &st, "settled", 1000 * 1000 + 2000);
    assert_string_equal(stat_cache_find(&cache, "a", &st), "settled");
    st.st_size = 4;
    assert_null(stat_cache_find(&cache, "a", &st));
}

static void a_damaged_cache_file_is_an_empty_cache(void **state)
{
    struct rig *rig = *state;
    const char *file = arena_printf(&rig->arena, "%s/cache", rig->folder);
    struct stat st = {.st_ino = 7};
    AUTO(stat_cache_done) struct stat_cache cache = {0};
    struct err err;

    assert_true(file_write(file, STR("\n \n7.0 short a\nx\n"), 0600, &err));
    stat_cache_read(&cache, file);
    assert_null(stat_cache_find(&cache, "a", &st));
}

static void ignore_patterns_follow_docker(void **state)
{
    (void)state;
    static const struct {
        const char *patterns, *path;
        bool ignored;
    } cases[] = {
        {"node_modules", "node_modules", true},
        {"node_modules", "node_modules/a/b.js", true},
        {"node_modules", "web/node_modules", false},
        {"**/node_modules", "web/node_modules/x", true},
        {"**/node_modules", "node_modules", true},
        {"*.md\n!README.md", "NOTES.md", true},
        {"*.md\n!README.md", "README.md", false},
        {"!README.md\n*.md", "README.md", true},
        {"*.md", "docs/a.md", false},
        {"docs/*.md", "docs/a.md", true},
        {"docs/**/*.md", "docs/x/y/a.md", true},
        {"docs/**/*.md", "docs/a.md", true},
        {"/build/", "build/x", true},
        {"./build", "build", true},
        {"# comment\n\n  tmp  ", "tmp", true},
        {"[a-c]?.txt", "b1.txt", true},
        {"[^a-c]?.txt", "b1.txt", false},
        {"a\\*b", "a*b", true},
        {"a\\*b", "axb", false},
        {"[", "[", false},
        {"", "a", false},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(arena_done) struct arena arena = {0};
        struct ignore ignore;
        struct err err;
        assert_true(ignore_parse(str_of(cases[i].patterns), &arena, &ignore, &err));
        if (ignore_check(&ignore, str_of(cases[i].path)) != cases[i].ignored)
            fail_msg("'%s' on '%s'", cases[i].patterns, cases[i].path);
    }
}

static void a_pattern_full_of_stars_ends_in_time(void **state)
{
    (void)state;
    uint64_t begin_ns = clock_now_ns();

    assert_false(ignore_match(STR("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b"),
                              STR("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")));
    assert_true(clock_now_ns() - begin_ns < NS_PER_SECOND);
}

static void too_many_or_too_long_patterns_are_refused(void **state)
{
    (void)state;
    AUTO(arena_done) struct arena arena = {0};
    AUTO(buf_done) struct buf text = {0};
    struct ignore ignore;
    struct err err;

    for (int i = 0; i <= IGNORE_PATTERNS_MAX; i++)
        buf_add_text(&text, "a\n");
    assert_false(ignore_parse(buf_str(&text), &arena, &ignore, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    while (text.len <= IGNORE_BYTES_MAX)
        buf_add_text(&text, "#######\n");
    assert_false(ignore_parse(buf_str(&text), &arena, &ignore, &err));
    assert_non_null(strstr(err.text, "larger"));
}

static void a_context_nested_too_deep_is_refused(void **state)
{
    struct rig *rig = *state;
    AUTO(buf_done) struct buf path = {0};
    struct context context;
    struct err err;

    buf_addf(&path, "%s/src", rig->folder);
    for (int i = 0; i <= CONTEXT_DEPTH_MAX; i++)
        buf_add_text(&path, "/d");
    assert_true(file_make_dirs(buf_text(&path), 0755, &err));
    assert_false(context_list(rig->service.build.context, &rig->arena, &context, &err));
    assert_int_equal(err.code, ERR_LIMIT);
}

static void a_context_that_is_too_large_is_refused(void **state)
{
    struct rig *rig = *state;
    struct context context;
    struct err err;

    write_at(rig, "large", "x");
    const char *large = arena_printf(&rig->arena, "%s/src/large", rig->folder);
    assert_int_equal(truncate(large, (off_t)(CONTEXT_BYTES_MAX + 1)), 0); /* a hole: no disk used */
    assert_false(context_list(rig->service.build.context, &rig->arena, &context, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_non_null(strstr(err.text, ".dockerignore"));
}

#define WITH_RIG(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_RIG(the_same_content_has_the_same_name),
        WITH_RIG(a_source_change_keeps_the_dependencies),
        WITH_RIG(a_cache_key_file_that_changes_renews_both),
        WITH_RIG(steps_user_and_build_arguments_are_part_of_the_name),
        WITH_RIG(ignored_files_do_not_matter),
        WITH_RIG(a_cache_key_file_that_is_not_there_is_an_error),
        WITH_RIG(a_name_that_would_leave_the_folder_is_refused),
        cmocka_unit_test(only_settled_files_are_remembered),
        WITH_RIG(a_damaged_cache_file_is_an_empty_cache),
        cmocka_unit_test(ignore_patterns_follow_docker),
        cmocka_unit_test(a_pattern_full_of_stars_ends_in_time),
        cmocka_unit_test(too_many_or_too_long_patterns_are_refused),
        WITH_RIG(a_context_nested_too_deep_is_refused),
        WITH_RIG(a_context_that_is_too_large_is_refused),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
