/* SPDX-License-Identifier: Apache-2.0
 *
 * Moments as people type them: "10m" ago, "2026-11-21T02:14:07+09:00", a number
 * of seconds since 1970.
 */
#pragma once

#include "base/base.h"
#include "base/str.h"

struct err;

/* Durations are Go's: "1h30m", "45s", "500ms"; times are RFC 3339, the zone may be left out (UTC)
 * and so may the time of day. <now_ms> and *ret_ms are milliseconds since 1970. */
MUST_CHECK bool since_parse(struct str text, int64_t now_ms, int64_t *ret_ms, struct err *err);
