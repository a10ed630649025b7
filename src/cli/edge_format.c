/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "cli/looking_format.h"
#include "cli/text_table.h"
#include "json/json.h"

/* clang-format off */
static const struct text_table_column meter_columns[] = {
    {.header = "ROUTE OR RELEASE", .shrinks = true},
    {.header = "REQUESTS", .right = true},
    {.header = "2XX", .right = true, .drops = 4},
    {.header = "4XX", .right = true},
    {.header = "5XX", .right = true},
    {.header = "FAILED", .right = true, .drops = 1},
    {.header = "ACTIVE", .right = true, .drops = 3},
    {.header = "P50", .right = true, .drops = 2},
    {.header = "P99", .right = true},
};
static const struct text_table_column total_columns[] = {
    {.header = "COUNTER", .shrinks = true},
    {.header = "COUNT", .right = true},
};
/* clang-format on */

static const char *count_text(uint64_t count, struct arena *arena)
{
    return arena_printf(arena, "%llu", (unsigned long long)count);
}

static const char *time_text(const json_t *times, const char *key, struct arena *arena)
{
    uint64_t us = json_find_u64(times, key, 0);

    if (json_find_u64(times, "count", 0) == 0)
        return "-";
    return us < 10000 ? arena_printf(arena, "%.1f ms", (double)us / 1000)
                      : arena_printf(arena, "%llu ms", (unsigned long long)us / 1000);
}

static void add_meter(struct text_table *table, const char *name, const json_t *meter,
                      struct arena *arena)
{
    static const char *const counts[] = {"requests", "responses_2xx", "responses_4xx",
                                         "responses_5xx"};
    const json_t *times = json_object_get(meter, "first_byte");
    uint64_t failed =
        json_find_u64(meter, "connect_failures", 0) + json_find_u64(meter, "response_failures", 0);

    looking_add_cell(table, arena, name);
    for (size_t i = 0; i < ARRAY_LEN(counts); i++)
        looking_add_cell(table, arena, count_text(json_find_u64(meter, counts[i], 0), arena));
    looking_add_cell(table, arena, count_text(failed, arena));
    looking_add_cell(table, arena, count_text(json_find_u64(meter, "active", 0), arena));
    looking_add_cell(table, arena, time_text(times, "p50_us", arena));
    looking_add_cell(table, arena, time_text(times, "p99_us", arena));
}

static void format_meters(const struct edge_view *view, const struct term *term,
                          struct arena *arena, struct buf *ret)
{
    AUTO(text_table_done) struct text_table table = {0};
    const char *name;
    json_t *meter;

    text_table_init(&table, meter_columns, ARRAY_LEN(meter_columns));
    json_object_foreach(json_object_get(view->answer, "meters"), name, meter)
    {
        if (view->all || json_find_u64(meter, "requests", 0) > 0)
            add_meter(&table, name, meter, arena);
    }
    if (text_table_rows(&table) > 0) {
        text_table_format(&table, term, ret);
        buf_add_char(ret, '\n');
    }
}

void edge_format_table(const struct edge_view *view, const struct term *term, struct arena *arena,
                       struct buf *ret)
{
    AUTO(text_table_done) struct text_table table = {0};
    json_t *totals = json_object_get(view->answer, "totals");
    const char *name;
    json_t *count;

    format_meters(view, term, arena, ret);
    if (!json_is_object(totals)) {
        buf_add_text(ret, "no edge answered: what it has counted as a whole is not known\n");
        return;
    }
    text_table_init(&table, total_columns, ARRAY_LEN(total_columns));
    json_object_foreach(totals, name, count)
    {
        if (!json_is_integer(count) || (!view->all && json_integer_value(count) == 0))
            continue;
        looking_add_cell(&table, arena, name);
        looking_add_cell(&table, arena, count_text((uint64_t)json_integer_value(count), arena));
    }
    text_table_format(&table, term, ret);
}
