/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/err.h"
#include "edge/edge.h"
#include "edge/meter.h"

enum { SHARD_BYTES = METER_SLOTS * sizeof(struct meter) };

/* A file that may shrink would end its reader by SIGBUS. */
static bool check_sealed(int fd, struct err *err)
{
    int seals = fcntl(fd, F_GET_SEALS);

    return (seals >= 0 && (seals & F_SEAL_SHRINK) != 0) ||
           err_set(err, ERR_INVALID, "the size of the meters' memory is not sealed");
}

static bool check_header(const struct meter_header *header, size_t len, struct err *err)
{
    if (header->magic != METER_MAGIC || header->version != METER_VERSION ||
        header->slots != METER_SLOTS || header->slot_bytes != sizeof(struct meter) ||
        header->buckets != METER_BUCKETS)
        return err_set(err, ERR_INVALID, "the meters have another layout (version %u)",
                       header->version);
    if (header->shards == 0 || header->shards > EDGE_MAX_WORKERS ||
        len != METER_HEADER_BYTES + (size_t)header->shards * SHARD_BYTES)
        return err_set(err, ERR_INVALID, "%zu bytes are not %u shards of meters", len,
                       header->shards);
    return true;
}

bool meter_view_open(int fd, struct meter_view *ret, struct err *err)
{
    struct stat stat;

    if (!check_sealed(fd, err))
        return false;
    if (fstat(fd, &stat) != 0 || stat.st_size < METER_HEADER_BYTES)
        return err_set(err, ERR_INVALID, "the meters' memory is too small");
    size_t len = (size_t)stat.st_size;
    void *bytes = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0);
    if (bytes == MAP_FAILED)
        return err_sys(err, "cannot map the meters");
    struct meter_header header;
    memcpy(&header, bytes, sizeof header); /* it could change between check and use */
    if (!check_header(&header, len, err)) {
        (void)munmap(bytes, len);
        return false;
    }
    *ret = (struct meter_view){.bytes = bytes, .len = len, .shards = header.shards};
    return true;
}

void meter_view_close(struct meter_view *view)
{
    union {
        const unsigned char *given;
        void *mapped;
    } bytes = {view->bytes};

    if (bytes.mapped != NULL)
        (void)munmap(bytes.mapped, view->len);
    *view = (struct meter_view){0};
}

enum { METER_NUMBERS = sizeof(struct meter) / sizeof(uint64_t) };

static_assert(offsetof(struct meter, whole) + sizeof(uint64_t) * METER_BUCKETS ==
                  sizeof(struct meter),
              "numbers only");

void meter_view_read(const struct meter_view *view, uint32_t number, struct meter *ret)
{
    uint64_t *sum = ret->counts;

    *ret = (struct meter){0};
    if (view->bytes == NULL || number >= METER_SLOTS)
        return;
    for (unsigned i = 0; i < view->shards; i++) {
        const uint64_t *from = (const uint64_t *)(const void *)(view->bytes + METER_HEADER_BYTES +
                                                                (size_t)i * SHARD_BYTES +
                                                                number * sizeof(struct meter));
        for (size_t n = 0; n < METER_NUMBERS; n++)
            sum[n] += __atomic_load_n(&from[n], __ATOMIC_RELAXED);
    }
}

void meter_subtract(struct meter *meter, const struct meter *before)
{
    uint64_t active = meter->counts[METER_ACTIVE];
    uint64_t *at = meter->counts;
    const uint64_t *less = before->counts;

    for (size_t n = 0; n < METER_NUMBERS; n++)
        at[n] = at[n] > less[n] ? at[n] - less[n] : 0;
    meter->counts[METER_ACTIVE] = active;
}

uint64_t meter_bucket_us(size_t bucket)
{
    if (bucket == 0)
        return 0;
    size_t shift = METER_MIN_SHIFT + (bucket - 1) / METER_PARTS;
    return (UINT64_C(1) << shift) + ((bucket - 1) % METER_PARTS << (shift - 2));
}

uint64_t meter_total(const uint64_t buckets[METER_BUCKETS])
{
    uint64_t total = 0;

    for (size_t i = 0; i < METER_BUCKETS; i++)
        total += buckets[i];
    return total;
}

uint64_t meter_quantile_us(const uint64_t buckets[METER_BUCKETS], unsigned per_mille)
{
    uint64_t total = meter_total(buckets), before = 0;
    uint64_t rank = (total * MIN(per_mille, 1000) + 999) / 1000;

    if (total == 0)
        return 0;
    rank = MAX(rank, 1);
    for (size_t i = 0; i < METER_BUCKETS - 1; i++) {
        uint64_t from_us = meter_bucket_us(i), width_us = meter_bucket_us(i + 1) - from_us;
        if (before + buckets[i] >= rank)
            return from_us + width_us * (rank - before) / buckets[i];
        before += buckets[i];
    }
    return meter_bucket_us(METER_BUCKETS - 1);
}
