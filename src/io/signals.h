/* SPDX-License-Identifier: Apache-2.0
 *
 * Signals as events (signalfd(2)): a handler runs in the loop, not in the
 * middle of something. The signals stay blocked in this process; children
 * started by src/io/child.h get a clean mask.
 */
#pragma once

#include <signal.h>

#include "base/base.h"
#include "io/loop.h"

struct signals;
typedef void signals_fn(void *arg, int signo);

/* <list> ends with 0. SIGPIPE is ignored besides. */
MUST_CHECK struct signals *signals_open(struct loop *loop, const int *list, signals_fn *fn,
                                        void *arg, struct err *err);
void signals_close(struct signals *signals);
