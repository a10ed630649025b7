/* SPDX-License-Identifier: Apache-2.0
 *
 * What the tests of the logs share: a folder of their own and a writer that
 * writes as conmon does.
 */
#pragma once

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/base.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"

/* 2026-11-21T00:00:00Z */
#define LOG_RIG_WALL_NS INT64_C(1795219200000000000)

static char log_rig_dir[64];

static inline int log_rig_setup(void **state)
{
    (void)state;
    (void)snprintf(log_rig_dir, sizeof log_rig_dir, "/tmp/test_log.XXXXXX");
    return mkdtemp(log_rig_dir) == NULL;
}

static inline int log_rig_teardown(void **state)
{
    (void)state;
    struct err err;
    return !file_remove_tree(log_rig_dir, &err);
}

/* Valid until the fourth next call. */
static inline const char *log_rig_path(const char *name)
{
    static char paths[4][128];
    static unsigned next;
    char *path = paths[next++ % 4];
    (void)snprintf(path, 128, "%s/%s", log_rig_dir, name);
    return path;
}

static inline void log_rig_add_raw(const char *path, const char *text)
{
    struct err err;
    AUTO(fd_close) int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (!file_write_fd(fd, str_of(text), &err))
        abort();
}

/* <head> is such as "stdout F"; <ms> after LOG_RIG_WALL_NS. */
static inline void log_rig_add(const char *path, int64_t ms, const char *head, const char *text)
{
    char time[CLOCK_TEXT_BYTES];
    AUTO(buf_done) struct buf line = {0};
    clock_format_rfc3339(LOG_RIG_WALL_NS / 1000000 + ms, time);
    buf_addf(&line, "%.23s000000+00:00 %s %s\n", time, head, text);
    log_rig_add_raw(path, buf_text(&line));
}

static inline void log_rig_add_number(const char *path, int number)
{
    char text[16];
    (void)snprintf(text, sizeof text, "%d", number);
    log_rig_add(path, number, "stdout F", text);
}

/* path to path.1, path.1 to path.2 ... */
static inline void log_rig_rename(const char *path)
{
    char from[140], to[140];
    for (int i = 8; i >= 0; i--) {
        (void)snprintf(from, sizeof from, i == 0 ? "%s" : "%s.%d", path, i);
        (void)snprintf(to, sizeof to, "%s.%d", path, i + 1);
        (void)rename(from, to);
    }
}
