/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "control/daemon_priv.h"
#include "control/meters.h"

struct named {
    uint32_t number;
    uint64_t table;      /* counter of the last table that asked for it */
    struct meter before; /* what the number had counted when it was given */
};

struct meters {
    struct meter_view view;
    uint64_t epoch;
    uint64_t table; /* being made */
    uint32_t last_number;
    struct map names;          /* struct named, owned */
    bool is_used[METER_SLOTS]; /* by number */
};

struct meters *meters_new(void)
{
    return NEW(struct meters);
}

void meters_free(struct meters *meters)
{
    struct map_entry *entry;

    if (meters == NULL)
        return;
    for (size_t i = 0; (entry = map_next(&meters->names, &i)) != NULL;)
        free(entry->value);
    map_done(&meters->names);
    meter_view_close(&meters->view);
    free(meters);
}

void meters_attach(struct daemon *daemon, int fd)
{
    struct meters *meters = daemon->meters;
    AUTO(fd_close) int owned = fd;
    struct meter_view view;
    struct map_entry *entry;
    struct err err;

    if (!meter_view_open(owned, &view, &err)) {
        log_error("daemon", "edge: %s", err.text);
        return;
    }
    meter_view_close(&meters->view);
    meters->view = view;
    meters->epoch++;
    for (size_t i = 0; (entry = map_next(&meters->names, &i)) != NULL;) {
        struct named *named = entry->value;
        meter_view_read(&meters->view, named->number, &named->before);
    }
}

uint64_t meters_epoch(const struct daemon *daemon)
{
    return daemon->meters->epoch;
}

const char *meters_release_name(struct arena *arena, const char *upstream, uint32_t release)
{
    return arena_printf(arena, "upstream %s release %u", upstream, release);
}

const char *meters_route_name(struct arena *arena, const char *system, const char *host,
                              const char *path)
{
    return arena_printf(arena, "route %s %s%s", system, host == NULL ? "*" : host, path);
}

/* Names that neither the last table nor this one asked for. */
static void forget_unused(struct meters *meters)
{
    struct map_entry *entry;

    for (size_t i = 0; (entry = map_next(&meters->names, &i)) != NULL;) {
        struct named *named = entry->value;
        if (named->table + 1 >= meters->table)
            continue;
        meters->is_used[named->number] = false;
        free(map_remove(&meters->names, str_of(entry->key)));
    }
}

static uint32_t find_free(struct meters *meters)
{
    for (uint32_t n = 0; n < METER_SLOTS - 1; n++) {
        uint32_t number = 1 + (meters->last_number + n) % (METER_SLOTS - 1);
        if (!meters->is_used[number])
            return meters->last_number = number;
    }
    return 0;
}

uint32_t meters_number(struct daemon *daemon, const char *name)
{
    struct meters *meters = daemon->meters;
    struct named *named = map_find(&meters->names, str_of(name));

    if (named == NULL) {
        if (meters->names.live >= METER_SLOTS / 2)
            forget_unused(meters);
        uint32_t number = find_free(meters);
        if (number == 0)
            return 0;
        named = NEW(struct named);
        named->number = number;
        meters->is_used[number] = true;
        meter_view_read(&meters->view, number, &named->before);
        (void)map_set(&meters->names, str_of(name), named);
    }
    named->table = meters->table;
    return named->number;
}

void meters_table_sent(struct daemon *daemon)
{
    daemon->meters->table++;
}

static bool read_named(const struct meters *meters, const struct named *named, struct meter *ret)
{
    meter_view_read(&meters->view, named->number, ret);
    meter_subtract(ret, &named->before);
    return meters->view.bytes != NULL;
}

bool meters_read(const struct daemon *daemon, const char *name, struct meter *ret)
{
    const struct named *named = map_find(&daemon->meters->names, str_of(name));

    *ret = (struct meter){0};
    return named != NULL && read_named(daemon->meters, named, ret);
}

static json_t *latency_json(const uint64_t buckets[METER_BUCKETS])
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I}", "count", (json_int_t)meter_total(buckets),
                     "p50_us", (json_int_t)meter_quantile_us(buckets, 500), "p90_us",
                     (json_int_t)meter_quantile_us(buckets, 900), "p99_us",
                     (json_int_t)meter_quantile_us(buckets, 990), "p999_us",
                     (json_int_t)meter_quantile_us(buckets, 999));
}

static json_t *meter_json(const struct meter *meter)
{
    static const char *const keys[METER_COUNTS] = {
        [METER_REQUESTS] = "requests",
        [METER_1XX] = "responses_1xx",
        [METER_2XX] = "responses_2xx",
        [METER_3XX] = "responses_3xx",
        [METER_4XX] = "responses_4xx",
        [METER_5XX] = "responses_5xx",
        [METER_ABORTED] = "client_aborts",
        [METER_CONNECT_FAILURES] = "connect_failures",
        [METER_RESPONSE_FAILURES] = "response_failures",
        [METER_RETRIES] = "retries",
        [METER_EJECTIONS] = "ejections",
        [METER_QUEUED] = "queued",
        [METER_REJECTED] = "rejected",
        [METER_BYTES_IN] = "body_bytes_in",
        [METER_BYTES_OUT] = "body_bytes_out",
        [METER_TUNNELS] = "tunnels",
        [METER_ACTIVE] = "active",
    };
    json_t *object = json_object();

    for (size_t i = 0; i < METER_COUNTS; i++)
        if (keys[i] != NULL)
            (void)json_object_set_new(object, keys[i], json_integer((json_int_t)meter->counts[i]));
    (void)json_object_set_new(object, "first_byte", latency_json(meter->first_byte));
    (void)json_object_set_new(object, "whole", latency_json(meter->whole));
    return object;
}

json_t *meters_json(const struct daemon *daemon)
{
    const struct meters *meters = daemon->meters;
    json_t *list = json_object();
    struct map_entry *entry;

    for (size_t i = 0; (entry = map_next(&meters->names, &i)) != NULL;) {
        const struct named *named = entry->value;
        struct meter meter;
        if (named->table + 1 < meters->table || !read_named(meters, named, &meter))
            continue;
        (void)json_object_set_new(list, entry->key, meter_json(&meter));
    }
    return list;
}
