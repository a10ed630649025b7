/* SPDX-License-Identifier: Apache-2.0
 *
 * Stored answers, shared by all workers: one store for the process, of a fixed
 * size. An entry never changes once it is in the store and is counted by
 * reference, so whoever found one sends from it without a lock; the locks, one
 * for each of CACHE_SHARDS parts, are held to walk a short chain. What is
 * evicted or replaced while it is being sent keeps its memory, and its place in
 * the sum, until the last reference is gone: all of it together never exceeds
 * the limit.
 *
 * A key has one entry for each variant that Vary made (RFC 9111, 4.1). Which
 * entries go when there is no room is S3-FIFO's business (cache_evict.c).
 *
 * One fetch for each key: whoever misses leads a flight, others wait for it
 * (cache_join()); they hear of its end by letter.
 */
#pragma once

#include "base/base.h"
#include "base/list.h"
#include "base/str.h"
#include "http/http1.h"

struct cache;
struct mailbox;

enum {
    CACHE_SHARDS = 64,
    CACHE_CHUNK_BYTES = 16384,
    CACHE_MAX_KEY_BYTES = 8192,
    CACHE_MAX_VARIANTS = 32,        /* of one key; the oldest goes */
    CACHE_MAX_VARY_NAMES = 8,       /* an answer that names more is not stored */
    CACHE_MAX_VARIANT_BYTES = 4096, /* values of those headers */
    CACHE_MAX_HEADERS = HTTP1_MAX_HEADERS,
    CACHE_PASS_MS = 10000, /* an answer that could not be stored: nobody waits for its like */
};

struct cache_chunk {
    char *bytes;
    uint32_t len;
    uint32_t cap;
};

/* A body: filled by one exchange, then constant. */
struct cache_body {
    uint32_t refs; /* atomic */
    struct cache *cache;
    uint64_t bytes;
    uint64_t cost; /* counted in the store's sum */
    struct cache_chunk *chunks;
    uint32_t count;
    uint32_t cap;
};

struct cache_entry {
    uint32_t refs; /* atomic; the store has one while it is in */
    uint8_t uses;  /* atomic; up to CACHE_USES_MAX since it was last looked at */
    /* guarded by the store's queue lock */
    bool is_main;
    struct list queue;
    /* guarded by the shard's lock */
    bool is_in;
    struct cache_entry *next; /* in its bucket, the newest of a key first */
    /* constant */
    struct cache *cache;
    uint64_t hash;
    uint64_t cost; /* without the body */
    struct str key;
    size_t base_len;   /* of the key */
    struct str system; /* the key's beginning: whose purge reaches it */
    struct str path;   /* with its query; in the key */
    struct str vary;   /* names, as the answer listed them; empty: none */
    struct str variant;
    struct str tags;
    struct cache_body *body;
    int status;
    struct str reason;
    struct str etag; /* these three point into the headers */
    struct str last_modified;
    int64_t last_modified_s;
    int64_t born_ms; /* monotonic: when its age was 0; may be before the clock's start */
    int64_t fresh_ms;
    int64_t while_revalidate_ms; /* after that */
    int64_t if_error_ms;
    bool must_validate;   /* no-cache: each time */
    bool must_revalidate; /* never stale */
    bool is_shareable;    /* also for requests with credentials */
    bool is_assumed;      /* its freshness is not the answer's own word */
    size_t header_count;
    struct http_header headers[]; /* their texts are contiguous lines behind them */
};

/* How an entry is looked for. */
struct cache_wanted {
    struct str key;
    uint64_t hash;                 /* of the key's base (cache_key.h) */
    const struct http1_head *head; /* the request: for Vary */
};

/* ---- the store ---- */

