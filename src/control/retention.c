/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "control/retention.h"

void retention_choose(struct retention_row *rows, size_t row_count, uint32_t current, size_t count,
                      uint64_t disk_bytes)
{
    bool has_former = false, is_full = false;
    size_t counted = 0;
    uint64_t total = 0;

    for (size_t i = 0; i < row_count; i++) {
        struct retention_row *row = &rows[i];
        row->kept = row->used;
        if (row->one_off) {
            total += row->kept ? row->bytes : 0;
            continue;
        }
        bool is_former = row->reached && !has_former && (current == 0 || row->number < current);
        has_former |= is_former;
        row->kept |= is_former;
        /* From the first that has no room on, older ones have none either. */
        is_full |= disk_bytes > 0 && total + row->bytes > disk_bytes;
        row->kept |= counted++ < count && !is_full;
        total += row->kept ? row->bytes : 0;
    }
}
