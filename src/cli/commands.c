/* SPDX-License-Identifier: Apache-2.0
 *
 * The table. Help, man page and completion print these texts as they stand; an
 * option is documented here or it does not exist.
 */
#include "base/base.h"

#include "cli/cmd.h"
#include "cli/options.h"
#include "cli/suggest.h"

#define FIELD(name) offsetof(struct options, name)

/* clang-format off */
#define FLAG(name, letter, field, doc) \
    {name, letter, OPTION_FLAG, FIELD(field), NULL, doc, false, false}
#define TEXT(name, letter, field, value, doc) \
    {name, letter, OPTION_TEXT, FIELD(field), value, doc, false, false}
#define NUMBER(name, letter, field, value, doc) \
    {name, letter, OPTION_NUMBER, FIELD(field), value, doc, false, false}
#define CHOICE(name, letter, field, value, doc) \
    {name, letter, OPTION_CHOICE, FIELD(field), value, doc, false, false}

const struct option_spec global_options[] = {
    {"file", 'f', OPTION_TEXTS, FIELD(files), "FILE",
     "compose file; may be repeated, later ones are merged over earlier ones; - is standard input",
     false, true},
    TEXT("project-name", 'p', project_name, "NAME", "name of the system, instead of the file's or the folder's"),
    {"profile", 0, OPTION_TEXTS, FIELD(profiles), "NAME",
     "take in the services of this profile; may be repeated; '*' is all", false, false},
    {"env-file", 0, OPTION_TEXTS, FIELD(env_files), "FILE",
     "variables for the compose file, instead of .env; may be repeated", false, true},
    {"project-directory", 0, OPTION_TEXT, FIELD(project_directory), "FOLDER",
     "what relative paths start from, instead of the folder of the first file", false, true},
    CHOICE("progress", 0, progress, "auto|tty|plain|json|quiet", "how progress is shown"),
    CHOICE("ansi", 0, ansi, "never|always|auto", "when colours and cursor movement are used"),
    FLAG("dry-run", 0, dry_run, "say what would change and change nothing"),
    FLAG("json", 0, json, "print what the daemon answers as JSON; errors too, on standard error"),
    FLAG("help", 'h', help, "show help"),
    FLAG("version", 'v', show_version, "show the version"),
};
const size_t global_option_count = ARRAY_LEN(global_options);

static const struct option_spec up_options[] = {
    FLAG("detach", 'd', detach, "return when every service is ready, instead of following the logs"),
    FLAG("wait", 0, wait, "the same as -d"),
    NUMBER("wait-timeout", 0, wait_timeout_s, "SECONDS", "fail when it takes longer; without it each service's own health check decides"),
    FLAG("no-wait", 0, no_wait, "return as soon as the daemon has taken the work"),
    FLAG("build", 0, build, "build again even when nothing changed"),
    FLAG("force-recreate", 0, force_recreate, "replace instances even when nothing changed"),
    FLAG("remove-orphans", 0, remove_orphans, "accepted for Compose's sake: services that left the file are always removed"),
    NUMBER("timeout", 't', timeout_s, "SECONDS", "how long services may take to stop after Ctrl-C"),
    FLAG("no-color", 0, no_color, "log prefixes without colours"),
    FLAG("no-log-prefix", 0, no_log_prefix, "log lines without the name of the instance"),
};

static const struct option_spec down_options[] = {
    FLAG("volumes", 'v', volumes, "remove named and anonymous volumes too: their data is lost"),
    FLAG("remove-orphans", 0, remove_orphans, "accepted for Compose's sake: everything of the system is always removed"),
    NUMBER("timeout", 't', timeout_s, "SECONDS", "how long services may take to stop, instead of their stop_grace_period"),
};

static const struct option_spec ps_options[] = {
    FLAG("all", 'a', all, "show instances that have ended too"),
    FLAG("quiet", 'q', quiet, "only the ids"),
    FLAG("services", 0, list_services, "only the names of the services"),
    CHOICE("format", 0, format, "table|json", "json is one object a line, with Compose's keys"),
};

