/* SPDX-License-Identifier: Apache-2.0
 *
 * A folder that is handed to the edge: a read-only mount of its own, attached nowhere. Whoever
 * holds it can look below it and nowhere else: there is no way up out of it (".." at its top stays
 * there), nothing in it can be written, and nothing of it executed. open_tree(2), mount_setattr(2).
 */
#pragma once

#include "base/base.h"

struct err;

/* A new descriptor, for openat2() only; the mount goes with its last copy. -1: see <err>. Needs
 * CAP_SYS_ADMIN. */
int folder_open(const char *path, struct err *err) MUST_CHECK;
