/* SPDX-License-Identifier: Apache-2.0
 *
 * A question before something is changed.
 */
#pragma once

#include "base/base.h"

struct cli;

/* "<question> [yN] " on a terminal, and whether the answer was yes; then the caller says nothing
 * more. Without a terminal, with -y or --json nobody is asked: a script says what it means. */
MUST_CHECK bool agree_ask(struct cli *cli, const char *question);
