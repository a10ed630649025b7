/* SPDX-License-Identifier: Apache-2.0
 *
 * Programs we start: no shell, a clean signal mask, only descriptors 0, 1 and 2
 * inherited. The end is seen through a pidfd, the output through a pipe, both
 * in the loop. child_run() does the same and waits, for code without a loop.
 */
#pragma once

#include <sys/types.h>

#include "base/base.h"
#include "base/buf.h"
#include "io/loop.h"

struct child;
struct err;

/* <bytes> of standard output and error as they come, mixed. */
typedef void child_output_fn(void *arg, struct str bytes);
/* Called once, after the last output; the struct child is freed when it
 * returns. <exit_status> is 0..255 or 128+n for signal n. */
typedef void child_exit_fn(void *arg, int exit_status, bool timed_out);

struct child_spec {
    const char *const
        *argv;           /* argv[0] is looked up in PATH unless it has a slash; NULL at the end */
    const char *program; /* the file that is run instead of argv[0]; NULL: that one */
    char *const *environment; /* NULL: ours */
    const char *working_dir;  /* NULL: ours */
    struct str input;         /* given on standard input (at most 64 KiB); empty: /dev/null */
    int input_fd;             /* becomes standard input instead; stays the caller's; 0: none */
    bool share_output;        /* <output> NULL: ours instead of /dev/null */
    uint64_t timeout_ms;      /* then SIGKILL to its process group; 0: none */
    child_output_fn *output;  /* NULL: /dev/null */
    child_exit_fn *exit;
    void *arg;
};

/* NULL when it cannot be started; ERR_NOT_FOUND when there is no such program. */
MUST_CHECK struct child *child_start(struct loop *loop, const struct child_spec *spec,
                                     struct err *err);
enum { CHILD_STATUS_UNKNOWN = 256 };

/* Watches process <pid>, which somebody else started, or this process before it became another
 * program. Its exit status is known for a child only, otherwise CHILD_STATUS_UNKNOWN. NULL when it
 * is gone. */
MUST_CHECK struct child *child_adopt(struct loop *loop, pid_t pid, child_exit_fn *exit, void *arg,
                                     struct err *err);
/* No longer watched: <exit> is not called. The process goes on. */
void child_forget(struct child *child);
/* SIGKILL to its process group; <exit> is called later as always. */
void child_kill(struct child *child);
pid_t child_pid(const struct child *child);

/* Runs to the end; output (at most <limit_bytes>, the rest is dropped) goes to
 * <ret_output>, which may be NULL. False with ERR_PROGRAM and the last output
 * line when it fails, is missing, or takes longer than <timeout_ms>. */
MUST_CHECK bool child_run(const char *const *argv, struct str input, uint64_t timeout_ms,
                          size_t limit_bytes, struct buf *ret_output, struct err *err);
