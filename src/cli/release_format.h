/* SPDX-License-Identifier: Apache-2.0
 *
 * What is printed of releases and of the history, from the daemon's answers
 * (docs/api.md). Texts in the answers are foreign: they are made safe for a
 * terminal.
 */
#pragma once

#include <jansson.h>

#include "base/arena.h"
#include "base/buf.h"
#include "cli/term.h"

/* "3 minutes ago" */
void release_format_age(int64_t ms, struct buf *ret);
/* "backend, +worker, -old": replaced, added, removed. */
void release_format_changed(const json_t *changed, struct buf *ret);
void releases_format_table(const json_t *answer, const struct term *term, int64_t now_ms,
                           struct arena *arena, struct buf *ret);
/* Lines that start with '#': who made it, when, from what. */
void release_format_head(const json_t *release, int64_t now_ms, struct buf *ret);
/* A unified diff of the files, then what differs and is in none of them. */
void release_format_diff(const json_t *answer, struct buf *ret);
void history_format_table(const json_t *answer, const struct term *term, struct arena *arena,
                          struct buf *ret);
