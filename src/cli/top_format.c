/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <time.h>

#include "cli/looking_format.h"
#include "cli/text_table.h"
#include "json/json.h"

/* clang-format off */
static const struct text_table_column columns[] = {
    {.header = "SERVICE", .shrinks = true},
    {.header = "#"},
    {.header = "UID"},
    {.header = "PID"},
    {.header = "PPID", .drops = 2},
    {.header = "C", .drops = 4},
    {.header = "STIME", .drops = 1},
    {.header = "TTY", .drops = 3},
    {.header = "TIME"},
    {.header = "CMD", .shrinks = true},
};
/* clang-format on */

/* As ps does: the time of today, the day of this year, else the year. */
static void format_start(int64_t started_ms, int64_t now_ms, struct buf *ret)
{
    time_t started = (time_t)(started_ms / 1000), now = (time_t)(now_ms / 1000);
    struct tm then = {0}, today = {0};
    char text[16] = "?";

    if (localtime_r(&started, &then) == NULL || localtime_r(&now, &today) == NULL) {
        buf_add_text(ret, text);
        return;
    }
    bool this_year = then.tm_year == today.tm_year;
    if (this_year && then.tm_yday == today.tm_yday)
        (void)strftime(text, sizeof text, "%H:%M", &then);
    else if (this_year)
        (void)strftime(text, sizeof text, "%b%d", &then);
    else
        (void)strftime(text, sizeof text, "%Y", &then);
    buf_add_text(ret, text);
}

/* "00:01:07", with days before it: "2-03:00:00". */
static void format_cpu_time(uint64_t ms, struct buf *ret)
{
    unsigned long long seconds = ms / 1000;

    if (seconds >= 86400)
        buf_addf(ret, "%llu-", seconds / 86400);
    buf_addf(ret, "%02llu:%02llu:%02llu", seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
}

static void add_number(struct text_table *table, struct arena *arena, uint64_t number)
{
    text_table_add(table, STYLE_NONE, arena_printf(arena, "%llu", (unsigned long long)number));
}

static void add_process(struct text_table *table, struct arena *arena, const json_t *instance,
                        const json_t *process, int64_t now_ms)
{
    AUTO(buf_done) struct buf start = {0};
    AUTO(buf_done) struct buf cpu = {0};
    int64_t started_ms = (int64_t)json_find_u64(process, "started_ms", 0);
    uint64_t cpu_ms = json_find_u64(process, "cpu_ms", 0);
    uint64_t life_ms = now_ms > started_ms ? (uint64_t)(now_ms - started_ms) : 0;

    format_start(started_ms, now_ms, &start);
    format_cpu_time(cpu_ms, &cpu);
    looking_add_cell(table, arena, json_find_text(instance, "service", "?"));
    add_number(table, arena, json_find_u64(instance, "number", 0));
    add_number(table, arena, json_find_u64(process, "uid", 0));
    add_number(table, arena, json_find_u64(process, "pid", 0));
    add_number(table, arena, json_find_u64(process, "ppid", 0));
    add_number(table, arena, life_ms == 0 ? 0 : cpu_ms * 100 / life_ms);
    looking_add_cell(table, arena, buf_text(&start));
    looking_add_cell(table, arena, json_find_text(process, "tty", "?"));
    looking_add_cell(table, arena, buf_text(&cpu));
    looking_add_cell(table, arena, json_find_text(process, "command", "?"));
}

void top_format_table(const json_t *top, const struct term *term, int64_t now_ms,
                      struct arena *arena, struct buf *ret)
{
    AUTO(text_table_done) struct text_table table = {0};
    size_t i, k;
    const json_t *instance, *process;

    text_table_init(&table, columns, ARRAY_LEN(columns));
    json_array_foreach(json_object_get(top, "instances"), i, instance)
    {
        json_array_foreach(json_object_get(instance, "processes"), k, process)
            add_process(&table, arena, instance, process, now_ms);
    }
    if (text_table_rows(&table) > 0)
        text_table_format(&table, term, ret);
}
