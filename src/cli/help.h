/* SPDX-License-Identifier: Apache-2.0
 *
 * Help and manual page, written from the table of options.h.
 */
#pragma once

#include "base/buf.h"
#include "cli/options.h"

enum { HELP_WIDTH = 80 };

/* <command> NULL: the program with its commands. */
void help_format(const struct command *command, struct buf *ret);

/* ishizue(1) as roff, man(7) macros. */
void help_format_man(struct buf *ret);
