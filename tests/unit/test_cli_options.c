/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/err.h"
#include "cli/completion.h"
#include "cli/options.h"

struct parsed {
    struct arena arena;
    struct options options;
    const struct command *command;
    struct err err;
    bool ok;
};

/* <line> in words at single blanks. */
static struct parsed parse(const char *line)
{
    struct parsed parsed = {0};
    const char *argv[300] = {0};
    size_t count = 0;
    struct str rest = str_of(line);

    while (rest.ptr != NULL && rest.len > 0) {
        struct str word = str_cut(&rest, ' ');
        assert_true(count < ARRAY_LEN(argv) - 1);
        argv[count++] = arena_str(&parsed.arena, word);
    }
    parsed.ok = options_parse(argv, &parsed.arena, &parsed.options, &parsed.command, &parsed.err);
    return parsed;
}

static void expect_error(const char *line, const char *text)
{
    struct parsed parsed = parse(line);

    assert_false(parsed.ok);
    assert_int_equal(parsed.err.code, ERR_INVALID);
    assert_string_equal(parsed.err.text, text);
    arena_done(&parsed.arena);
}

static void each_option(void (*check)(const struct command *command,
                                      const struct option_spec *spec))
{
    for (size_t i = 0; i < global_option_count; i++)
        check(NULL, &global_options[i]);
    for (size_t c = 0; c < command_count; c++)
        for (size_t i = 0; i < commands[c].option_count; i++)
            check(&commands[c], &commands[c].options[i]);
}

static void check_documented(const struct command *command, const struct option_spec *spec)
{
    (void)command;
    assert_true(strlen(spec->doc) > 5);
    assert_true(spec->doc[strlen(spec->doc) - 1] != '.');
    assert_true((spec->value == NULL) == (spec->kind == OPTION_FLAG));
    assert_true(spec->offset < sizeof(struct options));
    assert_true((spec->kind == OPTION_CHOICE) ==
                (spec->value != NULL && strchr(spec->value, '|') != NULL));
}

static void every_option_is_documented(void **state)
{
    (void)state;
    each_option(check_documented);
}

static void check_single(const struct command *command, const struct option_spec *spec)
{
    assert_ptr_equal(option_find(command, str_of(spec->name)), spec);
    if (spec->letter != 0)
        assert_ptr_equal(option_find_letter(command, spec->letter), spec);
}

static void no_option_hides_another_of_the_same_verb(void **state)
{
    (void)state;
    each_option(check_single);
}

static void every_command_has_a_summary_and_an_example_that_parses(void **state)
{
    (void)state;
    for (size_t c = 0; c < command_count; c++) {
        struct str rest = str_of(commands[c].example);

        assert_true(strlen(commands[c].summary) > 10 && strlen(commands[c].text) > 10);
        assert_non_null(commands[c].run);
        while (rest.ptr != NULL) {
            struct str what = str_cut(&rest, '\n');
            struct str line = str_cut(&what, '\t');
            AUTO(buf_done) struct buf words = {0};

            assert_true(what.len > 0);
            line = str_sub(line, 0, str_find(line, '>'));
            if (str_starts(line, STR("source <(")))
                line = str_sub(line, 9, line.len - 10);
            assert_true(str_starts(line, STR("ishizue ")));
            buf_add_str(&words, str_trim(str_sub(line, 8, line.len)));
            struct parsed parsed = parse(buf_text(&words));
            assert_true(parsed.ok);
            if (!commands[c].hidden)
                assert_ptr_equal(parsed.command, &commands[c]);
            arena_done(&parsed.arena);
        }
    }
}

static void no_two_commands_have_one_name(void **state)
{
    (void)state;
    for (size_t c = 0; c < command_count; c++)
        assert_ptr_equal(command_find(commands[c].name), &commands[c]);
    assert_null(command_find("upp"));
}

static void globals_stand_before_or_after_the_verb(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "-f a.yaml -p shop up -d web",
        "up -d -f a.yaml -p shop web",
        "up web --detach --file=a.yaml --project-name shop",
        "-fa.yaml -p=shop up --detach=true web",
    };

    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        struct parsed parsed = parse(lines[i]);
        assert_true(parsed.ok);
        assert_string_equal(parsed.command->name, "up");
        assert_true(parsed.options.detach);
        assert_int_equal(parsed.options.files.count, 1);
        assert_string_equal(parsed.options.files.items[0], "a.yaml");
        assert_string_equal(parsed.options.project_name, "shop");
        assert_int_equal(parsed.options.arguments.count, 1);
        assert_string_equal(parsed.options.arguments.items[0], "web");
        arena_done(&parsed.arena);
    }
}

static void a_letter_of_the_verb_wins_over_a_global_one(void **state)
{
    (void)state;
    struct parsed parsed = parse("-f a.yaml logs -f -n 5 web");

    assert_true(parsed.ok);
    assert_true(parsed.options.follow);
    assert_int_equal(parsed.options.files.count, 1);
    assert_string_equal(parsed.options.tail, "5");
    arena_done(&parsed.arena);
}

