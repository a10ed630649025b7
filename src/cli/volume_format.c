/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "cli/looking_format.h"
#include "cli/text_table.h"
#include "json/json.h"

static const struct text_table_column columns[] = {
    {.header = "DRIVER"},
    {.header = "VOLUME NAME", .shrinks = true},
};

void volumes_format_table(const json_t *volumes, const struct term *term, struct arena *arena,
                          struct buf *ret)
{
    AUTO(text_table_done) struct text_table table = {0};
    size_t i;
    const json_t *row;

    text_table_init(&table, columns, ARRAY_LEN(columns));
    json_array_foreach(json_object_get(volumes, "volumes"), i, row)
    {
        looking_add_cell(&table, arena, json_find_text(row, "driver", "?"));
        looking_add_cell(&table, arena, json_find_text(row, "name", "?"));
    }
    text_table_format(&table, term, ret);
}

void volumes_format_lines(const json_t *volumes, struct buf *ret)
{
    size_t i;
    const json_t *row;

    json_array_foreach(json_object_get(volumes, "volumes"), i, row)
    {
        AUTO(json_unref)
        json_t *object = json_pack(
            "{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "Availability", "N/A", "Driver",
            json_find_text(row, "driver", ""), "Group", "N/A", "Labels", "", "Links", "N/A",
            "Mountpoint", json_find_text(row, "path", ""), "Name", json_find_text(row, "name", ""),
            "Scope", "local", "Size", "N/A", "Status", "N/A");
        json_format(object, false, ret);
        buf_add_char(ret, '\n');
    }
}
