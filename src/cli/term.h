/* SPDX-License-Identifier: Apache-2.0
 *
 * What standard output can do: size, colours, and a block of lines that is
 * redrawn in place. Pipes and files have neither; every text must read well
 * there too.
 */
#pragma once

#include "base/base.h"
#include "base/buf.h"
#include "base/vec.h"

enum style {
    STYLE_NONE,
    STYLE_BOLD,
    STYLE_DIM,
    STYLE_RED,
    STYLE_GREEN,
    STYLE_YELLOW,
    STYLE_BLUE,
    STYLE_MAGENTA,
    STYLE_CYAN,
};

struct term {
    int fd;
    bool is_tty;
    bool moves; /* the cursor may be moved */
    bool colour;
    bool utf8;     /* may be sent more than ASCII */
    size_t width;  /* 0: no limit, as in a file */
    size_t height; /* 0: no limit */
};

/* <ansi> is "auto", "always", "never" or NULL; NO_COLOR, TERM and the locale count. */
void term_init(struct term *term, int fd, const char *ansi);
/* Asks for the size again: people resize windows. */
void term_resize(struct term *term);

/* Appends <text> in <style>, plain when <term> has no colours. */
void term_style(const struct term *term, enum style style, struct str text, struct buf *ret);

/* Lines on the screen that are drawn again and again. Zero is a valid start. */
struct live {
    VEC(size_t) widths; /* of the lines drawn last */
    struct buf last;    /* what was drawn last */
};

void live_done(struct live *live);
AUTO_VALUE(struct live, live_done)

/* Appends what replaces the lines drawn before by <lines>, each ended by '\n', cut to the width;
 * nothing when they are equal. When there are more than fit, the last ones are drawn. */
void live_draw(struct live *live, const struct term *term, struct str lines, struct buf *ret);
/* What was drawn stays; the next draw starts below it. */
void live_keep(struct live *live);
