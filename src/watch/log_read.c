/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "watch/log_files.h"
#include "watch/log_read.h"

enum {
    BLOCK_BYTES = 2 * LOG_LINE_MAX,
    PIECE_BYTES = LOG_TEXT_MAX - LOG_LINE_MAX, /* one more part still fits */
};

/* A line of output of which only parts were seen. */
struct unfinished {
    struct buf text;
    int64_t wall_ns; /* of its first part */
    bool begun;
    bool given; /* the text went to the caller: forget it */
};

struct log_reader {
    char *path;
    struct log_range range;
    struct log_files newer; /* to be read after this one, newest first */
    int fd;                 /* -1: there was no file yet */
    char *block;            /* NULL: nothing in it */
    size_t from, to;        /* bytes of <block> not yet taken */
    bool overlong;          /* leave out everything up to the next LF */
    int64_t last_wall_ns;
    int64_t known_wall_ns; /* lines up to this time were given before */
    uint64_t skipped;
    struct unfinished streams[2]; /* by enum log_stream */
};

/* Takes the oldest of the waiting files. */
static void switch_file(struct log_reader *reader)
{
    if (reader->from < reader->to) /* a torn line: its end was never written */
        reader->skipped++;
    reader->from = reader->to = 0;
    reader->overlong = false;
    fd_close(reader->fd);
    reader->fd = reader->newer.fds.ptr[--reader->newer.fds.len];
}

struct log_reader *log_reader_open(const char *path, const struct log_range *range, struct err *err)
{
    AUTO(log_files_done) struct log_files files = {0};
    size_t index = 0;
    int64_t offset = 0;
    bool met;

    if (!log_files_open(path, NULL, &files, &met, err))
        return NULL;
    struct log_reader *reader = NEW(struct log_reader);
    reader->path = mem_copy_text(path);
    reader->range = *range;
    reader->known_wall_ns = INT64_MIN;
    reader->fd = -1;
    reader->newer = files;
    files = (struct log_files){0};
    if (range->tail != LOG_TAIL_ALL && reader->newer.fds.len > 0) {
        log_files_find_tail(&reader->newer, range->tail, &index, &offset);
        while (reader->newer.fds.len > index + 1)
            fd_close(reader->newer.fds.ptr[--reader->newer.fds.len]);
    }
    if (reader->newer.fds.len > 0)
        switch_file(reader);
    if (offset > 0)
        (void)lseek(reader->fd, offset, SEEK_SET);
    return reader;
}

void log_reader_close(struct log_reader *reader)
{
    if (reader == NULL)
        return;
    fd_close(reader->fd);
    log_files_done(&reader->newer);
    for (size_t i = 0; i < ARRAY_LEN(reader->streams); i++)
        buf_done(&reader->streams[i].text);
    free(reader->block);
    free(reader->path);
    free(reader);
}

/* Cut to nothing by someone else (`: > log`): begin again. */
static bool was_truncated(struct log_reader *reader, const struct stat *st)
{
    if (st->st_size >= lseek(reader->fd, 0, SEEK_CUR))
        return false;
    reader->from = reader->to = 0;
    return lseek(reader->fd, 0, SEEK_SET) == 0;
}

/* Looks for files that were begun after the one being read. When that one is no longer among
 * them, it was rotated away or replaced: all are taken, without the lines that were seen. */
static bool find_newer(struct log_reader *reader)
{
    struct stat ours, current;
    struct err ignored;
    bool met = false;
    bool had_file = reader->fd >= 0 && fstat(reader->fd, &ours) == 0;

    if (reader->newer.fds.len > 0)
        return true;
    if (stat(reader->path, &current) != 0)
        return false; /* renamed; the writer still has the old one */
    if (had_file && current.st_ino == ours.st_ino && current.st_dev == ours.st_dev)
        return was_truncated(reader, &current);
    log_files_done(&reader->newer);
    if (!log_files_open(reader->path, had_file ? &ours : NULL, &reader->newer, &met, &ignored))
        return false;
    if (had_file && !met)
        reader->known_wall_ns = reader->last_wall_ns;
    return reader->newer.fds.len > 0;
}

/* More bytes behind <to>. A file is read to its end once more after its successor was found:
 * the writer may have used the moment in between. */
static bool read_more(struct log_reader *reader)
{
    for (;;) {
        ssize_t n = 0;
        if (reader->fd >= 0)
            n = read(reader->fd, reader->block + reader->to, BLOCK_BYTES - reader->to);
        if (n < 0 && errno == EINTR)
            continue;
        if (n > 0) {
            reader->to += (size_t)n;
            return true;
        }
        if (n < 0)
            reader->skipped++;
        bool waiting = reader->newer.fds.len > 0;
        if (!waiting && !find_newer(reader))
            return false;
        if (waiting || reader->fd < 0)
            switch_file(reader);
    }
}

