/* SPDX-License-Identifier: Apache-2.0
 *
 * conmon(8): one small process for each instance, which creates it through the
 * OCI runtime, keeps its log and writes down its exit status, whatever happens
 * to the daemon meanwhile.
 */
#pragma once

#include <sys/types.h>

#include "base/base.h"
#include "io/loop.h"

struct err;

struct conmon_spec {
    const char *conmon; /* program */
    const char *oci;    /* program */
    const char *oci_root;
    const char *id;
    const char *bundle; /* folder with config.json */
    const char *exit_dir;
    const char *log_path;
    uint64_t log_max_bytes; /* 0: no bound */
    bool tty;
    bool stdin_open;
};

/* <pid> of the created (not yet started) process; <err> is NULL on success. */
typedef void conmon_created_fn(void *arg, pid_t pid, const struct err *err);

/* Calls <created> later, once. */
MUST_CHECK bool conmon_start(struct loop *loop, const struct conmon_spec *spec,
                             conmon_created_fn *created, void *arg, struct err *err);

/* What conmon reports on its pipe, one line of JSON: {"pid": 12} or {"pid": -1, "message": ".."}.
 */
MUST_CHECK bool conmon_parse_report(const char *text, size_t len, pid_t *ret, struct err *err);
