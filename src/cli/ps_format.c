/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/clock.h"
#include "cli/progress.h"
#include "cli/ps_format.h"
#include "cli/text_table.h"
#include "cli/text_width.h"
#include "json/json.h"

/* clang-format off */
static const struct text_table_column columns[] = {
    {.header = "NAME", .shrinks = true, .drops = 2}, /* the service says nearly the same */
    {.header = "SERVICE", .shrinks = true},
    {.header = "STATE"},
    {.header = "UPTIME", .optional = true, .drops = 1},
    {.header = "RESTARTS", .right = true, .optional = true},
    {.header = "CPU TIME", .right = true, .optional = true, .drops = 4},
    {.header = "MEMORY", .right = true, .optional = true, .drops = 3},
    {.header = "PORTS", .optional = true, .shrinks = true},
};
/* clang-format on */

struct rows {
    const json_t *system;
    struct arena *arena;
    int64_t now_ms;
    struct text_table table;
};

static int64_t find_i64(const json_t *object, const char *key)
{
    return (int64_t)json_integer_value(json_object_get(object, key));
}

void ps_format_age(uint64_t ms, struct buf *ret)
{
    unsigned long long seconds = ms / 1000, minutes = seconds / 60, hours = minutes / 60;

    if (seconds < 60)
        buf_addf(ret, "%llu s", seconds);
    else if (minutes < 60)
        buf_addf(ret, "%llu m", minutes);
    else if (hours < 24)
        buf_addf(ret, "%llu h %02llu m", hours, minutes % 60);
    else
        buf_addf(ret, "%llu d %llu h", hours / 24, hours % 24);
}

void ps_format_bytes(uint64_t bytes, struct buf *ret)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;
    uint64_t tenths = bytes > UINT64_MAX / 10 ? UINT64_MAX : bytes * 10;

    while (tenths >= 10240 && unit + 1 < ARRAY_LEN(units)) {
        tenths /= 1024;
        unit++;
    }
    if (unit < 2 || tenths >= 1000)
        buf_addf(ret, "%llu %s", (unsigned long long)(tenths / 10), units[unit]);
    else
        buf_addf(ret, "%llu.%llu %s", (unsigned long long)(tenths / 10),
                 (unsigned long long)(tenths % 10), units[unit]);
}

/* Foreign text made safe for a terminal, in the arena. */
static const char *clean(struct rows *rows, const char *text)
{
    AUTO(buf_done) struct buf out = {0};

    text_clean(str_of(text), false, &out);
    return arena_str(rows->arena, buf_str(&out));
}

static const json_t *find_service(const json_t *system, const char *name)
{
    size_t i;
    const json_t *service;

    json_array_foreach(json_object_get(system, "services"), i,
                       service) if (strcmp(json_find_text(service, "name", ""), name) ==
                                    0) return service;
    return NULL;
}

static const char *ports_text(struct rows *rows, const json_t *service)
{
    AUTO(buf_done) struct buf out = {0};
    size_t i;
    const json_t *port;

    json_array_foreach(json_object_get(service, "ports"), i, port)
    {
        const char *protocol = json_find_text(port, "protocol", "tcp");
        const char *address = json_find_text(port, "host_ip", "");
        bool is_v6 = strchr(address, ':') != NULL;
        buf_add_text(&out, i == 0 ? "" : ", ");
        if (address[0] != '\0')
            buf_addf(&out, is_v6 ? "[%s]:" : "%s:", address);
        buf_addf(&out, "%llu->%llu/%s", (unsigned long long)json_find_u64(port, "published", 0),
                 (unsigned long long)json_find_u64(port, "target", 0),
                 json_find_text(port, "kind", protocol));
    }
    return clean(rows, buf_text(&out));
}

/* Docker knows fewer states. One that was stopped before it ever ran is still "created". */
const char *ps_format_state(const json_t *instance)
{
    static const char *const pairs[][2] = {{"pending", "created"},
                                           {"exited", "exited"},
                                           {"backoff", "restarting"},
                                           {"paused", "paused"}};
    const char *state = json_find_text(instance, "state", "");
    bool never_ran =
        json_object_get(instance, "started_ms") != NULL && find_i64(instance, "started_ms") == 0;

    if (strcmp(state, "exited") == 0 && never_ran)
        return "created";
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++)
        if (strcmp(pairs[i][0], state) == 0)
            return pairs[i][1];
    return "running";
}

static enum style state_style(const char *state, const char *health, uint64_t exit_status)
{
    static const struct {
        const char *state;
        enum style style;
    } styles[] = {
        {"ready", STYLE_GREEN},     {"unhealthy", STYLE_RED},   {"backoff", STYLE_RED},
        {"starting", STYLE_YELLOW}, {"warming", STYLE_YELLOW},  {"pending", STYLE_YELLOW},
        {"draining", STYLE_YELLOW}, {"stopping", STYLE_YELLOW}, {"paused", STYLE_YELLOW},
    };

    if (strcmp(health, "unhealthy") == 0)
        return STYLE_RED;
    if (strcmp(state, "exited") == 0)
        return exit_status == 0 ? STYLE_DIM : STYLE_RED;
    for (size_t i = 0; i < ARRAY_LEN(styles); i++)
        if (strcmp(styles[i].state, state) == 0)
            return styles[i].style;
    return STYLE_NONE;
}

