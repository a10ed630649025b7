/* SPDX-License-Identifier: Apache-2.0
 *
 * What the machine can do for an instance: which control groups it has, and how far the limits may
 * go that instances inherit from the daemon. Looked at before each start, since the kernel's
 * settings change under a daemon that runs for months.
 */
#pragma once

#include <sys/resource.h>

#include "base/base.h"

struct machine {
    bool cgroup_v2;
    bool has_memory, has_cpu, has_pids, has_cpuset; /* controllers */
    bool has_swap;                                  /* memory and swap can be limited together */
    bool has_blkio_weight;
    bool has_swappiness; /* of a control group: version 1 */
    bool has_oom_switch; /* the kernel's killer can be turned off: version 1 */
    bool may_lower_oom_score;
    uint32_t cpus;                     /* one above the highest number of a processor */
    uint64_t limits_max[RLIM_NLIMITS]; /* hard limits by RLIMIT_*; UINT64_MAX: none */
};

void machine_look(struct machine *ret);
