/* SPDX-License-Identifier: Apache-2.0
 *
 * The secret that the edge signs its cookies with: which instance a visitor
 * stays at, which share of a split they belong to. It is made once and kept in
 * the state folder, so that visitors stay where they are across restarts.
 */
#pragma once

#include "base/base.h"

struct err;

enum { SIGN_KEY_BYTES = 32, SIGN_KEY_TEXT_BYTES = 2 * SIGN_KEY_BYTES + 1 };

/* Reads "edge.key" of <state_dir>, or makes it (0600). <ret>, of SIGN_KEY_TEXT_BYTES, gets
 * hexadecimal digits and NUL. */
MUST_CHECK bool sign_key_open(const char *state_dir, char *ret, struct err *err);
