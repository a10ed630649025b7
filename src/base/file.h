/* SPDX-License-Identifier: Apache-2.0
 *
 * Files: whole reads with a limit, writes that are there completely or not at
 * all. Descriptors are O_CLOEXEC from birth.
 */
#pragma once

#include <sys/types.h>
#include <unistd.h>

#include "base/base.h"
#include "base/buf.h"

struct err;

static inline void fd_close(int fd)
{
    if (fd >= 0)
        (void)close(fd);
}
AUTO_TYPE(int, fd_close)

/* Appends the whole file to <ret>; fails with ERR_LIMIT above <limit_bytes>
 * and ERR_NOT_FOUND when it is not there. Reads pipes and /proc files too. */
MUST_CHECK bool file_read(const char *path, size_t limit_bytes, struct buf *ret, struct err *err);
/* The same of files that others chose, for what must not wait: a pipe or a terminal is refused. */
MUST_CHECK bool file_read_regular(const char *path, size_t limit_bytes, struct buf *ret,
                                  struct err *err);
/* The same for a file that is not always in the same hands: below <folder> no part of <path> may be
 * a symbolic link, which whoever can write there could have made to lead anywhere. A <path> that is
 * not below <folder>, or any when that is NULL, is read as it is. */
MUST_CHECK bool file_read_beneath(const char *folder, const char *path, size_t limit_bytes,
                                  struct buf *ret, struct err *err);
MUST_CHECK bool file_read_fd(int fd, size_t limit_bytes, struct buf *ret, struct err *err);

/* Writes to a temporary name beside <path>, fsyncs, renames, fsyncs the folder. */
MUST_CHECK bool file_write(const char *path, struct str bytes, mode_t mode, struct err *err);

/* Writes all of <bytes> to a blocking descriptor. */
MUST_CHECK bool file_write_fd(int fd, struct str bytes, struct err *err);

/* mkdir -p; the last folder gets <mode>, the ones above 0755. One that exists is left as it is. */
MUST_CHECK bool file_make_dirs(const char *path, mode_t mode, struct err *err);

/* rm -r without following links or crossing mounts. Nothing there is success. */
MUST_CHECK bool file_remove_tree(const char *path, struct err *err);

bool file_exists(const char *path);
bool file_is_dir(const char *path);
/* Is something mounted there, be it a folder of the same file system? */
bool file_is_mount(const char *path);

/* Free bytes for root on the file system of <path>, or UINT64_MAX when that cannot be told. */
uint64_t file_free_bytes(const char *path);
