/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <sys/syscall.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "runtime/first_process.h"
#include "runtime/host_priv.h"

/* Field 22 of /proc/<pid>/stat, counted from behind the name, which may hold anything. */
bool first_process_start_ticks(pid_t pid, uint64_t *ret)
{
    AUTO(arena_done) struct arena arena = {0};
    AUTO(buf_done) struct buf text = {0};
    struct err ignored;

    if (!file_read(arena_printf(&arena, "/proc/%d/stat", (int)pid), 4096, &text, &ignored))
        return false;
    struct str rest = str_sub(buf_str(&text), str_find_last(buf_str(&text), ')') + 2, text.len);
    struct str field = str_cut(&rest, ' ');
    if (str_is(field, "Z") || str_is(field, "X"))
        return false;
    for (int i = 3; i < 22 && rest.ptr != NULL; i++)
        field = str_cut(&rest, ' ');
    return str_to_u64(field, UINT64_MAX, ret);
}

/* From the file <name>, "pid ticks". */
bool first_process_read(const struct host *host, const char *id, const char *name,
                        struct first_process *ret)
{
    AUTO(arena_done) struct arena arena = {0};
    AUTO(buf_done) struct buf text = {0};
    struct err ignored;
    uint64_t pid;

    if (!file_read(host_run_path(host, &arena, id, name), 64, &text, &ignored))
        return false;
    struct str rest = str_trim(buf_str(&text));
    if (!str_to_u64(str_cut(&rest, ' '), INT32_MAX, &pid) ||
        !str_to_u64(rest, UINT64_MAX, &ret->start_ticks))
        return false;
    ret->pid = (pid_t)pid;
    return true;
}

bool first_process_is_alive(const struct first_process *process)
{
    uint64_t ticks;
    return first_process_start_ticks(process->pid, &ticks) && ticks == process->start_ticks;
}

/* The descriptor holds on to the process before its start time is looked at. */
int first_process_open(const struct first_process *process)
{
    AUTO(fd_close) int fd = (int)syscall(SYS_pidfd_open, process->pid, 0);

    return fd >= 0 && first_process_is_alive(process) ? TAKE_FD(fd) : -1;
}
