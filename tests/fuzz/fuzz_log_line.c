/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "watch/log_line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Writes <line> again, with all nine digits and in UTC. */
static void format(const struct log_line *line, struct buf *ret)
{
    char time[CLOCK_TEXT_BYTES];

    clock_format_rfc3339(line->wall_ns / 1000000, time);
    buf_addf(ret, "%.19s.%09uZ %s %c ", time, (unsigned)(line->wall_ns % 1000000000),
             log_stream_name(line->stream), line->partial ? 'P' : 'F');
    buf_add_str(ret, line->text);
}

/* What is accepted lies in the limits, its text is the end of the input, and writing and reading
 * it again gives the same. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct log_line line = {0}, again = {0};
    struct err err = {0};
    AUTO(buf_done) struct buf text = {0};

    if (!log_line_parse(str_from(data, size), &line, &err)) {
        assert(err.code != ERR_NONE && strchr(err.text, '\n') == NULL);
        assert(line.text.ptr == NULL);
        return 0;
    }
    assert(size <= LOG_LINE_MAX);
    assert(line.text.ptr + line.text.len == (const char *)data + size);
    if (line.wall_ns < 0)
        return 0; /* 1970 east of Greenwich */
    format(&line, &text);
    if (text.len > LOG_LINE_MAX)
        return 0;
    assert(log_line_parse(buf_str(&text), &again, &err));
    assert(again.wall_ns == line.wall_ns && again.stream == line.stream);
    assert(again.partial == line.partial && str_eq(again.text, line.text));
    return 0;
}
