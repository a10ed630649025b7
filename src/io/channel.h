/* SPDX-License-Identifier: Apache-2.0
 *
 * Messages between two of our processes over a SOCK_SEQPACKET socketpair, each
 * with up to CHANNEL_MAX_FDS descriptors (SCM_RIGHTS, unix(7)). What is larger
 * than a packet travels as a sealed memory file, by channel_memfd().
 */
#pragma once

#include "base/base.h"
#include "base/buf.h"

struct err;

enum { CHANNEL_MAX_FDS = 200, CHANNEL_MAX_BYTES = 64 * 1024 };

struct channel_message {
    char bytes[CHANNEL_MAX_BYTES];
    size_t len;
    int fds[CHANNEL_MAX_FDS]; /* the receiver's to close */
    size_t fd_count;
};

/* Both ends non-blocking and close-on-exec. */
MUST_CHECK bool channel_open(int ret_ends[2], struct err *err);

/* ERR_LIMIT when the other side does not read and the queue is full. */
MUST_CHECK bool channel_send(int fd, struct str bytes, const int *fds, size_t fd_count,
                             struct err *err);

enum channel_result { CHANNEL_MESSAGE, CHANNEL_EMPTY, CHANNEL_END, CHANNEL_FAILED };
/* Fills <ret>, which is large: keep it static or on the heap. */
enum channel_result channel_receive(int fd, struct channel_message *ret, struct err *err);

/* A read-only descriptor of <bytes>, sealed against change (memfd_create(2)); -1 on failure. */
int channel_memfd(const char *name, struct str bytes, struct err *err);
/* Appends what a sealed descriptor holds, at most <limit_bytes>. */
MUST_CHECK bool channel_read_memfd(int fd, size_t limit_bytes, struct buf *ret, struct err *err);
