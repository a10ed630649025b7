/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <unistd.h>

#include "base/map.h"
#include "cli/cli.h"
#include "cli/key_report.h"
#include "cli/text_table.h"
#include "cli/text_width.h"
#include "json/json.h"

static const struct text_table_column columns[] = {
    {.header = "KEY", .shrinks = true},
    {.header = "WHERE", .drops = 1},
    {.header = "HERE"},
    {.header = "HOW", .optional = true},
};

size_t key_report_count(const struct compose_uses *uses, enum compose_support support)
{
    size_t count = 0;

    for (size_t i = 0; i < uses->count; i++)
        count += uses->items[i].support == support;
    return count;
}

/* The key without the name in its second part: the same for "services.web.x" and "services.db.x".
 */
static const char *kind_of(struct cli *cli, const struct compose_use *use)
{
    struct str rest = str_of(use->path);
    struct str top = str_cut(&rest, '.');

    (void)str_cut(&rest, '.');
    return arena_printf(&cli->arena, STR_FMT "|" STR_FMT "|%s", STR_ARG(top), STR_ARG(rest),
                        use->how == NULL ? "" : use->how);
}

/* A row of the table: the first of several alike. */
struct row {
    const struct compose_use *first;
    size_t count;
};

struct rows {
    struct row *items;
    size_t count;
};

static struct rows make_rows(struct cli *cli, const struct compose_uses *uses, bool every)
{
    AUTO(map_done) struct map kinds = {0};
    struct rows rows = {.items = ARENA_ARRAY(&cli->arena, struct row, uses->count + 1)};

    for (size_t i = 0; i < uses->count; i++) {
        const struct compose_use *use = &uses->items[i];
        if (!every && use->support == SUPPORT_HONOURED)
            continue;
        struct str kind = str_of(every ? "" : kind_of(cli, use));
        struct row *row = every ? NULL : map_find(&kinds, kind);
        if (row == NULL) {
            row = &rows.items[rows.count++];
            row->first = use;
            if (!every)
                (void)map_set(&kinds, kind, row);
        }
        row->count++;
    }
    return rows;
}

static enum style style_of(enum compose_support support)
{
    return support == SUPPORT_REFUSED    ? STYLE_RED
           : support == SUPPORT_HONOURED ? STYLE_GREEN
                                         : STYLE_YELLOW;
}

static const char *key_cell(struct cli *cli, const struct row *row)
{
    if (row->count == 1)
        return row->first->path;
    return arena_printf(&cli->arena, "%s (and %zu more)", row->first->path, row->count - 1);
}

/* From the folder where one is, so that files of one name in several folders can be told apart;
 * elsewhere the last part is enough. */
static const char *shown_file(const char *file)
{
    AUTO(free) char *here = getcwd(NULL, 0);
    size_t len = here == NULL ? 0 : strlen(here);
    const char *slash = strrchr(file, '/');

    if (slash == NULL || file[0] != '/')
        return file;
    return len > 0 && strncmp(file, here, len) == 0 && file[len] == '/' ? file + len + 1
                                                                        : slash + 1;
}

static const char *where_cell(struct cli *cli, const struct compose_place *place)
{
    if (place->file == NULL)
        return "-";
    return arena_printf(&cli->arena, "%s:%u", shown_file(place->file), place->line);
}

static void add_table(struct cli *cli, const struct rows *rows, struct buf *ret)
{
    AUTO(text_table_done) struct text_table table = {0};

    text_table_init(&table, columns, ARRAY_LEN(columns));
    for (size_t i = 0; i < rows->count; i++) {
        const struct compose_use *use = rows->items[i].first;
        text_table_add(&table, STYLE_NONE, key_cell(cli, &rows->items[i]));
        text_table_add(&table, STYLE_DIM, where_cell(cli, &use->place));
        text_table_add(&table, style_of(use->support), compose_support_name(use->support));
        text_table_add(&table, STYLE_NONE, use->how == NULL ? "" : use->how);
    }
    text_table_format(&table, &cli->out, ret);
}

/* Where a table has no room for whole keys: they are what a person looks for. */
static void add_list(struct cli *cli, const struct rows *rows, struct buf *ret)
{
    for (size_t i = 0; i < rows->count; i++) {
        const struct compose_use *use = rows->items[i].first;
        buf_addf(ret, "%s  ", key_cell(cli, &rows->items[i]));
        term_style(&cli->out, STYLE_DIM, str_of(where_cell(cli, &use->place)), ret);
        buf_add_text(ret, "  ");
        term_style(&cli->out, style_of(use->support), str_of(compose_support_name(use->support)),
                   ret);
        if (use->how != NULL)
            buf_addf(ret, "\n    %s", use->how);
        buf_add_char(ret, '\n');
    }
}

static bool fits(struct cli *cli, const struct rows *rows)
{
    size_t key = 0, rest = 0;

    for (size_t i = 0; i < rows->count; i++) {
        const struct compose_use *use = rows->items[i].first;
        const char *how = use->how == NULL ? "" : use->how;
        key = MAX(key, text_width(str_of(key_cell(cli, &rows->items[i]))));
        rest = MAX(rest, strlen("  emulated  ") + text_width(str_of(how)));
    }
    return cli->out.width == 0 || key + rest <= cli->out.width;
}

void key_report_print(struct cli *cli, const struct compose_uses *uses, bool every)
{
    AUTO(buf_done) struct buf out = {0};
    struct rows rows = make_rows(cli, uses, every);

    if (rows.count == 0)
        return;
    if (fits(cli, &rows))
        add_table(cli, &rows, &out);
    else
        add_list(cli, &rows, &out);
    buf_add_char(&out, '\n');
    cli_print(cli, buf_str(&out));
}

json_t *key_report_json(const struct compose_uses *uses)
{
    json_t *list = json_array();

    for (size_t i = 0; i < uses->count; i++) {
        const struct compose_use *use = &uses->items[i];
        json_t *file =
            use->place.file == NULL ? json_null() : json_from_bytes(str_of(use->place.file));
        (void)json_array_append_new(
            list, json_pack("{s:o, s:o, s:I, s:I, s:s, s:s?}", "path",
                            json_from_bytes(str_of(use->path)), "file", file, "line",
                            (json_int_t)use->place.line, "column", (json_int_t)use->place.column,
                            "support", compose_support_name(use->support), "how", use->how));
    }
    return list;
}
