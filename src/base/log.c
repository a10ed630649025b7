/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

enum { LINE_BYTES = 2048 };

static _Atomic int lowest = LOG_INFO;
static const char *const level_names[] = {"debug", "info", "warn", "error"};

void log_set_level(enum log_level level)
{
    atomic_store(&lowest, (int)level);
}

/* Copies <text> to <line> from <len> on, control characters as \xNN. */
static size_t add_escaped(char *line, size_t len, const char *text)
{
    for (; *text != '\0' && len < LINE_BYTES - 8; text++) {
        unsigned char c = (unsigned char)*text;
        if (c >= ' ' && c != 0x7f)
            line[len++] = (char)c;
        else
            len += (size_t)snprintf(line + len, 5, "\\x%02x", c);
    }
    return len;
}

void log_write(enum log_level level, const char *area, const char *fmt, ...)
{
    char line[LINE_BYTES], text[LINE_BYTES], stamp[CLOCK_TEXT_BYTES];

    if ((int)level < atomic_load(&lowest))
        return;
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    clock_format_rfc3339(clock_wall_ms(), stamp);
    int n = snprintf(line, sizeof line, "%s %s %s: ", stamp, level_names[level], area);
    size_t len = add_escaped(line, n < 0 ? 0 : MIN((size_t)n, sizeof line / 2), text);
    line[len++] = '\n';
    ssize_t written = write(STDERR_FILENO, line, len);
    (void)written; /* there is nowhere left to say it */
}
