/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "runtime/cgroup.h"
#include "runtime/machine.h"

/* Version 2: a group has the files of the controllers that the one above it hands down. The OCI
 * runtime has them handed down as well when it makes an instance's group. */
static bool has_file_v2(const char *controller, const char *file)
{
    AUTO(arena_done) struct arena arena = {0};
    const char *path = arena_printf(&arena, "/sys/fs/cgroup/ishizue/%s", file);
    struct err ignored;

    if (file_exists(path))
        return true;
    (void)mkdir("/sys/fs/cgroup/ishizue", 0755);
    AUTO(fd_close) int fd = open("/sys/fs/cgroup/cgroup.subtree_control", O_WRONLY | O_CLOEXEC);
    if (fd >= 0)
        (void)!file_write_fd(fd, str_of(arena_printf(&arena, "+%s", controller)), &ignored);
    return file_exists(path);
}

/* Version 1: the root group itself lacks the file. */
static bool has_weight_v1(void)
{
    (void)mkdir("/sys/fs/cgroup/blkio/ishizue", 0755);
    return file_exists("/sys/fs/cgroup/blkio/ishizue/blkio.weight") ||
           file_exists("/sys/fs/cgroup/blkio/ishizue/blkio.bfq.weight");
}

static void look_at_groups_v1(struct machine *ret)
{
    ret->has_blkio_weight = cgroup_has("blkio") && has_weight_v1();
    ret->has_swap =
        ret->has_memory && file_exists("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes");
    ret->has_swappiness = ret->has_memory && file_exists("/sys/fs/cgroup/memory/memory.swappiness");
    ret->has_oom_switch =
        ret->has_memory && file_exists("/sys/fs/cgroup/memory/memory.oom_control");
}

static void look_at_groups_v2(struct machine *ret)
{
    ret->has_blkio_weight =
        cgroup_has("io") && (has_file_v2("io", "io.weight") || has_file_v2("io", "io.bfq.weight"));
    ret->has_swap = ret->has_memory && has_file_v2("memory", "memory.swap.max");
}

/* The last number of "0-3,8". */
static uint32_t count_cpus(void)
{
    AUTO(buf_done) struct buf text = {0};
    struct err ignored;
    uint64_t last;

    if (!file_read("/sys/devices/system/cpu/online", 4096, &text, &ignored))
        return (uint32_t)MAX(1L, sysconf(_SC_NPROCESSORS_CONF));
    struct str rest = str_trim(buf_str(&text));
    size_t at = MIN(str_find_last(rest, ','), str_find_last(rest, '-'));
    while (at < rest.len) {
        rest = str_sub(rest, at + 1, rest.len);
        at = MIN(str_find_last(rest, ','), str_find_last(rest, '-'));
    }
    return str_to_u64(rest, 65535, &last) ? (uint32_t)last + 1 : 1;
}

static bool may_raise_limits(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {0};

    return syscall(SYS_capget, &header, sets) == 0 &&
           (sets[0].effective & 1U << CAP_SYS_RESOURCE) != 0;
}

void machine_look(struct machine *ret)
{
    *ret = (struct machine){
        .cgroup_v2 = cgroup_is_v2(),
        .has_memory = cgroup_has("memory"),
        .has_cpu = cgroup_has("cpu"),
        .has_pids = cgroup_has("pids"),
        .has_cpuset = cgroup_has("cpuset"),
        .cpus = count_cpus(),
        .may_lower_oom_score = may_raise_limits(),
    };
    if (ret->cgroup_v2)
        look_at_groups_v2(ret);
    else
        look_at_groups_v1(ret);
    for (int i = 0; i < RLIM_NLIMITS; i++) {
        struct rlimit limit;
        bool known = getrlimit((__rlimit_resource_t)i, &limit) == 0;
        ret->limits_max[i] =
            known && limit.rlim_max != RLIM_INFINITY ? (uint64_t)limit.rlim_max : UINT64_MAX;
    }
}
