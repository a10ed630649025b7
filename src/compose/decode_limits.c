/* SPDX-License-Identifier: Apache-2.0
 *
 * What a service may use of the machine: limits, reservations, priorities. */
#include "base/base.h"

#include <math.h>

#include "compose/decode_service.h"
#include "compose/decode_value.h"

enum {
    REPLICAS_MAX = 1000,
    CPU_PERIOD_MIN_US = 1000,
    CPU_PERIOD_MAX_US = 1000000,
    BLKIO_MIN = 10,
    BLKIO_MAX = 1000,
    CPU_SHARES_MAX = 262144,
    MEMORY_MIN_BYTES = 6 << 20, /* as Docker has it: less holds no process */
    PIDS_MAX = 4194304,         /* of the kernel */
};

/* The same limit may be given in two places; then both must say the same. */
static void check_same(struct load *load, const struct path *path, const struct yaml_node *node,
                       const char *name, const char *other, double a, double b)
{
    if (a > 0 && fabs(a - b) > 1e-9)
        load_error(load, yaml_find(node, name), path, "keep one of them", "'%s' and '%s' differ",
                   name, other);
}

static void check_limits(struct load *load, const struct path *path, const struct yaml_node *node)
{
    const struct yaml_node *resources = yaml_find(yaml_find(node, "deploy"), "resources");
    const struct yaml_node *limits = yaml_find(resources, "limits");
    const struct yaml_node *reserved = yaml_find(resources, "reservations");

    if (!yaml_is_null(limits)) {
        check_same(load, path, node, "cpus", "deploy.resources.limits.cpus",
                   value_double(node, "cpus"), value_double(limits, "cpus"));
        check_same(load, path, node, "mem_limit", "deploy.resources.limits.memory",
                   (double)value_limit(node, "mem_limit"), (double)value_limit(limits, "memory"));
        check_same(load, path, node, "pids_limit", "deploy.resources.limits.pids",
                   (double)value_limit(node, "pids_limit"), (double)value_limit(limits, "pids"));
    }
    if (!yaml_is_null(reserved))
        check_same(load, path, node, "mem_reservation", "deploy.resources.reservations.memory",
                   (double)value_limit(node, "mem_reservation"),
                   (double)value_limit(reserved, "memory"));
}

static void decode_replicas(struct load *load, const struct path *path,
                            const struct yaml_node *node, struct compose_service *ret)
{
    const struct yaml_node *deploy = yaml_find(node, "deploy");
    const char *mode = value_text(deploy, "mode");
    uint64_t scale = value_u64(node, "scale", 1);
    uint64_t replicas = value_u64(deploy, "replicas", scale);

    if (!yaml_is_null(yaml_find(node, "scale")) && scale != replicas)
        load_error(load, yaml_find(node, "scale"), path, "keep one of them", "'%s' and '%s' differ",
                   "scale", "deploy.replicas");
    if (mode != NULL && str_starts(str_of(mode), STR("global")))
        replicas = 1;
    if (replicas > REPLICAS_MAX)
        load_unfit(load, node, path, NULL, "%llu instances; at most %d are accepted",
                   (unsigned long long)replicas, REPLICAS_MAX);
    ret->replicas = (uint32_t)MIN(replicas, REPLICAS_MAX);
}

static void check_range(struct load *load, const struct path *path, const struct yaml_node *place,
                        const struct compose_resources *limits)
{
    if (limits->memory_bytes > 0 && limits->memory_bytes < MEMORY_MIN_BYTES)
        load_unfit(load, place, path, NULL, "a memory limit of %llu bytes; at least %d are needed",
                   (unsigned long long)limits->memory_bytes, MEMORY_MIN_BYTES);
    if (limits->pids > PIDS_MAX)
        load_unfit(load, place, path, NULL, "a limit of %u processes; at most %d are accepted",
                   limits->pids, PIDS_MAX);
}

