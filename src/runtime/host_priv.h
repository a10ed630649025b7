/* SPDX-License-Identifier: Apache-2.0
 *
 * The host runtime's own parts. One struct host, owned by whoever called
 * host_runtime_new(), used on the daemon's thread only.
 *
 * On disk, and nothing else is remembered:
 *     <state_dir>/instances/<id>/         upper/ and work/ of the instance's root; its name is what
 *                                         list() gives
 *     <state_dir>/trees/<system>/<service>/<key>/   built trees, <key>.deps names the layer below
 *     <state_dir>/cache/<system>/         HOME of build steps
 *     <run_dir>/instances/<id>/           the OCI bundle: config.json, rootfs/, pid, started
 *     <run_dir>/instances/<id>/pinned/    a tmpfs: secrets, configs, folders within volumes
 *     <run_dir>/mask/                     overlay layer that hides the machine's own things
 *     <run_dir>/netns/<id>                the instance's network namespace
 *     <run_dir>/exits/<id>                exit status, written by conmon
 *     <run_dir>/oci/                      the OCI runtime's state
 */
#pragma once

#include <netinet/in.h>

#include "base/arena.h"
#include "base/base.h"
#include "base/list.h"
#include "base/vec.h"
#include "io/loop.h"
#include "runtime/recipe.h"
#include "runtime/runtime.h"

struct host {
    struct runtime runtime; /* first: a struct runtime * is a struct host * */
    struct arena arena;     /* paths and recipes, for as long as the runtime */
    struct loop *loop;
    const char *state_dir;
    const char *run_dir;
    const char *images_dir;
    const char *mask;     /* <run_dir>/mask */
    const char *oci_root; /* <run_dir>/oci */
    const char *oci;      /* path of runc */
    const char *conmon;
    struct recipes recipes;
    struct watch exits;         /* inotify on <run_dir>/exits */
    struct list endings;        /* struct ending: first processes that are watched */
    struct list builds;         /* struct build: those under way */
    VEC(struct in_addr) takers; /* who took traffic at the last network_apply() */
    bool applied;               /* there was one */
    runtime_exit_fn *on_exit;
    void *arg;
};

static inline struct host *host_of(struct runtime *runtime)
{
    return CONTAINER_OF(runtime, struct host, runtime);
}

/* Is <id> one to [a-z0-9-] of at most RUNTIME_ID_MAX bytes? Everything that
 * makes a path from an id asks first. */
MUST_CHECK bool host_check_id(const char *id, struct err *err);

/* "<run_dir>/instances/<id>" and so on; <name> NULL: the folder itself. */
const char *host_run_path(const struct host *host, struct arena *arena, const char *id,
                          const char *name);
const char *host_state_path(const struct host *host, struct arena *arena, const char *id,
                            const char *name);
/* In the run folder of an instance whose service has a umask: "0027". */
#define HOST_UMASK "umask"
/* Where conmon writes how the instance's process ended. */
const char *host_exit_path(const struct host *host, struct arena *arena, const char *id);

/* Where <name> is in PATH, or NULL. */
const char *host_find_program(struct arena *arena, const char *name);

/* instance.c: the operations of the table that are about one instance. */
bool instance_start(struct runtime *runtime, const struct instance_spec *spec,
                    runtime_done_fn *done, void *arg, struct err *err);
bool instance_create(struct runtime *runtime, const struct instance_spec *spec,
                     runtime_done_fn *done, void *arg, struct err *err);
bool instance_begin(struct runtime *runtime, const char *id, runtime_done_fn *done, void *arg,
                    struct err *err);
bool instance_signal(struct runtime *runtime, const char *id, int signo, struct err *err);
bool instance_remove(struct runtime *runtime, const char *id, runtime_done_fn *done, void *arg,
                     struct err *err);
bool instance_inspect(struct runtime *runtime, const char *id, struct runtime_status *ret,
                      struct err *err);
bool instance_usage(struct runtime *runtime, const char *id, struct runtime_usage *ret,
                    struct err *err);
bool instance_list(struct runtime *runtime, runtime_list_fn *fn, void *arg, struct err *err);
/* instance_status.c */
bool instance_log_reopen(struct runtime *runtime, const char *id, struct err *err);
bool instance_pause(struct runtime *runtime, const char *id, bool paused, runtime_done_fn *done,
                    void *arg, struct err *err);
bool instance_attach(struct runtime *runtime, const char *id, struct arena *arena,
                     struct runtime_attach *ret, struct err *err);

/* exec.c */
bool exec_run(struct runtime *runtime, const char *id, const struct compose_texts *argv,
              uint64_t timeout_ms, runtime_exec_fn *done, void *arg, struct err *err);
bool exec_argv(struct runtime *runtime, const char *id, bool tty, const char *user,
               const char *working_dir, const struct compose_pairs *environment,
               struct arena *arena, struct compose_texts *ret, struct err *err);

/* build.c */
bool build_key(struct runtime *runtime, const struct build_spec *spec, struct arena *arena,
               const char **ret_tree, bool *ret_ready, struct err *err);
bool build_start(struct runtime *runtime, const struct build_spec *spec, const char *tree,
                 runtime_output_fn *output, runtime_done_fn *done, void *arg, struct err *err);
void build_cancel(struct runtime *runtime, const char *tree);
/* Those of a daemon that was killed: nobody would ever hear of their end. */
void builds_end_left(struct host *host);

/* network.c */
bool network_apply(struct runtime *runtime, const struct runtime_network *wanted, struct err *err);
struct netns_link;
/* What the file says about the interface of <service>. */
void network_describe(const struct compose_service *service, struct arena *arena,
                      struct netns_link *ret);

/* names.c */
bool names_apply(struct runtime *runtime, const struct instance_spec *spec, struct err *err);

/* processes.c */
bool processes_read(struct runtime *runtime, const char *id, struct arena *arena,
                    struct runtime_process **ret, size_t *ret_count, struct err *err);

/* stand_in.c */
bool stand_in_find(struct runtime *runtime, const struct compose_service *service,
                   struct arena *arena, struct runtime_stand_in *ret, struct err *err);
/* trees.c */
bool trees_collect(struct runtime *runtime, const struct map *keep, runtime_done_fn *done,
                   void *arg, struct err *err);
bool trees_remove(struct runtime *runtime, const char *system, runtime_done_fn *done, void *arg,
                  struct err *err);
