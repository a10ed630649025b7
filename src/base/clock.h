/* SPDX-License-Identifier: Apache-2.0
 *
 * Time. Monotonic nanoseconds for everything that is measured or waited for;
 * wall clock milliseconds since 1970 only for what a person or another machine
 * reads. Code that waits takes `now_ns` from its caller so tests can jump.
 */
#pragma once

#include "base/base.h"
#include "base/str.h"

#define NS_PER_MS     UINT64_C(1000000)
#define NS_PER_SECOND UINT64_C(1000000000)

/* CLOCK_MONOTONIC. */
uint64_t clock_now_ns(void);

/* CLOCK_REALTIME in milliseconds. */
int64_t clock_wall_ms(void);

enum { CLOCK_TEXT_BYTES = 32 };

/* "2026-11-21T02:14:07.123Z" (RFC 3339, UTC). <ret> has CLOCK_TEXT_BYTES. */
void clock_format_rfc3339(int64_t wall_ms, char *ret);

/* "Sat, 21 Nov 2026 02:14:07 GMT" (RFC 9110, 5.6.7). <ret> has CLOCK_TEXT_BYTES. */
void clock_format_http(int64_t wall_seconds, char *ret);

/* The IMF-fixdate form of RFC 9110, 5.6.7; the two obsolete forms are refused. */
MUST_CHECK bool clock_parse_http(struct str text, int64_t *ret_wall_seconds);
