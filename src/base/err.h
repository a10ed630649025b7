/* SPDX-License-Identifier: Apache-2.0
 *
 * Errors. A function that can fail takes `struct err *err` last and returns
 * false (or NULL) after filling it. The struct lives on the caller's stack, so
 * reporting an error never allocates and never leaks.
 */
#pragma once

#include "base/base.h"

enum err_code {
    ERR_NONE,
    ERR_INVALID,   /* the input is wrong: a config file, a flag, a request */
    ERR_NOT_FOUND, /* the named thing does not exist */
    ERR_EXISTS,    /* it is there already, or in use by another */
    ERR_SYSTEM,    /* a system call failed; sys_errno is set */
    ERR_PROGRAM,   /* a program we started failed or is missing */
    ERR_LIMIT,     /* larger, deeper or more than is accepted */
    ERR_TIMEOUT,
    ERR_CLOSED,     /* the other side went away */
    ERR_UNHEALTHY,  /* started, but never became ready */
    ERR_LOCKED,     /* another operation holds the lock */
    ERR_DENIED,     /* not allowed, such as not root */
    ERR_NO_SERVICE, /* the person named a service that the system does not have */
};

struct err {
    enum err_code code;
    int sys_errno;
    char text[1000]; /* one line, no final dot, outermost context first */
};

/* Fills <err> and returns false, so that `return err_set(...)` is one line. */
bool err_set(struct err *err, enum err_code code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* The same for a failed system call: keeps errno and appends its text, as in
 * "cannot open '/etc/x': Permission denied". */
bool err_sys(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Puts context in front: "limits.web: " + "bad rate '5/x'". Returns false. */
bool err_prefix(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* A short stable word for <code>: "invalid", "not_found", ... for JSON. */
const char *err_code_name(enum err_code code);
