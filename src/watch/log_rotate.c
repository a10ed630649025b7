/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "watch/log_read.h"
#include "watch/log_rotate.h"

#define RETRY_NS (10 * NS_PER_SECOND)

static void set_name(struct buf *name, const char *path, uint32_t index)
{
    buf_clear(name);
    buf_add_text(name, path);
    if (index > 0)
        buf_addf(name, ".%u", index);
}

static bool remove_file(const char *path, struct err *err)
{
    if (unlink(path) != 0 && errno != ENOENT)
        return err_sys(err, "cannot remove log '%s'", path);
    return true;
}

/* Removes path.<from> and all later ones, also those of a former, larger max_files. */
static bool remove_from(const char *path, uint32_t from, struct err *err)
{
    AUTO(buf_done) struct buf name = {0};

    for (uint32_t i = from; i < LOG_FILES_MAX; i++) {
        set_name(&name, path, i);
        if (!remove_file(buf_text(&name), err))
            return false;
    }
    return true;
}

/* Highest first, so that no file is ever overwritten. */
static bool shift_files(const struct log_rotate *rotate, struct err *err)
{
    AUTO(buf_done) struct buf from = {0};
    AUTO(buf_done) struct buf to = {0};

    if (rotate->max_files == 1)
        return remove_file(rotate->path, err);
    if (!remove_from(rotate->path, rotate->max_files - 1, err))
        return false;
    for (uint32_t i = rotate->max_files - 1; i-- > 0;) {
        set_name(&from, rotate->path, i);
        set_name(&to, rotate->path, i + 1);
        if (rename(buf_text(&from), buf_text(&to)) != 0 && errno != ENOENT)
            return err_sys(err, "cannot rename log '%s'", buf_text(&from));
    }
    return true;
}

static bool ask_reopen(struct log_rotate *rotate, uint64_t now_ns, struct err *err)
{
    rotate->retry_ns = now_ns + RETRY_NS;
    if (rotate->reopen(rotate->arg, err))
        return true;
    return err_prefix(err, "log '%s' was rotated, but its writer", rotate->path);
}

bool log_rotate_check(struct log_rotate *rotate, uint64_t now_ns, bool *ret_rotated,
                      struct err *err)
{
    struct stat st;
    bool rotated = false;

    assert(rotate->max_files >= 1 && rotate->max_files <= LOG_FILES_MAX);
    if (stat(rotate->path, &st) != 0) {
        if (errno != ENOENT)
            return err_sys(err, "cannot look at log '%s'", rotate->path);
        if (rotate->retry_ns != 0 && now_ns >= rotate->retry_ns && !ask_reopen(rotate, now_ns, err))
            return false;
    } else {
        rotate->retry_ns = 0;
        rotated = rotate->max_bytes > 0 && (uint64_t)st.st_size >= rotate->max_bytes;
    }
    if (rotated && (!shift_files(rotate, err) || !ask_reopen(rotate, now_ns, err)))
        return false;
    if (ret_rotated != NULL)
        *ret_rotated = rotated;
    return true;
}

bool log_remove(const char *path, struct err *err)
{
    return remove_file(path, err) && remove_from(path, 1, err);
}
