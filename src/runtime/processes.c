/* SPDX-License-Identifier: Apache-2.0
 *
 * The processes of an instance, as the machine sees them: its control group
 * says which, /proc the rest (proc(5)). What they call themselves is foreign
 * text.
 */
#include "base/base.h"

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "runtime/cgroup.h"
#include "runtime/host_priv.h"

enum { PROCESSES_MAX = 1000, STAT_BYTES = 4096, COMMAND_BYTES = 1024, PTS_MAJOR = 136 };

/* Of /proc/<pid>/stat, after the name; the third of the file is the first here. */
enum { STAT_PARENT = 1, STAT_TTY = 4, STAT_USER_TIME = 11, STAT_SYSTEM_TIME = 12, STAT_START = 19 };

static bool read_proc(pid_t pid, const char *name, size_t limit, struct buf *ret)
{
    char path[64];
    struct err ignored;

    (void)snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    return file_read(path, limit, ret, &ignored);
}

static uint64_t read_boot_ms(void)
{
    AUTO(buf_done) struct buf text = {0};
    struct err ignored;
    uint64_t seconds;

    if (!file_read("/proc/stat", 1 << 20, &text, &ignored))
        return 0;
    for (struct str rest = buf_str(&text); rest.ptr != NULL;) {
        struct str line = str_cut(&rest, '\n');
        if (str_starts(line, STR("btime ")) &&
            str_to_u64(str_sub(line, 6, line.len), UINT32_MAX, &seconds))
            return seconds * 1000;
    }
    return 0;
}

static const char *tty_name(uint64_t device, struct arena *arena)
{
    uint64_t major = device >> 8 & 0xfff, minor = (device & 0xff) | (device >> 12 & 0xfff00);

    if (device == 0)
        return "?";
    if (major >= PTS_MAJOR && major < PTS_MAJOR + 8)
        return arena_printf(arena, "pts/%llu",
                            (unsigned long long)((major - PTS_MAJOR) << 20 | minor));
    return arena_printf(arena, "%llu:%llu", (unsigned long long)major, (unsigned long long)minor);
}

/* The name in parentheses may hold anything, also ')': the last one ends it. */
static bool parse_stat(struct str text, struct arena *arena, struct runtime_process *ret,
                       struct str *ret_name)
{
    size_t open = str_find(text, '('), close = str_find_last(text, ')');
    uint64_t ticks_per_second = (uint64_t)sysconf(_SC_CLK_TCK), value;

    if (open >= close || close == text.len)
        return false;
    *ret_name = str_sub(text, open + 1, close - open - 1);
    struct str rest = str_trim(str_sub(text, close + 1, text.len));
    for (int field = 0; rest.ptr != NULL && field <= STAT_START; field++) {
        if (!str_to_u64(str_cut(&rest, ' '), UINT64_MAX, &value))
            continue; /* the state's letter, and what may be negative */
        if (field == STAT_PARENT)
            ret->parent = (pid_t)value;
        else if (field == STAT_TTY)
            ret->tty = tty_name(value, arena);
        else if (field == STAT_USER_TIME || field == STAT_SYSTEM_TIME)
            ret->cpu_ms += value * 1000 / ticks_per_second;
        else if (field == STAT_START)
            ret->started_wall_ms = (int64_t)(value * 1000 / ticks_per_second);
    }
    return true;
}

static uid_t read_uid(pid_t pid)
{
    AUTO(buf_done) struct buf text = {0};
    uint64_t uid;

    if (!read_proc(pid, "status", STAT_BYTES * 2, &text))
        return 0;
    for (struct str rest = buf_str(&text); rest.ptr != NULL;) {
        struct str line = str_cut(&rest, '\n');
        if (!str_starts(line, STR("Uid:\t")))
            continue;
        line = str_sub(line, 5, line.len);
        return str_to_u64(str_cut(&line, '\t'), UINT32_MAX, &uid) ? (uid_t)uid : 0;
    }
    return 0;
}

/* At most COMMAND_BYTES of it: a command line may have two megabytes. */
static const char *read_command(pid_t pid, struct str name, struct arena *arena)
{
    char path[64], bytes[COMMAND_BYTES];
    FILE *file;

    (void)snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
    file = fopen(path, "re");
    size_t len = file == NULL ? 0 : fread(bytes, 1, sizeof bytes, file);
    if (file != NULL)
        (void)fclose(file);
    while (len > 0 && bytes[len - 1] == '\0')
        len--;
    for (size_t i = 0; i < len; i++)
        if (bytes[i] == '\0')
            bytes[i] = ' ';
    if (len == 0)
        return arena_printf(arena, "[" STR_FMT "]", STR_ARG(name));
    return arena_str(arena, str_from(bytes, len));
}

/* False for one that has ended meanwhile. */
static bool read_process(pid_t pid, uint64_t boot_ms, struct arena *arena,
                         struct runtime_process *ret)
{
    AUTO(buf_done) struct buf text = {0};
    struct str name;

    *ret = (struct runtime_process){.pid = pid, .tty = "?"};
    if (!read_proc(pid, "stat", STAT_BYTES, &text) ||
        !parse_stat(buf_str(&text), arena, ret, &name))
        return false;
    ret->started_wall_ms += (int64_t)boot_ms;
    ret->uid = read_uid(pid);
    ret->command = read_command(pid, name, arena);
    return true;
}

bool processes_read(struct runtime *runtime, const char *id, struct arena *arena,
                    struct runtime_process **ret, size_t *ret_count, struct err *err)
{
    AUTO(buf_done) struct buf text = {0};
    uint64_t boot_ms = read_boot_ms(), pid;

    (void)runtime;
    if (!host_check_id(id, err))
        return false;
    if (!cgroup_read(id, "pids", "cgroup.procs", &text))
        return err_set(err, ERR_NOT_FOUND, "instance '%s' has no control group", id);
    *ret = ARENA_ARRAY(arena, struct runtime_process, PROCESSES_MAX);
    *ret_count = 0;
    for (struct str rest = str_trim(buf_str(&text)); rest.ptr != NULL && rest.len > 0;)
        if (str_to_u64(str_cut(&rest, '\n'), INT32_MAX, &pid) && pid > 0 &&
            *ret_count < PROCESSES_MAX &&
            read_process((pid_t)pid, boot_ms, arena, &(*ret)[*ret_count]))
            (*ret_count)++;
    return true;
}
