/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "cli/looking_format.h"
#include "cli/text_table.h"
#include "cli/text_width.h"

/* <digits> significant ones; what would round up to the next unit is written in it. */
static void format_size(uint64_t bytes, double base, const char *const *units, size_t count,
                        int digits, struct buf *ret)
{
    double value = (double)bytes, limit = base - 0.5;
    size_t unit = 0;

    while (value >= limit && unit + 1 < count) {
        value /= base;
        unit++;
    }
    if (unit == 0) {
        buf_addf(ret, "%lluB", (unsigned long long)bytes);
        return;
    }
    buf_addf(ret, "%.*g%s", value >= 999.5 ? 4 : digits, value, units[unit]);
}

void size_format_binary(uint64_t bytes, struct buf *ret)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};

    format_size(bytes, 1024, units, ARRAY_LEN(units), 4, ret);
}

void size_format_decimal(uint64_t bytes, struct buf *ret)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};

    format_size(bytes, 1000, units, ARRAY_LEN(units), 3, ret);
}

void looking_add_cell(struct text_table *table, struct arena *arena, const char *text)
{
    AUTO(buf_done) struct buf out = {0};

    text_clean(str_of(text), false, &out);
    text_table_add(table, STYLE_NONE, arena_str(arena, buf_str(&out)));
}
