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
    FLAG("build", 0, build, "accepted for Compose's sake: what changed is always built; build --no-cache builds again"),
    FLAG("force-recreate", 0, force_recreate, "replace instances even when nothing changed"),
    FLAG("remove-orphans", 0, remove_orphans, "accepted for Compose's sake: services that left the file are always removed"),
    NUMBER("timeout", 't', timeout_s, "SECONDS", "how long services may take to stop after Ctrl-C"),
    FLAG("no-color", 0, no_color, "log prefixes without colours"),
    FLAG("no-log-prefix", 0, no_log_prefix, "log lines without the name of the instance"),
    FLAG("timestamps", 0, timestamps, "put the time before each log line"),
    {"scale", 0, OPTION_TEXTS, FIELD(scale), "SERVICE=NUMBER", "run this many instances, whatever the file says; may be repeated", false, false},
    FLAG("no-deps", 0, no_deps, "leave out what the services named depend on"),
    FLAG("no-build", 0, no_build, "fail when something would have to be built"),
    FLAG("quiet-build", 0, quiet_build, "without what the build steps print"),
    FLAG("no-start", 0, no_start, "make the instances and start nothing"),
    FLAG("no-recreate", 0, no_recreate, "leave instances as they are even when the file changed"),
    FLAG("always-recreate-deps", 0, always_recreate_deps, "replace what the services named depend on, too"),
    FLAG("renew-anon-volumes", 'V', renew_anon_volumes, "refused: anonymous volumes belong to a service; 'down -v' removes them"),
    CHOICE("pull", 0, pull_policy, "always|missing|never|policy", "accepted for Compose's sake: images are run by the machine's own programs"),
    FLAG("quiet-pull", 0, quiet_pull, "accepted for Compose's sake: nothing is pulled"),
    FLAG("abort-on-container-exit", 0, abort_on_exit, "take everything down when an instance ends; not with -d"),
    FLAG("abort-on-container-failure", 0, abort_on_failure, "take everything down when an instance fails; not with -d"),
    TEXT("exit-code-from", 0, exit_code_from, "SERVICE", "the exit status is that of SERVICE, whose end takes everything down"),
    {"attach", 0, OPTION_TEXTS, FIELD(attach), "SERVICE", "follow the logs of this service only; may be repeated", false, false},
    {"no-attach", 0, OPTION_TEXTS, FIELD(no_attach), "SERVICE", "do not follow the logs of this service; may be repeated", false, false},
    FLAG("attach-dependencies", 0, attach_dependencies, "follow the logs of what the services named depend on, too"),
    FLAG("yes", 'y', yes, "accepted for Compose's sake: nothing is asked"),
    {"menu", 0, OPTION_FLAG, FIELD(menu), NULL, "accepted for Compose's sake: there is no menu", true, false},
    {"watch", 'w', OPTION_FLAG, FIELD(watch), NULL, "refused: a changed file is taken over by 'ishizue up -d'", false, false},
};

static const struct option_spec deploy_options[] = {
    CHOICE("strategy", 0, strategy, "auto|rolling|blue-green|canary|ab|recreate", "how, for every service it is about, whatever the file says"),
    FLAG("build", 0, build, "accepted for Compose's sake: what changed is always built; build --no-cache builds again"),
    FLAG("no-build", 0, no_build, "fail when something would have to be built"),
    FLAG("quiet-build", 0, quiet_build, "without what the build steps print"),
    FLAG("wait", 0, wait, "return when the old instances are gone, instead of when all traffic is at the new ones"),
    FLAG("no-wait", 0, no_wait, "return as soon as the daemon has taken the work"),
    NUMBER("wait-timeout", 0, wait_timeout_s, "SECONDS", "fail and go back when it takes longer; without it each service's own health check decides"),
    FLAG("force-recreate", 0, force_recreate, "replace instances even when nothing changed"),
    FLAG("no-deps", 0, no_deps, "leave out what the services named depend on"),
    {"scale", 0, OPTION_TEXTS, FIELD(scale), "SERVICE=NUMBER", "run this many instances, whatever the file says; may be repeated", false, false},
    FLAG("yes", 'y', yes, "do not show the plan and ask"),
    {"detach", 'd', OPTION_FLAG, FIELD(detach), NULL, "accepted for the sake of 'up -d'", true, false},
};

static const struct option_spec promote_options[] = {
    FLAG("all", 'a', all, "all steps that are left, at once"),
    NUMBER("wait-timeout", 0, wait_timeout_s, "SECONDS", "fail and go back when it takes longer"),
};

static const struct option_spec abort_options[] = {
    NUMBER("wait-timeout", 0, wait_timeout_s, "SECONDS", "fail when it takes longer"),
};

static const struct option_spec maintenance_options[] = {
    {"page", 0, OPTION_TEXT, FIELD(page), "FILE", "what visitors see, an HTML file of at most 64 KiB", false, true},
};

static const struct option_spec cache_options[] = {
    TEXT("path", 0, path, "PATH", "purge the answers for PATH, whatever their query unless PATH has one"),
    TEXT("prefix", 0, prefix, "PATH", "purge the answers for everything that begins with PATH"),
    TEXT("tag", 0, tag, "TAG", "purge the answers that name TAG in their header of tags"),
    FLAG("all", 'a', all, "purge everything of the system"),
};

