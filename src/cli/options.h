/* SPDX-License-Identifier: Apache-2.0
 *
 * The command line as a constant table (commands.c): parser, help, man page and
 * completion are all made from it. Verbs and flags are those of Docker Compose
 * where Compose has them. Global options may stand before or after the verb; an
 * option of the verb wins over a global one with the same letter after it
 * (`logs -f` follows, `-f FILE logs` names a file).
 */
#pragma once

#include "base/arena.h"
#include "base/base.h"
#include "compose/model.h"

struct cli;
struct err;

struct options_number {
    bool given;
    uint64_t value;
};

/* What was asked for. Texts point into argv, arrays into the arena. */
struct options {
    /* global */
    struct compose_texts files;
    struct compose_texts profiles;
    struct compose_texts env_files;
    const char *project_name;
    const char *project_directory;
    const char *progress; /* NULL: auto */
    const char *ansi;     /* NULL: auto */
    bool dry_run;
    bool json;
    bool help;
    bool show_version;

    /* of the verbs */
    bool detach;
    bool wait;
    bool no_wait;
    bool build;
    bool force_recreate;
    bool remove_orphans;
    bool all;
    bool quiet;
    bool follow;
    bool timestamps;
    bool no_log_prefix;
    bool no_color;
    bool no_tty;
    bool interactive;
    bool volumes;
    bool list_services;
    bool list_images;
    bool list_volumes;
    bool list_profiles;
    bool list_environment;
    bool list_networks;
    bool list_models;
    bool list_variables;
    bool no_interpolate;
    bool no_normalize;
    bool no_path_resolution;
    bool no_consistency;
    bool no_env_resolution;
    bool resolve_image_digests;
    bool lock_image_digests;
    bool install;
    bool foreground;
    bool short_form;
    bool man;
    bool archive;
    bool follow_link;
    bool no_stream;
    bool edge;
    bool no_trunc;
    bool no_cache;
    bool pull_newer;
    bool quiet_pull;
    bool quiet_build;
    bool no_build;
    bool no_start;
    bool no_recreate;
    bool always_recreate_deps;
    bool renew_anon_volumes;
    bool abort_on_exit;
    bool abort_on_failure;
    bool attach_dependencies;
    bool menu;
    bool yes;
    bool watch;
    bool privileged;
    bool include_deps;
    bool ignore_buildable;
    bool ignore_pull_failures;
    bool with_dependencies;
    bool list_orphans;
    bool push;
    bool print;
    bool check_only;
    bool no_deps;
    bool force;         /* rm */
    bool stop_first;    /* rm */
    bool auto_remove;   /* run --rm */
    bool service_ports; /* run */
    bool use_aliases;   /* run */
    bool no_stdin;      /* attach */
    bool down_project;  /* wait */
    struct options_number count;
    struct options_number wait_timeout_s;
    struct options_number timeout_s;
    struct options_number index;
    struct options_number ready_fd;
    struct options_number handover_fd;
    struct options_number drain_s; /* upgrade */
    struct options_number channel_fd;
    struct options_number workers;
    struct options_number uid;
    struct options_number gid;
    const char *chroot_dir;
    const char *format;
    const char *hash;
    const char *output;
    const char *since;
    const char *until;
    const char *tail;
    const char *user;
    const char *working_dir;
    const char *protocol;
    const char *strategy;  /* deploy */
    const char *try_state; /* daemon */
    const char *page;      /* maintenance */
    const char *path;      /* cache purge, as are the next two */
    const char *prefix;
    const char *tag;
    const char *message;     /* lock */
    const char *signal;      /* kill */
    const char *name;        /* run */
    const char *entrypoint;  /* run */
    const char *detach_keys; /* attach */
    const char *sig_proxy;   /* attach: "true", "false"; NULL: true */
    const char *pull_policy;
    const char *filter;
    const char *exit_code_from;
    const char *rmi;
    const char *ssh;
    const char *builder;
    const char *memory;
    struct compose_texts environment; /* exec -e */
    struct compose_texts scale;
    struct compose_texts labels; /* run */
    struct compose_texts run_volumes;
    struct compose_texts publish;
    struct compose_texts cap_add;
    struct compose_texts cap_drop;
    struct compose_texts attach;
    struct compose_texts no_attach;
    struct compose_texts statuses;
    struct compose_texts build_args;

    struct compose_texts arguments; /* what stands after the options of the verb */
};

enum option_kind {
    OPTION_FLAG,   /* bool; --name, --name=true, --name=false */
    OPTION_TEXT,   /* const char * */
    OPTION_TEXTS,  /* struct compose_texts: may be repeated */
    OPTION_NUMBER, /* struct options_number, at most OPTIONS_NUMBER_MAX */
    OPTION_CHOICE, /* const char *: one of <value>, "a|b|c" */
};

enum { OPTIONS_NUMBER_MAX = 1000000, OPTIONS_REPEAT_MAX = 256 };

struct option_spec {
    const char *name; /* without the dashes */
    char letter;      /* 0: none */
    enum option_kind kind;
    size_t offset; /* of the field in struct options */
    const char *value;
    const char *doc;
    bool hidden;
    bool takes_file; /* completion offers file names */
};

/* What the words after the options are. */
enum command_words { WORDS_NONE, WORDS_SERVICES, WORDS_COMMAND, WORDS_OTHER };

struct command {
    const char *name;
    const char *arguments; /* "[SERVICE...]" or "" */
    const char *summary;   /* one line for the list of commands */
    const char *text;      /* one paragraph */
    const char *example;   /* "COMMAND LINE\tWHAT IT DOES", more separated by \n */
    const struct option_spec *options;
    size_t option_count;
    int (*run)(struct cli *cli); /* returns the exit status */
    enum command_words words;
    size_t words_min;
    size_t words_max;
    bool words_end_options; /* what follows the first word belongs to the command in the instance */
    bool hidden;
};

extern const struct command commands[];
extern const size_t command_count;
extern const struct option_spec global_options[];
extern const size_t global_option_count;

/* NULL when there is none. */
const struct command *command_find(const char *name);
/* Why a verb of Docker Compose is not one here, and what to do instead; NULL: it is not known. */
const char *command_refusal(const char *name);
/* The nearest command that exists, for a wrong or a not existing one; NULL when nothing is near. */
const char *command_suggest(const char *name);

/* <ret_command> is NULL when no verb was given. ERR_INVALID with one line for the person. On
 * failure <ret> holds what was read until then. */
MUST_CHECK bool options_parse(const char *const *argv, struct arena *arena, struct options *ret,
                              const struct command **ret_command, struct err *err);

/* The option "--name", "--name=value" or "-x" stands for: of <command> (may be NULL), then global.
 * NULL when there is none. */
const struct option_spec *option_find(const struct command *command, struct str name);
const struct option_spec *option_find_letter(const struct command *command, char letter);
