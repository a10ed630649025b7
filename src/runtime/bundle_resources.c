/* SPDX-License-Identifier: Apache-2.0
 *
 * What the control groups are told, in the words of version 1; runc and crun
 * translate them for version 2. What the machine's kernel has no means for is
 * left out.
 */
#include "base/base.h"

#include <inttypes.h>

#include "base/err.h"
#include "runtime/bundle_priv.h"
#include "json/json.h"

enum { CPU_PERIOD_US = 100000, CPU_PERIOD_MIN_US = 1000, CPU_PERIOD_MAX_US = 1000000 };

static void set_number(json_t *object, const char *key, int64_t value)
{
    (void)json_object_set_new(object, key, json_integer((json_int_t)value));
}

static void set_object(json_t *object, const char *key, json_t *member)
{
    if (json_object_size(member) > 0)
        (void)json_object_set_new(object, key, member);
    else
        json_decref(member);
}

/* ---- memory ---- */

static bool check_memory(const struct compose_service *service, struct err *err)
{
    const struct compose_tuning *tuning = &service->tuning;
    int64_t limit = (int64_t)service->limits.memory_bytes;

    if (tuning->memory_swap_bytes > 0 && limit == 0)
        return err_set(err, ERR_INVALID,
                       "memswap_limit: it is memory and swap together, and there is no limit of "
                       "memory; set mem_limit or deploy.resources.limits.memory");
    if (tuning->memory_swap_bytes > 0 && tuning->memory_swap_bytes < limit)
        return err_set(err, ERR_INVALID,
                       "memswap_limit: it is memory and swap together, and less than the limit of "
                       "memory");
    if (limit > 0 &&
        MAX(tuning->memory_reservation_bytes, tuning->memory_reserved_bytes) > (uint64_t)limit)
        return err_set(err, ERR_INVALID, "the reservation of memory is above the limit of memory");
    if (tuning->has_swappiness && tuning->swappiness > 100)
        return err_set(err, ERR_INVALID, "mem_swappiness: %u is not from 0 to 100",
                       tuning->swappiness);
    return true;
}

/* As Docker has it: as much swap as memory, unless the file says otherwise. */
static int64_t swap_limit(const struct compose_service *service)
{
    int64_t given = service->tuning.memory_swap_bytes;
    int64_t limit = (int64_t)service->limits.memory_bytes;

    if (given != 0 || limit == 0)
        return given;
    return limit > INT64_MAX / 2 ? -1 : limit * 2;
}

static bool add_memory(const struct bundle *bundle, json_t *resources, struct err *err)
{
    const struct compose_service *service = bundle->spec->service;
    const struct compose_tuning *tuning = &service->tuning;
    uint64_t reserved = MAX(tuning->memory_reservation_bytes, tuning->memory_reserved_bytes);

    if (service->limits.memory_bytes > INT64_MAX || reserved > INT64_MAX)
        return err_set(err, ERR_LIMIT, "more memory is given than can be counted");
    if (!check_memory(service, err))
        return false;
    json_t *memory = json_object();
    if (service->limits.memory_bytes > 0)
        set_number(memory, "limit", (int64_t)service->limits.memory_bytes);
    if (bundle->machine->has_swap && swap_limit(service) != 0)
        set_number(memory, "swap", swap_limit(service));
    if (reserved > 0)
        set_number(memory, "reservation", (int64_t)reserved);
    if (tuning->has_swappiness && bundle->machine->has_swappiness)
        set_number(memory, "swappiness", tuning->swappiness);
    if (tuning->oom_kill_disable && bundle->machine->has_oom_switch)
        (void)json_object_set_new(memory, "disableOOMKiller", json_true());
    if (bundle->machine->has_memory)
        set_object(resources, "memory", memory);
    else
        json_decref(memory);
    return true;
}

/* ---- processors ---- */

/* "0-2,4" with every number below <cpus>. */
static bool check_cpuset(const char *text, uint32_t cpus, struct err *err)
{
    for (struct str rest = str_of(text); rest.ptr != NULL;) {
        struct str last = str_cut(&rest, ',');
        struct str first = str_cut(&last, '-');
        uint64_t from, to;
        if (!str_to_u64(str_trim(first), UINT32_MAX, &from))
            return err_set(err, ERR_INVALID, "cpuset: '%.80s' is no list such as 0-2,4", text);
        to = from;
        if (last.ptr != NULL && !str_to_u64(str_trim(last), UINT32_MAX, &to))
            return err_set(err, ERR_INVALID, "cpuset: '%.80s' is no list such as 0-2,4", text);
        if (to < from || to >= cpus)
            return err_set(err, ERR_INVALID,
                           "cpuset: '%.80s' names processors that are not there; the machine has 0 "
                           "to %u",
                           text, cpus - 1);
    }
    return true;
}

