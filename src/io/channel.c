/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "io/channel.h"

bool channel_open(int ret_ends[2], struct err *err)
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ret_ends) != 0)
        return err_sys(err, "cannot create a socket pair");
    return true;
}

bool channel_send(int fd, struct str bytes, const int *fds, size_t fd_count, struct err *err)
{
    char space[CMSG_SPACE(sizeof(int) * CHANNEL_MAX_FDS)] = {0};
    struct iovec iov;
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

    assert(bytes.len > 0 && bytes.len <= CHANNEL_MAX_BYTES && fd_count <= CHANNEL_MAX_FDS);
    memcpy(&iov.iov_base, &bytes.ptr, sizeof iov.iov_base);
    iov.iov_len = bytes.len;
    if (fd_count > 0) {
        msg.msg_control = space;
        msg.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
        struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
        cmsg->cmsg_level = SOL_SOCKET;
        cmsg->cmsg_type = SCM_RIGHTS;
        cmsg->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
        memcpy(CMSG_DATA(cmsg), fds, sizeof(int) * fd_count);
    }
    while (sendmsg(fd, &msg, MSG_NOSIGNAL) < 0) {
        if (errno == EINTR)
            continue;
        if (errno == EAGAIN)
            return err_set(err, ERR_LIMIT, "the other process does not read its messages");
        bool closed = errno == EPIPE || errno == ECONNRESET;
        err_sys(err, "cannot send a message");
        if (closed)
            err->code = ERR_CLOSED;
        return false;
    }
    return true;
}

static void take_fds(struct msghdr *msg, struct channel_message *ret)
{
    for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg); cmsg != NULL; cmsg = CMSG_NXTHDR(msg, cmsg)) {
        if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        count = MIN(count, CHANNEL_MAX_FDS - ret->fd_count);
        memcpy(ret->fds + ret->fd_count, CMSG_DATA(cmsg), count * sizeof(int));
        ret->fd_count += count;
    }
}

enum channel_result channel_receive(int fd, struct channel_message *ret, struct err *err)
{
    char space[CMSG_SPACE(sizeof(int) * CHANNEL_MAX_FDS)];
    struct iovec iov = {.iov_base = ret->bytes, .iov_len = sizeof ret->bytes};
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
    ssize_t n;

    ret->len = ret->fd_count = 0;
    do
        n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN)
        return CHANNEL_EMPTY;
    if (n == 0 || (n < 0 && errno == ECONNRESET))
        return CHANNEL_END;
    if (n < 0) {
        err_sys(err, "cannot receive a message");
        return CHANNEL_FAILED;
    }
    ret->len = (size_t)n;
    take_fds(&msg, ret);
    if ((msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
        for (size_t i = 0; i < ret->fd_count; i++)
            fd_close(ret->fds[i]);
        ret->fd_count = 0;
        err_set(err, ERR_LIMIT, "a message was larger than %d bytes", CHANNEL_MAX_BYTES);
        return CHANNEL_FAILED;
    }
    return CHANNEL_MESSAGE;
}

int channel_memfd(const char *name, struct str bytes, struct err *err)
{
    AUTO(fd_close) int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0) {
        err_sys(err, "cannot create a memory file");
        return -1;
    }
    if (!file_write_fd(fd, bytes, err))
        return -1;
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) != 0) {
        err_sys(err, "cannot seal a memory file");
        return -1;
    }
    return TAKE_FD(fd);
}

bool channel_read_memfd(int fd, size_t limit_bytes, struct buf *ret, struct err *err)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return err_sys(err, "cannot look at a memory file");
    if (st.st_size < 0 || (uint64_t)st.st_size > limit_bytes)
        return err_set(err, ERR_LIMIT, "a memory file is larger than %zu bytes", limit_bytes);
    for (size_t at = 0; at < (size_t)st.st_size;) {
        char piece[16384];
        ssize_t n = pread(fd, piece, MIN(sizeof piece, (size_t)st.st_size - at), (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return err_sys(err, "cannot read a memory file");
        buf_add(ret, piece, (size_t)n);
        at += (size_t)n;
    }
    return true;
}
