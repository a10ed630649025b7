/* SPDX-License-Identifier: Apache-2.0
 *
 * Which of the kernel's capabilities(7) cap_add can give. An instance is an
 * unprivileged process over the machine's own root file system and without a
 * user namespace, so only those count that end at the walls of its namespaces.
 */
#pragma once

#include "base/base.h"
#include "compose/model.h"

struct arena;
struct err;

enum capability_kind {
    CAPABILITY_UNKNOWN, /* the kernel has none of this name */
    CAPABILITY_GIVEN,   /* effective in the process and in what it starts */
    CAPABILITY_FILTER,  /* not given: the system calls are let through, which is enough */
    CAPABILITY_OF_ROOT, /* accepted and not given: for programs that begin as root, which
                           an instance never is */
    CAPABILITY_REFUSED, /* would reach beyond the instance */
};

/* <name> as in the file: upper case, without CAP_. */
enum capability_kind capability_find(const char *name);

/* What cap_add and cap_drop come to: "CAP_NET_RAW", sorted by the table. An error names the
 * capability and what may be added. */
MUST_CHECK bool capabilities_of(const struct compose_service *service, struct arena *arena,
                                struct compose_texts *ret, struct err *err);

/* Does the service have <name> by cap_add, whatever its kind? */
bool capability_is_added(const struct compose_service *service, const char *name);
