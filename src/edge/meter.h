/* SPDX-License-Identifier: Apache-2.0
 *
 * Meters: what went through a route, and through the targets of one release of
 * an upstream, counted where it happens. The edge makes one memory file at its
 * start and sends it to the daemon, which reads it whenever it likes: nobody
 * asks, nobody waits. A table gives the number of a meter to each route and
 * target; 0 is for those without one.
 *
 * The file: a page with struct meter_header, then a shard for each worker,
 * METER_SLOTS of struct meter each. A shard has one writer, with relaxed
 * atomics; a page of it exists when it was written to. Numbers only grow,
 * except METER_ACTIVE; they start at 0 with the edge.
 */
#pragma once

#include "base/base.h"

struct err;

enum {
    METER_MAGIC = 0x4d5a4849,
    METER_VERSION = 1, /* of this layout: a reader of another one does not read */
    METER_SLOTS = 4096,
    METER_HEADER_BYTES = 4096,
    METER_PARTS = 4,      /* of a power of two: a value is known to 1/4 of itself */
    METER_MIN_SHIFT = 6,  /* below 64 us is one bucket */
    METER_MAX_SHIFT = 27, /* from 134 s on too */
    METER_BUCKETS = (METER_MAX_SHIFT - METER_MIN_SHIFT) * METER_PARTS + 2,
};

enum meter_count {
    METER_REQUESTS, /* answered or given up; a retry is no request */
    METER_1XX,      /* upgrades */
    METER_2XX,
    METER_3XX,
    METER_4XX,
    METER_5XX,              /* the edge's own 502, 503 and 504 are among them */
    METER_ABORTED,          /* the client left before there was an answer */
    METER_CONNECT_FAILURES, /* a target refused a connection or was silent; it may be tried again */
    METER_RESPONSE_FAILURES, /* no answer, or not all of it */
    METER_RETRIES,
    METER_EJECTIONS, /* a target was left out for a while */
    METER_QUEUED,    /* requests that waited for a target */
    METER_REJECTED,  /* those that waited in vain, or found too many before them */
    METER_BYTES_IN,  /* of bodies */
    METER_BYTES_OUT,
    METER_TUNNELS,
    METER_ACTIVE, /* now: requests and tunnels */
    METER_COUNTS = 20,
};

struct meter {
    uint64_t counts[METER_COUNTS];
    uint64_t first_byte[METER_BUCKETS]; /* from the request's head to the answer's; of TCP: until
                                           the target was reached */
    uint64_t whole[METER_BUCKETS];      /* to the end of the answer, without upgraded ones; of TCP:
                                           of the connection */
};

struct meter_header {
    uint32_t magic;
    uint32_t version;
    uint32_t shards;
    uint32_t slots;
    uint32_t slot_bytes;
    uint32_t buckets;
};

static inline size_t meter_bucket(uint64_t us)
{
    if (us < (UINT64_C(1) << METER_MIN_SHIFT))
        return 0;
    if (us >= (UINT64_C(1) << METER_MAX_SHIFT))
        return METER_BUCKETS - 1;
    size_t shift = 63 - (size_t)__builtin_clzll(us);
    return 1 + (shift - METER_MIN_SHIFT) * METER_PARTS + ((us >> (shift - 2)) & (METER_PARTS - 1));
}

static_assert(METER_PARTS == 4, "two bits behind the first");

/* The least value of <bucket>, in microseconds. */
uint64_t meter_bucket_us(size_t bucket);

static inline void meter_add_to(uint64_t *number, uint64_t n)
{
    __atomic_store_n(number, __atomic_load_n(number, __ATOMIC_RELAXED) + n, __ATOMIC_RELAXED);
}

static inline void meter_add(struct meter *meter, enum meter_count count, uint64_t n)
{
    meter_add_to(&meter->counts[count], n);
}

/* ---- the edge ---- */

struct meter_region {
    int fd; /* of a memory file whose size is sealed; -1: none */
    unsigned shards;
    unsigned char *bytes;
};

/* Before confine(): it cannot be done after. */
MUST_CHECK bool meter_region_open(struct meter_region *region, unsigned shards, struct err *err);
void meter_region_close(struct meter_region *region);
/* METER_SLOTS of them. */
struct meter *meter_region_shard(const struct meter_region *region, unsigned shard);

/* ---- the daemon: meter_read.c ---- */

/* A region of an edge, which may write anything into it at any time. */
struct meter_view {
    const unsigned char *bytes; /* NULL: none */
    size_t len;
    unsigned shards;
};

/* Maps it; <fd> stays the caller's. ERR_INVALID for what is not a region of this version. */
MUST_CHECK bool meter_view_open(int fd, struct meter_view *ret, struct err *err);
void meter_view_close(struct meter_view *view);
/* The sum over the shards; nothing without a region or for a number out of range. */
void meter_view_read(const struct meter_view *view, uint32_t number, struct meter *ret);
/* What was added since <before>; METER_ACTIVE stays what it is now. */
void meter_subtract(struct meter *meter, const struct meter *before);

uint64_t meter_total(const uint64_t buckets[METER_BUCKETS]);
/* Below which the share <per_mille> of the values lies, within the bucket by its width; 0 when
 * there are none. */
uint64_t meter_quantile_us(const uint64_t buckets[METER_BUCKETS], unsigned per_mille);
