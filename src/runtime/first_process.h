/* SPDX-License-Identifier: Apache-2.0
 *
 * The first process of an instance: its id and when it began, so that another
 * process with the same id is not taken for it.
 */
#pragma once

#include <sys/types.h>

#include "base/base.h"

struct host;

struct first_process {
    pid_t pid;
    uint64_t start_ticks;
};

/* When <pid> began; false when it has ended. */
MUST_CHECK bool first_process_start_ticks(pid_t pid, uint64_t *ret);
/* From the instance's file <name> ("created", "started"). */
MUST_CHECK bool first_process_read(const struct host *host, const char *id, const char *name,
                                   struct first_process *ret);
bool first_process_is_alive(const struct first_process *process);
/* A pidfd; -1 when it has ended. */
int first_process_open(const struct first_process *process);