static bool check_cpu(const struct compose_service *service, uint32_t cpus, struct err *err)
{
    const struct compose_tuning *tuning = &service->tuning;

    if (service->limits.cpus > 0 && tuning->cpu_quota_us > 0)
        return err_set(err, ERR_INVALID,
                       "cpu_quota: there is a number of cpus already; leave one of them out");
    if (tuning->cpu_period_us > 0 &&
        (tuning->cpu_period_us < CPU_PERIOD_MIN_US || tuning->cpu_period_us > CPU_PERIOD_MAX_US))
        return err_set(err, ERR_INVALID, "cpu_period: %" PRIu64 " is not from %d to %d",
                       tuning->cpu_period_us, CPU_PERIOD_MIN_US, CPU_PERIOD_MAX_US);
    if (tuning->cpu_quota_us > 0 &&
        (tuning->cpu_quota_us < CPU_PERIOD_MIN_US || tuning->cpu_quota_us > INT64_MAX))
        return err_set(err, ERR_INVALID, "cpu_quota: %" PRIu64 " is less than %d",
                       tuning->cpu_quota_us, CPU_PERIOD_MIN_US);
    if (tuning->cpu_shares > 1U << 18)
        return err_set(err, ERR_INVALID, "cpu_shares: %" PRIu64 " is above %u", tuning->cpu_shares,
                       1U << 18);
    return tuning->cpuset == NULL || tuning->cpuset[0] == '\0'
               ? true
               : check_cpuset(tuning->cpuset, cpus, err);
}

static bool add_cpu(const struct bundle *bundle, json_t *resources, struct err *err)
{
    const struct compose_service *service = bundle->spec->service;
    const struct compose_tuning *tuning = &service->tuning;
    const struct machine *machine = bundle->machine;
    int64_t period = tuning->cpu_period_us == 0 ? CPU_PERIOD_US : (int64_t)tuning->cpu_period_us;
    json_t *cpu = json_object();

    (void)json_object_set_new(resources, "cpu", cpu);
    if (!check_cpu(service, machine->cpus, err))
        return false;
    if (machine->has_cpu && tuning->cpu_shares > 0)
        set_number(cpu, "shares", (int64_t)tuning->cpu_shares);
    if (machine->has_cpu && service->limits.cpus > 0)
        set_number(cpu, "quota", MAX((int64_t)(service->limits.cpus * (double)period), 1000));
    if (machine->has_cpu && tuning->cpu_quota_us > 0)
        set_number(cpu, "quota", (int64_t)tuning->cpu_quota_us);
    if (machine->has_cpu && (json_object_get(cpu, "quota") != NULL || tuning->cpu_period_us > 0))
        set_number(cpu, "period", period);
    if (machine->has_cpuset && tuning->cpuset != NULL && tuning->cpuset[0] != '\0')
        (void)json_object_set_new(cpu, "cpus", json_from_bytes(str_of(tuning->cpuset)));
    if (json_object_size(cpu) == 0)
        (void)json_object_del(resources, "cpu");
    return true;
}

/* ---- the rest ---- */

static bool add_weight(const struct bundle *bundle, json_t *resources, struct err *err)
{
    uint32_t weight = bundle->spec->service->tuning.blkio_weight;

    if (weight == 0)
        return true;
    if (weight < 10 || weight > 1000)
        return err_set(err, ERR_INVALID, "blkio_config.weight: %u is not from 10 to 1000", weight);
    if (bundle->machine->has_blkio_weight)
        (void)json_object_set_new(resources, "blockIO",
                                  json_pack("{s:I}", "weight", (json_int_t)weight));
    return true;
}

static void add_device_rules(const struct bundle *bundle, json_t *resources)
{
    json_t *rules = json_pack("[{s:b, s:s}]", "allow", false, "access", "rwm");

    for (size_t i = 0; i < bundle->devices.count; i++) {
        const struct device *device = &bundle->devices.items[i];
        const char type[] = {device->type, '\0'};
        (void)json_array_append_new(rules,
                                    json_pack("{s:b, s:s, s:I, s:I, s:s}", "allow", true, "type",
                                              type, "major", (json_int_t)device->major, "minor",
                                              (json_int_t)device->minor, "access", device->access));
    }
    (void)json_object_set_new(resources, "devices", rules);
}

bool bundle_add_resources(const struct bundle *bundle, json_t *linux_part, struct err *err)
{
    uint32_t pids = bundle->spec->service->limits.pids;
    json_t *resources = json_object();

    (void)json_object_set_new(linux_part, "resources", resources);
    add_device_rules(bundle, resources);
    if (bundle->machine == NULL)
        return true;
    if (bundle->machine->has_pids)
        (void)json_object_set_new(
            resources, "pids",
            json_pack("{s:I}", "limit", (json_int_t)(pids == 0 ? BUNDLE_PIDS_DEFAULT : pids)));
    return add_memory(bundle, resources, err) && add_cpu(bundle, resources, err) &&
           add_weight(bundle, resources, err);
}
