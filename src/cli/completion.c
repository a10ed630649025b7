/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "cli/completion.h"

static const char bash_script[] =
    "# bash completion for ishizue; written by: ishizue completion bash\n"
    "_ishizue() {\n"
    "    local line word=\"${COMP_WORDS[COMP_CWORD]}\"\n"
    "    COMPREPLY=()\n"
    "    while IFS=$'\\t' read -r line _; do\n"
    "        if [[ $line == :files ]]; then\n"
    "            compopt -o default 2>/dev/null\n"
    "        elif [[ $line == \"$word\"* ]]; then\n"
    "            COMPREPLY+=(\"$line\")\n"
    "        fi\n"
    "    done < <(ishizue __complete -- \"${COMP_WORDS[@]:1:COMP_CWORD}\" 2>/dev/null)\n"
    "}\n"
    "complete -F _ishizue ishizue\n";

static const char zsh_script[] =
    "#compdef ishizue\n"
    "# zsh completion for ishizue; written by: ishizue completion zsh\n"
    "_ishizue() {\n"
    "    local line files=\n"
    "    local -a found\n"
    "    while IFS= read -r line; do\n"
    "        if [[ $line == :files ]]; then\n"
    "            files=1\n"
    "        else\n"
    "            found+=(\"${${line//:/\\\\:}/$'\\t'/:}\")\n"
    "        fi\n"
    "    done < <(ishizue __complete -- \"${(@)words[2,CURRENT]}\" 2>/dev/null)\n"
    "    (( ${#found} )) && _describe ishizue found\n"
    "    [[ -n $files ]] && _files\n"
    "}\n"
    "compdef _ishizue ishizue\n";

static const char fish_script[] =
    "# fish completion for ishizue; written by: ishizue completion fish\n"
    "function __ishizue_complete\n"
    "    set -l words (commandline -opc) (commandline -ct)\n"
    "    for line in (ishizue __complete -- $words[2..-1] 2>/dev/null)\n"
    "        if test \"$line\" = :files\n"
    "            __fish_complete_path (commandline -ct)\n"
    "        else\n"
    "            echo $line\n"
    "        end\n"
    "    end\n"
    "end\n"
    "complete -c ishizue -f -a '(__ishizue_complete)'\n";

const char *completion_script(const char *shell)
{
    static const char *const scripts[][2] = {
        {"bash", bash_script}, {"zsh", zsh_script}, {"fish", fish_script}};

    for (size_t i = 0; i < ARRAY_LEN(scripts); i++)
        if (strcmp(scripts[i][0], shell) == 0)
            return scripts[i][1];
    return NULL;
}

void completion_done(struct completion *completion)
{
    buf_done(&completion->lines);
}

/* What the words before the last one leave open. */
struct context {
    const struct command *command;
    const struct option_spec *pending; /* the last word is its value */
    bool options_ended;
    size_t words; /* after the verb, which are no options */
};

/* "-p", "--file": an option whose value is the next word. */
static const struct option_spec *waits_for_value(const struct command *command, const char *word)
{
    const struct option_spec *spec = NULL;

    if (word[1] == '-') {
        if (strchr(word, '=') == NULL)
            spec = option_find(command, str_of(word + 2));
    } else if (word[1] != '\0') {
        spec = option_find_letter(command, word[strlen(word) - 1]);
    }
    return spec != NULL && spec->kind != OPTION_FLAG ? spec : NULL;
}

static void read_word(struct context *context, const char *word)
{
    if (context->pending != NULL) {
        context->pending = NULL;
    } else if (!context->options_ended && strcmp(word, "--") == 0) {
        context->options_ended = true;
    } else if (!context->options_ended && word[0] == '-' && word[1] != '\0') {
        context->pending = waits_for_value(context->command, word);
    } else if (context->command == NULL) {
        context->command = command_find(word);
        context->options_ended = context->command == NULL; /* nothing sensible can follow */
    } else {
        context->words++;
        context->options_ended |= context->command->words_end_options;
    }
}

static void offer_choices(const struct option_spec *spec, struct completion *ret)
{
    struct str rest = str_of(spec->value);

    while (spec->kind == OPTION_CHOICE && rest.ptr != NULL) {
        struct str choice = str_cut(&rest, '|');
        buf_addf(&ret->lines, STR_FMT "\t%s\n", STR_ARG(choice), spec->doc);
    }
    ret->wants_files |= spec->takes_file;
    ret->wants_services |= strcmp(spec->name, "hash") == 0;
}

static void offer_options(const struct option_spec *specs, size_t count, struct completion *ret)
{
    for (size_t i = 0; i < count; i++)
        if (!specs[i].hidden)
            buf_addf(&ret->lines, "--%s\t%s\n", specs[i].name, specs[i].doc);
}

static void offer_commands(struct completion *ret)
{
    for (size_t i = 0; i < command_count; i++)
        if (!commands[i].hidden)
            buf_addf(&ret->lines, "%s\t%s\n", commands[i].name, commands[i].summary);
}

/* "bash|zsh|fish", "[stop]": words that the usage line itself names. */
static void offer_listed(const char *arguments, struct completion *ret)
{
    struct str rest = str_of(arguments);

    if (rest.len > 1 && rest.ptr[0] == '[')
        rest = str_sub(rest, 1, rest.len - 2);
    if (rest.len == 0 || rest.ptr[0] < 'a' || rest.ptr[0] > 'z')
        return;
    while (rest.ptr != NULL) {
        struct str word = str_cut(&rest, '|');
        buf_addf(&ret->lines, STR_FMT "\t\n", STR_ARG(word));
    }
}

static void offer_words(const struct context *context, struct completion *ret)
{
    const struct command *command = context->command;

    if (context->words >= command->words_max)
        return;
    if (command->words == WORDS_SERVICES ||
        (command->words == WORDS_COMMAND && context->words == 0))
        ret->wants_services = true;
    else if (strcmp(command->name, "help") == 0)
        offer_commands(ret);
    else if (command->words == WORDS_OTHER)
        offer_listed(command->arguments, ret);
}

void completion_find(const char *const *words, size_t count, struct completion *ret)
{
    struct context context = {0};
    const char *last = count == 0 ? "" : words[count - 1];

    for (size_t i = 0; i + 1 < count; i++)
        read_word(&context, words[i]);
    if (context.pending != NULL) {
        offer_choices(context.pending, ret);
    } else if (!context.options_ended && last[0] == '-') {
        if (context.command != NULL)
            offer_options(context.command->options, context.command->option_count, ret);
        offer_options(global_options, global_option_count, ret);
    } else if (context.command != NULL) {
        offer_words(&context, ret);
    } else if (!context.options_ended) {
        offer_commands(ret);
    }
}
