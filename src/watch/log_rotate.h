/* SPDX-License-Identifier: Apache-2.0
 *
 * Keeps an instance's log within max_bytes x max_files. The writer (conmon) is
 * told to open its file again after a rename; until it has, it goes on writing to
 * path.1, so no line is lost. Driven by the caller's timer: one stat(2) a call.
 */
#pragma once

#include "base/base.h"

struct err;

/* Tells the writer that its file was renamed. */
typedef bool log_reopen_fn(void *arg, struct err *err);

struct log_rotate {
    const char *path;
    uint64_t max_bytes; /* of one file; 0: never rotate */
    uint32_t max_files; /* path included, 1 to LOG_FILES_MAX; 1: the full file is thrown away */
    log_reopen_fn *reopen;
    void *arg;
    uint64_t retry_ns; /* ours: when to ask the writer again; start with 0 */
};

/* Rotates when <path> has reached max_bytes: path.1 to path.2 and so on, path to path.1, older ones
 * removed, then <reopen>. <ret_rotated> may be NULL. When <reopen> fails, or the writer has not
 * made a new file, it is asked again by a later call, every ten seconds at most. Each failure is
 * reported as false. */
MUST_CHECK bool log_rotate_check(struct log_rotate *rotate, uint64_t now_ns, bool *ret_rotated,
                                 struct err *err);
/* Removes <path> and its rotated files: the instance and its history are gone. */
MUST_CHECK bool log_remove(const char *path, struct err *err);