struct cache *cache_new(void);
/* After the last worker. */
void cache_free(struct cache *cache);
/* Letters for waiting exchanges of worker <index> go to <inbox>. */
void cache_attach(struct cache *cache, unsigned index, struct mailbox *inbox);
/* 0: nothing is stored, and what is there goes. */
void cache_set_limit(struct cache *cache, uint64_t bytes);
/* Memory is short: half of what is there goes, down to a quarter of the limit. */
void cache_give_way(struct cache *cache);

struct cache_totals {
    uint64_t entries;
    uint64_t bytes;
    uint64_t limit_bytes;
    uint64_t evicted;
    uint64_t purged;
};
struct cache_totals cache_totals(struct cache *cache);

/* A reference, or NULL. Counts as a use when it <is_used>. */
struct cache_entry *cache_find(struct cache *cache, const struct cache_wanted *wanted,
                               bool is_used);
struct cache_entry *cache_entry_ref(struct cache_entry *entry);
void cache_entry_unref(struct cache_entry *entry); /* takes NULL */
AUTO_TYPE(struct cache_entry *, cache_entry_unref)

/* ---- filling ---- */

/* NULL: there is no room. */
struct cache_body *cache_body_new(struct cache *cache) MUST_CHECK;
struct cache_body *cache_body_ref(struct cache_body *body);
void cache_body_unref(struct cache_body *body); /* takes NULL */
/* Appends. <more_bytes>: how much will follow, as far as that is known. False: no room. */
MUST_CHECK bool cache_body_add(struct cache_body *body, struct str data, uint64_t more_bytes);
/* No more will follow: gives back what the last chunk does not need. */
void cache_body_end(struct cache_body *body);

/* Room for an entry with <header_count> headers and <text_bytes> of text, which begin at
 * <ret_text>. NULL: there is no room. One reference. */
struct cache_entry *cache_entry_new(struct cache *cache, size_t header_count, size_t text_bytes,
                                    char **ret_text) MUST_CHECK;
/* Puts it in, in the place of <replaced> or of what has the same key and variant; unless something
 * of this key was invalidated since cache_epoch() gave <epoch>. */
bool cache_add(struct cache *cache, struct cache_entry *entry, uint64_t epoch);
uint64_t cache_epoch(struct cache *cache, uint64_t hash);

/* ---- getting rid ---- */

/* All whose key has this base. */
void cache_invalidate(struct cache *cache, struct str base, uint64_t hash);
void cache_remove(struct cache_entry *entry);

enum cache_purge_kind { CACHE_PURGE_ALL, CACHE_PURGE_PATH, CACHE_PURGE_PREFIX, CACHE_PURGE_TAG };
/* Of <system>: all; a path, with every query unless <text> has one; what begins with it; what has
 * that tag. Returns how many entries went. */
uint64_t cache_purge(struct cache *cache, struct str system, enum cache_purge_kind kind,
                     struct str text);

/* What <system> has of it. */
void cache_measure(struct cache *cache, struct str system, uint64_t *ret_entries,
                   uint64_t *ret_bytes);

/* ---- flights ---- */

struct cache_flight;
enum cache_joined {
    CACHE_LEADS, /* fetch it, then cache_land() */
    CACHE_WAITS, /* a letter comes when it has landed */
    CACHE_GOES,  /* fetch it, nobody waits: the last answer could not be stored, or it takes long */
    CACHE_AGAIN, /* what the store has is not <seen> any more: look again */
};
/* <seen> is what was found, perhaps NULL. <may_wait>: else CACHE_GOES in its place. */
enum cache_joined cache_join(struct cache *cache, const struct cache_wanted *wanted,
                             const struct cache_entry *seen, bool may_wait, unsigned worker,
                             uint64_t now_ms, struct cache_flight **ret);
/* Ends <flight> (takes NULL). <passes>: its answer cannot be stored, so the next ones need not
 * wait for each other. */
void cache_land(struct cache *cache, struct cache_flight *flight, bool passes, uint64_t now_ms);
/* Somebody has waited too long for it: nobody else shall. */
void cache_flight_is_slow(struct cache *cache, uint64_t hash);
