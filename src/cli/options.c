/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/err.h"
#include "base/str.h"
#include "cli/options.h"
#include "cli/suggest.h"

/* Where the parser is. */
struct parse {
    const char *const *argv;
    size_t at;
    struct arena *arena;
    struct options *ret;
    const struct command *command; /* NULL until the verb was seen */
};

const struct command *command_find(const char *name)
{
    for (size_t i = 0; i < command_count; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static const struct option_spec *find_name(const struct option_spec *specs, size_t count,
                                           struct str name)
{
    for (size_t i = 0; i < count; i++)
        if (str_is(name, specs[i].name))
            return &specs[i];
    return NULL;
}

static const struct option_spec *find_letter(const struct option_spec *specs, size_t count,
                                             char letter)
{
    for (size_t i = 0; i < count; i++)
        if (specs[i].letter == letter)
            return &specs[i];
    return NULL;
}

const struct option_spec *option_find(const struct command *command, struct str name)
{
    const struct option_spec *spec = NULL;

    if (command != NULL)
        spec = find_name(command->options, command->option_count, name);
    return spec != NULL ? spec : find_name(global_options, global_option_count, name);
}

const struct option_spec *option_find_letter(const struct command *command, char letter)
{
    const struct option_spec *spec = NULL;

    if (command != NULL)
        spec = find_letter(command->options, command->option_count, letter);
    return spec != NULL ? spec : find_letter(global_options, global_option_count, letter);
}

static void *field_of(struct parse *parse, const struct option_spec *spec)
{
    return (char *)parse->ret + spec->offset;
}

/* The array grows in the arena: short lists, so copying is cheap. */
static bool add_text(struct parse *parse, struct compose_texts *list, const char *text, size_t max,
                     struct err *err)
{
    if (list->count >= max)
        return err_set(err, ERR_LIMIT, "'%s' is one too many: at most %zu are accepted", text, max);
    const char **items = ARENA_ARRAY(parse->arena, const char *, list->count + 1);
    if (list->count > 0)
        memcpy(items, list->items, list->count * sizeof *items);
    items[list->count++] = text;
    list->items = items;
    return true;
}

static bool is_choice(const char *choices, struct str value)
{
    struct str rest = str_of(choices);

    while (rest.ptr != NULL)
        if (str_eq(str_cut(&rest, '|'), value))
            return true;
    return false;
}

static bool set_flag(struct parse *parse, const struct option_spec *spec, const char *value,
                     struct err *err)
{
    bool on = value == NULL || strcmp(value, "true") == 0;

    if (!on && strcmp(value, "false") != 0)
        return err_set(err, ERR_INVALID, "--%s takes no value, but '%s' was given", spec->name,
                       value);
    memcpy(field_of(parse, spec), &on, sizeof on);
    return true;
}

static bool set_number(struct parse *parse, const struct option_spec *spec, const char *value,
                       struct err *err)
{
    struct options_number number = {.given = true};

    if (!str_to_u64(str_of(value), OPTIONS_NUMBER_MAX, &number.value))
        return err_set(err, ERR_INVALID, "--%s '%s' is not a whole number from 0 to %d", spec->name,
                       value, OPTIONS_NUMBER_MAX);
    memcpy(field_of(parse, spec), &number, sizeof number);
    return true;
}

/* Options of Docker Compose that cannot be had say so in the table. */
static bool check_refused(const struct option_spec *spec, struct err *err)
{
    static const char prefix[] = "refused: ";

    if (strncmp(spec->doc, prefix, strlen(prefix)) != 0)
        return true;
    return err_set(err, ERR_INVALID, "--%s is %s", spec->name, spec->doc);
}

static bool set_value(struct parse *parse, const struct option_spec *spec, const char *value,
                      struct err *err)
{
    if (!check_refused(spec, err))
        return false;
    switch (spec->kind) {
    case OPTION_FLAG:
        return set_flag(parse, spec, value, err);
    case OPTION_NUMBER:
        return set_number(parse, spec, value, err);
    case OPTION_TEXTS:
        return add_text(parse, field_of(parse, spec), value, OPTIONS_REPEAT_MAX, err);
    case OPTION_CHOICE:
        if (!is_choice(spec->value, str_of(value)))
            return err_set(err, ERR_INVALID, "--%s '%s' is none of %s", spec->name, value,
                           spec->value);
        break;
    case OPTION_TEXT:
        break;
    }
    memcpy(field_of(parse, spec), &value, sizeof value);
    return true;
}

/* The value stands in the same word (<attached>) or is the next word. */
static bool take_option(struct parse *parse, const struct option_spec *spec, const char *attached,
                        struct err *err)
{
    if (spec->kind != OPTION_FLAG && attached == NULL) {
        attached = parse->argv[parse->at];
        if (attached == NULL)
            return err_set(err, ERR_INVALID, "--%s needs a value: --%s %s", spec->name, spec->name,
                           spec->value);
        parse->at++;
    }
    return set_value(parse, spec, attached, err);
}

static bool refuse_option(const struct parse *parse, const char *word, struct err *err)
{
    const char *verb = parse->command == NULL ? "" : parse->command->name;
    const char *blank = parse->command == NULL ? "" : " ";
    struct suggest near = suggest_start(word + (word[1] == '-' ? 2 : 1));

    if (parse->command != NULL)
        for (size_t i = 0; i < parse->command->option_count; i++)
            if (!parse->command->options[i].hidden)
                suggest_offer(&near, parse->command->options[i].name);
    for (size_t i = 0; i < global_option_count; i++)
        suggest_offer(&near, global_options[i].name);

    const char *best = word[1] == '-' ? suggest_best(&near) : NULL;
    if (best != NULL)
        return err_set(err, ERR_INVALID, "unknown option '%s', did you mean '--%s'?", word, best);
    return err_set(err, ERR_INVALID, "unknown option '%s', see 'ishizue%s%s --help'", word, blank,
                   verb);
}

static bool parse_long(struct parse *parse, const char *word, struct err *err)
{
    struct str rest = str_of(word + 2);
    struct str name = str_cut(&rest, '=');
    const struct option_spec *spec = option_find(parse->command, name);

    if (spec == NULL)
        return refuse_option(parse, arena_printf(parse->arena, "--" STR_FMT, STR_ARG(name)), err);
    return take_option(parse, spec, rest.ptr, err);
}

/* "-d", "-it", "-n5", "-n=5". */
static bool parse_letters(struct parse *parse, const char *word, struct err *err)
{
    for (const char *p = word + 1; *p != '\0'; p++) {
        const struct option_spec *spec = option_find_letter(parse->command, *p);

        if (spec == NULL)
            return refuse_option(parse, arena_printf(parse->arena, "-%c", *p), err);
        if (spec->kind == OPTION_FLAG) {
            if (!set_value(parse, spec, NULL, err))
                return false;
            continue;
        }
        p++;
        if (*p == '=')
            p++;
        return take_option(parse, spec, *p == '\0' ? NULL : p, err);
    }
    return true;
}

static bool take_verb(struct parse *parse, const char *word, struct err *err)
{
    parse->command = command_find(word);
    if (parse->command != NULL)
        return true;
    const char *refusal = command_refusal(word);
    if (refusal != NULL)
        return err_set(err, ERR_INVALID, "'%s' is refused: %s", word, refusal);
    const char *near = command_suggest(word);
    if (near != NULL)
        return err_set(err, ERR_INVALID, "unknown command '%s', did you mean 'ishizue %s'?", word,
                       near);
    return err_set(err, ERR_INVALID, "unknown command '%s', 'ishizue help' lists them", word);
}

static bool take_rest(struct parse *parse, struct err *err)
{
    while (parse->argv[parse->at] != NULL)
        if (!add_text(parse, &parse->ret->arguments, parse->argv[parse->at++], SIZE_MAX, err))
            return false;
    return true;
}

static bool parse_word(struct parse *parse, struct err *err)
{
    const char *word = parse->argv[parse->at++];

    if (strcmp(word, "--") == 0)
        return take_rest(parse, err);
    if (word[0] == '-' && word[1] == '-')
        return parse_long(parse, word, err);
    if (word[0] == '-' && word[1] != '\0')
        return parse_letters(parse, word, err);
    if (parse->command == NULL)
        return take_verb(parse, word, err);
    if (!add_text(parse, &parse->ret->arguments, word, SIZE_MAX, err))
        return false;
    return parse->command->words_end_options ? take_rest(parse, err) : true;
}

static bool check_words(const struct command *command, const struct options *options,
                        struct err *err)
{
    size_t count = options->arguments.count;

    if (count < command->words_min)
        return err_set(err, ERR_INVALID, "too few words: ishizue %s %s", command->name,
                       command->arguments);
    if (count > command->words_max)
        return err_set(err, ERR_INVALID, "unexpected '%s': ishizue %s%s%s",
                       options->arguments.items[command->words_max], command->name,
                       command->arguments[0] == '\0' ? "" : " ", command->arguments);
    return true;
}

bool options_parse(const char *const *argv, struct arena *arena, struct options *ret,
                   const struct command **ret_command, struct err *err)
{
    struct parse parse = {.argv = argv, .arena = arena, .ret = ret};

    *ret = (struct options){0};
    while (argv[parse.at] != NULL) {
        bool ok = parse_word(&parse, err);
        *ret_command = parse.command;
        if (!ok)
            return false;
    }
    *ret_command = parse.command;
    if (parse.command == NULL || ret->help)
        return true;
    return check_words(parse.command, ret, err);
}
