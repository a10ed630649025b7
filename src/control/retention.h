/* SPDX-License-Identifier: Apache-2.0
 *
 * Which releases stay. Pure.
 */
#pragma once

#include "base/base.h"

struct retention_row {
    uint32_t number;
    bool reached;
    bool one_off;   /* made by `run` */
    bool alike;     /* runs what the current one runs: going back to it changes nothing */
    bool used;      /* wanted, current, or an instance is made of it */
    uint64_t bytes; /* on the disk, that no newer one has */
    bool kept;      /* the answer */
};

/* Could <row> be the one that is gone back to from <current> (0: none is current)? */
bool retention_is_former(const struct retention_row *row, uint32_t current);

/* Sets `kept` of <rows>, which come the newest first: what is used, the last reached one before
 * <current> that differs from it, and the newest <count> that are no one-offs, as far as all that
 * is kept has at most <disk_bytes> (0: no limit). */
void retention_choose(struct retention_row *rows, size_t row_count, uint32_t current, size_t count,
                      uint64_t disk_bytes);
