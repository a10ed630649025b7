/* SPDX-License-Identifier: Apache-2.0
 *
 * Signals by the names that people write: TERM, SIGTERM, sigterm, SIGRTMIN+3, 15.
 */
#pragma once

#include "base/err.h"

/* False, with what can be written, for any other text. */
MUST_CHECK bool signal_name_parse(const char *text, int *ret, struct err *err);
