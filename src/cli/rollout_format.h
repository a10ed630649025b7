/* SPDX-License-Identifier: Apache-2.0
 *
 * A rollout in words: from the lines of a stream and from GET .../rollout, which
 * have their members in common (docs/api.md). Takes the time from the caller.
 */
#pragma once

#include <jansson.h>

#include "base/base.h"
#include "base/buf.h"
#include "cli/term.h"

/* "release 12 -> 13  watching  step 1 of 3, 5 % at release 13, 42 s left: why", without a line
 * feed. */
void rollout_format_line(const json_t *rollout, int64_t wall_ms, const struct term *term,
                         struct buf *ret);

/* A line for each release that has figures: "release 12  1204 requests  0.1 % errors  p99 12 ms".
 */
void rollout_format_figures(const json_t *rollout, const char *indent, struct buf *ret);

/* "5 %", "0.25 %" for a share of 10000. */
void rollout_format_share(uint64_t share, struct buf *ret);
