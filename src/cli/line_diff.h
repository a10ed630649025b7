/* SPDX-License-Identifier: Apache-2.0
 *
 * A unified diff of two texts. Pure.
 */
#pragma once

#include "base/base.h"
#include "base/buf.h"

/* Differing middles with more than this many pairs of lines are shown as replaced whole. */
enum { LINE_DIFF_PAIRS_MAX = 4 << 20 };

/* Appends "--- <a_name>", "+++ <b_name>" and hunks with three lines around each change; nothing
 * when the texts are equal. */
void line_diff(const char *a_name, struct str a, const char *b_name, struct str b, struct buf *ret);
