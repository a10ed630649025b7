/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <sys/stat.h>
#include <unistd.h>

#include "compose_fixture.h"

#define ONE(image) "services: {s: {image: " image "}}\n"

static const char *loaded_image(void)
{
    if (!fixture_try())
        fail_msg("%s", fixture.err.text);
    return fixture_service("s")->image;
}

static void files_are_looked_for_by_name_and_upward(void **state)
{
    (void)state;
    fixture_write("docker-compose.yml", ONE("old"));
    fixture_write("deep/er/x", "");
    fixture.options.working_dir = fixture_path("deep/er");
    assert_string_equal(loaded_image(), "old");
    assert_string_equal(fixture.compose->working_dir, fixture.folder);
    fixture_write("compose.yaml", ONE("new"));
    assert_string_equal(loaded_image(), "new");
    fixture_write("docker-compose.override.yml", ONE("over"));
    assert_string_equal(loaded_image(), "over");
}

static void nothing_found_names_the_folder(void **state)
{
    (void)state;
    assert_false(fixture_try());
    assert_int_equal(fixture.err.code, ERR_NOT_FOUND);
    assert_non_null(strstr(fixture.err.text, fixture.folder));
    assert_int_equal(fixture.diags.error_count, 1);
}

static void given_files_turn_the_search_off_and_the_first_names_the_folder(void **state)
{
    (void)state;
    static const char *const files[] = {"sub/a.yaml", "b.yaml"};
    fixture_write("compose.yaml", ONE("unused"));
    fixture_write("sub/a.yaml", "services: {s: {image: a, volumes: [\"./d:/d\"]}}\n");
    fixture_write("b.yaml", "services: {s: {volumes: [\"./e:/e\"]}}\n");
    fixture.options.files = files;
    fixture.options.file_count = 2;
    assert_string_equal(loaded_image(), "a");
    assert_string_equal(fixture.compose->working_dir, fixture_path("sub"));
    assert_string_equal(fixture_service("s")->volumes[1].source, fixture_path("sub/e"));
}

