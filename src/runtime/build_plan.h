/* SPDX-License-Identifier: Apache-2.0
 *
 * What a build would do, and the names of what it makes. The names are hashes of
 * all that goes in: files, commands, build arguments, the interpreters' versions,
 * the user. Private to the host runtime.
 */
#pragma once

#include "base/arena.h"
#include "base/base.h"
#include "runtime/context.h"
#include "runtime/host_priv.h"

struct build_plan {
    const char *folder; /* <state_dir>/trees/<system>/<service> */
    const char *tree;   /* <folder>/<key> */
    const char *deps;   /* <folder>/deps-<key>; NULL: none */
    const char *workdir;
    const char *cache; /* the steps' HOME */
    struct context context;
    struct context deps_context; /* the host.cache_key files */
};

MUST_CHECK bool build_plan_make(const struct host *host, const struct build_spec *spec,
                                struct arena *arena, struct build_plan *ret, struct err *err);

/* From now on <layer>, a name that build_plan_make() gave, counts for its key. */
MUST_CHECK bool build_key_settle(const char *layer, struct err *err);
