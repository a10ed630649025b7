/* SPDX-License-Identifier: Apache-2.0
 *
 * What has been seen of a stream of log lines, so that a stream that broke off
 * (the daemon became another program, or was started again) is taken up where it
 * was: nothing twice, nothing left out. Times are all that a line is known by, and
 * several lines of an instance may have the same one: those are counted. Lines of
 * one instance come in their order, those of several in any.
 */
#pragma once

#include "base/base.h"
#include "base/map.h"
#include "base/str.h"

struct log_seen {
    struct map instances; /* name -> what was seen of it */
    int64_t began_ms;
    int64_t
        floor_ms; /* older lines of instances that were not seen are known, or were not wanted */
    bool resumed;
};

/* The stream begins at <began_ms>, wall clock, with lines from <since_ms> on, or with the last ones
 * of each instance (<has_tail>). */
void log_seen_init(struct log_seen *seen, int64_t began_ms, int64_t since_ms, bool has_tail);
void log_seen_done(struct log_seen *seen);
AUTO_VALUE(struct log_seen, log_seen_done)

/* A line came. False: it had come before. */
bool log_seen_take(struct log_seen *seen, struct str instance, int64_t time_ms);
/* It broke off. Returns the time from which lines are to be asked for again, all of them. */
int64_t log_seen_resume(struct log_seen *seen);