static const struct option_spec down_options[] = {
    FLAG("volumes", 'v', volumes, "remove named and anonymous volumes too: their data is lost"),
    FLAG("remove-orphans", 0, remove_orphans, "accepted for Compose's sake: everything of the system is always removed"),
    NUMBER("timeout", 't', timeout_s, "SECONDS", "how long services may take to stop, instead of their stop_grace_period"),
    CHOICE("rmi", 0, rmi, "all|local", "remove what was built for the system, too; the next up builds anew"),
};

static const struct option_spec ps_options[] = {
    FLAG("all", 'a', all, "show instances that have ended too"),
    FLAG("quiet", 'q', quiet, "only the ids"),
    FLAG("services", 0, list_services, "only the names of the services"),
    CHOICE("format", 0, format, "table|json", "json is one object a line, with Compose's keys"),
    {"status", 0, OPTION_TEXTS, FIELD(statuses), "STATUS", "only those that are paused, restarting, removing, running, dead, created or exited; may be repeated", false, false},
    TEXT("filter", 0, filter, "status=STATUS", "the same as --status"),
    FLAG("orphans", 0, list_orphans, "accepted for Compose's sake: what left the file is shown until it is gone"),
    FLAG("no-trunc", 0, no_trunc, "do not cut what is too long for the terminal"),
};

static const struct option_spec logs_options[] = {
    FLAG("follow", 'f', follow, "go on with new lines as they come"),
    TEXT("tail", 'n', tail, "LINES", "only the last lines of each instance; 'all' is the default"),
    TEXT("since", 0, since, "TIME", "only lines from TIME on: 10m, 1h30m, or 2026-11-21T02:14:07Z"),
    TEXT("until", 0, until, "TIME", "only lines before TIME"),
    FLAG("timestamps", 't', timestamps, "put the time before each line (RFC 3339, UTC)"),
    FLAG("no-log-prefix", 0, no_log_prefix, "lines without the name of the instance"),
    FLAG("no-color", 0, no_color, "prefixes without colours"),
    NUMBER("index", 0, index, "NUMBER", "only this instance of a service that has several"),
};

static const struct option_spec exec_options[] = {
    FLAG("no-tty", 'T', no_tty, "no terminal inside; the default unless standard input and output are terminals"),
    FLAG("interactive", 'i', interactive, "accepted for Compose's sake: standard input is always passed on"),
    {"env", 'e', OPTION_TEXTS, FIELD(environment), "NAME[=VALUE]", "set a variable, without VALUE to the caller's; may be repeated", false, false},
    TEXT("user", 'u', user, "USER", "run as this user (name or uid[:gid])"),
    TEXT("workdir", 'w', working_dir, "FOLDER", "run in this folder of the instance"),
    NUMBER("index", 0, index, "NUMBER", "which instance, when there are several; without it one that takes traffic"),
    FLAG("detach", 'd', detach, "return at once; what the command prints is dropped"),
    {"privileged", 0, OPTION_FLAG, FIELD(privileged), NULL, "refused: everything in an instance runs as its one unprivileged user", false, false},
    {"tty", 't', OPTION_FLAG, FIELD(interactive), NULL, "accepted for Compose's sake: a terminal is the default where there is one", false, false},
};

static const struct option_spec cp_options[] = {
    FLAG("archive", 'a', archive, "keep user, group and all mode bits; without it files belong to whoever gets them"),
    FLAG("follow-link", 'L', follow_link, "a SOURCE that is a link stands for what it leads to"),
    NUMBER("index", 0, index, "NUMBER", "only this instance; without it from the first one, and to all"),
    FLAG("all", 0, all, "take in instances that 'run' made"),
};

static const struct option_spec port_options[] = {
    CHOICE("protocol", 0, protocol, "tcp|udp", "which of the two"),
    NUMBER("index", 0, index, "NUMBER", "an instance that must be there; all of a service are behind the same port"),
};

static const struct option_spec stats_options[] = {
    FLAG("all", 'a', all, "show instances that do not run, too; with --edge counters that are 0"),
    FLAG("edge", 0, edge, "what the edge of this machine has counted, once: requests, errors, limits that were exceeded"),
    CHOICE("format", 0, format, "table|json", "json is one object a line, with Docker's keys"),
    FLAG("no-stream", 0, no_stream, "print once, after a second, instead of going on"),
    FLAG("no-trunc", 0, no_trunc, "whole ids"),
};

static const struct option_spec events_options[] = {
    FLAG("json", 0, json, "one object a line, with Compose's keys"),
    TEXT("since", 0, since, "TIME", "first what has happened from TIME on, as far back as the daemon remembers: 10m, or 2026-11-21T02:14:07Z"),
    TEXT("until", 0, until, "TIME", "end at TIME"),
};

static const struct option_spec images_options[] = {
    CHOICE("format", 0, format, "table|json", "json is one array, with Compose's keys"),
    FLAG("quiet", 'q', quiet, "only the ids"),
};

static const struct option_spec volumes_options[] = {
    CHOICE("format", 0, format, "table|json", "json is one object a line, with Docker's keys"),
    FLAG("quiet", 'q', quiet, "only the names"),
};

