/* SPDX-License-Identifier: Apache-2.0
 *
 * Shows an operation (up, down, restart) while it runs, from the lines of its
 * stream (docs/api.md). On a terminal one line for each service, redrawn in
 * place; elsewhere one line for each change; or the raw lines; or nothing.
 * Writes into a buffer and takes the time from the caller, so a test can feed
 * it lines and look.
 */
#pragma once

#include <jansson.h>

#include "base/arena.h"
#include "base/base.h"
#include "base/buf.h"
#include "base/map.h"
#include "base/vec.h"
#include "cli/term.h"

enum progress_mode { PROGRESS_TTY, PROGRESS_PLAIN, PROGRESS_JSON, PROGRESS_QUIET };

/* <wanted> is --progress or NULL; auto follows <term>. */
enum progress_mode progress_mode_choose(const char *wanted, const struct term *term);

/* What the operation does: for the line above the services. */
enum progress_kind {
    PROGRESS_UP,
    PROGRESS_DOWN,
    PROGRESS_RESTART,
    PROGRESS_CREATE,
    PROGRESS_START,
    PROGRESS_STOP,
    PROGRESS_RM,
    PROGRESS_PAUSE,
    PROGRESS_UNPAUSE,
    PROGRESS_RUN,
    PROGRESS_ROLLBACK,
    PROGRESS_SCALE,
    PROGRESS_DEPLOY,
    PROGRESS_PROMOTE,
    PROGRESS_ABORT
};

struct progress_service;

struct progress {
    enum progress_mode mode;
    enum progress_kind kind;
    const char *system;
    struct term *term;
    struct arena arena;
    VEC(struct progress_service *) services;
    struct map by_name;
    size_t name_width;
    uint64_t start_ns;
    struct live live;
    json_t *result;      /* the result line; NULL until it came */
    json_t *rollout;     /* the last line about the rollout; NULL: there is none */
    uint64_t rollout_ns; /* when it was last written plain */
};

/* <system> and <term> are the caller's and stay. */
void progress_init(struct progress *progress, enum progress_mode mode, enum progress_kind kind,
                   const char *system, struct term *term, uint64_t now_ns);
void progress_done(struct progress *progress);
AUTO_VALUE(struct progress, progress_done)

/* Makes a line for a service before anything is heard of it, so that lines keep the file's order
 * and align. */
void progress_expect(struct progress *progress, const char *service);

/* Takes one line: <raw> is its text, <line> the same parsed. Appends what is to be written. */
void progress_feed(struct progress *progress, struct str raw, const json_t *line, uint64_t now_ns,
                   struct buf *ret);
/* Time has passed: redraws what shows it. */
void progress_tick(struct progress *progress, uint64_t now_ns, struct buf *ret);
/* No more lines will come: what was drawn stays. */
void progress_end(struct progress *progress, uint64_t now_ns, struct buf *ret);

/* "2.3 s", "1 m 05 s", "2 h 05 m": for durations. */
void progress_format_seconds(uint64_t ms, struct buf *ret);