static void add_state(struct rows *rows, const json_t *instance)
{
    const char *state = json_find_text(instance, "state", "?");
    const char *health = json_find_text(instance, "health", "none");
    uint64_t exit_status = json_find_u64(instance, "exit_status", 0);
    const char *text = state;

    if (strcmp(ps_format_state(instance), "created") == 0)
        text = "created";
    else if (strcmp(state, "exited") == 0 || strcmp(state, "backoff") == 0)
        text = arena_printf(rows->arena, "%s (%llu)", state, (unsigned long long)exit_status);
    else if (strcmp(state, "paused") != 0 && strcmp(health, "none") != 0 &&
             strcmp(health, state) != 0)
        text = arena_printf(rows->arena, "%s (%s)", state, health);
    text_table_add(&rows->table, state_style(state, health, exit_status), clean(rows, text));
}

static void add_uptime(struct rows *rows, const json_t *instance)
{
    AUTO(buf_done) struct buf out = {0};
    int64_t started_ms = find_i64(instance, "started_ms");
    const char *state = json_find_text(instance, "state", "");

    if (started_ms > 0 && strcmp(state, "exited") != 0 && strcmp(state, "backoff") != 0 &&
        strcmp(state, "pending") != 0)
        ps_format_age(rows->now_ms > started_ms ? (uint64_t)(rows->now_ms - started_ms) : 0, &out);
    text_table_add(&rows->table, STYLE_NONE, arena_str(rows->arena, buf_str(&out)));
}

static void add_usage(struct rows *rows, const json_t *instance)
{
    AUTO(buf_done) struct buf cpu = {0};
    AUTO(buf_done) struct buf memory = {0};
    uint64_t cpu_ns = json_find_u64(instance, "cpu_ns", 0);
    uint64_t bytes = json_find_u64(instance, "memory_bytes", 0);

    if (cpu_ns > 0)
        progress_format_seconds(cpu_ns / NS_PER_MS, &cpu);
    if (bytes > 0)
        ps_format_bytes(bytes, &memory);
    text_table_add(&rows->table, STYLE_NONE, arena_str(rows->arena, buf_str(&cpu)));
    text_table_add(&rows->table, STYLE_NONE, arena_str(rows->arena, buf_str(&memory)));
}

static void add_instance(struct rows *rows, const json_t *instance)
{
    const char *service = json_find_text(instance, "service", "?");
    uint64_t restarts = json_find_u64(instance, "restarts", 0);

    text_table_add(&rows->table, STYLE_NONE, clean(rows, json_find_text(instance, "name", "?")));
    text_table_add(&rows->table, STYLE_NONE, clean(rows, service));
    add_state(rows, instance);
    add_uptime(rows, instance);
    text_table_add(&rows->table, STYLE_YELLOW,
                   restarts == 0 ? ""
                                 : arena_printf(rows->arena, "%llu", (unsigned long long)restarts));
    add_usage(rows, instance);
    text_table_add(&rows->table, STYLE_NONE, ports_text(rows, find_service(rows->system, service)));
}

/* A service that the edge stands in for has no instance, but ports. */
static void add_edge_services(struct rows *rows)
{
    size_t i;
    const json_t *service;

    json_array_foreach(json_object_get(rows->system, "services"), i, service)
    {
        if (json_find_text(service, "provided_by", NULL) == NULL)
            continue;
        text_table_add(&rows->table, STYLE_DIM, "(edge)");
        text_table_add(&rows->table, STYLE_NONE, clean(rows, json_find_text(service, "name", "?")));
        text_table_add(&rows->table, STYLE_GREEN, "ready");
        for (size_t k = 0; k < 4; k++)
            text_table_add(&rows->table, STYLE_NONE, "");
        text_table_add(&rows->table, STYLE_NONE, ports_text(rows, service));
    }
}

static void add_footer(struct rows *rows, const struct term *term, struct buf *ret)
{
    const char *operation = json_find_text(rows->system, "operation", NULL);
    size_t i;
    const json_t *address;

    if (operation != NULL)
        buf_addf(ret, "\n'%s' is under way\n", clean(rows, operation));
    if (json_array_size(json_object_get(rows->system, "addresses")) > 0)
        buf_add_char(ret, '\n');
    json_array_foreach(json_object_get(rows->system, "addresses"), i, address)
    {
        if (!json_is_string(address))
            continue;
        term_style(term, STYLE_CYAN, str_of(clean(rows, json_string_value(address))), ret);
        buf_add_char(ret, '\n');
    }
}

void ps_format_table(const json_t *system, const struct term *term, int64_t now_ms, bool with_edge,
                     struct arena *arena, struct buf *ret)
{
    struct rows rows = {.system = system, .arena = arena, .now_ms = now_ms};
    size_t i;
    const json_t *instance;

    text_table_init(&rows.table, columns, ARRAY_LEN(columns));
    if (with_edge)
        add_edge_services(&rows);
    json_array_foreach(json_object_get(system, "instances"), i, instance)
        add_instance(&rows, instance);
    text_table_format(&rows.table, term, ret);
    add_footer(&rows, term, ret);
    text_table_done(&rows.table);
}