static const struct option_spec pull_options[] = {
    FLAG("quiet", 'q', quiet, "print only what is missing"),
    FLAG("include-deps", 0, include_deps, "look for what the services named depend on, too"),
    FLAG("ignore-buildable", 0, ignore_buildable, "leave out services that are built"),
    FLAG("ignore-pull-failures", 0, ignore_pull_failures, "exit with 0 although something is missing"),
    CHOICE("policy", 0, pull_policy, "missing|always", "accepted for Compose's sake: nothing is pulled"),
};

static const struct option_spec build_options[] = {
    FLAG("no-cache", 0, no_cache, "run every step anew, also when nothing changed"),
    {"build-arg", 0, OPTION_TEXTS, FIELD(build_args), "NAME=VALUE", "set a build argument of the services named, or of all; may be repeated", false, false},
    FLAG("quiet", 'q', quiet, "without what the steps print"),
    FLAG("with-dependencies", 0, with_dependencies, "build what the services named depend on, too"),
    FLAG("pull", 0, pull_newer, "accepted for Compose's sake: there are no base images"),
    {"push", 0, OPTION_FLAG, FIELD(push), NULL, "refused: there is no registry behind a built folder", false, false},
    {"print", 0, OPTION_FLAG, FIELD(print), NULL, "refused: there is no bake file of a built folder", false, false},
    {"check", 0, OPTION_FLAG, FIELD(check_only), NULL, "refused: 'ishizue check' looks at the file", false, false},
    {"ssh", 0, OPTION_TEXT, FIELD(ssh), "KEYS", "refused: build steps see no agent of the caller", false, false},
    {"builder", 0, OPTION_TEXT, FIELD(builder), "NAME", "refused: this machine builds", false, false},
    {"memory", 'm', OPTION_TEXT, FIELD(memory), "SIZE", "refused: build steps have no limit of their own", false, false},
};

static const struct option_spec config_options[] = {
    CHOICE("format", 0, format, "yaml|json", "yaml is the default; both can be read again as a compose file"),
    FLAG("quiet", 'q', quiet, "only check: print nothing but errors"),
    FLAG("services", 0, list_services, "only the names of the services"),
    FLAG("images", 0, list_images, "only the images the services run"),
    FLAG("volumes", 0, list_volumes, "only the names of the volumes"),
    FLAG("networks", 0, list_networks, "only the names of the networks"),
    FLAG("profiles", 0, list_profiles, "only the names of the profiles"),
    FLAG("models", 0, list_models, "only the models that services use"),
    FLAG("variables", 0, list_variables, "the variables that the files name, and their defaults"),
    FLAG("environment", 0, list_environment, "only the variables that the file's ${...} see"),
    TEXT("hash", 0, hash, "SERVICE[,SERVICE]", "a digest of a service's configuration; '*' is all"),
    FLAG("no-interpolate", 0, no_interpolate, "leave the variables in, and values as they are written"),
    FLAG("no-normalize", 0, no_normalize, "do not write out names, the default network and what else is implied"),
    FLAG("no-path-resolution", 0, no_path_resolution, "do not make paths absolute"),
    FLAG("no-consistency", 0, no_consistency, "do not check that what is named is there"),
    FLAG("no-env-resolution", 0, no_env_resolution, "accepted for Compose's sake: env_file is read all the same, as there"),
    FLAG("resolve-image-digests", 0, resolve_image_digests, "refused: nothing is pulled from a registry"),
    FLAG("lock-image-digests", 0, lock_image_digests, "refused: nothing is pulled from a registry"),
    {"output", 'o', OPTION_TEXT, FIELD(output), "FILE", "write to FILE instead of standard output", false, true},
};

static const struct option_spec ls_options[] = {
    FLAG("all", 'a', all, "accepted for Compose's sake: every system the daemon knows is listed"),
    FLAG("quiet", 'q', quiet, "only the names"),
    CHOICE("format", 0, format, "table|json", "json is one array, with Compose's keys"),
};

static const struct option_spec restart_options[] = {
    NUMBER("timeout", 't', timeout_s, "SECONDS", "how long services may take to stop, instead of their stop_grace_period"),
};

static const struct option_spec releases_options[] = {
    NUMBER("number", 'n', count, "NUMBER", "how many are listed, instead of 20"),
};

static const struct option_spec rollback_options[] = {
    FLAG("yes", 'y', yes, "do not ask"),
    FLAG("detach", 'd', detach, "accepted for the sake of 'up -d': rollback returns when every service is ready"),
    NUMBER("wait-timeout", 0, wait_timeout_s, "SECONDS", "fail when it takes longer; without it each service's own health check decides"),
};

static const struct option_spec history_options[] = {
    NUMBER("number", 'n', count, "NUMBER", "how many are listed, instead of 50"),
    FLAG("all", 'a', all, "of all systems"),
};

static const struct option_spec lock_options[] = {
    TEXT("message", 'm', message, "MESSAGE", "why, for those who meet the lock"),
};

static const struct option_spec scale_options[] = {
    NUMBER("wait-timeout", 0, wait_timeout_s, "SECONDS", "fail when it takes longer; without it each service's own health check decides"),
    FLAG("no-deps", 0, no_deps, "accepted for Compose's sake: nothing else is started"),
};

