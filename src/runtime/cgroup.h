/* SPDX-License-Identifier: Apache-2.0
 *
 * Control groups of instances, "/ishizue/<id>", made and removed by the OCI
 * runtime; here they are found and read. Version 1 (each controller a mount of
 * its own), version 2, and the mixture of both.
 */
#pragma once

#include "base/base.h"
#include "runtime/runtime.h"

struct err;

/* Is version 2 the only one? */
bool cgroup_is_v2(void);
/* Is <controller> ("memory", "cpu", "pids") there to be used? */
bool cgroup_has(const char *controller);

/* ERR_NOT_FOUND when the instance has none. */
MUST_CHECK bool cgroup_usage(const char *id, struct runtime_usage *ret, struct err *err);
/* Has the kernel killed a process of it for the memory limit? */
bool cgroup_was_out_of_memory(const char *id);
/* Removes what a lost OCI runtime left, and kills what still runs in it: a start that was cut off
 * leaves a process that waits for ever to be told to go on. */
void cgroup_remove(const char *id);
