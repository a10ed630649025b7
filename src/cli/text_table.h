/* SPDX-License-Identifier: Apache-2.0
 *
 * Aligned columns that fit the terminal: columns with nothing in them are left
 * out, unimportant ones go when room is short, then the long ones are cut.
 */
#pragma once

#include "base/arena.h"
#include "base/base.h"
#include "base/buf.h"
#include "base/vec.h"
#include "cli/term.h"

enum { TEXT_TABLE_COLUMNS_MAX = 16 };

struct text_table_column {
    const char *header;
    bool right;
    bool optional;  /* left out when every cell is empty */
    bool shrinks;   /* may be cut */
    unsigned drops; /* when room is short the highest goes first; 0: stays */
};

struct text_table_cell {
    struct str text;
    enum style style;
};

struct text_table {
    const struct text_table_column *columns;
    size_t column_count;
    VEC(struct text_table_cell) cells; /* row by row */
};

/* <columns> are the caller's and stay. */
void text_table_init(struct text_table *table, const struct text_table_column *columns,
                     size_t count);
void text_table_done(struct text_table *table);
AUTO_VALUE(struct text_table, text_table_done)

/* The cells of a row are added one by one, left to right; texts stay the caller's. */
void text_table_add(struct text_table *table, enum style style, const char *text);
size_t text_table_rows(const struct text_table *table);

void text_table_format(const struct text_table *table, const struct term *term, struct buf *ret);
