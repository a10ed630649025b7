/* SPDX-License-Identifier: Apache-2.0
 *
 * Folders of the machine that an instance is given: made, and owned by its user
 * where the file's author cannot have done it.
 */
#pragma once

#include <sys/types.h>

#include "base/base.h"

struct compose_texts;
struct err;
struct runtime_mount;

enum { OWNERSHIP_ENTRIES_MAX = 1000000, OWNERSHIP_DEPTH_MAX = 128 };

/* Makes the source when it is not there. With mount->own the user gets it when it is made or empty.
 * He gets all that is in it when the target is one of <volumes>, the image's data folders (the
 * image's own entry point, which is root, does the same), or mount->adopt says so. */
MUST_CHECK bool ownership_prepare(const struct runtime_mount *mount, uid_t uid,
                                  const struct compose_texts *volumes, struct err *err);

/* Gives <path> and everything below it to <uid>, without following links or crossing mounts. */
MUST_CHECK bool ownership_give(const char *path, uid_t uid, struct err *err);
