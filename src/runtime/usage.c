/* SPDX-License-Identifier: Apache-2.0
 *
 * What an instance uses: time, memory and disk from its control group, network
 * from the counters its first process sees.
 */
#include "base/base.h"

#include <stdio.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "runtime/cgroup.h"
#include "runtime/usage.h"

/* Version 1 says "no limit" by the largest number of whole pages. */
static const uint64_t no_limit_from = UINT64_C(1) << 60;

enum { NET_DEV_BYTES = 64 * 1024, NET_DEV_HEAD_LINES = 2, SENT_COLUMN = 8 };

static struct str next_word(struct str *rest)
{
    *rest = str_trim(*rest);
    struct str word = str_cut(rest, ' ');
    return word;
}

/* "eth0: BYTES packets errs drop fifo frame compressed multicast BYTES packets ..." (proc(5)). */
static void add_interface(struct str line, struct runtime_usage *ret)
{
    struct str name = str_trim(str_cut(&line, ':'));
    uint64_t value;

    if (line.ptr == NULL || str_is(name, "lo"))
        return;
    for (int column = 0; column <= SENT_COLUMN && line.ptr != NULL; column++) {
        struct str word = next_word(&line);
        if ((column != 0 && column != SENT_COLUMN) || !str_to_u64(word, UINT64_MAX, &value))
            continue;
        if (column == 0)
            ret->received_bytes += value;
        else
            ret->sent_bytes += value;
    }
}

void usage_add_network(struct str text, struct runtime_usage *ret)
{
    for (int line = 0; text.ptr != NULL; line++) {
        struct str one = str_cut(&text, '\n');
        if (line >= NET_DEV_HEAD_LINES)
            add_interface(one, ret);
    }
}

/* One that shares the machine's network has no traffic of its own that could be told. */
static bool has_own_network(uint64_t pid)
{
    struct stat own, its;
    char path[64];

    (void)snprintf(path, sizeof path, "/proc/%llu/ns/net", (unsigned long long)pid);
    return stat("/proc/self/ns/net", &own) == 0 && stat(path, &its) == 0 &&
           (own.st_ino != its.st_ino || own.st_dev != its.st_dev);
}

static void read_network(const char *id, struct runtime_usage *ret)
{
    AUTO(buf_done) struct buf pids = {0};
    AUTO(buf_done) struct buf text = {0};
    struct err ignored;
    char path[64];
    uint64_t pid;

    if (!cgroup_read(id, "pids", "cgroup.procs", &pids))
        return;
    struct str rest = buf_str(&pids);
    if (!str_to_u64(str_cut(&rest, '\n'), INT32_MAX, &pid) || !has_own_network(pid))
        return;
    (void)snprintf(path, sizeof path, "/proc/%llu/net/dev", (unsigned long long)pid);
    if (!file_read(path, NET_DEV_BYTES, &text, &ignored))
        return;
    usage_add_network(buf_str(&text), ret);
}

/* "8:0 Read 4096", one line for each disk and kind. */
static void add_disk_v1(struct str line, struct runtime_usage *ret)
{
    uint64_t value;

    (void)next_word(&line);
    struct str kind = next_word(&line);
    if (!str_to_u64(str_trim(line), UINT64_MAX, &value))
        return;
    if (str_is(kind, "Read"))
        ret->read_bytes += value;
    else if (str_is(kind, "Write"))
        ret->written_bytes += value;
}

/* "8:0 rbytes=4096 wbytes=0 rios=1 ...", one line for each disk. */
static void add_disk_v2(struct str line, struct runtime_usage *ret)
{
    uint64_t value;

    (void)next_word(&line);
    while (line.ptr != NULL) {
        struct str number = next_word(&line);
        struct str key = str_cut(&number, '=');
        if (!str_to_u64(number, UINT64_MAX, &value))
            continue;
        if (str_is(key, "rbytes"))
            ret->read_bytes += value;
        else if (str_is(key, "wbytes"))
            ret->written_bytes += value;
    }
}

void usage_add_disks(struct str text, bool v2, struct runtime_usage *ret)
{
    while (text.ptr != NULL) {
        struct str line = str_cut(&text, '\n');
        if (v2)
            add_disk_v2(line, ret);
        else
            add_disk_v1(line, ret);
    }
}

static void read_disks(const char *id, bool v2, struct runtime_usage *ret)
{
    AUTO(buf_done) struct buf text = {0};

    if (v2 ? !cgroup_read(id, "", "io.stat", &text)
           : !cgroup_read(id, "blkio", "blkio.throttle.io_service_bytes_recursive", &text))
        return;
    usage_add_disks(buf_str(&text), v2, ret);
}

static void read_memory(const char *id, bool v2, struct runtime_usage *ret)
{
    uint64_t used =
        cgroup_read_number(id, "memory", v2 ? "memory.current" : "memory.usage_in_bytes");
    uint64_t cache =
        cgroup_read_key(id, "memory", "memory.stat", v2 ? "inactive_file" : "total_inactive_file");
    uint64_t limit = cgroup_read_number(id, "memory", v2 ? "memory.max" : "memory.limit_in_bytes");

    /* Page cache that goes away when memory is wanted is not counted, as others do it. */
    ret->memory_bytes = used - MIN(used, cache);
    ret->memory_limit_bytes = limit < no_limit_from ? limit : 0;
}

bool cgroup_usage(const char *id, struct runtime_usage *ret, struct err *err)
{
    AUTO(buf_done) struct buf text = {0};
    bool v2 = cgroup_is_v2();

    if (!cgroup_read(id, "pids", "pids.current", &text))
        return err_set(err, ERR_NOT_FOUND, "instance '%s' has no control group", id);
    *ret = (struct runtime_usage){0};
    ret->pids = (uint32_t)cgroup_read_number(id, "pids", "pids.current");
    ret->cpu_ns = v2 ? cgroup_read_key(id, "cpu", "cpu.stat", "usage_usec") * 1000
                     : cgroup_read_number(id, "cpuacct", "cpuacct.usage");
    read_memory(id, v2, ret);
    read_disks(id, v2, ret);
    read_network(id, ret);
    return true;
}
