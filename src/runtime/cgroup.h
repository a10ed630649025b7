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

/* File <name> of the instance's group, at most 64 KiB; <controller> is where version 1 has it. */
bool cgroup_read(const char *id, const char *controller, const char *name, struct buf *ret);
/* The same as one number; 0 when it is none. */
uint64_t cgroup_read_number(const char *id, const char *controller, const char *name);
/* The number after <key> in a file of "key number" lines; 0 when it is not there. */
uint64_t cgroup_read_key(const char *id, const char *controller, const char *name, const char *key);

/* usage.c. ERR_NOT_FOUND when the instance has no group. */
MUST_CHECK bool cgroup_usage(const char *id, struct runtime_usage *ret, struct err *err);
/* Has the kernel killed a process of it for the memory limit? */
bool cgroup_was_out_of_memory(const char *id);
/* Removes what a lost OCI runtime left, and kills what still runs in it: a start that was cut off
 * leaves a process that waits for ever to be told to go on. */
void cgroup_remove(const char *id);
