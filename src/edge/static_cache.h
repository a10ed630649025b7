/* SPDX-License-Identifier: Apache-2.0
 *
 * Files as one worker last found them: the open descriptor, the lines of the
 * head that describe the file, and the bytes of a small one. What was found
 * counts for STATIC_FRESH_MS and is then looked for anew, so a file that was
 * replaced is served within that time, and a request costs no system call but
 * those of its connection. What is not found is not kept.
 */
#pragma once

#include "base/base.h"
#include "base/list.h"
#include "base/map.h"
#include "edge/static_find.h"

struct route;
struct worker;

enum {
    STATIC_FRESH_MS = 1000,
    STATIC_CACHE_FILES = 512,             /* of a worker: each has a descriptor */
    STATIC_CACHE_BYTES = 8 * 1024 * 1024, /* of a worker, for contents */
    STATIC_CONTENT_BYTES = 32 * 1024,     /* a larger file stays on the disk */
    STATIC_ACCEPT_BYTES = 128,            /* a longer Accept-Encoding is not remembered */
};

struct static_entry {
    struct list link; /* in static_cache.recent, the last used first */
    struct static_file file;
    uint64_t checked_ns;
    uint32_t refs; /* exchanges, and the cache */
    struct str key;
    char *content;         /* NULL: longer than STATIC_CONTENT_BYTES */
    struct str validators; /* lines: ETag, Last-Modified, Vary */
    struct str type;       /* line Content-Type */
    struct str coding;     /* line Content-Encoding; empty: identity */
};

struct static_cache {
    struct map entries; /* key -> struct static_entry */
    struct list recent;
    size_t count, bytes;
    uint64_t generation; /* of the table that the keys are of */
};

void static_cache_init(struct static_cache *cache);
/* Lets everything go; entries that are in use stay until then. */
void static_cache_done(struct static_cache *cache);

/* Which request an entry answers: what static_find() was told, and <flavour>, whatever else
 * decided. The texts are the caller's. */
struct static_key {
    const struct route *route;
    struct str path;
    struct str accepted;
    char flavour;
};

/* A reference for the caller to what was found within STATIC_FRESH_MS; NULL: look for it. */
struct static_entry *static_cache_find(struct worker *worker, const struct static_key *key);
/* What was found just now, <file>'s descriptor becomes the entry's. Gives a reference. */
struct static_entry *static_cache_keep(struct worker *worker, const struct static_key *key,
                                       const struct static_file *file);
void static_entry_unref(struct static_entry *entry); /* takes NULL */