void decode_limits(struct load *load, const struct path *path, const struct yaml_node *node,
                   struct compose_service *ret)
{
    const struct yaml_node *deploy = yaml_find(node, "deploy");
    const struct yaml_node *limits = yaml_find(yaml_find(deploy, "resources"), "limits");

    check_limits(load, path, node);
    decode_replicas(load, path, node, ret);
    ret->limits.cpus = value_double(limits, "cpus");
    ret->limits.memory_bytes = value_limit(limits, "memory");
    ret->limits.pids = (uint32_t)MIN(value_limit(limits, "pids"), UINT32_MAX);
    if (ret->limits.cpus <= 0)
        ret->limits.cpus = value_double(node, "cpus");
    if (ret->limits.memory_bytes == 0)
        ret->limits.memory_bytes = value_limit(node, "mem_limit");
    if (ret->limits.pids == 0)
        ret->limits.pids = (uint32_t)MIN(value_limit(node, "pids_limit"), UINT32_MAX);
    check_range(load, path, node, &ret->limits);
}

/* 0 when it is missing or out of range. */
static uint64_t ranged(struct load *load, const struct path *path, const struct yaml_node *node,
                       const char *key, uint64_t min, uint64_t max)
{
    const struct path here = {path, key, 0};
    uint64_t value = value_limit(node, key);

    if (value == 0 || (value >= min && value <= max))
        return value;
    load_unfit(load, yaml_find(node, key), &here, NULL, "%llu is not from %llu to %llu",
               (unsigned long long)value, (unsigned long long)min, (unsigned long long)max);
    return 0;
}

/* "0-2,4" */
static bool is_cpu_list(const char *text)
{
    struct str rest = str_of(text);

    while (rest.ptr != NULL) {
        struct str last = str_cut(&rest, ',');
        struct str first = str_cut(&last, '-');
        uint64_t low, high;

        if (!str_to_u64(first, 8191, &low) ||
            (last.ptr != NULL && (!str_to_u64(last, 8191, &high) || high < low)))
            return false;
    }
    return true;
}

static const char *decode_cpuset(struct load *load, const struct path *path,
                                 const struct yaml_node *node)
{
    const struct path here = {path, "cpuset", 0};
    const char *text = value_text(node, "cpuset");

    if (text == NULL || *text == '\0')
        return NULL;
    if (is_cpu_list(text))
        return text;
    load_unfit(load, yaml_find(node, "cpuset"), &here, NULL,
               "'%.80s' is no list of processors; write it as \"0-2,4\"", text);
    return NULL;
}

static void decode_memory(struct load *load, const struct path *path, const struct yaml_node *node,
                          struct compose_tuning *ret)
{
    const struct yaml_node *deploy = yaml_find(node, "deploy");
    const struct yaml_node *reserved = yaml_find(yaml_find(deploy, "resources"), "reservations");
    const char *swap = value_text(node, "memswap_limit");

    ret->memory_reservation_bytes = value_limit(node, "mem_reservation");
    ret->memory_reserved_bytes = value_limit(reserved, "memory");
    ret->memory_swap_bytes =
        swap != NULL && strcmp(swap, "-1") == 0 ? -1 : (int64_t)value_limit(node, "memswap_limit");
    ret->has_swappiness = !yaml_is_null(yaml_find(node, "mem_swappiness"));
    ret->swappiness = (uint32_t)ranged(load, path, node, "mem_swappiness", 0, 100);
    ret->shm_size_bytes = value_limit(node, "shm_size");
    ret->oom_kill_disable = value_bool(node, "oom_kill_disable", false);
    ret->has_oom_score_adj = !yaml_is_null(yaml_find(node, "oom_score_adj"));
    int64_t score = value_i64(node, "oom_score_adj");
    if (score < -1000 || score > 1000)
        load_unfit(load, yaml_find(node, "oom_score_adj"), &(struct path){path, "oom_score_adj", 0},
                   NULL, "%lld is not from -1000 to 1000", (long long)score);
    else
        ret->oom_score_adj = (int32_t)score;
}

