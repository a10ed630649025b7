/* SPDX-License-Identifier: Apache-2.0
 *
 * devices: nodes of the machine's /dev that an instance may open. They belong to
 * the instance's user inside, with the rights that the file gives them.
 */
#pragma once

#include <sys/types.h>

#include "base/base.h"
#include "compose/model.h"

struct arena;
struct err;

enum { DEVICES_MAX = 256 };

struct device {
    const char *path; /* inside */
    char type;        /* 'c' or 'b' */
    unsigned major;
    unsigned minor;
    gid_t gid;
    mode_t mode;
    const char *access; /* "rwm" */
};

struct devices {
    struct device *items;
    size_t count;
};

/* A folder stands for the devices in it. Memory, ports and disks in use are refused. */
MUST_CHECK bool devices_find(const struct compose_isolation *isolation, struct arena *arena,
                             struct devices *ret, struct err *err);
