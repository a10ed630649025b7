/* SPDX-License-Identifier: Apache-2.0
 *
 * How an instance ended, from a stream of the daemon that a thread of its own
 * reads. A daemon that goes away meanwhile is asked again when it is back.
 */
#pragma once

#include <pthread.h>

#include "base/base.h"
#include "base/err.h"

struct attach;
struct cli;

struct attach_end {
    const struct cli *cli;
    const struct attach *attach;
    pthread_t thread;
    bool runs;
    int event_fd; /* readable: attach_end_take() */
    int stop_fd;
    bool known; /* below is what the daemon said */
    int exit_status;
    char error[400]; /* why it could not be started; empty: it was */
    bool failed;     /* the daemon does not know it */
    struct err err;
};

/* Also lets the instance begin, if it waits for that. */
MUST_CHECK bool attach_end_start(struct attach_end *end, struct cli *cli,
                                 const struct attach *attach, struct err *err);
/* False: it will not be known. */
MUST_CHECK bool attach_end_take(struct attach_end *end, struct err *err);
void attach_end_stop(struct attach_end *end);