static void a_dash_reads_standard_input(void **state)
{
    (void)state;
    static const char *const files[] = {"-"};
    int ends[2];
    int saved = dup(STDIN_FILENO);
    struct err err;

    assert_int_equal(pipe(ends), 0);
    assert_true(file_write_fd(ends[1], STR(ONE("piped")), &err));
    assert_int_equal(close(ends[1]), 0);
    assert_int_equal(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
    fixture.options.files = files;
    fixture.options.file_count = 1;
    assert_string_equal(loaded_image(), "piped");
    assert_int_equal(dup2(saved, STDIN_FILENO), STDIN_FILENO);
    assert_int_equal(close(ends[0]) + close(saved), 0);
    assert_string_equal(fixture.compose->working_dir, fixture.folder);
}

static void compose_variables_choose_files_names_and_profiles(void **state)
{
    (void)state;
    static char file[] = "COMPOSE_FILE=a.yaml,b.yaml";
    static char separator[] = "COMPOSE_PATH_SEPARATOR=,";
    static char name[] = "COMPOSE_PROJECT_NAME=from-variable";
    static char profiles[] = "COMPOSE_PROFILES=x, y";
    fixture.environment[0] = file;
    fixture.environment[1] = separator;
    fixture.environment[2] = name;
    fixture.environment[3] = profiles;
    fixture.options.project_name = NULL;
    fixture_write("a.yaml", "name: from-file\nservices: {s: {image: a}, y: {image: y, profiles: "
                            "[y]}}\n");
    fixture_write("b.yaml", ONE("\"${COMPOSE_PROJECT_NAME}\""));
    assert_string_equal(loaded_image(), "from-variable");
    assert_string_equal(fixture.compose->name, "from-variable");
    assert_int_equal(fixture.compose->service_count, 2);
}

static void the_callers_variables_beat_env_and_a_later_env_file_an_earlier(void **state)
{
    (void)state;
    static char caller[] = "A=caller";
    static const char *const env_files[] = {"1.env", "2.env"};
    fixture_write("compose.yaml", ONE("\"$A $B ${C-none}\""));
    fixture_write(".env", "A=file\nB=file\nC=file");
    fixture.environment[0] = caller;
    assert_string_equal(loaded_image(), "caller file file");
    fixture_write("1.env", "B=1\nC=1");
    fixture_write("2.env", "B=2");
    fixture.options.env_files = env_files;
    fixture.options.env_file_count = 2;
    assert_string_equal(loaded_image(), "caller 2 1");
    static char listed[] = "COMPOSE_ENV_FILES=2.env,1.env";
    fixture.environment[1] = listed;
    fixture.options.env_file_count = 0;
    assert_string_equal(loaded_image(), "caller 1 1");
}

static void the_env_file_of_the_working_folder_beats_that_of_the_project(void **state)
{
    (void)state;
    fixture_write("compose.yaml", ONE("\"$A\""));
    fixture_write(".env", "A=project");
    fixture_write("sub/.env", "A=sub");
    fixture.options.working_dir = fixture_path("sub");
    assert_string_equal(loaded_image(), "sub");
}

static void dotenv_feeds_interpolation_only(void **state)
{
    (void)state;
    fixture_write(".env", "A=1");
    fixture_write("compose.yaml", ONE("a"));
    assert_string_equal(loaded_image(), "a");
    assert_int_equal(fixture_service("s")->environment.count, 0);
}

static void a_project_is_named_by_flag_file_or_folder(void **state)
{
    (void)state;
    fixture_write("My Shop_2!/compose.yaml", ONE("a"));
    fixture.options.working_dir = fixture_path("My Shop_2!");
    assert_string_equal(loaded_image(), "a");
    assert_string_equal(fixture.compose->name, "p");
    fixture.options.project_name = NULL;
    assert_string_equal(loaded_image(), "a");
    assert_string_equal(fixture.compose->name, "myshop_2");
    fixture_write("My Shop_2!/compose.yaml", "name: \"x${V:-y}\"\n" ONE("a"));
    assert_string_equal(loaded_image(), "a");
    assert_string_equal(fixture.compose->name, "xy");
    fixture.options.project_name = "Not Good";
    assert_false(fixture_try());
    assert_non_null(strstr(fixture.err.text, "project name 'Not Good' must be"));
    assert_non_null(strstr(fixture.err.text, "'notgood' would do"));
}

static void more_files_than_the_limit_are_refused(void **state)
{
    (void)state;
    const char *files[COMPOSE_FILES_MAX + 1];
    fixture_write("compose.yaml", ONE("a"));
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        files[i] = "compose.yaml";
    fixture.options.files = files;
    fixture.options.file_count = COMPOSE_FILES_MAX;
    assert_string_equal(loaded_image(), "a");
    fixture.options.file_count = COMPOSE_FILES_MAX + 1;
    assert_false(fixture_try());
    assert_int_equal(fixture.err.code, ERR_LIMIT);
}

static void a_file_of_ten_megabytes_is_refused(void **state)
{
    (void)state;
    AUTO(buf_done) struct buf text = {0};

    buf_add_text(&text, ONE("a"));
    while (text.len < 10U << 20)
        buf_add_text(&text, "# on and on and on and on and on\n");
    fixture_refused(buf_text(&text),
                    "compose.yaml: larger than 1024 KiB; a compose file is smaller");
}

static void values_that_grow_too_much_together_are_refused(void **state)
{
    (void)state;
    AUTO(buf_done) struct buf text = {0};
    AUTO(buf_done) struct buf env = {0};

    buf_add_text(&env, "V=");
    while (env.len < 100000)
        buf_add_char(&env, 'x');
    fixture_write(".env", buf_text(&env));
    buf_add_text(&text, "services:\n  s:\n    image: a\n    labels:\n");
    for (int i = 0; i < 50; i++)
        buf_addf(&text, "      l%d: $V\n", i);
    fixture_write("compose.yaml", buf_text(&text));
    assert_false(fixture_try());
    assert_non_null(strstr(fixture.err.text, "above 4 MiB"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(files_are_looked_for_by_name_and_upward),
        FIXTURE_TEST(nothing_found_names_the_folder),
        FIXTURE_TEST(given_files_turn_the_search_off_and_the_first_names_the_folder),
        FIXTURE_TEST(a_dash_reads_standard_input),
        FIXTURE_TEST(compose_variables_choose_files_names_and_profiles),
        FIXTURE_TEST(the_callers_variables_beat_env_and_a_later_env_file_an_earlier),
        FIXTURE_TEST(the_env_file_of_the_working_folder_beats_that_of_the_project),
        FIXTURE_TEST(dotenv_feeds_interpolation_only),
        FIXTURE_TEST(a_project_is_named_by_flag_file_or_folder),
        FIXTURE_TEST(more_files_than_the_limit_are_refused),
        FIXTURE_TEST(a_file_of_ten_megabytes_is_refused),
        FIXTURE_TEST(values_that_grow_too_much_together_are_refused),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
