/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "control/retention.h"

bool retention_is_former(const struct retention_row *row, uint32_t current)
{
    return !row->one_off && !row->alike && row->reached && (current == 0 || row->number < current);
}

/* What stays in any case. Returns its bytes. */
static uint64_t keep_needed(struct retention_row *rows, size_t row_count, uint32_t current)
{
    bool has_former = false;
    uint64_t total = 0;

    for (size_t i = 0; i < row_count; i++) {
        struct retention_row *row = &rows[i];
        bool is_former = !has_former && retention_is_former(row, current);
        has_former |= is_former;
        row->kept = row->used || is_former;
        total += row->kept ? row->bytes : 0;
    }
    return total;
}

void retention_choose(struct retention_row *rows, size_t row_count, uint32_t current, size_t count,
                      uint64_t disk_bytes)
{
    uint64_t total = keep_needed(rows, row_count, current);
    size_t counted = 0;

    for (size_t i = 0; i < row_count && counted < count; i++) {
        struct retention_row *row = &rows[i];
        if (row->one_off)
            continue;
        counted++;
        if (row->kept)
            continue;
        if (disk_bytes > 0 && total + row->bytes > disk_bytes)
            return; /* from the first without room on, older ones have none either */
        row->kept = true;
        total += row->bytes;
    }
}
