/* SPDX-License-Identifier: Apache-2.0
 *
 * The edge: an unprivileged process that owns every listening socket and parses
 * all traffic. It is started by the daemon with one end of a channel
 * (io/channel.h), and goes on serving with its last table when the daemon is
 * gone; a new daemon reaches it by the control socket. The messages are
 * described in edge/control.h, the table in edge/table.h.
 */
#pragma once

#include <sys/types.h>

#include "base/base.h"

enum { EDGE_MAX_WORKERS = 64 };

struct edge_options {
    int channel_fd;   /* SOCK_SEQPACKET, becomes the edge's */
    unsigned workers; /* 1 to EDGE_MAX_WORKERS */
    uid_t uid;        /* to run as; 0: stay what it is, for tests */
    gid_t gid;
    const char *chroot_dir; /* an empty folder; NULL: none, for tests */
};

/* Runs until {"type":"stop"} or SIGTERM. Returns the exit status: 0, or 1 when it could not start.
 */
int edge_main(const struct edge_options *options);
