/* SPDX-License-Identifier: Apache-2.0
 *
 * This terminal, or these three streams, as those of an instance: `run` and
 * `attach`. Talks to conmon's socket directly (runtime.h, struct
 * runtime_attach); the daemon only says where it is, and how the instance ended,
 * so that a daemon that is killed meanwhile cuts nothing.
 */
#pragma once

#include "base/base.h"

struct cli;

struct attach {
    const char *system;
    const char *id;      /* of the instance */
    const char *socket;  /* of conmon; NULL: only wait for the end */
    const char *control; /* its fifo, for the size of the terminal */
    bool tty;            /* the instance has a terminal */
    bool with_stdin;
    bool proxies_signals;
    bool begins;             /* it was created and begins when we are there */
    const char *detach_keys; /* "ctrl-p,ctrl-q"; NULL: these */
};

/* Returns the exit status of the instance, or 0 after the detach keys. */
int attach_run(struct cli *cli, const struct attach *attach);
