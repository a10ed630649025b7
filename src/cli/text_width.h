/* SPDX-License-Identifier: Apache-2.0
 *
 * Text on a terminal: how many columns it takes (East Asian wide characters
 * two, combining marks none, colour sequences none), cutting to a width, and
 * removing what a service could play tricks on the terminal with.
 */
#pragma once

#include "base/base.h"
#include "base/buf.h"

/* Bytes that are not UTF-8 count one column each. */
size_t text_width(struct str text);

/* Appends <text>, or as much of it as fits into <columns> with an ellipsis at its end. Colours that
 * were on are switched off after a cut. */
void text_width_cut(struct str text, size_t columns, struct buf *ret);

/* Appends blanks so that something <width> wide takes <columns>. */
void text_width_pad(size_t width, size_t columns, struct buf *ret);

/* Appends <text> without escape sequences and control characters; a tab becomes a blank, bytes that
 * are not UTF-8 become '?', and what a carriage return would overwrite is left out.
 * <keep_colours> lets colour sequences (ECMA-48 SGR) pass. */
void text_clean(struct str text, bool keep_colours, struct buf *ret);