static const struct option_spec create_options[] = {
    FLAG("build", 0, build, "build what has to be built; the default"),
    FLAG("no-build", 0, no_build, "fail when something would have to be built"),
    FLAG("quiet-build", 0, quiet_build, "without what the build steps print"),
    FLAG("force-recreate", 0, force_recreate, "replace instances even when nothing changed"),
    FLAG("no-recreate", 0, no_recreate, "leave instances as they are even when the file changed"),
    FLAG("no-deps", 0, no_deps, "leave out what the services named depend on"),
    {"scale", 0, OPTION_TEXTS, FIELD(scale), "SERVICE=NUMBER", "make this many instances, whatever the file says; may be repeated", false, false},
    CHOICE("pull", 0, pull_policy, "always|missing|never|build|policy", "accepted for Compose's sake: images are run by the machine's own programs"),
    FLAG("quiet-pull", 0, quiet_pull, "accepted for Compose's sake: nothing is pulled"),
    FLAG("remove-orphans", 0, remove_orphans, "accepted for Compose's sake: services that left the file are always removed"),
    FLAG("yes", 'y', yes, "accepted for Compose's sake: nothing is asked"),
};

static const struct option_spec start_options[] = {
    NUMBER("wait-timeout", 0, wait_timeout_s, "SECONDS", "fail when it takes longer; without it each service's own health check decides"),
    FLAG("wait", 0, wait, "accepted for Compose's sake: start always waits until they are ready"),
};

static const struct option_spec rm_options[] = {
    FLAG("force", 'f', force, "do not ask"),
    FLAG("stop", 's', stop_first, "stop instances that run first"),
    FLAG("volumes", 'v', volumes, "remove their anonymous volumes too"),
    {"all", 'a', OPTION_FLAG, FIELD(all), NULL, "accepted for Compose's sake", true, false},
};

static const struct option_spec kill_options[] = {
    TEXT("signal", 's', signal, "SIGNAL", "a name or a number, instead of SIGKILL"),
    FLAG("remove-orphans", 0, remove_orphans, "accepted for Compose's sake: services that left the file are always removed"),
};

static const struct option_spec wait_options[] = {
    FLAG("down-project", 0, down_project, "take the system down afterwards"),
};

static const struct option_spec attach_options[] = {
    NUMBER("index", 0, index, "NUMBER", "which instance, when there are several; without it one that takes traffic"),
    FLAG("no-stdin", 0, no_stdin, "do not pass on standard input"),
    CHOICE("sig-proxy", 0, sig_proxy, "true|false", "pass signals on to the instance; the default. With false they end attach"),
    TEXT("detach-keys", 0, detach_keys, "KEYS", "keys that leave a terminal and end nothing, instead of ctrl-p,ctrl-q"),
};

static const struct option_spec run_options[] = {
    FLAG("rm", 0, auto_remove, "remove the instance when it has ended"),
    FLAG("detach", 'd', detach, "return when it has begun, and print its id"),
    {"env", 'e', OPTION_TEXTS, FIELD(environment), "NAME[=VALUE]", "set a variable, without VALUE to the caller's; may be repeated", false, false},
    FLAG("no-TTY", 'T', no_tty, "no terminal inside; the default unless standard input and output are terminals"),
    {"no-tty", 0, OPTION_FLAG, FIELD(no_tty), NULL, "the same", true, false},
    FLAG("interactive", 'i', interactive, "accepted for Compose's sake: standard input is always passed on"),
    {"tty", 't', OPTION_FLAG, FIELD(interactive), NULL, "accepted for Compose's sake: a terminal is the default where there is one", true, false},
    TEXT("entrypoint", 0, entrypoint, "COMMAND", "instead of the service's"),
    TEXT("name", 0, name, "NAME", "name of the instance, instead of SYSTEM-SERVICE-run-NUMBER"),
    TEXT("user", 'u', user, "USER", "run as this user (name or uid[:gid])"),
    TEXT("workdir", 'w', working_dir, "FOLDER", "run in this folder of the instance"),
    {"volume", 'v', OPTION_TEXTS, FIELD(run_volumes), "SOURCE:TARGET[:ro]", "mount a folder or a volume too; may be repeated", false, false},
    {"publish", 'p', OPTION_TEXTS, FIELD(publish), "PORT:PORT", "publish a port; may be repeated", false, false},
    FLAG("service-ports", 'P', service_ports, "publish the ports of the service"),
    FLAG("use-aliases", 0, use_aliases, "answer to the names of the service too"),
    {"label", 'l', OPTION_TEXTS, FIELD(labels), "NAME=VALUE", "add a label; may be repeated", false, false},
    {"cap-add", 0, OPTION_TEXTS, FIELD(cap_add), "NAME", "add a capability; may be repeated", false, false},
    {"cap-drop", 0, OPTION_TEXTS, FIELD(cap_drop), "NAME", "take a capability away; may be repeated", false, false},
    FLAG("no-deps", 0, no_deps, "do not start what the service depends on"),
    FLAG("build", 0, build, "build what has to be built; the default"),
    FLAG("quiet-build", 0, quiet_build, "without what the build steps print"),
    CHOICE("pull", 0, pull_policy, "always|missing|never|policy", "accepted for Compose's sake: images are run by the machine's own programs"),
    FLAG("quiet-pull", 0, quiet_pull, "accepted for Compose's sake: nothing is pulled"),
    FLAG("quiet", 'q', quiet, "without progress and id"),
    FLAG("remove-orphans", 0, remove_orphans, "accepted for Compose's sake"),
};

