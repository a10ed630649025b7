/* SPDX-License-Identifier: Apache-2.0
 *
 * What the content of files hashed to, remembered with their size, times and
 * inode, so that a context that did not change is not read again. A file that
 * was changed less than two seconds before it was hashed is not remembered: it
 * may change again without its time changing.
 */
#pragma once

#include <sys/stat.h>

#include "base/arena.h"
#include "base/base.h"
#include "base/map.h"

struct err;

enum { STAT_CACHE_BYTES_MAX = 64 << 20 };

struct stat_cache {
    struct arena arena;
    struct map entries; /* path -> text "key hash" */
    bool changed;
};

void stat_cache_done(struct stat_cache *cache);
AUTO_VALUE(struct stat_cache, stat_cache_done)

/* A file that is not there or is damaged gives an empty cache. */
void stat_cache_read(struct stat_cache *cache, const char *file);
/* Only when something was added. */
MUST_CHECK bool stat_cache_write(const struct stat_cache *cache, const char *file, struct err *err);

/* The hash (64 digits) of the file, or NULL when it must be read. */
const char *stat_cache_find(const struct stat_cache *cache, const char *path,
                            const struct stat *st);
void stat_cache_set(struct stat_cache *cache, const char *path, const struct stat *st,
                    const char *hash, int64_t now_wall_ms);
