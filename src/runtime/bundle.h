/* SPDX-License-Identifier: Apache-2.0
 *
 * An instance as an OCI runtime configuration (config.json of the OCI Runtime
 * Specification 1.0). Pure: everything about the machine comes in.
 */
#pragma once

#include <jansson.h>

#include "base/base.h"
#include "runtime/devices.h"
#include "runtime/groups.h"
#include "runtime/machine.h"
#include "runtime/pinned.h"
#include "runtime/recipe.h"
#include "runtime/runtime.h"
#include "runtime/security.h"

struct bundle {
    const struct instance_spec *spec;
    const struct recipe *recipe; /* NULL: none */
    const char *version;         /* of the recipe */
    const char *images_dir;
    const char *rootfs;
    const struct machine *machine; /* NULL: a step of a build, which has the user and the filter of
                                      an instance, and none of the service's limits and rights */
    const char *netns;             /* path; NULL: the machine's network */
    bool no_network;               /* a new namespace with nothing but its own lo */
    const char *pid_namespace;     /* path of the one to share; NULL: as the service says */
    const char *ipc_namespace;
    const char *cgroup_path;  /* "/ishizue/<id>" */
    uint64_t files_max;       /* RLIMIT_NOFILE that is given unless the service says otherwise */
    const char *init_program; /* with `init: true`: runs the command as its child */
    struct pinned pinned;
    struct groups groups;
    struct devices devices;
    struct compose_texts capabilities; /* "CAP_NET_RAW" */
    struct security security;
    json_t *seccomp; /* of the author's profile; NULL: none. Borrowed */
};

enum { BUNDLE_PIDS_DEFAULT = 4096, BUNDLE_SHM_BYTES = 64 << 20 };

/* Entry point and command as one argv: Docker's rules, with the recipe in the image's place. Fails
 * when there is nothing to run. */
MUST_CHECK bool bundle_argv(const struct bundle *bundle, struct arena *arena,
                            struct compose_texts *ret, struct err *err);

/* Environment: defaults, then the recipe's, the service's, the instance's; the last one wins. */
struct compose_pairs bundle_environment(const struct bundle *bundle, struct arena *arena);

/* Where its process starts. */
const char *bundle_working_dir(const struct bundle *bundle);
const char *bundle_home(const struct bundle *bundle);
/* The name of its user inside. */
const char *bundle_user(const struct bundle *bundle, struct arena *arena);

/* A new reference. */
MUST_CHECK bool bundle_config(const struct bundle *bundle, struct arena *arena, json_t **ret,
                              struct err *err);

/* As the OCI runtime reads it. JSON of Jansson has no number for "no limit", which is -1 until
 * here. */
void bundle_format(const json_t *config, struct buf *ret);

/* bundle_seccomp.c: refuses what an unprivileged program has no use for; with <tracing>, ptrace(2)
 * and its like are let through. A new reference. */
json_t *bundle_seccomp(bool tracing);
