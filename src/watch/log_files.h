/* SPDX-License-Identifier: Apache-2.0
 *
 * The files of one log, opened: `path`, path.1, path.2 ... Private to watch/.
 */
#pragma once

#include <sys/stat.h>

#include "base/base.h"
#include "base/vec.h"

struct err;

struct log_files {
    VEC(int) fds; /* newest first */
};

void log_files_done(struct log_files *files);
AUTO_VALUE(struct log_files, log_files_done)

/* Opens them, newest first, so that a rotation in between shows a file twice (it is taken once)
 * but never hides one. Stops before the file that is <known> (NULL: takes all);
 * <ret_met> says whether it was met. A log that is not there has no files. */
MUST_CHECK bool log_files_open(const char *path, const struct stat *known, struct log_files *ret,
                               bool *ret_met, struct err *err);

/* Finds where the last <lines> lines of output begin: in file <ret_index> (as in fds) at
 * <ret_offset>. Reads backwards, a block at a time. Parts of a line of the other stream that
 * began before that place are not looked for. */
void log_files_find_tail(const struct log_files *files, size_t lines, size_t *ret_index,
                         int64_t *ret_offset);
