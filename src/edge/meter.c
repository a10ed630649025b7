/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "edge/meter.h"

enum { SHARD_BYTES = METER_SLOTS * sizeof(struct meter) };

static_assert(SHARD_BYTES % 4096 == 0, "no two writers share a page");

static size_t region_bytes(unsigned shards)
{
    return METER_HEADER_BYTES + (size_t)shards * SHARD_BYTES;
}

bool meter_region_open(struct meter_region *region, unsigned shards, struct err *err)
{
    AUTO(fd_close) int fd = memfd_create("ishizue-meters", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    size_t len = region_bytes(shards);

    if (fd < 0 || ftruncate(fd, (off_t)len) != 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
        return err_sys(err, "cannot make the memory of the meters");
    void *bytes = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (bytes == MAP_FAILED)
        return err_sys(err, "cannot map the memory of the meters");
    region->bytes = bytes;
    region->shards = shards;
    region->fd = TAKE_FD(fd);
    *(struct meter_header *)bytes = (struct meter_header){
        .magic = METER_MAGIC,
        .version = METER_VERSION,
        .shards = shards,
        .slots = METER_SLOTS,
        .slot_bytes = sizeof(struct meter),
        .buckets = METER_BUCKETS,
    };
    return true;
}

void meter_region_close(struct meter_region *region)
{
    if (region->bytes != NULL)
        (void)munmap(region->bytes, region_bytes(region->shards));
    region->bytes = NULL;
    fd_close(region->fd);
    region->fd = -1;
}

struct meter *meter_region_shard(const struct meter_region *region, unsigned shard)
{
    assert(shard < region->shards);
    return (struct meter *)(void *)(region->bytes + METER_HEADER_BYTES +
                                    (size_t)shard * SHARD_BYTES);
}
