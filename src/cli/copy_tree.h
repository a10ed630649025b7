/* SPDX-License-Identifier: Apache-2.0
 *
 * Copies files between this machine and the root of a running instance, by the
 * rules of `docker cp`. The instance is not trusted: its paths are resolved by
 * the kernel within its root (openat2(2), RESOLVE_IN_ROOT), below that every
 * step is one name that is no link, and what is neither file, folder nor link
 * is left out.
 */
#pragma once

#include <sys/types.h>

#include "base/base.h"

struct err;

enum { COPY_DEPTH_MAX = 128 };

/* One end of a copy. */
struct copy_end {
    int root_fd; /* of an instance; -1: the path is the caller's own */
    const char *path;
};

struct copy_options {
    bool keep_owner;   /* uid and gid of the source, and all mode bits */
    bool follow_first; /* a source that is a link stands for what it leads to */
    uid_t uid;         /* owner of what is made, unless they are kept */
    gid_t gid;
};

struct copy_result {
    uint64_t files; /* links too */
    uint64_t folders;
    uint64_t bytes;
    uint64_t left_out;       /* sockets, devices, pipes, and the kernel's own file systems */
    bool is_source_at_fault; /* after a failure: the error is about <from>, else about <to> */
};

/* On failure <ret> says what was copied before. The error names the path. */
MUST_CHECK bool copy_tree(const struct copy_end *from, const struct copy_end *to,
                          const struct copy_options *options, struct copy_result *ret,
                          struct err *err);

/* Opens the folder that <end> is in, or is, for use as a working folder (O_PATH); <ret_name> is
 * what to name in it, "." for the folder itself. -1 when it is not there. */
MUST_CHECK int copy_open_folder(const struct copy_end *end, bool is_folder, const char **ret_name,
                                struct err *err);
