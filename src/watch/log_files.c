/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "watch/log_files.h"
#include "watch/log_read.h"

enum {
    BLOCK_BYTES = 32768,
    HEADER_BYTES = 64, /* time, stream and tag fit in it */
};

void log_files_done(struct log_files *files)
{
    for (size_t i = 0; i < files->fds.len; i++)
        fd_close(files->fds.ptr[i]);
    VEC_DONE(&files->fds);
}

static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_dev == b->st_dev;
}

static bool is_opened(const struct log_files *files, const struct stat *wanted)
{
    struct stat st;

    for (size_t i = 0; i < files->fds.len; i++)
        if (fstat(files->fds.ptr[i], &st) == 0 && is_same(&st, wanted))
            return true;
    return false;
}

/* -1 when it is not there, -2 on failure. */
static int open_one(const char *path, size_t index, struct stat *ret, struct err *err)
{
    AUTO(buf_done) struct buf name = {0};

    buf_add_text(&name, path);
    if (index > 0)
        buf_addf(&name, ".%zu", index);
    AUTO(fd_close) int fd = open(buf_text(&name), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT)
        return -1;
    if (fd < 0 || fstat(fd, ret) != 0) {
        err_sys(err, "cannot open log '%s'", buf_text(&name));
        return -2;
    }
    if (!S_ISREG(ret->st_mode)) {
        err_set(err, ERR_INVALID, "log '%s' is not a file", buf_text(&name));
        return -2;
    }
    return TAKE_FD(fd);
}

bool log_files_open(const char *path, const struct stat *known, struct log_files *ret,
                    bool *ret_met, struct err *err)
{
    AUTO(log_files_done) struct log_files files = {0};
    bool met = false;

    /* One name may be missing: a rotation is under way. */
    for (size_t i = 0, missing = 0; i < LOG_FILES_MAX && missing < 2 && !met; i++) {
        struct stat st;
        int fd = open_one(path, i, &st, err);
        if (fd == -2)
            return false;
        missing = fd == -1 ? missing + 1 : 0;
        met = fd >= 0 && known != NULL && is_same(&st, known);
        if (fd >= 0 && !met && !is_opened(&files, &st))
            VEC_PUSH(&files.fds, fd);
        else
            fd_close(fd);
    }
    *ret = files;
    *ret_met = met;
    files = (struct log_files){0};
    return true;
}

/* What the search knows while it walks backwards. */
struct tail_search {
    size_t lines_left; /* complete lines still to step over; at 0 one more ends the search */
    size_t index;      /* the later neighbour of the line under the eye starts here */
    int64_t offset;
    bool found;
};

static void see_line(struct tail_search *search, size_t index, int64_t offset, struct str header)
{
    struct log_line line;
    struct err ignored;
    size_t end = str_find(header, '\n');

    if (log_line_parse(str_sub(header, 0, end), &line, &ignored) && !line.partial) {
        search->found = search->lines_left == 0;
        if (search->found)
            return;
        search->lines_left--;
    }
    search->index = index;
    search->offset = offset;
}

/* Reads <len> bytes or up to the end of the file. */
static size_t read_block(int fd, char *block, size_t len, int64_t offset)
{
    size_t got = 0;

    while (got < len) {
        ssize_t n = pread(fd, block + got, len - got, offset + (int64_t)got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        got += (size_t)n;
    }
    return got;
}

/* What search_file() knows of the file it is in. */
struct tail_block {
    size_t index;
    char *bytes;
    int64_t start; /* of the block in the file */
    size_t len;    /* of the block */
    size_t got;    /* the same and some of what follows, for the last header */
    bool ended;    /* an LF was seen: what stands before it is a whole line */
};

static struct str header_at(const struct tail_block *block, size_t at)
{
    return str_from(block->bytes + at, MIN(block->got - at, HEADER_BYTES));
}

static void search_block(struct tail_search *search, struct tail_block *block)
{
    size_t at = MIN(block->got, block->len);

    while (at > 0 && !search->found) {
        const char *lf = memrchr(block->bytes, '\n', at);
        if (lf == NULL)
            break;
        size_t next = (size_t)(lf - block->bytes) + 1;
        if (block->ended)
            see_line(search, block->index, block->start + (int64_t)next, header_at(block, next));
        else if (block->index == 0 && search->offset < 0)
            search->offset = block->start + (int64_t)next;
        block->ended = true;
        at = next - 1;
    }
    if (block->start == 0 && block->ended && !search->found)
        see_line(search, block->index, 0, header_at(block, 0));
}

static void search_file(struct tail_search *search, size_t index, int fd, char *bytes)
{
    struct tail_block block = {.index = index, .bytes = bytes};
    struct stat st;

    if (fstat(fd, &st) != 0)
        return;
    for (int64_t end = st.st_size; end > 0 && !search->found; end = block.start) {
        block.start = MAX(end - BLOCK_BYTES, 0);
        block.len = (size_t)(end - block.start);
        block.got = read_block(fd, bytes, block.len + HEADER_BYTES, block.start);
        search_block(search, &block);
    }
}

void log_files_find_tail(const struct log_files *files, size_t lines, size_t *ret_index,
                         int64_t *ret_offset)
{
    struct tail_search search = {.lines_left = lines, .offset = -1};
    char *block = mem_new(BLOCK_BYTES + HEADER_BYTES);

    for (size_t i = 0; i < files->fds.len && !search.found; i++)
        search_file(&search, i, files->fds.ptr[i], block);
    free(block);
    *ret_index = search.found || files->fds.len == 0 ? search.index : files->fds.len - 1;
    *ret_offset = search.found ? MAX(search.offset, 0) : 0;
}
