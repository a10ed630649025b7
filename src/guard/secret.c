/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/file.h"
#include "guard/secret.h"

void secret_done(struct secret *secret)
{
    if (secret->ptr != NULL)
        explicit_bzero(secret->ptr, secret->len);
    free(secret->ptr);
    *secret = (struct secret){0};
}

void secret_set(struct secret *secret, struct str bytes)
{
    struct secret fresh = {mem_new(bytes.len + 1), bytes.len};

    if (bytes.len > 0)
        memcpy(fresh.ptr, bytes.ptr, bytes.len);
    secret_done(secret);
    *secret = fresh;
}

/* Reads into one block of the file's size: growing would leave copies on the heap. */
static bool read_all(int fd, size_t size, struct secret *ret, struct err *err)
{
    AUTO(secret_done) struct secret bytes = {mem_new(size + 1), size};
    size_t at = 0;

    while (at < size) {
        ssize_t n = read(fd, bytes.ptr + at, size - at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_sys(err, "cannot read");
        if (n == 0)
            return err_set(err, ERR_INVALID, "became shorter while it was read");
        at += (size_t)n;
    }
    secret_done(ret);
    ret->len = bytes.len;
    ret->ptr = TAKE(bytes.ptr);
    return true;
}

static bool read_checked(int fd, size_t limit_bytes, struct secret *ret, struct err *err)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return err_sys(err, "cannot look at it");
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_INVALID, "not a file");
    if ((st.st_mode & 077) != 0)
        return err_set(err, ERR_DENIED,
                       "others may read it (mode %03o), make it private with chmod 600",
                       (unsigned)st.st_mode & 0777U);
    if ((uint64_t)st.st_size > limit_bytes)
        return err_set(err, ERR_LIMIT, "larger than %zu bytes", limit_bytes);
    return read_all(fd, (size_t)st.st_size, ret, err);
}

bool secret_read(const char *path, size_t limit_bytes, struct secret *ret, struct err *err)
{
    AUTO(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0) {
        bool absent = errno == ENOENT || errno == ENOTDIR;
        err_sys(err, "cannot open '%s'", path);
        if (absent)
            err->code = ERR_NOT_FOUND;
        return false;
    }
    if (!read_checked(fd, limit_bytes, ret, err))
        return err_prefix(err, "%s", path);
    return true;
}
