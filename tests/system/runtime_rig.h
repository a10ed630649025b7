/* SPDX-License-Identifier: Apache-2.0
 *
 * What the cases of runtime_driver.c share: a runtime on a loop of its own, calls
 * that wait for their callback, and looks at what is on the machine.
 */
#pragma once

#include "base/arena.h"
#include "base/base.h"
#include "base/err.h"
#include "io/loop.h"
#include "runtime/runtime.h"

enum { WAIT_SECONDS = 60, DATABASE_UID = 58001, CLIENT_UID = 58002 };

struct drive {
    struct loop *loop;
    struct runtime *runtime;
    struct runtime_config config;
    struct arena arena;
    const char *folder;
    int count;
    int failed;
    bool done;
    struct err err;
    bool has_err;
    int exit_status;
    struct buf output;
    int exits;
};

/* One line of TAP; what is known of the reason when it is not <ok>. */
void drive_check(struct drive *drive, bool ok, const char *name);
/* Callbacks of the table; <arg> is the drive. */
void on_done(void *arg, const struct err *err);
void on_exec(void *arg, int exit_status, struct str output, const struct err *err);
void on_exit_of(void *arg, const char *id);
void on_build_output(void *arg, struct str bytes);
/* Did it end well, and within WAIT_SECONDS? */
bool wait_done(struct drive *drive);
/* The calls of the table, waited for. */
bool drive_start(struct drive *drive, const struct instance_spec *spec);
bool drive_run(struct drive *drive, const char *id, const char *shell, uint64_t timeout_ms);
bool stop_and_remove(struct drive *drive, const char *id);
bool drive_apply(struct drive *drive, const struct runtime_network *network);
/* Is <text> in the last output? */
bool output_has(const struct drive *drive, const char *text);
/* The same for a file, and for the command line of any process. */
bool file_has(const char *path, const char *text);
bool process_has(struct drive *drive, const char *text);
void wait_for_process_end(struct drive *drive, const char *text);
/* Waits for one more end of an instance than <before>. */
bool wait_exit(struct drive *drive, int before);
bool drive_make(struct drive *drive, const struct build_spec *spec, struct arena *arena,
                const char **ret_tree);
/* runtime_builds.c */
void drive_build(struct drive *drive);
/* runtime_keys.c: limits and rights of a process; <client>'s service is not looked at */
void drive_keys(struct drive *drive, struct instance_spec client);
/* runtime_shares.c: mounts, files, namespaces that are shared, what is refused */
void drive_shares(struct drive *drive, struct instance_spec client);
