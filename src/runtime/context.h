/* SPDX-License-Identifier: Apache-2.0
 *
 * A build context: the files of a folder without what .dockerignore names (and
 * without `.git` at its top). Listed in the order of their paths, hashed, copied.
 */
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/base.h"
#include "runtime/stat_cache.h"

struct compose_texts;
struct err;

enum { CONTEXT_ENTRIES_MAX = 100000, CONTEXT_DEPTH_MAX = 64 };
#define CONTEXT_BYTES_MAX (2ULL << 30)

struct context_entry {
    const char *path; /* relative */
    struct stat st;   /* a folder, a file or a link; nothing else is listed */
};

struct context {
    const char *folder;
    struct context_entry *entries; /* folders before what is in them */
    size_t count;
};

/* <ret> lives in <arena>. ERR_NOT_FOUND without the folder, ERR_LIMIT when it is too large. */
MUST_CHECK bool context_list(const char *folder, struct arena *arena, struct context *ret,
                             struct err *err);

/* Only <files> of it (and the folders above them). ERR_NOT_FOUND names one that is not there. */
MUST_CHECK bool context_pick(const struct context *context, const struct compose_texts *files,
                             struct arena *arena, struct context *ret, struct err *err);

/* 64 hexadecimal digits over paths, kinds, permissions and content; <ret> has 65 bytes. */
MUST_CHECK bool context_hash(const struct context *context, struct stat_cache *cache, char *ret,
                             struct err *err);

/* Copies into the folder <to>, which is there; everything belongs to <uid>. */
MUST_CHECK bool context_copy(const struct context *context, const char *to, uid_t uid,
                             struct err *err);
