/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "edge/static_find.h"
#include "http/http_mime.h"
#include "http/path.h"

enum { SUFFIX_BYTES = 5 }; /* ".zst" and NUL */

static const struct variant {
    enum http_coding coding;
    const char *suffix;
} variants[] = {
    {HTTP_CODING_BR, ".br"},
    {HTTP_CODING_ZSTD, ".zst"},
    {HTTP_CODING_GZIP, ".gz"},
};

static int open_beneath(int folder, const char *name)
{
    struct open_how how = {
        .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, /* a FIFO must not block */
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };

    return (int)syscall(SYS_openat2, folder, name[0] == '\0' ? "." : name, &how, sizeof how);
}

static bool is_regular(int fd, struct stat *ret)
{
    return fd >= 0 && fstat(fd, ret) == 0 && S_ISREG(ret->st_mode);
}

/* Pictures and archives have no compressed siblings; saves looking for them. */
static bool is_compressible(const char *mime_type)
{
    static const char *const starts[] = {
        "text/",           "application/javascript", "application/json",
        "application/xml", "application/wasm",       "application/manifest",
        "image/svg",
    };

    for (size_t i = 0; i < ARRAY_LEN(starts); i++)
        if (strncmp(mime_type, starts[i], strlen(starts[i])) == 0)
            return true;
    return false;
}

static bool open_variant(int folder, const char *name, struct static_file *file, const char *suffix)
{
    char whole[STATIC_NAME_BYTES + SUFFIX_BYTES];
    struct stat status;

    (void)snprintf(whole, sizeof whole, "%s%s", name + 1, suffix);
    int fd = open_beneath(folder, whole);
    if (!is_regular(fd, &status)) {
        fd_close(fd);
        return false;
    }
    fd_close(file->fd);
    file->fd = fd;
    file->status = status;
    return true;
}

/* Tries the codings in the client's order until one is there. */
static void pick_variant(int folder, const char *name, struct str accepted,
                         struct static_file *file)
{
    unsigned left = 1U << HTTP_CODING_IDENTITY;

    for (size_t i = 0; i < ARRAY_LEN(variants); i++)
        left |= 1U << variants[i].coding;
    for (;;) {
        enum http_coding coding = http_coding_pick(accepted, left);
        if (coding == HTTP_CODING_IDENTITY)
            return;
        for (size_t i = 0; i < ARRAY_LEN(variants); i++)
            if (variants[i].coding == coding &&
                open_variant(folder, name, file, variants[i].suffix)) {
                file->coding = coding;
                return;
            }
        left &= ~(1U << coding);
    }
}

/* The first of <index> in the folder whose name is the first <len> bytes of <name>. */
static bool open_index(int folder, const struct str *index, size_t count, size_t len, char *name,
                       struct static_file *file)
{
    for (size_t i = 0; i < count; i++) {
        if (len + index[i].len >= STATIC_NAME_BYTES)
            continue;
        memcpy(name + len, index[i].ptr, index[i].len);
        name[len + index[i].len] = '\0';
        file->fd = open_beneath(folder, name + 1);
        if (is_regular(file->fd, &file->status))
            return true;
        fd_close(file->fd);
        file->fd = -1;
    }
    return false;
}

/* What a name begins with that is meant for everybody (RFC 8615). */
static const char well_known[] = "/.well-known/";

/* Has a part that is not for visitors? */
static bool is_hidden(const char *name)
{
    size_t known = sizeof well_known - 1;

    return strstr(strncmp(name, well_known, known) == 0 ? name + known - 1 : name, "/.") != NULL;
}

static int open_file(int folder, struct str path, const struct str *index, size_t index_count,
                     char name[STATIC_NAME_BYTES], struct static_file *file)
{
    size_t len;

    if (path.len + sizeof "index.html" > STATIC_NAME_BYTES)
        return 414;
    if (!http_path_decode(path, name, &len) || is_hidden(name))
        return 404;
    if (name[len - 1] == '/')
        return open_index(folder, index, index_count, len, name, file) ? 200 : 404;
    file->fd = open_beneath(folder, name + 1);
    if (is_regular(file->fd, &file->status))
        return 200;
    bool is_folder = file->fd >= 0 && S_ISDIR(file->status.st_mode);
    fd_close(file->fd);
    file->fd = -1;
    return is_folder ? 301 : 404;
}

int static_find(int folder, struct str path, struct str accepted, struct static_file *ret)
{
    static const struct str index = {"index.html", 10};

    return static_find_index(folder, path, accepted, &index, 1, ret);
}

int static_find_index(int folder, struct str path, struct str accepted, const struct str *index,
                      size_t index_count, struct static_file *ret)
{
    char name[STATIC_NAME_BYTES] __attribute__((uninitialized)); /* 2 KiB of zeroes cost more */
    int status = open_file(folder, path, index, index_count, name, ret);

    if (status != 200)
        return status;
    ret->is_fallback = false;
    ret->coding = HTTP_CODING_IDENTITY;
    ret->mime_type = http_mime_type(str_of(name));
    ret->varies = is_compressible(ret->mime_type);
    if (ret->varies && accepted.len > 0)
        pick_variant(folder, name, accepted, ret);
    (void)snprintf(ret->tag, sizeof ret->tag, "\"%lx%08lx-%lx\"",
                   (unsigned long)ret->status.st_mtim.tv_sec,
                   (unsigned long)ret->status.st_mtim.tv_nsec, (unsigned long)ret->status.st_size);
    return 200;
}
