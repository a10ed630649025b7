/* SPDX-License-Identifier: Apache-2.0
 *
 * security_opt: which system call filter an instance has. Everything else the
 * key can say is settled: no instance can gain privileges, and there are no
 * AppArmor or SELinux profiles.
 */
#pragma once

#include <jansson.h>

#include "base/base.h"
#include "compose/model.h"

struct arena;
struct err;

enum { SECCOMP_PROFILE_BYTES_MAX = 1 << 20 };

struct security {
    bool unconfined;     /* no filter */
    const char *profile; /* path of a file with a filter of the author's; NULL: ours */
};

MUST_CHECK bool security_parse(const struct compose_texts *options, struct arena *arena,
                               struct security *ret, struct err *err);

/* A filter in Docker's form as one of the OCI Runtime Specification: what is for another
 * architecture, kernel or set of capabilities is left out. <capabilities> is "CAP_NET_RAW" and so
 * on, <kernel> is uname's release. A new reference. */
MUST_CHECK bool seccomp_convert(const json_t *profile, const struct compose_texts *capabilities,
                                const char *kernel, json_t **ret, struct err *err);

/* Reads the file and converts it. */
MUST_CHECK bool seccomp_profile_load(const char *path, const struct compose_texts *capabilities,
                                     json_t **ret, struct err *err);
