/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/file.h"
#include "runtime_rig.h"

void drive_check(struct drive *drive, bool ok, const char *name)
{
    drive->count++;
    drive->failed += ok ? 0 : 1;
    printf("%s %d - %s\n", ok ? "ok" : "not ok", drive->count, name);
    if (!ok && drive->has_err)
        printf("# %s\n", drive->err.text);
    if (!ok && drive->output.len > 0)
        printf("# output: %s\n", buf_text(&drive->output));
    (void)fflush(stdout);
}

void on_done(void *arg, const struct err *err)
{
    struct drive *drive = arg;
    drive->done = true;
    drive->has_err = err != NULL;
    if (err != NULL)
        drive->err = *err;
}

void on_exec(void *arg, int exit_status, struct str output, const struct err *err)
{
    struct drive *drive = arg;
    on_done(arg, err);
    drive->exit_status = exit_status;
    buf_clear(&drive->output);
    buf_add_str(&drive->output, output);
}

void on_exit_of(void *arg, const char *id)
{
    struct drive *drive = arg;
    (void)id;
    drive->exits++;
}

void on_build_output(void *arg, struct str bytes)
{
    struct drive *drive = arg;
    buf_add_str(&drive->output, bytes);
}

bool wait_done(struct drive *drive)
{
    uint64_t end_ns = clock_now_ns() + WAIT_SECONDS * NS_PER_SECOND;

    while (!drive->done && clock_now_ns() < end_ns)
        loop_round(drive->loop, 1000);
    return drive->done && !drive->has_err;
}

bool drive_start(struct drive *drive, const struct instance_spec *spec)
{
    drive->done = false;
    drive->has_err = !drive->runtime->ops->start(drive->runtime, spec, on_done, drive, &drive->err);
    return !drive->has_err && wait_done(drive);
}

bool drive_run(struct drive *drive, const char *id, const char *shell, uint64_t timeout_ms)
{
    const char *argv[] = {"/bin/sh", "-c", shell};
    struct compose_texts texts = {argv, ARRAY_LEN(argv)};

    drive->done = false;
    drive->exit_status = -1;
    drive->has_err = !drive->runtime->ops->exec(drive->runtime, id, &texts, timeout_ms, on_exec,
                                                drive, &drive->err);
    return !drive->has_err && wait_done(drive) && drive->exit_status == 0;
}

bool stop_and_remove(struct drive *drive, const char *id)
{
    struct runtime_status status;
    struct err err;
    int before = drive->exits;
    uint64_t end_ns = clock_now_ns() + WAIT_SECONDS * NS_PER_SECOND;

    if (drive->runtime->ops->signal(drive->runtime, id, SIGKILL, &err))
        while (drive->exits == before && clock_now_ns() < end_ns)
            loop_round(drive->loop, 1000);
    drive->done = false;
    drive->has_err = !drive->runtime->ops->remove(drive->runtime, id, on_done, drive, &drive->err);
    if (drive->has_err || !wait_done(drive))
        return false;
    return drive->runtime->ops->inspect(drive->runtime, id, &status, &err) &&
           status.state == RUNTIME_ABSENT;
}

bool drive_apply(struct drive *drive, const struct runtime_network *network)
{
    drive->has_err = !drive->runtime->ops->network_apply(drive->runtime, network, &drive->err);
    return !drive->has_err;
}

bool output_has(const struct drive *drive, const char *text)
{
    return strstr(buf_text(&drive->output), text) != NULL;
}

bool file_has(const char *path, const char *text)
{
    AUTO(buf_done) struct buf all = {0};
    struct err err;
    return file_read(path, 16 << 20, &all, &err) && strstr(buf_text(&all), text) != NULL;
}

/* Does any process have <text> in its command line? */
bool process_has(struct drive *drive, const char *text)
{
    DIR *dir = opendir("/proc");
    const struct dirent *entry;
    bool found = false;

    while (dir != NULL && !found && (entry = readdir(dir)) != NULL) {
        AUTO(buf_done) struct buf line = {0};
        struct err err;
        if (entry->d_name[0] < '0' || entry->d_name[0] > '9' ||
            !file_read(arena_printf(&drive->arena, "/proc/%s/cmdline", entry->d_name), 1 << 20,
                       &line, &err))
            continue;
        found = memmem(buf_text(&line), line.len, text, strlen(text)) != NULL;
    }
    if (dir != NULL)
        (void)closedir(dir);
    return found;
}

void wait_for_process_end(struct drive *drive, const char *text)
{
    uint64_t end_ns = clock_now_ns() + 5 * NS_PER_SECOND;
    while (process_has(drive, text) && clock_now_ns() < end_ns)
        loop_round(drive->loop, 20);
}

bool wait_exit(struct drive *drive, int before)
{
    uint64_t end_ns = clock_now_ns() + 20 * NS_PER_SECOND;

    while (drive->exits == before && clock_now_ns() < end_ns)
        loop_round(drive->loop, 100);
    return drive->exits > before;
}

bool drive_make(struct drive *drive, const struct build_spec *spec, struct arena *arena,
                const char **ret_tree)
{
    bool ready;

    buf_clear(&drive->output);
    drive->has_err =
        !drive->runtime->ops->build_key(drive->runtime, spec, arena, ret_tree, &ready, &drive->err);
    if (drive->has_err)
        return false;
    drive->done = false;
    drive->has_err = !drive->runtime->ops->build(drive->runtime, spec, *ret_tree, on_build_output,
                                                 on_done, drive, &drive->err);
    return !drive->has_err && wait_done(drive);
}
