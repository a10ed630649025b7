/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/str.h"
#include "cli/help.h"
#include "cli/text_width.h"

enum { OPTION_COLUMN = 30, COMMAND_COLUMN = 15 };

/* Words of <text> in lines of HELP_WIDTH; the first line goes on at column <used>, the others are
 * indented by <indent>. */
static void add_wrapped(struct str text, size_t used, size_t indent, struct buf *ret)
{
    bool first = true;

    while (text.ptr != NULL) {
        struct str word = str_cut(&text, ' ');

        if (!first && used + 1 + word.len > HELP_WIDTH) {
            buf_add_char(ret, '\n');
            text_width_pad(0, indent, ret);
            used = indent;
            first = true;
        }
        if (!first) {
            buf_add_char(ret, ' ');
            used++;
        }
        buf_add_str(ret, word);
        used += word.len;
        first = false;
    }
    buf_add_char(ret, '\n');
}

static void add_described(const char *left, struct str doc, size_t column, struct buf *ret)
{
    size_t used = strlen(left);

    buf_add_text(ret, left);
    if (used + 1 > column) {
        buf_add_char(ret, '\n');
        used = 0;
    }
    text_width_pad(used, column, ret);
    add_wrapped(doc, column, column, ret);
}

/* "-f, --file FILE" */
static void add_option_name(const struct option_spec *spec, struct buf *ret)
{
    if (spec->letter != 0)
        buf_addf(ret, "-%c, ", spec->letter);
    else
        buf_add_text(ret, "    ");
    buf_addf(ret, "--%s", spec->name);
    if (spec->value != NULL)
        buf_addf(ret, " %s", spec->value);
}

static void add_options(const struct option_spec *specs, size_t count, struct buf *ret)
{
    for (size_t i = 0; i < count; i++) {
        AUTO(buf_done) struct buf left = {0};

        if (specs[i].hidden)
            continue;
        buf_add_text(&left, "  ");
        add_option_name(&specs[i], &left);
        add_described(buf_text(&left), str_of(specs[i].doc), OPTION_COLUMN, ret);
    }
}

static bool has_visible_options(const struct command *command)
{
    for (size_t i = 0; i < command->option_count; i++)
        if (!command->options[i].hidden)
            return true;
    return false;
}

static void add_examples(const struct command *command, struct buf *ret)
{
    struct str rest = str_of(command->example);

    buf_add_text(ret, "\nExamples:\n");
    while (rest.ptr != NULL) {
        struct str what = str_cut(&rest, '\n');
        struct str line = str_cut(&what, '\t');
        buf_addf(ret, "  " STR_FMT "\n      " STR_FMT "\n", STR_ARG(line), STR_ARG(what));
    }
}

static void add_usage(const struct command *command, struct buf *ret)
{
    buf_addf(ret, "ishizue %s%s%s%s", command->name,
             has_visible_options(command) ? " [OPTIONS]" : "",
             command->arguments[0] == '\0' ? "" : " ", command->arguments);
}

static void format_command(const struct command *command, struct buf *ret)
{
    buf_add_text(ret, "Usage: ");
    add_usage(command, ret);
    buf_add_text(ret, "\n\n");
    add_wrapped(str_of(command->text), 0, 0, ret);
    if (has_visible_options(command)) {
        buf_add_text(ret, "\nOptions:\n");
        add_options(command->options, command->option_count, ret);
    }
    add_examples(command, ret);
    buf_add_text(ret, "\nGlobal options are listed by 'ishizue help'.\n");
}

static void format_program(struct buf *ret)
{
    buf_add_text(ret, "Usage: ishizue [OPTIONS] COMMAND\n\n"
                      "Runs the system that a compose file describes on this machine.\n\n"
                      "Commands:\n");
    for (size_t i = 0; i < command_count; i++) {
        AUTO(buf_done) struct buf left = {0};

        if (commands[i].hidden)
            continue;
        buf_addf(&left, "  %s", commands[i].name);
        add_described(buf_text(&left), str_of(commands[i].summary), COMMAND_COLUMN, ret);
    }
    buf_add_text(ret, "\nOptions, before or after the command:\n");
    add_options(global_options, global_option_count, ret);
    buf_add_text(ret, "\n'ishizue help COMMAND' shows the options of a command.\n");
}

void help_format(const struct command *command, struct buf *ret)
{
    if (command != NULL)
        format_command(command, ret);
    else
        format_program(ret);
}

/* Text in roff: backslashes and hyphens escaped, no line starts with a control character. */
static void add_roff(struct str text, struct buf *ret)
{
    if (text.len > 0 && (text.ptr[0] == '.' || text.ptr[0] == '\''))
        buf_add_text(ret, "\\&");
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\\')
            buf_add_text(ret, "\\e");
        else if (text.ptr[i] == '-')
            buf_add_text(ret, "\\-");
        else
            buf_add_char(ret, text.ptr[i]);
    }
}