static void decode_ulimits(struct load *load, const struct path *path, const struct yaml_node *node,
                           struct compose_tuning *ret)
{
    static const char *const names[] = {
        "as",     "core",  "cpu", "data",   "fsize",  "locks",      "memlock", "msgqueue", "nice",
        "nofile", "nproc", "rss", "rtprio", "rttime", "sigpending", "stack",   NULL};
    const struct yaml_node *map = yaml_find(node, "ulimits");
    const struct path ulimits = {path, "ulimits", 0};

    if (yaml_is_null(map) || map->count == 0)
        return;
    ret->ulimits = ARENA_ARRAY(load->arena, struct compose_ulimit, map->count);
    for (size_t i = 0; i < map->count; i++) {
        const struct yaml_node *entry = map->items[i].node;
        const struct path here = {&ulimits, map->items[i].key, 0};
        bool single = entry->kind == YAML_SCALAR;
        int64_t soft = single ? value_i64(map, here.key) : value_i64(entry, "soft");
        int64_t hard = single ? soft : value_i64(entry, "hard");

        if (!is_one_of(here.key, names))
            load_unfit(load, entry, &here, suggest(load->arena, here.key, names),
                       "there is no limit '%.40s'", here.key);
        else if (hard != -1 && (soft > hard || soft == -1))
            load_unfit(load, entry, &here, NULL, "the soft limit is above the hard one");
        else
            ret->ulimits[ret->ulimit_count++] = (struct compose_ulimit){here.key, soft, hard};
    }
}

/* What the kernel keeps for each set of namespaces; anything else would change the machine. */
static bool is_namespaced(const char *name)
{
    static const char *const prefixes[] = {"net.", "fs.mqueue.", "kernel.shm", "kernel.msg", NULL};

    for (const char *const *prefix = prefixes; *prefix != NULL; prefix++)
        if (str_starts(str_of(name), str_of(*prefix)))
            return strchr(name, '/') == NULL;
    return strcmp(name, "kernel.sem") == 0;
}

static void decode_sysctls(struct load *load, const struct path *path, const struct yaml_node *node,
                           struct compose_tuning *ret)
{
    const struct yaml_node *map = yaml_find(node, "sysctls");
    const struct path sysctls = {path, "sysctls", 0};

    ret->sysctls = value_pairs(load->arena, node, "sysctls");
    for (size_t i = ret->sysctls.count; i-- > 0;) {
        const char *name = ret->sysctls.items[i].key;
        const struct path here = {&sysctls, name, 0};

        if (is_namespaced(name))
            continue;
        load_unfit(load, yaml_find(map, name), &here,
                   "net.*, fs.mqueue.* and kernel.{shm*,msg*,sem} belong to an instance",
                   "'%.80s' would change the whole machine", name);
        ret->sysctls.items[i] = ret->sysctls.items[--ret->sysctls.count];
    }
}

struct compose_tuning decode_tuning(struct load *load, const struct path *path,
                                    const struct yaml_node *node)
{
    const struct path blkio_path = {path, "blkio_config", 0};
    struct compose_tuning tuning = {
        .cpu_shares = ranged(load, path, node, "cpu_shares", 2, CPU_SHARES_MAX),
        .cpu_quota_us = ranged(load, path, node, "cpu_quota", CPU_PERIOD_MIN_US, INT64_MAX),
        .cpu_period_us =
            ranged(load, path, node, "cpu_period", CPU_PERIOD_MIN_US, CPU_PERIOD_MAX_US),
        .cpuset = decode_cpuset(load, path, node),
        .blkio_weight = (uint32_t)ranged(load, &blkio_path, yaml_find(node, "blkio_config"),
                                         "weight", BLKIO_MIN, BLKIO_MAX),
    };

    decode_memory(load, path, node, &tuning);
    decode_ulimits(load, path, node, &tuning);
    decode_sysctls(load, path, node, &tuning);
    return tuning;
}
