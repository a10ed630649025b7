/* SPDX-License-Identifier: Apache-2.0
 *
 * What `ps` prints, from the daemon's answer about a system (docs/api.md).
 */
#pragma once

#include <jansson.h>

#include "base/arena.h"
#include "base/buf.h"
#include "cli/term.h"

/* One line an instance, then the addresses. <with_edge>: services that the edge stands in for get a
 * line too. */
void ps_format_table(const json_t *system, const struct term *term, int64_t now_ms, bool with_edge,
                     struct arena *arena, struct buf *ret);

/* One JSON object an instance and line, with the keys of Docker Compose. <config> is the resolved
 * project, for labels, networks and mounts; NULL: they are empty. */
void ps_format_lines(const json_t *system, const json_t *config, int64_t now_ms, struct buf *ret);

/* Docker's word for the state of an instance: "created", "running", "paused", "restarting" or
 * "exited". */
const char *ps_format_state(const json_t *instance);

/* "43 s", "12 m", "3 h 05 m", "4 d 2 h": how long ago, for a person. */
void ps_format_age(uint64_t ms, struct buf *ret);
/* "812 KiB", "63.5 MiB". */
void ps_format_bytes(uint64_t bytes, struct buf *ret);
