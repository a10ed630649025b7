/* SPDX-License-Identifier: Apache-2.0
 *
 * A daemon becomes another program without ending: exec in place, so that the
 * number of the process, its locks, its children and every socket it listens on
 * stay. What the next program needs to know is JSON in a memory file; its number
 * is an argument. Descriptors in it are open across the exec.
 *
 *     {"format": 1, "lock": 5, "network_lock": 6, "api": 7, "held": [...],
 *      "former": 8, "from": "0.4.0", "to": "0.5.0",
 *      "program": "/usr/bin/.ishizue.new", "install": "/usr/bin/ishizue" | null,
 *      "guard": 9, "drain_ms": 600000, "unreadable": 0, "began_ms": wall, "uid": 0, "user": "root",
 *      "failed": null | "why the other program is here again"}
 *
 * "former" is the program that goes, open for reading. A small process, the
 * guard, waits until the new one says that it is ready; when that ends without a
 * word, or hangs, the guard becomes the former program.
 */
#pragma once

#include <jansson.h>

#include "base/base.h"

struct err;

enum { HANDOVER_FORMAT = 1, HANDOVER_BYTES = 1 << 20, GUARD_MS = 90000 };

/* Reads and closes the memory file. */
MUST_CHECK bool handover_read(int fd, json_t **ret, struct err *err);
/* The descriptor under <key>, which is the caller's now and closed by the next exec; -1: none. It
 * is no longer in <handover>. */
int handover_take_fd(json_t *handover, const char *key);
/* A copy of <fd>, for "lock" and such. It is open in the next program, and in no other that is
 * started meanwhile. */
json_t *handover_keep(int fd);
/* Starts the guard and becomes <program>. Returns when that failed: then this program must become
 * itself again by handover_return(). */
void handover_leave(json_t *handover, struct err *err);
/* Becomes the former program again and tells it why. Returns when that failed. */
void handover_return(json_t *handover, const char *why, struct err *err);
/* The guard may go. */
void handover_release_guard(int guard_fd);