/* Room behind <to>, by moving what is left to the front; a line that fills it all is given up. */
static void make_room(struct log_reader *reader)
{
    if (reader->block == NULL)
        reader->block = mem_new(BLOCK_BYTES);
    if (reader->from > 0) {
        memmove(reader->block, reader->block + reader->from, reader->to - reader->from);
        reader->to -= reader->from;
        reader->from = 0;
    }
    if (reader->to > LOG_LINE_MAX) {
        reader->skipped += !reader->overlong;
        reader->overlong = true;
        reader->to = 0;
    }
}

/* The next complete line of the files, without its LF. */
static bool next_raw_line(struct log_reader *reader, struct str *ret)
{
    for (;;) {
        struct str left = {reader->block, 0};
        if (reader->from < reader->to)
            left = str_from(reader->block + reader->from, reader->to - reader->from);
        size_t len = str_find(left, '\n');
        if (len < left.len) {
            reader->from += len + 1;
            if (!reader->overlong) {
                *ret = str_sub(left, 0, len);
                return true;
            }
            reader->overlong = false;
            continue;
        }
        make_room(reader);
        if (!read_more(reader))
            break;
    }
    if (reader->from == reader->to) { /* idle: keep nothing */
        free(reader->block);
        reader->block = NULL;
        reader->from = reader->to = 0;
    }
    return false;
}

static void forget_given(struct log_reader *reader)
{
    for (size_t i = 0; i < ARRAY_LEN(reader->streams); i++) {
        struct unfinished *stream = &reader->streams[i];
        if (stream->given && !stream->begun)
            buf_done(&stream->text);
        else if (stream->given)
            buf_clear(&stream->text);
        stream->given = false;
    }
}

/* Puts <line> to the parts of its stream. True when <line> is now something to give: the whole
 * line, or a piece of a very long one. */
static bool join(struct log_reader *reader, struct log_line *line)
{
    struct unfinished *stream = &reader->streams[line->stream];

    if (!stream->begun && !line->partial)
        return true;
    if (!stream->begun)
        stream->wall_ns = line->wall_ns;
    stream->begun = line->partial;
    buf_add_str(&stream->text, line->text);
    if (line->partial && stream->text.len <= PIECE_BYTES)
        return false;
    stream->given = true;
    line->wall_ns = stream->wall_ns;
    line->text = buf_str(&stream->text);
    return true;
}

static bool is_in_range(const struct log_range *range, const struct log_line *line)
{
    return line->wall_ns >= range->since_wall_ns &&
           (range->until_wall_ns == 0 || line->wall_ns < range->until_wall_ns);
}

bool log_reader_next(struct log_reader *reader, struct log_line *ret)
{
    struct str raw = {0};
    struct log_line line;
    struct err ignored;

    for (;;) {
        forget_given(reader);
        if (!next_raw_line(reader, &raw))
            return false;
        if (!log_line_parse(raw, &line, &ignored)) {
            reader->skipped++;
            continue;
        }
        if (line.wall_ns <= reader->known_wall_ns)
            continue;
        reader->last_wall_ns = MAX(reader->last_wall_ns, line.wall_ns);
        if (join(reader, &line) && is_in_range(&reader->range, &line)) {
            *ret = line;
            return true;
        }
    }
}

bool log_reader_rest(struct log_reader *reader, struct log_line *ret)
{
    forget_given(reader);
    for (size_t i = 0; i < ARRAY_LEN(reader->streams); i++) {
        struct unfinished *stream = &reader->streams[i];
        struct log_line line = {stream->wall_ns, (enum log_stream)i, true, buf_str(&stream->text)};
        if (!stream->begun)
            continue;
        stream->begun = false;
        stream->given = true;
        if (line.text.len > 0 && is_in_range(&reader->range, &line)) {
            *ret = line;
            return true;
        }
    }
    return false;
}

void log_reader_pin(struct log_reader *reader)
{
    (void)find_newer(reader);
}

uint64_t log_reader_skipped(const struct log_reader *reader)
{
    return reader->skipped;
}

/* Drops whole lines from the front until at most <limit_bytes> are left behind <start>. */
static void cut_front(struct buf *text, size_t start, size_t limit_bytes)
{
    size_t len = text->len - start;

    if (len <= limit_bytes)
        return;
    struct str over = str_from(text->ptr + start, len);
    size_t drop = len - limit_bytes;
    size_t lf = str_find(str_sub(over, drop - 1, SIZE_MAX), '\n');
    drop = MIN(drop + lf, len);
    memmove(text->ptr + start, text->ptr + start + drop, len - drop);
    text->len -= drop;
    text->ptr[text->len] = '\0';
}

void log_read_last(const char *path, size_t lines, size_t limit_bytes, struct buf *ret)
{
    struct log_range range = {.tail = lines};
    struct log_line line;
    struct err ignored;
    size_t start = ret->len;
    AUTO(log_reader_close) struct log_reader *reader = log_reader_open(path, &range, &ignored);

    if (reader == NULL)
        return;
    while (log_reader_next(reader, &line) || log_reader_rest(reader, &line)) {
        buf_add_str(ret, line.text);
        buf_add_char(ret, '\n');
        cut_front(ret, start, limit_bytes);
    }
}