static void letters_cluster_and_take_values_in_the_same_word(void **state)
{
    (void)state;
    struct parsed parsed = parse("logs -ftn5 --tail=7");

    assert_true(parsed.ok);
    assert_true(parsed.options.follow && parsed.options.timestamps);
    assert_string_equal(parsed.options.tail, "7"); /* the last one counts */
    arena_done(&parsed.arena);

    parsed = parse("exec -iT -eA=1 -e B=2 -w=/srv web env");
    assert_true(parsed.ok);
    assert_true(parsed.options.interactive && parsed.options.no_tty);
    assert_int_equal(parsed.options.environment.count, 2);
    assert_string_equal(parsed.options.environment.items[0], "A=1");
    assert_string_equal(parsed.options.environment.items[1], "B=2");
    assert_string_equal(parsed.options.working_dir, "/srv");
    arena_done(&parsed.arena);
}

static void options_after_the_service_of_exec_belong_to_the_command(void **state)
{
    (void)state;
    struct parsed parsed = parse("exec -T web ls -la --help -- -f");

    assert_true(parsed.ok);
    assert_false(parsed.options.help);
    assert_int_equal(parsed.options.arguments.count, 6);
    assert_string_equal(parsed.options.arguments.items[2], "-la");
    assert_string_equal(parsed.options.arguments.items[4], "--");
    arena_done(&parsed.arena);
}

static void two_dashes_end_the_options(void **state)
{
    (void)state;
    struct parsed parsed = parse("up -d -- --build -x");

    assert_true(parsed.ok);
    assert_false(parsed.options.build);
    assert_int_equal(parsed.options.arguments.count, 2);
    assert_string_equal(parsed.options.arguments.items[1], "-x");
    arena_done(&parsed.arena);
}

static void a_flag_can_be_switched_off(void **state)
{
    (void)state;
    struct parsed parsed = parse("up --detach --detach=false");

    assert_true(parsed.ok);
    assert_false(parsed.options.detach);
    arena_done(&parsed.arena);
}

static void mistakes_get_one_line_with_a_suggestion(void **state)
{
    (void)state;
    expect_error("upp", "unknown command 'upp', did you mean 'ishizue up'?");
    expect_error("restrat", "unknown command 'restrat', did you mean 'ishizue restart'?");
    expect_error("destroy", "unknown command 'destroy', did you mean 'ishizue down'?");
    expect_error("frobnicate", "unknown command 'frobnicate', 'ishizue help' lists them");
    expect_error("up --detatch", "unknown option '--detatch', did you mean '--detach'?");
    expect_error("up --biuld=x", "unknown option '--biuld', did you mean '--build'?");
    expect_error("up -x", "unknown option '-x', see 'ishizue up --help'");
    expect_error("-x", "unknown option '-x', see 'ishizue --help'");
    expect_error("--progres x", "unknown option '--progres', did you mean '--progress'?");
    expect_error("up --progress loud", "--progress 'loud' is none of auto|tty|plain|json|quiet");
    expect_error("up --build=maybe", "--build takes no value, but 'maybe' was given");
    expect_error("up -p", "--project-name needs a value: --project-name NAME");
    expect_error("up -t soon", "--timeout 'soon' is not a whole number from 0 to 1000000");
    expect_error("up -t -1", "--timeout '-1' is not a whole number from 0 to 1000000");
    expect_error("down web", "unexpected 'web': ishizue down");
    expect_error("exec web", "too few words: ishizue exec SERVICE COMMAND [WORD...]");
    expect_error("daemon stop now", "unexpected 'now': ishizue daemon [stop]");
}

static void what_cannot_be_had_says_why_and_what_to_do_instead(void **state)
{
    static const char *const verbs[] = {"push",  "export", "commit", "publish",
                                        "watch", "bridge", "alpha"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
        const char *why = command_refusal(verbs[i]);
        AUTO(arena_done) struct arena arena = {0};
        assert_non_null(why);
        assert_null(command_find(verbs[i]));
        assert_non_null(strchr(why, ';')); /* the reason; what to do */
        expect_error(verbs[i], arena_printf(&arena, "'%s' is refused: %s", verbs[i], why));
        expect_error(arena_printf(&arena, "%s --any thing", verbs[i]),
                     arena_printf(&arena, "'%s' is refused: %s", verbs[i], why));
    }
    assert_null(command_refusal("up"));
    expect_error("build --push", "--push is refused: there is no registry behind a built folder");
    expect_error("exec --privileged web sh", "--privileged is refused: everything in an instance "
                                             "runs as its one unprivileged user");
    expect_error("up -V", "--renew-anon-volumes is refused: anonymous volumes belong to a service; "
                          "'down -v' removes them");
}

