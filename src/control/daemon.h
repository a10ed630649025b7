/* SPDX-License-Identifier: Apache-2.0
 *
 * The daemon: desired state, reconcile loop, runtime, API. Root, one thread, one
 * loop. Parses no traffic: what comes from the net or from a service is read by
 * the edge.
 */
#pragma once

#include "base/base.h"

struct daemon_options {
    const char *state_dir;  /* survives a reboot */
    const char *run_dir;    /* does not */
    const char *images_dir; /* recipes of the stand-ins */
    int handover_fd;        /* what the program left that this process was before; -1: none */
    int ready_fd;           /* one byte is written when the API answers; -1: none */
};

/* Runs until SIGTERM, SIGINT or POST /v1/stop. Instances and the edge go on
 * without it. Returns the exit status. */
int daemon_main(const struct daemon_options *options);
