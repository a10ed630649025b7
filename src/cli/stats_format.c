/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "cli/looking_format.h"
#include "cli/text_table.h"
#include "json/json.h"

enum { ID_SHOWN = 12 };

/* clang-format off */
static const struct text_table_column columns[] = {
    {.header = "CONTAINER ID", .drops = 4},
    {.header = "NAME", .shrinks = true},
    {.header = "CPU %"},
    {.header = "MEM USAGE / LIMIT"},
    {.header = "MEM %", .drops = 2},
    {.header = "NET I/O", .drops = 1},
    {.header = "BLOCK I/O", .drops = 3},
    {.header = "PIDS"},
};
/* clang-format on */

/* The texts of one row. */
struct stats_row {
    struct buf cpu, memory, memory_percent, network, disk, pids;
};

static void row_done(struct stats_row *row)
{
    struct buf *all[] = {&row->cpu,     &row->memory, &row->memory_percent,
                         &row->network, &row->disk,   &row->pids};

    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        buf_done(all[i]);
}
AUTO_VALUE(struct stats_row, row_done)

static const json_t *find_before(const json_t *before, const char *id)
{
    size_t i;
    const json_t *one;

    json_array_foreach(json_object_get(before, "instances"), i, one)
    {
        if (strcmp(json_find_text(one, "id", ""), id) == 0)
            return one;
    }
    return NULL;
}

/* Of one processor: two busy ones are 200. */
static double cpu_percent(const struct stats_view *view, const json_t *instance)
{
    const json_t *before = find_before(view->before, json_find_text(instance, "id", ""));
    uint64_t now_ns = json_find_u64(view->now, "time_ns", 0);
    uint64_t then_ns = json_find_u64(view->before, "time_ns", 0);
    uint64_t used_ns = json_find_u64(instance, "cpu_ns", 0);
    uint64_t used_then_ns = json_find_u64(before, "cpu_ns", UINT64_MAX);

    if (before == NULL || now_ns <= then_ns || used_ns < used_then_ns)
        return 0;
    return (double)(used_ns - used_then_ns) * 100 / (double)(now_ns - then_ns);
}

static bool is_running(const json_t *instance)
{
    return json_object_get(instance, "pids") != NULL;
}

static void fill_memory(const struct stats_view *view, const json_t *instance,
                        struct stats_row *row)
{
    uint64_t used = json_find_u64(instance, "memory_bytes", 0);
    uint64_t limit = json_find_u64(instance, "memory_limit_bytes", 0);
    uint64_t machine = json_find_u64(view->now, "machine_memory_bytes", 0);

    if (limit == 0 || (machine > 0 && limit > machine))
        limit = machine;
    size_format_binary(used, &row->memory);
    buf_add_text(&row->memory, " / ");
    size_format_binary(limit, &row->memory);
    buf_addf(&row->memory_percent, "%.2f%%", limit == 0 ? 0 : (double)used * 100 / (double)limit);
}

static void fill_pair(const json_t *instance, const char *first, const char *second,
                      struct buf *ret)
{
    size_format_decimal(json_find_u64(instance, first, 0), ret);
    buf_add_text(ret, " / ");
    size_format_decimal(json_find_u64(instance, second, 0), ret);
}

static void fill_row(const struct stats_view *view, const json_t *instance, struct stats_row *row)
{
    if (!is_running(instance)) {
        buf_add_text(&row->cpu, "--");
        buf_add_text(&row->memory, "-- / --");
        buf_add_text(&row->memory_percent, "--");
        buf_add_text(&row->network, "--");
        buf_add_text(&row->disk, "--");
        buf_add_text(&row->pids, "--");
        return;
    }
    buf_addf(&row->cpu, "%.2f%%", cpu_percent(view, instance));
    fill_memory(view, instance, row);
    fill_pair(instance, "received_bytes", "sent_bytes", &row->network);
    fill_pair(instance, "read_bytes", "written_bytes", &row->disk);
    buf_addf(&row->pids, "%llu", (unsigned long long)json_find_u64(instance, "pids", 0));
}

/* The end of an id is what tells two instances of a name apart. */
static const char *shown_id(const struct stats_view *view, const char *id)
{
    size_t len = strlen(id);

    return view->whole || len <= ID_SHOWN ? id : id + len - ID_SHOWN;
}

void stats_format_table(const struct stats_view *view, const struct term *term, struct arena *arena,
                        struct buf *ret)
{
    AUTO(text_table_done) struct text_table table = {0};
    size_t i;
    const json_t *instance;

    text_table_init(&table, columns, ARRAY_LEN(columns));
    json_array_foreach(json_object_get(view->now, "instances"), i, instance)
    {
        AUTO(row_done) struct stats_row row = {0};
        if (!view->all && !is_running(instance))
            continue;
        fill_row(view, instance, &row);
        looking_add_cell(&table, arena, shown_id(view, json_find_text(instance, "id", "?")));
        looking_add_cell(&table, arena, json_find_text(instance, "name", "?"));
        const struct buf *rest[] = {&row.cpu,     &row.memory, &row.memory_percent,
                                    &row.network, &row.disk,   &row.pids};
        for (size_t k = 0; k < ARRAY_LEN(rest); k++)
            looking_add_cell(&table, arena, buf_text(rest[k]));
    }
    text_table_format(&table, term, ret);
}

void stats_format_lines(const struct stats_view *view, struct buf *ret)
{
    size_t i;
    const json_t *instance;

    json_array_foreach(json_object_get(view->now, "instances"), i, instance)
    {
        AUTO(row_done) struct stats_row row = {0};
        const char *id = json_find_text(instance, "id", "");
        if (!view->all && !is_running(instance))
            continue;
        fill_row(view, instance, &row);
        AUTO(json_unref)
        json_t *object =
            json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "BlockIO",
                      buf_text(&row.disk), "CPUPerc", buf_text(&row.cpu), "Container", id, "ID",
                      shown_id(view, id), "MemPerc", buf_text(&row.memory_percent), "MemUsage",
                      buf_text(&row.memory), "Name", json_find_text(instance, "name", ""), "NetIO",
                      buf_text(&row.network), "PIDs", buf_text(&row.pids));
        json_format(object, false, ret);
        buf_add_char(ret, '\n');
    }
}
