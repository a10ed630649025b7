/* SPDX-License-Identifier: Apache-2.0
 *
 * Log of the program itself, one line an entry, to standard error:
 *     2026-11-21T02:14:07.123Z info deploy: eshop/backend: 2 of 2 healthy
 * Written with one write(2), so lines of several threads do not mix. Control
 * characters in the text are escaped: a service cannot forge a line.
 * Only the layer that decides about a failure logs it.
 */
#pragma once

#include "base/base.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* Entries below <level> are dropped. The start is LOG_INFO. */
void log_set_level(enum log_level level);

/* <area> is a short fixed word: "daemon", "edge", "runtime". */
void log_write(enum log_level level, const char *area, const char *fmt, ...) PRINTF_LIKE(3, 4);

#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__)
#define log_info(...)  log_write(LOG_INFO, __VA_ARGS__)
#define log_warn(...)  log_write(LOG_WARN, __VA_ARGS__)
#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)
