/* SPDX-License-Identifier: Apache-2.0
 *
 * What the commands that look at a system print, from the daemon's answers
 * (docs/api.md): columns, units and JSON keys of Docker Compose. Texts in the
 * answers are foreign: they are made safe for a terminal.
 */
#pragma once

#include <jansson.h>

#include "base/arena.h"
#include "base/buf.h"
#include "cli/term.h"

struct text_table;

/* "12.5MiB", "900B": four digits, powers of 1024. */
void size_format_binary(uint64_t bytes, struct buf *ret);
/* "1.45kB", "900B": three digits, powers of 1000. */
void size_format_decimal(uint64_t bytes, struct buf *ret);
/* Adds <text> without escape sequences as the next cell. */
void looking_add_cell(struct text_table *table, struct arena *arena, const char *text);

/* stats_format.c. <before> is the answer a while ago, from which CPU % is reckoned; NULL: none.
 * <all>: instances that do not run get a row too. <whole>: ids are not cut. */
struct stats_view {
    const json_t *before;
    const json_t *now;
    bool all;
    bool whole;
};
void stats_format_table(const struct stats_view *view, const struct term *term, struct arena *arena,
                        struct buf *ret);
/* One JSON object an instance and line. */
void stats_format_lines(const struct stats_view *view, struct buf *ret);

/* edge_format.c. What the edge has counted, from the answer of GET /v1/edge; without <all> only
 * what is not 0. */
struct edge_view {
    const json_t *answer;
    bool all;
};
void edge_format_table(const struct edge_view *view, const struct term *term, struct arena *arena,
                       struct buf *ret);

/* top_format.c. Nothing when no process runs. */
void top_format_table(const json_t *top, const struct term *term, int64_t now_ms,
                      struct arena *arena, struct buf *ret);

/* image_format.c. <tree_bytes> tells how large a built tree is. */
struct images_view {
    const char *system;
    const json_t *images; /* the answer */
    uint64_t (*tree_bytes)(const char *tree);
    int64_t now_ms;
};
void images_format_table(const struct images_view *view, const struct term *term,
                         struct arena *arena, struct buf *ret);
void images_format_json(const struct images_view *view, struct arena *arena, struct buf *ret);
/* Each once, one a line. */
void images_format_ids(const struct images_view *view, struct arena *arena, struct buf *ret);

/* volume_format.c */
void volumes_format_table(const json_t *volumes, const struct term *term, struct arena *arena,
                          struct buf *ret);
/* One JSON object a volume and line. */
void volumes_format_lines(const json_t *volumes, struct buf *ret);

/* event_format.c. Nothing for a line that is not about an instance. */
void event_format_text(const json_t *event, struct buf *ret);
void event_format_json(const json_t *event, struct buf *ret);
