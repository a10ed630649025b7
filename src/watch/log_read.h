/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads an instance's log: `path`, and before it path.1, path.2 ... as
 * log_rotate.h names them. The caller pulls one line of output after the other,
 * so nothing is read ahead of a slow client; parts are put together again.
 * At the end it may go on asking: lines written since then, also into a file
 * that took the place of this one, are found. log_follow.h asks when inotify says so.
 *
 * Memory: at most 32 KiB and LOG_TEXT_MAX for each stream, nothing while at the end.
 * Files are opened for each reader and stay readable when they are rotated away.
 */
#pragma once

#include "base/base.h"
#include "base/buf.h"
#include "watch/log_line.h"

struct err;
struct log_reader;

enum { LOG_FILES_MAX = 100 }; /* of one log: path.1 to path.99 are looked for */

#define LOG_TAIL_ALL SIZE_MAX

struct log_range {
    size_t tail;           /* at most so many of the last lines; LOG_TAIL_ALL: all */
    int64_t since_wall_ns; /* lines from this time on; 0: all */
    int64_t until_wall_ns; /* lines before this time; 0: all */
};

/* A log that does not exist yet is an empty one. NULL when it cannot be read. */
MUST_CHECK struct log_reader *log_reader_open(const char *path, const struct log_range *range,
                                              struct err *err);
void log_reader_close(struct log_reader *reader);
AUTO_TYPE(struct log_reader *, log_reader_close)

/* The next line; its text is valid until the next call. False at the (present) end. A line of more
 * than 48 KiB comes in pieces of at most LOG_TEXT_MAX, all but the last one marked partial. */
MUST_CHECK bool log_reader_next(struct log_reader *reader, struct log_line *ret);

/* After log_reader_next() said no: output whose line has not ended, such as a prompt, marked
 * partial. Once for each stream. For callers that will not ask again. */
MUST_CHECK bool log_reader_rest(struct log_reader *reader, struct log_line *ret);

/* Opens what was rotated since, so that the files may be removed now and still be read. */
void log_reader_pin(struct log_reader *reader);

/* Lines so far that were not in the format (a torn one after a crash, a full disk) and left out. */
uint64_t log_reader_skipped(const struct log_reader *reader);

/* Appends the last <lines> lines of the log at <path>, each ending in LF, at most <limit_bytes>
 * (the earliest are left out). For messages such as "web did not become healthy, it said:". */
void log_read_last(const char *path, size_t lines, size_t limit_bytes, struct buf *ret);
