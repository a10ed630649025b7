/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "cli/text_table.h"
#include "cli/text_width.h"

enum { GAP = 2, SHRUNK_MIN = 8 };

/* 0: the column is not shown. */
struct layout {
    size_t widths[TEXT_TABLE_COLUMNS_MAX];
};

void text_table_init(struct text_table *table, const struct text_table_column *columns,
                     size_t count)
{
    assert(count > 0 && count <= TEXT_TABLE_COLUMNS_MAX);
    *table = (struct text_table){.columns = columns, .column_count = count};
}

void text_table_done(struct text_table *table)
{
    VEC_DONE(&table->cells);
}

void text_table_add(struct text_table *table, enum style style, const char *text)
{
    VEC_PUSH(&table->cells, (struct text_table_cell){str_of(text), style});
}

size_t text_table_rows(const struct text_table *table)
{
    return table->cells.len / table->column_count;
}

static void measure(const struct text_table *table, struct layout *layout)
{
    for (size_t c = 0; c < table->column_count; c++) {
        size_t widest = 0;

        for (size_t i = c; i < table->cells.len; i += table->column_count)
            widest = MAX(widest, text_width(table->cells.ptr[i].text));
        if (widest > 0 || !table->columns[c].optional)
            widest = MAX(widest, text_width(str_of(table->columns[c].header)));
        layout->widths[c] = widest;
    }
}

static size_t total_width(const struct text_table *table, const struct layout *layout)
{
    size_t total = 0;

    for (size_t c = 0; c < table->column_count; c++)
        if (layout->widths[c] > 0)
            total += layout->widths[c] + (total > 0 ? GAP : 0);
    return total;
}

/* False when no column is left that may go. */
static bool drop_column(const struct text_table *table, struct layout *layout)
{
    size_t found = table->column_count;
    unsigned highest = 0;

    for (size_t c = 0; c < table->column_count; c++) {
        if (layout->widths[c] > 0 && table->columns[c].drops > highest) {
            highest = table->columns[c].drops;
            found = c;
        }
    }
    if (found == table->column_count)
        return false;
    layout->widths[found] = 0;
    return true;
}

/* Takes <excess> columns from the widest cells that may be cut, one at a time. */
static void shrink(const struct text_table *table, struct layout *layout, size_t excess)
{
    while (excess-- > 0) {
        size_t widest = table->column_count;

        for (size_t c = 0; c < table->column_count; c++)
            if (table->columns[c].shrinks && layout->widths[c] > SHRUNK_MIN &&
                (widest == table->column_count || layout->widths[c] > layout->widths[widest]))
                widest = c;
        if (widest == table->column_count)
            return;
        layout->widths[widest]--;
    }
}

static void add_cell(const struct term *term, const struct text_table_column *column, size_t width,
                     const struct text_table_cell *cell, struct buf *line)
{
    AUTO(buf_done) struct buf text = {0};

    text_width_cut(cell->text, width, &text);
    size_t used = text_width(buf_str(&text));
    if (column->right)
        text_width_pad(used, width, line);
    term_style(term, cell->style, buf_str(&text), line);
    if (!column->right)
        text_width_pad(used, width, line);
}

static void add_line(const struct text_table *table, const struct term *term,
                     const struct layout *layout, const struct text_table_cell *cells,
                     struct buf *ret)
{
    AUTO(buf_done) struct buf line = {0};
    struct str text;

    for (size_t c = 0; c < table->column_count; c++) {
        struct text_table_cell header = {str_of(table->columns[c].header), STYLE_DIM};

        if (layout->widths[c] == 0)
            continue;
        if (line.len > 0)
            text_width_pad(0, GAP, &line);
        add_cell(term, &table->columns[c], layout->widths[c], cells == NULL ? &header : &cells[c],
                 &line);
    }
    text = buf_str(&line);
    while (text.len > 0 && text.ptr[text.len - 1] == ' ')
        text.len--;
    text_width_cut(text, term->width == 0 ? SIZE_MAX : term->width, ret);
    buf_add_char(ret, '\n');
}

void text_table_format(const struct text_table *table, const struct term *term, struct buf *ret)
{
    struct layout layout = {0};

    measure(table, &layout);
    if (term->width > 0) {
        while (total_width(table, &layout) > term->width && drop_column(table, &layout))
            ;
        size_t total = total_width(table, &layout);
        if (total > term->width)
            shrink(table, &layout, total - term->width);
    }
    add_line(table, term, &layout, NULL, ret);
    for (size_t row = 0; row < text_table_rows(table); row++)
        add_line(table, term, &layout, &table->cells.ptr[row * table->column_count], ret);
}