static void man_options(const struct option_spec *specs, size_t count, struct buf *ret)
{
    for (size_t i = 0; i < count; i++) {
        AUTO(buf_done) struct buf name = {0};

        if (specs[i].hidden)
            continue;
        add_option_name(&specs[i], &name);
        buf_add_text(ret, ".TP\n.B ");
        add_roff(str_trim(buf_str(&name)), ret);
        buf_add_char(ret, '\n');
        add_roff(str_of(specs[i].doc), ret);
        buf_add_text(ret, ".\n");
    }
}

static void man_command(const struct command *command, struct buf *ret)
{
    AUTO(buf_done) struct buf usage = {0};
    struct str rest = str_of(command->example);

    add_usage(command, &usage);
    buf_add_text(ret, ".SS ");
    add_roff(buf_str(&usage), ret);
    buf_add_char(ret, '\n');
    add_roff(str_of(command->text), ret);
    buf_add_char(ret, '\n');
    man_options(command->options, command->option_count, ret);
    while (rest.ptr != NULL) {
        struct str what = str_cut(&rest, '\n');
        struct str line = str_cut(&what, '\t');

        buf_add_text(ret, ".PP\n.RS\n.nf\n");
        add_roff(line, ret);
        buf_add_text(ret, "\n.fi\n.RE\n(");
        add_roff(what, ret);
        buf_add_text(ret, ")\n");
    }
}

struct man_entry {
    const char *name;
    const char *text;
};

static const struct man_entry man_environment[] = {
    {"COMPOSE_FILE, COMPOSE_PROJECT_NAME, COMPOSE_PROFILES, COMPOSE_ENV_FILES",
     "As in Docker Compose; an option on the command line wins."},
    {"COMPOSE_PROGRESS, COMPOSE_ANSI", "What --progress and --ansi are when they are not given."},
    {"NO_COLOR", "No colours when set and not empty."},
    {"ISHIZUE_STATE_DIR", "What survives a reboot; /var/lib/ishizue."},
    {"ISHIZUE_RUN_DIR", "The socket and what does not survive a reboot; /run/ishizue."},
    {"ISHIZUE_IMAGES_DIR", "The recipes that stand in for well-known images."},
};

static const struct man_entry man_exit[] = {
    {"0", "The asked state was reached."},
    {"1", "It was not; standard error says why."},
    {"2", "The command line or the compose file is wrong; nothing was changed."},
    {"3", "The new release was bad, and the old one is back."},
    {"4", "The system is locked, or another operation on it is under way."},
    {"124", "It took longer than --wait-timeout."},
    {"126, 127, 128+n", "From exec: the command cannot be run, is not there, ended by signal n."},
    {"130", "Interrupted by Ctrl-C."},
};

static const struct man_entry man_files[] = {
    {"compose.yaml, compose.yml, docker-compose.yaml, docker-compose.yml",
     "Looked for in the folder and those above it, with the matching .override file."},
    {".env", "Variables for the compose file."},
    {"/run/ishizue/api.sock", "Where the daemon answers."},
    {"/var/lib/ishizue/daemon.log", "What the daemon writes when up or daemon started it."},
};

static void man_entries(const char *title, const struct man_entry *entries, size_t count,
                        struct buf *ret)
{
    buf_addf(ret, ".SH %s\n", title);
    for (size_t i = 0; i < count; i++) {
        buf_add_text(ret, ".TP\n.B ");
        add_roff(str_of(entries[i].name), ret);
        buf_add_char(ret, '\n');
        add_roff(str_of(entries[i].text), ret);
        buf_add_char(ret, '\n');
    }
}

void help_format_man(struct buf *ret)
{
    buf_add_text(ret,
                 ".\\\" Written from src/cli/commands.c by: ishizue help --man\n"
                 ".TH ISHIZUE 1 \"\" \"Ishizue " ISHIZUE_VERSION "\" \"User commands\"\n"
                 ".nh\n.ad l\n"
                 ".SH NAME\nishizue \\- run the system that a compose file describes\n"
                 ".SH SYNOPSIS\n.B ishizue\n[\\fIOPTIONS\\fR] \\fICOMMAND\\fR\n"
                 ".SH DESCRIPTION\n"
                 "Ishizue reads a team's docker\\-compose.yml and runs the system it describes "
                 "on this\nmachine: the services, the HTTP edge in front of them, and their "
                 "health.\nEvery command talks to a daemon, which\n.B ishizue up\nstarts when "
                 "none runs.\n"
                 ".SH OPTIONS\nThey may stand before or after the command.\n");
    man_options(global_options, global_option_count, ret);
    buf_add_text(ret, ".SH COMMANDS\n");
    for (size_t i = 0; i < command_count; i++)
        if (!commands[i].hidden)
            man_command(&commands[i], ret);
    man_entries("EXIT STATUS", man_exit, ARRAY_LEN(man_exit), ret);
    man_entries("ENVIRONMENT", man_environment, ARRAY_LEN(man_environment), ret);
    man_entries("FILES", man_files, ARRAY_LEN(man_files), ret);
    buf_add_text(ret, ".SH SEE ALSO\n.BR conmon (8),\n.BR runc (8)\n");
}