static const struct option_spec upgrade_options[] = {
    NUMBER("drain", 0, drain_s, "SECONDS", "how long connections of the former edge may last; 600 when not given"),
    FLAG("yes", 'y', yes, "do not ask"),
};

static const struct option_spec version_options[] = {
    CHOICE("format", 'f', format, "pretty|json", "how it is printed"),
    FLAG("short", 0, short_form, "only the number"),
};

static const struct option_spec ca_options[] = {
    FLAG("install", 0, install, "make this machine trust it, instead of printing it"),
};

static const struct option_spec check_options[] = {
    FLAG("all", 'a', all, "every key of the file, also those that are simply honoured"),
    FLAG("quiet", 'q', quiet, "print only errors"),
};

static const struct option_spec daemon_options_table[] = {
    FLAG("foreground", 0, foreground, "stay in this terminal or unit and log to standard error"),
    {"handover-fd", 0, OPTION_NUMBER, FIELD(handover_fd), "NUMBER",
     "descriptor of what the program left that this process was before", true, false},
    {"try", 0, OPTION_TEXT, FIELD(try_state), "FILE",
     "read this copy of a state, say what this program is, and end", true, false},
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
    {.name = "run", .arguments = "SERVICE [COMMAND] [WORD...]", .run = cmd_run, OPTIONS(run_options),
     .summary = "run a command in a new instance of a service",
     .text = "Starts what the service depends on, makes an instance of it for COMMAND, or for its own command, and "
             "attaches this terminal. Publishes no port unless asked to; the restart policy does not apply. Its exit status becomes "
             "that of ishizue. Without --rm the instance stays until down, with its log. Options stand before SERVICE.",
     .example = "ishizue run --rm backend alembic history\ta command with the service's files and environment\n"
                "ishizue run --rm -T backend sh -c 'cat' < in.txt\twith standard input from a file",
     .words = WORDS_COMMAND, .words_min = 1, .words_max = SIZE_MAX, .words_end_options = true},
    {.name = "create", .arguments = "[SERVICE...]", .run = cmd_create, OPTIONS(create_options),
     .summary = "make the instances and start nothing",
     .text = "Builds what has to be built and makes the instances that are missing; 'start' starts them. What runs unchanged is left alone.",
     .example = "ishizue create\tprepare everything for 'start'",
     .words = WORDS_SERVICES, .words_max = SIZE_MAX},
    {.name = "start", .arguments = "[SERVICE...]", .run = cmd_start, OPTIONS(start_options),
     .summary = "start services that were stopped",
     .text = "Starts the instances that 'stop' or 'create' left, and what they depend on before them. Nothing of a changed file is taken over.",
     .example = "ishizue start backend\tthe same instances again",
     .words = WORDS_SERVICES, .words_max = SIZE_MAX},
    {.name = "stop", .arguments = "[SERVICE...]", .run = cmd_stop, OPTIONS(restart_options),
     .summary = "stop services and keep their instances",
     .text = "Requests that have begun may finish, then the services are asked to end, those that others depend on last. "
             "They stay stopped, whatever their restart policy says, until start, restart or up.",
     .example = "ishizue stop backend\tstop one service\n"
                "ishizue stop -t 5\tstop everything, with at most five seconds to end",
     .words = WORDS_SERVICES, .words_max = SIZE_MAX},
    {.name = "rm", .arguments = "[SERVICE...]", .run = cmd_rm, OPTIONS(rm_options),
     .summary = "remove instances that are stopped",
     .text = "Removes what 'stop' and 'create' left and one-shot services that have ended; 'up' makes them again. Asks on a terminal unless -f is given.",
     .example = "ishizue rm -fs backend\tstop one service and remove its instances",
     .words = WORDS_SERVICES, .words_max = SIZE_MAX},
    {.name = "kill", .arguments = "[SERVICE...]", .run = cmd_kill, OPTIONS(kill_options),
     .summary = "send a signal to services",
     .text = "Sends SIGKILL, or another signal, to the first process of each instance. What ends by it is not restarted, as in Docker, "
             "unless the service has a stop_signal of its own and the signal is another.",
     .example = "ishizue kill -s SIGHUP nginx\tlet a server read its configuration again",
     .words = WORDS_SERVICES, .words_max = SIZE_MAX},
    {.name = "pause", .arguments = "[SERVICE...]", .run = cmd_pause,
     .summary = "freeze services where they are",
     .text = "Their processes get no time and their checks rest; they take no new traffic. Stopping one lets it go on first.",
     .example = "ishizue pause worker\tuntil unpause",
     .words = WORDS_SERVICES, .words_max = SIZE_MAX},
    {.name = "unpause", .arguments = "[SERVICE...]", .run = cmd_unpause,
     .summary = "let frozen services go on",
     .text = "Ends what pause began.",
     .example = "ishizue unpause worker\tit goes on where it was",
     .words = WORDS_SERVICES, .words_max = SIZE_MAX},
    {.name = "wait", .arguments = "SERVICE [SERVICE...]", .run = cmd_wait, OPTIONS(wait_options),
     .summary = "wait until services end",
     .text = "Waits for the end of all instances that run now and prints their exit statuses; that of the last one becomes that of ishizue.",
     .example = "ishizue wait job\tthe status of a one-shot service\n"
                "ishizue wait --down-project tests\tand take the system down",
     .words = WORDS_SERVICES, .words_min = 1, .words_max = SIZE_MAX},
    {.name = "attach", .arguments = "SERVICE", .run = cmd_attach, OPTIONS(attach_options),
     .summary = "connect this terminal to a service that runs",
     .text = "Its output comes here; input goes there when the service has stdin_open. Ctrl-C ends the service unless --sig-proxy=false is given; "
             "ctrl-p ctrl-q leaves a terminal without ending anything. The exit status of the service becomes that of ishizue.",
     .example = "ishizue attach --sig-proxy=false backend\twatch; Ctrl-C ends only the watching",
     .words = WORDS_SERVICES, .words_min = 1, .words_max = 1},
    {.name = "restart", .arguments = "[SERVICE...]", .run = cmd_restart, OPTIONS(restart_options),
     .summary = "stop services and start them again",
     .text = "New instances of all services, or of those named, take over from the old ones when they are ready, so that no request is lost; "
             "what cannot run twice is stopped first. Nothing of a changed file is taken over: that is what up and deploy do.",
     .example = "ishizue restart backend\trestart one service",
     .words = WORDS_SERVICES, .words_max = SIZE_MAX},
    {.name = "scale", .arguments = "SERVICE=NUMBER [SERVICE=NUMBER...]", .run = cmd_scale, OPTIONS(scale_options),
     .summary = "run more or fewer instances of services",
     .text = "Changes how many instances run, and nothing else: the compose file is not read. The next up goes by the file again.",
     .example = "ishizue scale backend=3 worker=1\tuntil the next up",
     .words = WORDS_OTHER, .words_min = 1, .words_max = SIZE_MAX},
    {.name = "releases", .arguments = "[show NUMBER|diff [NUMBER [NUMBER]]]", .run = cmd_releases, OPTIONS(releases_options),
     .summary = "list what was brought up, the newest first",
     .text = "Every up, create, restart, scale and rollback that changes something makes a release, which has a number and never changes. "
             "The list says who made it, from which commit of the project folder, and which services it replaced (+ added, - removed); a + after a commit: "
             "the folder had changes. show prints its compose file, diff what differs between two, from one to the current one, or "
             "without a number from the one before to the current one. "
             "Contents of secrets are never shown. The last ten are kept, with what was built for them.",
     .example = "ishizue releases\twhat there is to go back to\n"
                "ishizue releases diff\twhat the last deploy has changed\n"
                "ishizue releases diff 3\twhat has changed since release 3",
     .words = WORDS_OTHER, .words_max = 3},
    {.name = "deploy", .arguments = "[SERVICE...]", .run = cmd_deploy, OPTIONS(deploy_options),
     .summary = "bring the system to what the file says, step by step and watched",
     .text = "Builds, migrates, starts the new instances beside the old ones, waits until they are healthy, moves the traffic as the service's "
             "x-ishizue.deploy says, and lets the old ones finish what they have. A version that fails loses the traffic again and the old "
             "release goes on: exit status 3. On a terminal the plan is shown and asked about first, unless -y is given.",
     .example = "ishizue deploy\tas the file says\n"
                "ishizue deploy --strategy canary backend\tone service, a part of the requests first\n"
                "ishizue deploy --dry-run\tonly the plan",
     .words = WORDS_SERVICES, .words_max = SIZE_MAX},
    {.name = "promote", .arguments = "", .run = cmd_promote, OPTIONS(promote_options),
     .summary = "let a rollout that waits go on",
     .text = "The next step of a canary, the switch of a blue-green deploy that waits for it, or the end of an A/B test in favour of the new release. "
             "While the old release is kept warm, it is let go.",
     .example = "ishizue promote\tone step\n"
                "ishizue promote --all\tto the end"},
    {.name = "abort", .arguments = "", .run = cmd_abort, OPTIONS(abort_options),
     .summary = "end a rollout and go back to the old release",
     .text = "All traffic goes to the old release, at once while its instances are there, and the new instances end. Works as long as the rollout is not done; "
             "after that it is 'ishizue rollback'.",
     .example = "ishizue abort\tfrom whatever step it is at"},
    {.name = "rollout", .arguments = "", .run = cmd_rollout,
     .summary = "show how far a deploy is",
     .text = "The state of the rollout that is under way, or of the last one: its step, the share of the new release, requests, failures and "
             "times of both releases, and each service.",
     .example = "ishizue rollout\twhat the gate sees\n"
                "ishizue rollout --json\tfor a program"},
    {.name = "maintenance", .arguments = "on|off|status", .run = cmd_maintenance, OPTIONS(maintenance_options),
     .summary = "answer visitors with a page instead of the services",
     .text = "The edge answers every request with status 503, the page and Retry-After, until maintenance is off. The services run on, and so do "
             "their health checks. It outlasts the daemon and the machine.",
     .example = "ishizue maintenance on --page closed.html\tuntil off\n"
                "ishizue maintenance status\twhich of the two",
     .words = WORDS_OTHER, .words_min = 1, .words_max = 1},
    {.name = "cache", .arguments = "[purge]", .run = cmd_cache, OPTIONS(cache_options),
     .summary = "show what the edge keeps of answers, or throw it away",
     .text = "Routes with 'cache' keep answers of their service. Without a word: how many, and how often they were of use. purge throws away those of "
             "one path, of all paths that begin alike, of one tag, or all of the system; the next request goes to the service.",
     .example = "ishizue cache\thow full, how useful\n"
                "ishizue cache purge --path /products\tafter the prices changed\n"
                "ishizue cache purge --all\teverything of this system",
     .words = WORDS_OTHER, .words_max = 1},
    {.name = "rollback", .arguments = "[NUMBER]", .run = cmd_rollback, OPTIONS(rollback_options),
     .summary = "go back to an earlier release",
     .text = "Brings back the configuration, the built trees and the contents of secrets of a release: the last one before the current that was "
             "reached and differs, or NUMBER. It goes as up does: new instances start beside the old ones and take over when they are healthy. "
             "Volumes and mounted folders stay as they are, and migrations are not run. Asks on a terminal unless -y is given.",
     .example = "ishizue rollback\tthe release before\n"
                "ishizue rollback --dry-run 3\twhat would be replaced",
     .words = WORDS_OTHER, .words_max = 1},
    {.name = "history", .arguments = "", .run = cmd_history, OPTIONS(history_options),
     .summary = "show who did what, the newest first",
     .text = "Every action that changed something or tried to: when, by whom, how long it took and how it ended. The last ten thousand are remembered.",
     .example = "ishizue history -n 10\tthe last ten of this system\n"
                "ishizue history --all --json\tof every system, for a program"},
    {.name = "audit", .arguments = "", .run = cmd_history, OPTIONS(history_options), .hidden = true,
     .summary = "the same as history", .text = "Another name of history.", .example = "ishizue audit\twho did what"},
    {.name = "lock", .arguments = "acquire|release|status", .run = cmd_lock, OPTIONS(lock_options),
     .summary = "keep others from changing a system for a while",
     .text = "While a system is locked, up, down, create, start, stop, restart, rm, scale and rollback are refused for everybody, with exit status 4 and the message. "
             "The lock stays until it is released.",
     .example = "ishizue lock acquire -m inventory\tnobody deploys\n"
                "ishizue lock release\tgo on",
     .words = WORDS_OTHER, .words_min = 1, .words_max = 1},
    {.name = "top", .arguments = "[SERVICE...]", .run = cmd_top,
     .summary = "show the processes of each instance",
     .text = "The columns of ps: numbers are those of the machine, so that kill and strace know them. C is the share "
             "of one processor since the start.",
     .example = "ishizue top backend\tthe processes of one service",
     .words = WORDS_SERVICES, .words_max = SIZE_MAX},
    {.name = "stats", .arguments = "[SERVICE...]", .run = cmd_stats, OPTIONS(stats_options),
     .summary = "show what each instance uses, as it changes",
     .text = "Once a second: share of one processor, memory and its limit, bytes over the network and to and from "
             "disks since the start, and the number of threads. A limit that the file does not set is the machine's "
             "memory. --json prints the counters as they are, once. --edge shows the counters of the edge instead, of all "
             "systems: for each route and each release of a service, and as a whole, such as limits_exceeded or rate_limited.",
     .example = "ishizue stats\tuntil Ctrl-C\n"
                "ishizue stats --edge\twas anything refused, and why\n"
                "ishizue stats --no-stream --format json\tonce, for a program",
     .words = WORDS_SERVICES, .words_max = SIZE_MAX},
    {.name = "events", .arguments = "[SERVICE...]", .run = cmd_events, OPTIONS(events_options),
     .summary = "show what happens to instances, as it happens",
     .text = "One line for each: create, start, health_status, die, stop, kill, destroy, pause and unpause, in the form of "
             "Docker Compose. The daemon remembers the last two thousand since it was started.",
     .example = "ishizue events --json\tuntil Ctrl-C, for a program\n"
                "ishizue events --since 10m --until 0s\tthe last ten minutes",
     .words = WORDS_SERVICES, .words_max = SIZE_MAX},
    {.name = "port", .arguments = "SERVICE PORT", .run = cmd_port, OPTIONS(port_options),
     .summary = "show where a port of a service is published",
     .text = "Prints ADDRESS:PORT of this machine, where the edge listens for PORT of SERVICE.",
     .example = "ishizue port backend 8000\t0.0.0.0:8080",
     .words = WORDS_OTHER, .words_min = 2, .words_max = 2},
    {.name = "cp", .arguments = "SOURCE TARGET", .run = cmd_cp, OPTIONS(cp_options),
     .summary = "copy files to or from an instance that runs",
     .text = "One of the two is SERVICE:PATH. A folder is copied into a folder that is there, or becomes one that is not; "
             "FOLDER/. is what is in it. - is a tar archive on standard input or output. Links are copied as links. "
             "What is copied in belongs to the instance's user, what is copied out to the caller, unless -a keeps it.",
     .example = "ishizue cp backend:/app/report.pdf .\tout\n"
                "ishizue cp ./seed/. postgres:/tmp/seed\tthe content of a folder, in",
     .words = WORDS_OTHER, .words_min = 2, .words_max = 2},
    {.name = "images", .arguments = "[SERVICE...]", .run = cmd_images, OPTIONS(images_options),
     .summary = "show what the instances were made from",
     .text = "One line for each instance: the image its service names, and what takes its place on this machine: a tree "
             "built from its folder, or the machine's own programs.",
     .example = "ishizue images --format json\tfor a program",
     .words = WORDS_SERVICES, .words_max = SIZE_MAX},
    {.name = "volumes", .arguments = "[SERVICE...]", .run = cmd_volumes, OPTIONS(volumes_options),
     .summary = "show the volumes of the system",
     .text = "Named and anonymous ones; --format json says in which folder of this machine each is.",
     .example = "ishizue volumes -q\tonly their names",
     .words = WORDS_SERVICES, .words_max = SIZE_MAX},
    {.name = "pull", .arguments = "[SERVICE...]", .run = cmd_pull, OPTIONS(pull_options),
     .summary = "say what takes the place of each image",
     .text = "Nothing is downloaded: images are run by the machine's own programs. Names for each service what that is, "
             "and the Debian package to install where it is missing; the exit status is then 1.",
     .example = "ishizue pull\tbefore the first up on a new machine",
     .words = WORDS_SERVICES, .words_max = SIZE_MAX},
    {.name = "build", .arguments = "[SERVICE...]", .run = cmd_build, OPTIONS(build_options),
     .summary = "build what has to be built, and start nothing",
     .text = "Builds the trees of all services with a build and x-ishizue.host, or of those named. The next up takes them. "
             "What is there already is not built again unless --no-cache is given.",
     .example = "ishizue build\tbefore a deploy\n"
                "ishizue build --no-cache backend\tfrom the ground up",
     .words = WORDS_SERVICES, .words_max = SIZE_MAX},
    {.name = "convert", .arguments = "[SERVICE...]", .run = cmd_config, OPTIONS(config_options), .hidden = true,
     .summary = "the same as config", .text = "An old name of config.", .example = "ishizue convert\tthe whole file",
     .words = WORDS_SERVICES, .words_max = SIZE_MAX},
    {.name = "config", .arguments = "[SERVICE...]", .run = cmd_config, OPTIONS(config_options),
     .summary = "print the compose file as it is understood",
     .text = "Prints the file merged, with variables filled in and in its long form, as Docker Compose does.",
     .example = "ishizue config\tthe whole file\n"
                "ishizue config --services\tthe names of the services",
     .words = WORDS_SERVICES, .words_max = SIZE_MAX},
    {.name = "check", .arguments = "", .run = cmd_check, OPTIONS(check_options),
     .summary = "say what would become of the compose file, key by key",
     .text = "Reads the file and prints every error and warning with file, line and column; then what is "
             "done about its keys (honoured as written, emulated by other means, or refused, and why), "
             "and what would run each service on this machine. Changes nothing and needs no daemon. The "
             "exit status is 2 when the file cannot be used, 1 when something it needs is not here.",
     .example = "ishizue check\tbefore a commit\n"
                "ishizue check --all\twhat is done about each key\n"
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
    {.name = "upgrade", .arguments = "[PROGRAM]", .run = cmd_upgrade, OPTIONS(upgrade_options),
     .summary = "replace what runs by another version of this program, without a pause",
     .text = "PROGRAM, or the program this command is run from, takes the place of the one that runs, also of an "
             "older version. Services are not touched and no connection is lost: the daemon stays the same process, "
             "a new edge accepts, and the former one finishes what it has. The new program is tried on a copy of the "
             "state first; when it does not come up, the former one goes on. It is kept as PROGRAM.previous.",
     .example = "ishizue upgrade ./build/ishizue\tto this build\n"
                "ishizue upgrade --dry-run ./ishizue\twould it work?\n"
                "ishizue upgrade -y /usr/local/bin/ishizue.previous\tback",
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

/* Verbs of Docker Compose that have no meaning here. */
static const struct {
    const char *word;
    const char *why;
} refusals[] = {
    {"push", "there is no registry and no image to put there; copy the folder to the other machine and run 'ishizue up' in it"},
    {"export", "an instance's root is the machine's own; 'ishizue cp SERVICE:/app - > app.tar' writes a folder of it as an archive"},
    {"commit", "there are no images; write the change into the service's x-ishizue.host.build steps"},
    {"publish", "there is no registry for compose files; put them into version control"},
    {"watch", "files are not watched; 'ishizue up -d' builds and replaces what changed"},
    {"bridge", "compose files are not turned into other formats; 'ishizue config --format json' prints the whole model"},
    {"alpha", "there are no experimental commands; 'ishizue help' lists what there is"},
};

const char *command_refusal(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++)
        if (strcmp(refusals[i].word, name) == 0)
            return refusals[i].why;
    return NULL;
}

/* Words that people of other tools type. */
static const struct {
    const char *word;
    const char *command;
} nearest[] = {
    {"apply", "up"},       {"redeploy", "deploy"},        {"destroy", "down"},    {"remove", "down"},     {"status", "ps"},
    
    {"list", "ls"},        {"systems", "ls"},      {"log", "logs"},        
    {"sh", "exec"},        {"shell", "exec"},      {"resume", "unpause"},
    {"validate", "check"}, {"lint", "check"},      {"reload", "restart"},
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
