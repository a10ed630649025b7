/* SPDX-License-Identifier: Apache-2.0
 *
 * The command line: what main() calls, and what the commands share. Short-lived,
 * one thread but for the reader of a stream (cli_api.c). Talks to the daemon over its
 * unix socket and to nothing else.
 */
#pragma once

#include <jansson.h>

#include "base/arena.h"
#include "base/base.h"
#include "base/buf.h"
#include "base/err.h"
#include "cli/options.h"
#include "cli/term.h"
#include "control/daemon.h"

/* Beside these, 128+n for signal n, and what an instance's command returned. */
enum exit_status {
    EXIT_OK = 0, /* the asked state was reached */
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,       /* command line or compose file */
    EXIT_ROLLED_BACK = 3, /* deployed, found bad, and the old release is back */
    EXIT_LOCKED = 4,
    EXIT_TIMEOUT = 124,
    EXIT_CANNOT_RUN = 126,
    EXIT_NO_COMMAND = 127,
    EXIT_INTERRUPTED = 130,
};

/* What the daemon tells an edge it starts. */
struct cli_edge {
    int channel_fd;
    unsigned workers;
    unsigned uid;
    unsigned gid;
    const char *chroot_dir;
};

/* The parts of the program that run as processes of their own; main.c fills it. */
struct cli_programs {
    int (*daemon)(const struct daemon_options *options);
    int (*edge)(const struct cli_edge *edge);
    /* Proves on a copy of the state that this program could take over; prints what it is. */
    int (*try_state)(const char *path, const char *images_dir);
    void (*digest)(struct str text, char *ret); /* <ret> has CLI_DIGEST_BYTES */
    /* What would run <service> on this machine, in words; <images_dir> has the recipes. */
    bool (*stand_in)(const char *images_dir, const struct compose_service *service,
                     struct arena *arena, const char **ret, struct err *err);
};

enum { CLI_DIGEST_BYTES = 65 };

struct cli {
    const struct cli_programs *programs;
    const struct command *command;
    struct options options;
    struct arena arena;
    struct term out; /* standard output */
    struct term errors;
    const char *state_dir;
    const char *run_dir;
    const char *images_dir;
    const char *socket;
};

/* Returns the exit status. */
int cli_main(const char *const *argv, const struct cli_programs *programs);

/* Writes to standard output; ends the process quietly when nobody reads. */
void cli_print(struct cli *cli, struct str text);
/* Prints <value> as JSON, indented for a person. */
void cli_print_json(struct cli *cli, const json_t *value);

/* Prints the error on standard error and returns the exit status that goes with its code. */
int cli_fail(struct cli *cli, const struct err *err);
void cli_warn(struct cli *cli, const char *text);
int cli_exit_status(enum err_code code);

/* False with ERR_DENIED for everyone but root. */
MUST_CHECK bool cli_check_root(const struct cli *cli, struct err *err);
