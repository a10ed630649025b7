/* SPDX-License-Identifier: Apache-2.0
 *
 * An instance as an OCI runtime configuration (config.json of the OCI Runtime
 * Specification 1.0). Pure: everything about the machine comes in.
 */
#pragma once

#include <jansson.h>

#include "base/base.h"
#include "runtime/recipe.h"
#include "runtime/runtime.h"

struct bundle {
    const struct instance_spec *spec;
    const struct recipe *recipe; /* NULL: none */
    const char *version;         /* of the recipe */
    const char *images_dir;
    const char *rootfs;
    const char *netns;       /* path; NULL: the machine's network */
    bool no_network;         /* a new namespace with nothing but its own lo */
    const char *cgroup_path; /* "/ishizue/<id>" */
    bool cgroup_v2;
    bool has_memory, has_cpu, has_pids; /* controllers the machine has */
    uint64_t files_max;                 /* RLIMIT_NOFILE that may be given */
    const char *init_program;           /* with `init: true`: runs the command as its child */
};

enum { BUNDLE_PIDS_DEFAULT = 4096 };

/* Entry point and command as one argv: Docker's rules, with the recipe in the image's place. Fails
 * when there is nothing to run. */
MUST_CHECK bool bundle_argv(const struct bundle *bundle, struct arena *arena,
                            struct compose_texts *ret, struct err *err);

/* Environment: defaults, then the recipe's, the service's, the instance's; the last one wins. */
struct compose_pairs bundle_environment(const struct bundle *bundle, struct arena *arena);

/* Where its process starts. */
const char *bundle_working_dir(const struct bundle *bundle);
const char *bundle_home(const struct bundle *bundle);
const char *bundle_user(const struct bundle *bundle);

/* A new reference. */
MUST_CHECK bool bundle_config(const struct bundle *bundle, struct arena *arena, json_t **ret,
                              struct err *err);

/* bundle_seccomp.c: refuses what an unprivileged program has no use for; a new reference. */
json_t *bundle_seccomp(void);
