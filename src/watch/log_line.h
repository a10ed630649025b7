/* SPDX-License-Identifier: Apache-2.0
 *
 * One line of an instance's log as conmon writes it (its k8s-file format, which
 * is the CRI log format of Kubernetes):
 *     2026-11-21T02:14:07.123456789+00:00 stdout F the text
 * F ends a line of output, P is a part that goes on in the next P or F of the
 * same stream. The text is the service's own: any bytes but LF.
 */
#pragma once

#include "base/base.h"
#include "base/str.h"

struct err;

enum {
    LOG_LINE_MAX = 16384, /* bytes in the file, without LF; conmon cuts text at 8 KiB */
    LOG_TEXT_MAX = 65536, /* bytes of a line of output put together from its parts */
};

enum log_stream { LOG_STDOUT, LOG_STDERR };

struct log_line {
    int64_t wall_ns; /* CLOCK_REALTIME when conmon read it */
    enum log_stream stream;
    bool partial;
    struct str text; /* points into what was parsed */
};

/* <line> is without its LF. Offsets other than UTC are taken into account; a fraction has one to
 * nine digits; years are 1970 to 2199. */
MUST_CHECK bool log_line_parse(struct str line, struct log_line *ret, struct err *err);

/* "stdout" or "stderr". */
const char *log_stream_name(enum log_stream stream);
