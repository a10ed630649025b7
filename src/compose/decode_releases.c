/* SPDX-License-Identifier: Apache-2.0
 *
 * x-ishizue.releases: how many stay.
 */
#include "base/base.h"

#include "compose/decode_releases.h"
#include "compose/decode_value.h"

enum { KEEP_USUAL = 10, KEEP_MAX = 1000, DISK_LEAST_BYTES = 1 << 20 };

struct compose_releases decode_releases(struct load *load, const struct path *parent,
                                        const struct yaml_node *map)
{
    const struct path path = {parent, "releases", 0};
    struct compose_releases ret = {.keep = KEEP_USUAL};
    uint64_t keep = value_u64(map, "keep", KEEP_USUAL);

    ret.disk_bytes = value_u64(map, "disk", 0);
    if (keep < 1 || keep > KEEP_MAX)
        load_error(load, yaml_find(map, "keep"), &path, NULL, "keep is from 1 to %d", KEEP_MAX);
    else
        ret.keep = (uint32_t)keep;
    if (yaml_find(map, "disk") != NULL && ret.disk_bytes < DISK_LEAST_BYTES)
        load_error(load, yaml_find(map, "disk"), &path, "write a size such as 5GiB",
                   "disk is at least 1 MiB");
    return ret;
}
