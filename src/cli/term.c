/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/environment.h"
#include "cli/term.h"
#include "cli/text_width.h"

/* The first of the three that is set decides, as in setlocale(3). */
static bool locale_is_utf8(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const char *value = environment_find(names[i]);
        if (value == NULL)
            continue;
        return strcasestr(value, "utf-8") != NULL || strcasestr(value, "utf8") != NULL;
    }
    return false;
}

void term_init(struct term *term, int fd, const char *ansi)
{
    const char *kind = environment_find("TERM");
    bool is_tty = isatty(fd);
    bool capable = is_tty && kind != NULL && strcmp(kind, "dumb") != 0;
    bool always = ansi != NULL && strcmp(ansi, "always") == 0;
    bool never = ansi != NULL && strcmp(ansi, "never") == 0;

    *term = (struct term){.fd = fd, .is_tty = is_tty, .utf8 = locale_is_utf8()};
    term->moves = capable && !never;
    term->colour = always || (capable && !never && environment_find("NO_COLOR") == NULL);
    term_resize(term);
}

void term_resize(struct term *term)
{
    struct winsize size = {0};

    if (!term->is_tty)
        return;
    bool known = ioctl(term->fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    term->width = known ? size.ws_col : 80;
    term->height = known && size.ws_row > 0 ? size.ws_row : 24;
}

void term_style(const struct term *term, enum style style, struct str text, struct buf *ret)
{
    static const char *const codes[] = {
        [STYLE_NONE] = "",   [STYLE_BOLD] = "1",     [STYLE_DIM] = "2",
        [STYLE_RED] = "31",  [STYLE_GREEN] = "32",   [STYLE_YELLOW] = "33",
        [STYLE_BLUE] = "34", [STYLE_MAGENTA] = "35", [STYLE_CYAN] = "36",
    };

    if (!term->colour || style == STYLE_NONE || text.len == 0) {
        buf_add_str(ret, text);
        return;
    }
    buf_addf(ret, "\033[%sm" STR_FMT "\033[0m", codes[style], STR_ARG(text));
}

void live_done(struct live *live)
{
    VEC_DONE(&live->widths);
    buf_done(&live->last);
}

/* Rows that the lines drawn take now: a narrower window wraps what was one row. */
static size_t rows_drawn(const struct live *live, const struct term *term)
{
    size_t rows = 0, width = term->width == 0 ? SIZE_MAX / 2 : term->width;

    for (size_t i = 0; i < live->widths.len; i++)
        rows += MAX((live->widths.ptr[i] + width - 1) / width, (size_t)1);
    return rows;
}

static struct str last_lines(struct str lines, size_t count)
{
    size_t at = lines.len;

    while (at > 0) {
        size_t end = str_find_last(str_sub(lines, 0, at - 1), '\n');
        bool found = end < at - 1;
        if (count-- == 0)
            return str_sub(lines, at, lines.len);
        at = found ? end + 1 : 0;
    }
    return lines;
}

static void draw_line(struct live *live, const struct term *term, struct str line, struct buf *ret)
{
    size_t columns = term->width == 0 ? SIZE_MAX : term->width;

    text_width_cut(line, columns, ret);
    VEC_PUSH(&live->widths, MIN(text_width(line), columns));
    buf_add_text(ret, "\033[K\n");
}

void live_draw(struct live *live, const struct term *term, struct str lines, struct buf *ret)
{
    size_t rows = rows_drawn(live, term);

    if (str_eq(lines, buf_str(&live->last)) && rows == live->widths.len)
        return;
    buf_clear(&live->last);
    buf_add_str(&live->last, lines);

    if (rows > 0)
        buf_addf(ret, "\033[%zuF", rows);
    live->widths.len = 0;
    if (term->height > 1)
        lines = last_lines(lines, term->height - 1);
    while (lines.len > 0)
        draw_line(live, term, str_cut(&lines, '\n'), ret);
    if (rows > live->widths.len)
        buf_add_text(ret, "\033[J");
}

void live_keep(struct live *live)
{
    live->widths.len = 0;
    buf_clear(&live->last);
}
