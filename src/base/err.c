/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/err.h"

static const char *const code_names[] = {
    [ERR_NONE] = "none",
    [ERR_INVALID] = "invalid",
    [ERR_NOT_FOUND] = "not_found",
    [ERR_EXISTS] = "exists",
    [ERR_SYSTEM] = "system",
    [ERR_PROGRAM] = "program",
    [ERR_LIMIT] = "limit",
    [ERR_TIMEOUT] = "timeout",
    [ERR_CLOSED] = "closed",
    [ERR_UNHEALTHY] = "unhealthy",
    [ERR_LOCKED] = "locked",
    [ERR_DENIED] = "denied",
    [ERR_NO_SERVICE] = "no_service",
};

bool err_set(struct err *err, enum err_code code, const char *fmt, ...)
{
    struct err made = {.code = code}; /* the arguments may point into *err */

    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(made.text, sizeof made.text, fmt, ap);
    va_end(ap);
    *err = made;
    return false;
}

bool err_sys(struct err *err, const char *fmt, ...)
{
    struct err made = {.code = ERR_SYSTEM, .sys_errno = errno};

    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(made.text, sizeof made.text, fmt, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n < sizeof made.text)
        (void)snprintf(made.text + n, sizeof made.text - (size_t)n, ": %s",
                       strerror(made.sys_errno));
    *err = made;
    return false;
}

bool err_prefix(struct err *err, const char *fmt, ...)
{
    char prefix[sizeof err->text];
    const size_t room = sizeof prefix - sizeof ": ";

    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(prefix, room, fmt, ap);
    va_end(ap);
    if (n < 0)
        return false;

    size_t len = (size_t)n < room ? (size_t)n : room - 1;
    memcpy(prefix + len, ": ", 2);
    len += 2;
    memmove(err->text + len, err->text, sizeof err->text - 1 - len);
    memcpy(err->text, prefix, len);
    err->text[sizeof err->text - 1] = '\0';
    return false;
}

const char *err_code_name(enum err_code code)
{
    assert((size_t)code < ARRAY_LEN(code_names));
    return code_names[code];
}
