/* SPDX-License-Identifier: Apache-2.0
 *
 * Which releases stay. Pure.
 */
#pragma once

#include "base/base.h"

struct retention_row {
    uint32_t number;
    bool reached;
    bool one_off; /* made by `run` */
    bool used;    /* wanted, current, or an instance is made of it */
    bool kept;    /* the answer */
};

/* Sets `kept` of <rows>, which come the newest first: what is used, the newest <count> that are no
 * one-offs, and the last reached one before <current> (0: none is current). */
void retention_choose(struct retention_row *rows, size_t row_count, uint32_t current, size_t count);