static void numbers_and_repetitions_have_limits(void **state)
{
    (void)state;
    struct parsed parsed = parse("up -t 1000000");
    assert_true(parsed.ok && parsed.options.timeout_s.given);
    assert_int_equal(parsed.options.timeout_s.value, OPTIONS_NUMBER_MAX);
    arena_done(&parsed.arena);

    expect_error("up -t 1000001", "--timeout '1000001' is not a whole number from 0 to 1000000");

    AUTO(buf_done) struct buf line = {0};
    for (int i = 0; i < OPTIONS_REPEAT_MAX; i++)
        buf_add_text(&line, "-fa ");
    buf_add_text(&line, "up");
    parsed = parse(buf_text(&line));
    assert_true(parsed.ok);
    arena_done(&parsed.arena);

    buf_add_text(&line, " -fb");
    parsed = parse(buf_text(&line));
    assert_false(parsed.ok);
    assert_int_equal(parsed.err.code, ERR_LIMIT);
    arena_done(&parsed.arena);
}

static void help_needs_no_complete_command_line(void **state)
{
    (void)state;
    struct parsed parsed = parse("exec --help");

    assert_true(parsed.ok && parsed.options.help);
    assert_string_equal(parsed.command->name, "exec");
    arena_done(&parsed.arena);
}

static void expect_completion(const char *line, const char *has, const char *lacks)
{
    struct parsed words = {0};
    const char *argv[16] = {0};
    size_t count = 0;
    struct str rest = str_of(line);
    AUTO(completion_done) struct completion found = {0};

    while (rest.ptr != NULL)
        argv[count++] = arena_str(&words.arena, str_cut(&rest, ' '));
    completion_find(argv, count, &found);
    if (has != NULL)
        assert_non_null(strstr(buf_text(&found.lines), has));
    else
        assert_int_equal(found.lines.len, 0);
    if (lacks != NULL)
        assert_null(strstr(buf_text(&found.lines), lacks));
    arena_done(&words.arena);
}

static void completion_knows_what_may_come_next(void **state)
{
    (void)state;
    expect_completion("", "restart\tstop services", "\nedge\t");
    expect_completion("-p shop ", "restart\t", "--");
    expect_completion("--", "--project-name\t", "--detach");
    expect_completion("up -", "--detach\t", "--follow");
    expect_completion("up --progress ", "quiet\t", "--");
    expect_completion("completion ", "fish\t\n", "--");
    expect_completion("daemon ", "stop\t\n", "--");
    expect_completion("daemon --", "--foreground\t", "--ready-fd");
    expect_completion("daemon stop ", NULL, NULL);
    expect_completion("help ", "restart\t", "--");
    expect_completion("up -p ", NULL, NULL);
    expect_completion("exec web -", NULL, NULL);
}

static void completion_asks_for_services_and_files_where_they_belong(void **state)
{
    (void)state;
    static const struct {
        const char *words[4];
        size_t count;
        bool services;
        bool files;
    } cases[] = {
        {{"up", ""}, 2, true, false},
        {{"logs", "-f", ""}, 3, true, false},
        {{"exec", ""}, 2, true, false},
        {{"exec", "web", ""}, 3, false, false},
        {{"-f", ""}, 2, false, true},
        {{"config", "-o", ""}, 3, false, true},
        {{"down", ""}, 2, false, false},
        {{"config", "--hash", ""}, 3, true, false},
        {{"up", "--env-file=", ""}, 3, true, false},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(completion_done) struct completion found = {0};
        completion_find(cases[i].words, cases[i].count, &found);
        assert_int_equal(found.wants_services, cases[i].services);
        assert_int_equal(found.wants_files, cases[i].files);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_option_is_documented),
        cmocka_unit_test(no_option_hides_another_of_the_same_verb),
        cmocka_unit_test(every_command_has_a_summary_and_an_example_that_parses),
        cmocka_unit_test(no_two_commands_have_one_name),
        cmocka_unit_test(globals_stand_before_or_after_the_verb),
        cmocka_unit_test(a_letter_of_the_verb_wins_over_a_global_one),
        cmocka_unit_test(letters_cluster_and_take_values_in_the_same_word),
        cmocka_unit_test(options_after_the_service_of_exec_belong_to_the_command),
        cmocka_unit_test(two_dashes_end_the_options),
        cmocka_unit_test(a_flag_can_be_switched_off),
        cmocka_unit_test(mistakes_get_one_line_with_a_suggestion),
        cmocka_unit_test(what_cannot_be_had_says_why_and_what_to_do_instead),
        cmocka_unit_test(numbers_and_repetitions_have_limits),
        cmocka_unit_test(help_needs_no_complete_command_line),
        cmocka_unit_test(completion_knows_what_may_come_next),
        cmocka_unit_test(completion_asks_for_services_and_files_where_they_belong),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
