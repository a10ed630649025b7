/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "control/retention.h"

void retention_choose(struct retention_row *rows, size_t row_count, uint32_t current, size_t count)
{
    bool has_former = false;
    size_t counted = 0;

    for (size_t i = 0; i < row_count; i++) {
        struct retention_row *row = &rows[i];
        row->kept = row->used;
        if (row->one_off)
            continue;
        bool is_former = row->reached && !has_former && (current == 0 || row->number < current);
        has_former |= is_former;
        row->kept |= counted++ < count || is_former;
    }
}
