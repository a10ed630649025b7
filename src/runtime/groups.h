/* SPDX-License-Identifier: Apache-2.0
 *
 * group_add: further groups of the instance's process. They are the machine's,
 * since what they open (devices, mounted folders) is.
 */
#pragma once

#include <sys/types.h>

#include "base/base.h"
#include "base/str.h"
#include "compose/model.h"

struct arena;
struct err;

enum { GROUPS_MAX = 32 };

struct groups {
    struct {
        gid_t gid;
        const char *name;
    } items[GROUPS_MAX];
    size_t count;
};

/* <text> is the machine's /etc/group. A name must be there, a number need not. Groups that the
 * machine keeps its secrets for are refused. */
MUST_CHECK bool groups_parse(const struct compose_texts *wanted, struct str text,
                             struct arena *arena, struct groups *ret, struct err *err);

/* The same with the machine's file. */
MUST_CHECK bool groups_find(const struct compose_texts *wanted, struct arena *arena,
                            struct groups *ret, struct err *err);

/* Adds lines to etc/group below <upper>. */
MUST_CHECK bool groups_write(const char *upper, const struct groups *groups, struct err *err);