static const struct option_spec logs_options[] = {
    FLAG("follow", 'f', follow, "go on with new lines as they come"),
    TEXT("tail", 'n', tail, "LINES", "only the last lines of each instance; 'all' is the default"),
    TEXT("since", 0, since, "TIME", "only lines from TIME on: 10m, 1h30m, or 2026-11-21T02:14:07Z"),
    TEXT("until", 0, until, "TIME", "only lines before TIME"),
    FLAG("timestamps", 't', timestamps, "put the time before each line (RFC 3339, UTC)"),
    FLAG("no-log-prefix", 0, no_log_prefix, "lines without the name of the instance"),
    FLAG("no-color", 0, no_color, "prefixes without colours"),
};

static const struct option_spec exec_options[] = {
    FLAG("no-tty", 'T', no_tty, "no terminal inside; the default unless standard input and output are terminals"),
    FLAG("interactive", 'i', interactive, "accepted for Compose's sake: standard input is always passed on"),
    {"env", 'e', OPTION_TEXTS, FIELD(environment), "NAME=VALUE", "set a variable; may be repeated", false, false},
    TEXT("user", 'u', user, "USER", "run as this user (name or uid[:gid])"),
    TEXT("workdir", 'w', working_dir, "FOLDER", "run in this folder of the instance"),
    NUMBER("index", 0, index, "NUMBER", "which instance, when there are several; without it one that takes traffic"),
};

static const struct option_spec config_options[] = {
    CHOICE("format", 0, format, "yaml|json", "how it is printed"),
    FLAG("quiet", 'q', quiet, "print nothing; the exit status tells"),
    FLAG("services", 0, list_services, "only the names of the services"),
    FLAG("images", 0, list_images, "only the images"),
    FLAG("volumes", 0, list_volumes, "only the names of the volumes"),
    FLAG("profiles", 0, list_profiles, "only the profiles"),
    FLAG("environment", 0, list_environment, "only the variables that the file's ${...} see"),
    TEXT("hash", 0, hash, "SERVICE", "a digest of a service's configuration; '*' is all"),
    {"output", 'o', OPTION_TEXT, FIELD(output), "FILE", "write to a file", false, true},
};

static const struct option_spec ls_options[] = {
    FLAG("all", 'a', all, "accepted for Compose's sake: every system the daemon knows is listed"),
    FLAG("quiet", 'q', quiet, "only the names"),
    CHOICE("format", 0, format, "table|json", "json is one array, with Compose's keys"),
};

static const struct option_spec restart_options[] = {
    NUMBER("timeout", 't', timeout_s, "SECONDS", "how long services may take to stop, instead of their stop_grace_period"),
};

static const struct option_spec version_options[] = {
    CHOICE("format", 'f', format, "pretty|json", "how it is printed"),
    FLAG("short", 0, short_form, "only the number"),
};

static const struct option_spec ca_options[] = {
    FLAG("install", 0, install, "make this machine trust it, instead of printing it"),
};

static const struct option_spec check_options[] = {
    FLAG("quiet", 'q', quiet, "print only errors"),
};

static const struct option_spec daemon_options_table[] = {
    FLAG("foreground", 0, foreground, "stay in this terminal or unit and log to standard error"),
    {"ready-fd", 0, OPTION_NUMBER, FIELD(ready_fd), "NUMBER",
     "descriptor that gets one byte when the daemon answers", true, false},
};

static const struct option_spec edge_options_table[] = {
    NUMBER("channel-fd", 0, channel_fd, "NUMBER", "descriptor of the channel to the daemon"),
    NUMBER("workers", 0, workers, "NUMBER", "threads that carry traffic"),
    NUMBER("uid", 0, uid, "NUMBER", "user it becomes"),
    NUMBER("gid", 0, gid, "NUMBER", "group it becomes"),
    TEXT("chroot-dir", 0, chroot_dir, "FOLDER", "empty folder it locks itself into"),
};

static const struct option_spec help_options[] = {
    FLAG("man", 0, man, "the manual page as roff"),
};

#define OPTIONS(table) .options = (table), .option_count = ARRAY_LEN(table)

