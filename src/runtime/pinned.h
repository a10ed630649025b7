/* SPDX-License-Identifier: Apache-2.0
 *
 * What is laid ready for an instance to be mounted into it: copies of secrets
 * and configs, folders within volumes, a /dev/shm that others may share. All of
 * it is in one tmpfs, which goes with a single unmount, so nothing of it ever
 * is on a disk and a removal cannot reach into a volume.
 */
#pragma once

#include "base/base.h"

struct arena;
struct compose_texts;
struct err;
struct instance_spec;

enum { PINNED_FILE_BYTES_MAX = 16 << 20, PINNED_FILES_BYTES_MAX = 64 << 20 };

struct pinned {
    const char *const *files;  /* copy of spec->files[i] */
    const char *const *mounts; /* of spec->mounts[i] where that has a subpath; else NULL */
    const char *shm;           /* NULL: none */
};

/* The folder of <spec>'s /dev/shm in the pinned <folder> of its instance. */
const char *pinned_shm_path(const char *folder, struct arena *arena);

/* Makes and fills <folder>, when there is anything to put into it; with <shm_bytes>, a shared
 * memory folder of that size too. Files that belong to one of <uids> (NULL: none) are the
 * instance's user's. Sources of mounts must be there. On failure it may be half there. */
MUST_CHECK bool pinned_make(const char *folder, const struct instance_spec *spec,
                            const struct compose_texts *uids, uint64_t shm_bytes,
                            struct arena *arena, struct pinned *ret, struct err *err);
/* Not there is success. */
MUST_CHECK bool pinned_remove(const char *folder, struct err *err);
