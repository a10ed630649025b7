/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <dirent.h>
#include <linux/magic.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "runtime/cgroup.h"

enum { KILL_ROUNDS = 8, KILL_WAIT_MS = 1000 };

static const char root[] = "/sys/fs/cgroup";

bool cgroup_is_v2(void)
{
    struct statfs fs;
    return statfs(root, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC;
}

bool cgroup_has(const char *controller)
{
    AUTO(arena_done) struct arena arena = {0};
    AUTO(buf_done) struct buf text = {0};
    struct err ignored;

    if (!cgroup_is_v2())
        return file_is_dir(arena_printf(&arena, "%s/%s", root, controller));
    if (!file_read("/sys/fs/cgroup/cgroup.controllers", 4096, &text, &ignored))
        return false;
    struct str rest = str_trim(buf_str(&text));
    while (rest.ptr != NULL)
        if (str_is(str_cut(&rest, ' '), controller))
            return true;
    return false;
}

bool cgroup_read(const char *id, const char *controller, const char *name, struct buf *ret)
{
    AUTO(arena_done) struct arena arena = {0};
    struct err ignored;
    const char *path =
        cgroup_is_v2() ? arena_printf(&arena, "%s/ishizue/%s/%s", root, id, name)
                       : arena_printf(&arena, "%s/%s/ishizue/%s/%s", root, controller, id, name);
    buf_clear(ret);
    return file_read(path, 64 * 1024, ret, &ignored);
}

uint64_t cgroup_read_number(const char *id, const char *controller, const char *name)
{
    AUTO(buf_done) struct buf text = {0};
    uint64_t value = 0;

    if (!cgroup_read(id, controller, name, &text) ||
        !str_to_u64(str_trim(buf_str(&text)), UINT64_MAX, &value))
        return 0;
    return value;
}

uint64_t cgroup_read_key(const char *id, const char *controller, const char *name, const char *key)
{
    AUTO(buf_done) struct buf text = {0};
    uint64_t value = 0;

    if (!cgroup_read(id, controller, name, &text))
        return 0;
    struct str rest = buf_str(&text);
    while (rest.ptr != NULL) {
        struct str line = str_cut(&rest, '\n');
        struct str word = str_cut(&line, ' ');
        if (str_is(word, key) && str_to_u64(str_trim(line), UINT64_MAX, &value))
            return value;
    }
    return 0;
}

bool cgroup_was_out_of_memory(const char *id)
{
    return cgroup_read_key(id, "memory", cgroup_is_v2() ? "memory.events" : "memory.oom_control",
                           "oom_kill") > 0;
}

/* A process that the kernel does not let go within the time is left. */
static void kill_process(pid_t pid)
{
    AUTO(fd_close) int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd ended = {.fd = fd, .events = POLLIN};

    if (fd >= 0 && syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) == 0)
        (void)poll(&ended, 1, KILL_WAIT_MS);
}

/* Several rounds: a process may start another one meanwhile. */
static void kill_all(const char *id)
{
    for (int round = 0; round < KILL_ROUNDS; round++) {
        AUTO(buf_done) struct buf text = {0};
        uint64_t pid;
        bool any = false;

        if (!cgroup_read(id, "pids", "cgroup.procs", &text))
            return;
        for (struct str rest = str_trim(buf_str(&text)); rest.ptr != NULL && rest.len > 0;)
            if (str_to_u64(str_cut(&rest, '\n'), INT32_MAX, &pid) && pid > 0) {
                kill_process((pid_t)pid);
                any = true;
            }
        if (!any)
            return;
    }
}

void cgroup_remove(const char *id)
{
    AUTO(arena_done) struct arena arena = {0};

    kill_all(id);
    if (cgroup_is_v2()) {
        (void)rmdir(arena_printf(&arena, "%s/ishizue/%s", root, id));
        return;
    }
    DIR *dir = opendir(root);
    const struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL)
        if (entry->d_name[0] != '.')
            (void)rmdir(arena_printf(&arena, "%s/%s/ishizue/%s", root, entry->d_name, id));
    if (dir != NULL)
        (void)closedir(dir);
}