const struct command commands[] = {
    {.name = "up", .arguments = "[SERVICE...]", .run = cmd_up, OPTIONS(up_options),
     .summary = "bring the system up, or to what the file says now",
     .text = "Reads the compose file, builds what has to be built, starts what is missing and replaces what "
             "changed. What is unchanged is left alone. Starts the daemon when none runs. Without -d it "
             "follows the logs afterwards, and Ctrl-C takes the system down.",
     .example = "ishizue up -d\tbring everything up and return when it is ready\n"
                "ishizue up -d --build backend\tbuild and replace one service and what it needs",
     .words = WORDS_SERVICES, .words_max = SIZE_MAX},
    {.name = "down", .arguments = "", .run = cmd_down, OPTIONS(down_options),
     .summary = "stop the system and remove its instances",
     .text = "Stops the services, those that others depend on last, and removes their instances and "
             "networks. Volumes and bind-mounted folders stay unless -v is given.",
     .example = "ishizue down\tstop everything, keep the data\n"
                "ishizue -p shop down -t 5\tfrom any folder, with at most five seconds to stop"},
    {.name = "ps", .arguments = "[SERVICE...]", .run = cmd_ps, OPTIONS(ps_options),
     .summary = "show what runs",
     .text = "One line for each instance: its state and health, since when it runs, how often it was "
             "restarted, what it uses and which ports lead to it. The system's addresses follow.",
     .example = "ishizue ps\twhat runs now\n"
                "ishizue ps --format json\tfor a program, one object a line",
     .words = WORDS_SERVICES, .words_max = SIZE_MAX},
    {.name = "logs", .arguments = "[SERVICE...]", .run = cmd_logs, OPTIONS(logs_options),
     .summary = "show what the services wrote",
     .text = "Prints standard output and error of all instances, or of those of the services named.",
     .example = "ishizue logs -f -n 20 backend\tthe last twenty lines of the backend, and what follows\n"
                "ishizue logs --since 10m -t\tthe last ten minutes of everything, with times",
     .words = WORDS_SERVICES, .words_max = SIZE_MAX},
    {.name = "exec", .arguments = "SERVICE COMMAND [WORD...]", .run = cmd_exec, OPTIONS(exec_options),
     .summary = "run a command inside an instance",
     .text = "The command sees the instance's files, network and environment. Its exit status becomes "
             "that of ishizue. Options stand before SERVICE; all after it belongs to the command.",
     .example = "ishizue exec backend sh\ta shell\n"
                "ishizue exec -T postgres pg_dump -U eshop eshop > eshop.sql\toutput into a file",
     .words = WORDS_COMMAND, .words_min = 2, .words_max = SIZE_MAX, .words_end_options = true},
    {.name = "restart", .arguments = "[SERVICE...]", .run = cmd_restart, OPTIONS(restart_options),
     .summary = "stop services and start them again",
     .text = "Restarts all services, or those named, in the order of their dependencies, and returns "
             "when they are ready. Nothing of a changed file is taken over: that is what up does.",
     .example = "ishizue restart backend\trestart one service",
     .words = WORDS_SERVICES, .words_max = SIZE_MAX},
    {.name = "config", .arguments = "[SERVICE...]", .run = cmd_config, OPTIONS(config_options),
     .summary = "print the compose file as it is understood",
     .text = "Prints the file merged, with variables filled in and in its long form, as Docker Compose does.",
     .example = "ishizue config\tthe whole file\n"
                "ishizue config --services\tthe names of the services",
     .words = WORDS_SERVICES, .words_max = SIZE_MAX},
    {.name = "check", .arguments = "", .run = cmd_check, OPTIONS(check_options),
     .summary = "say what is wrong with the compose file",
     .text = "Reads the file and prints every error and warning with file, line and column. Changes "
             "nothing and needs no daemon. The exit status is 2 when the file cannot be used.",
     .example = "ishizue check\tbefore a commit\n"
                "ishizue -f compose.yaml -f compose.prod.yaml check --json\tin a pipeline"},
    {.name = "ls", .arguments = "", .run = cmd_ls, OPTIONS(ls_options),
     .summary = "list the systems on this machine",
     .text = "One line for each system: its name, how many instances are in which state, and its files.",
     .example = "ishizue ls\tall systems"},
    {.name = "ca", .arguments = "", .run = cmd_ca, OPTIONS(ca_options),
     .summary = "print the certificate of the local authority",
     .text = "Names such as eshop.localhost get their certificates from an authority that was made on this "
             "machine. A browser or program that trusts its certificate shows no warning.",
     .example = "ishizue ca > ishizue-ca.pem\tto import it into a browser\n"
                "ishizue ca --install\tcurl and the like on this machine trust it"},
    {.name = "daemon", .arguments = "[stop]", .run = cmd_daemon, OPTIONS(daemon_options_table),
     .summary = "start or stop the daemon",
     .text = "The daemon keeps the systems as their files want them. up starts it when none runs. Stopping it "
             "ends neither the services nor the edge in front of them.",
     .example = "ishizue daemon\tstart it in the background\n"
                "ishizue daemon --foreground\tfrom a service manager\n"
                "ishizue daemon stop\tend it; the services go on",
     .words = WORDS_OTHER, .words_max = 1},
    {.name = "version", .arguments = "", .run = cmd_version, OPTIONS(version_options),
     .summary = "show the version",
     .text = "The version of this program and, when a daemon runs, of the daemon.",
     .example = "ishizue version --short\tonly the number"},
    {.name = "completion", .arguments = "bash|zsh|fish", .run = cmd_completion,
     .summary = "print the completion script for a shell",
     .text = "Completes commands, options, and service names from the compose file of the folder.",
     .example = "source <(ishizue completion bash)\tfor this shell\n"
                "ishizue completion fish > ~/.config/fish/completions/ishizue.fish\tfor every fish",
     .words = WORDS_OTHER, .words_min = 1, .words_max = 1},
    {.name = "help", .arguments = "[COMMAND]", .run = cmd_help, OPTIONS(help_options),
     .summary = "show help, also of one command",
     .text = "Help of the whole program or of one command.",
     .example = "ishizue help up\tthe options of up",
     .words = WORDS_OTHER, .words_max = 1},
    {.name = "edge", .arguments = "", .run = cmd_edge, OPTIONS(edge_options_table), .hidden = true,
     .summary = "the process that owns the listening sockets; the daemon starts it",
     .text = "Not for people.", .example = "ishizue edge\tstarted by the daemon"},
    {.name = "__complete", .arguments = "WORD...", .run = cmd_complete, .hidden = true,
     .summary = "candidates for the last word; the completion scripts call it",
     .text = "Not for people.", .example = "ishizue __complete -- up -\tthe options of up",
     .words = WORDS_OTHER, .words_max = SIZE_MAX, .words_end_options = true},
};
const size_t command_count = ARRAY_LEN(commands);

/* Words that people of other tools type. */
static const struct {
    const char *word;
    const char *command;
} nearest[] = {
    {"start", "up"},       {"create", "up"},       {"deploy", "up"},       {"apply", "up"},
    {"build", "up --build"}, {"scale", "up"},      {"stop", "down"},       {"rm", "down"},
    {"kill", "down"},      {"destroy", "down"},    {"remove", "down"},     {"status", "ps"},
    {"top", "ps"},         {"stats", "ps"},        {"port", "ps"},         {"images", "config --images"},
    {"list", "ls"},        {"systems", "ls"},      {"log", "logs"},        {"events", "logs -f"},
    {"run", "exec"},       {"sh", "exec"},         {"shell", "exec"},      {"attach", "logs -f"},
    {"validate", "check"}, {"lint", "check"},      {"convert", "config"},  {"reload", "restart"},
};
/* clang-format on */

const char *command_suggest(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(nearest); i++)
        if (strcmp(nearest[i].word, name) == 0)
            return nearest[i].command;

    struct suggest near = suggest_start(name);
    for (size_t i = 0; i < command_count; i++)
        if (!commands[i].hidden)
            suggest_offer(&near, commands[i].name);
    return suggest_best(&near);
}
