/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <stdio.h>

#include "base/err.h"
#include "base/log.h"
#include "control/daemon_priv.h"
#include "control/edge_checks.h"
#include "edge/check.h"
#include "json/json.h"

enum { DAY_MS = 24 * 3600 * 1000 };

/* ---- what the edge is to ask ---- */

bool edge_checks_has(const struct instance *instance)
{
    return !instance->is_job && instance->made_of->service->x.health.present;
}

static bool is_checked(const struct instance *instance)
{
    return edge_checks_has(instance) && !instance->paused &&
           (instance->state == INSTANCE_READY || instance->state == INSTANCE_UNHEALTHY) &&
           network_address(instance) != NULL;
}

static uint32_t clamp(uint64_t number, uint32_t least, uint32_t most)
{
    return number < least ? least : (uint32_t)MIN(number, (uint64_t)most);
}

static json_t *row_new(const struct instance *instance)
{
    const struct compose_service *service = instance->made_of->service;
    char address[64];

    str_format(address, sizeof address, "%s:%u", network_address(instance),
               (unsigned)check_port(instance));
    json_t *row = json_pack(
        "{s:s, s:s, s:s?, s:s, s:[i, i], s:i, s:b}", "target", instance->id, "address", address,
        "path", service->x.health.path, "host", service->name, "status",
        (int)service->x.health.status_from, (int)service->x.health.status_to, "send_proxy",
        (int)service->x.send_proxy, "sick", (int)(instance->state == INSTANCE_UNHEALTHY));
    const struct {
        const char *key;
        uint32_t number;
    } numbers[] = {
        {"interval_ms", clamp(service->x.health.interval_ms, CHECK_INTERVAL_MIN_MS, DAY_MS)},
        {"timeout_ms", clamp(service->x.health.timeout_ms, 1, DAY_MS)},
        {"fall", clamp(service->x.health.retries, 1, CHECK_COUNT_MAX)},
        {"rise", clamp(service->x.health.rise, 1, CHECK_COUNT_MAX)},
    };
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        (void)json_object_set_new(row, numbers[i].key, json_integer(numbers[i].number));
    return row;
}

json_t *edge_checks_make(struct daemon *daemon)
{
    json_t *rows = json_array();
    struct map_entry *entry;

    for (size_t i = 0; (entry = map_next(&daemon->systems, &i)) != NULL;) {
        const struct system *system = entry->value;
        LIST_FOR_EACH (node, &system->instances) {
            const struct instance *instance = CONTAINER_OF(node, struct instance, link);
            if (is_checked(instance) && check_port(instance) != 0 &&
                json_array_size(rows) < CHECKS_MAX)
                (void)json_array_append_new(rows, row_new(instance));
        }
    }
    return rows;
}

/* ---- what it saw ---- */

static void note_failure(struct instance *instance, const json_t *event)
{
    uint64_t status = json_find_u64(event, "status", 0);
    const char *said = json_find_text(event, "detail", "");

    instance->check_failures++;
    if (status != 0)
        str_format(instance->check_detail, sizeof instance->check_detail, "answered %llu: %.300s",
                   (unsigned long long)status, said);
    else
        str_format(instance->check_detail, sizeof instance->check_detail, "%.300s", said);
}

/* The edge has taken it out or in already. One that stays out is restarted where the file wants
 * that, after as many failures as took it out. */
static void take(struct instance *instance, const json_t *event)
{
    bool sick = json_find_bool(event, "sick", false);

    if (json_find_bool(event, "ok", false)) {
        instance->check_failures = 0;
        instance->check_detail[0] = '\0';
    } else {
        note_failure(instance, event);
    }
    if (!sick)
        instance_event(instance, INSTANCE_ON_HEALTHY, NULL);
    else if (instance->state == INSTANCE_READY ||
             (instance->check_failures >= instance->made_of->service->x.health.retries &&
              restart_applies_to_unhealthy(instance)))
        instance_event(instance, INSTANCE_ON_SICK, instance->check_detail);
}

void edge_checks_take(struct daemon *daemon, const json_t *event)
{
    const char *id = json_find_text(event, "target", "");
    struct map_entry *entry;

    for (size_t i = 0; (entry = map_next(&daemon->systems, &i)) != NULL;) {
        struct instance *instance = system_find_instance(entry->value, id);
        if (instance == NULL)
            continue;
        if (is_checked(instance))
            take(instance, event);
        return;
    }
}
