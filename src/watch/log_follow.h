/* SPDX-License-Identifier: Apache-2.0
 *
 * Follows the logs of many instances in a loop: first what is in the files,
 * merged by time, then what is written to them, woken by inotify on their
 * folders (no polling; rotation by rename is followed without loss). What
 * `ishizue logs` streams. Belongs to the loop's thread.
 *
 * Sources added before the loop runs again are the ones that are merged; sources
 * added later (a new instance) are read from their beginning.
 */
#pragma once

#include "base/base.h"
#include "io/loop.h"
#include "watch/log_read.h"

struct err;
struct log_follow;

enum { LOG_FOLLOW_SOURCES_MAX = 1000 };

/* <source> is what log_follow_add() was given; <line> is valid during the call. Return false to be
 * left alone until log_follow_resume() (the client is slow); this line counts as taken. May call
 * log_follow_add(), _remove() and _stop(). */
typedef bool log_follow_fn(void *arg, void *source, const struct log_line *line);
/* The files were read to their ends. Called once; not after log_follow_stop(). */
typedef void log_follow_end_fn(void *arg);

struct log_follow_spec {
    struct loop *loop;
    struct log_range range; /* <tail> is for each source, as with docker compose */
    bool keep_on;           /* false: what is there now, then <end> and nothing more */
    log_follow_fn *line;
    log_follow_end_fn *end; /* may be NULL; the place to call log_follow_stop() */
    void *arg;
};

/* NULL on failure: out of inotify instances or descriptors. */
MUST_CHECK struct log_follow *log_follow_start(const struct log_follow_spec *spec, struct err *err);
/* Frees it; no callback after. NULL is left alone. */
void log_follow_stop(struct log_follow *follow);
AUTO_TYPE(struct log_follow *, log_follow_stop)

/* Adds the log at <path>, whose folder must exist. <source> is handed to <line> and must stay until
 * log_follow_stop(). A path may be added once: ERR_EXISTS. */
MUST_CHECK bool log_follow_add(struct log_follow *follow, const char *path, void *source,
                               struct err *err);
/* The instance is gone: what is in its files now still comes, then nothing. The files may be
 * removed right after. Unknown paths are left alone. */
void log_follow_remove(struct log_follow *follow, const char *path);

/* After <line> returned false. */
void log_follow_resume(struct log_follow *follow);
