/* SPDX-License-Identifier: Apache-2.0
 *
 * The embedded runtime: instances over the machine's own root file system, by
 * conmon and an OCI runtime.
 */
#include "base/base.h"

#include <errno.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "runtime/cgroup.h"
#include "runtime/ending.h"
#include "runtime/host_priv.h"
#include "runtime/rootfs.h"

bool host_check_id(const char *id, struct err *err)
{
    size_t len = strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789-");

    if (len == 0 || len > RUNTIME_ID_MAX || id[len] != '\0' || id[0] == '-')
        return err_set(err, ERR_INVALID, "'%.80s' is no instance id: 1 to %d of a-z, 0-9 and '-'",
                       id, RUNTIME_ID_MAX);
    return true;
}

static const char *instance_path(const char *folder, struct arena *arena, const char *id,
                                 const char *name)
{
    if (name == NULL)
        return arena_printf(arena, "%s/instances/%s", folder, id);
    return arena_printf(arena, "%s/instances/%s/%s", folder, id, name);
}

const char *host_run_path(const struct host *host, struct arena *arena, const char *id,
                          const char *name)
{
    return instance_path(host->run_dir, arena, id, name);
}

const char *host_state_path(const struct host *host, struct arena *arena, const char *id,
                            const char *name)
{
    return instance_path(host->state_dir, arena, id, name);
}

const char *host_exit_path(const struct host *host, struct arena *arena, const char *id)
{
    return arena_printf(arena, "%s/exits/%s", host->run_dir, id);
}

const char *host_find_program(struct arena *arena, const char *name)
{
    static const char *const folders[] = {"/usr/local/sbin", "/usr/local/bin", "/usr/sbin",
                                          "/usr/bin"};

    for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
        const char *path = arena_printf(arena, "%s/%s", folders[i], name);
        if (access(path, X_OK) == 0)
            return path;
    }
    return NULL;
}

/* Not crun: that of Debian 12 makes an instance's user the owner of the machine's /dev/null, and
 * refuses a machine with the mixture of both control group versions. */
static bool find_programs(struct host *host, struct err *err)
{
    host->conmon = host_find_program(&host->arena, "conmon");
    host->oci = host_find_program(&host->arena, "runc");
    if (host->conmon == NULL)
        return err_set(err, ERR_PROGRAM,
                       "the program 'conmon' is missing; install the package "
                       "conmon");
    if (host->oci == NULL)
        return err_set(err, ERR_PROGRAM, "the program 'runc' is missing; install the package runc");
    return true;
}

static bool host_check(struct runtime *runtime, struct err *err)
{
    if (geteuid() != 0)
        return err_set(err, ERR_DENIED, "the host runtime needs root");
    return find_programs(host_of(runtime), err) && rootfs_check_machine(err);
}

static const struct runtime_image *
host_image_find(struct runtime *runtime, const struct compose_service *service, struct err *err)
{
    static const struct runtime_image plain = {0};
    const struct host *host = host_of(runtime);
    AUTO(arena_done) struct arena arena = {0};
    const struct recipe *recipe;
    const char *version;

    if (!recipes_match(&host->recipes, service, &arena, &recipe, &version, err))
        return NULL;
    return recipe == NULL ? &plain : &recipe->image;
}

/* conmon writes to a temporary name and renames. One for an instance that is not there is left over
 * from a removal; one that comes while the start is under way is told of when that is over. */
static void take_exit(struct host *host, const char *id)
{
    AUTO(arena_done) struct arena arena = {0};
    struct err ignored;

    if (!host_check_id(id, &ignored))
        return;
    if (file_exists(host_run_path(host, &arena, id, "started")))
        host->on_exit(host->arg, id);
    else if (!file_exists(host_run_path(host, &arena, id, NULL)))
        (void)unlink(host_exit_path(host, &arena, id));
}

static void on_exits(struct watch *watch, uint32_t events, uint64_t now_ns)
{
    struct host *host = CONTAINER_OF(watch, struct host, exits);
    union {
        struct inotify_event align;
        char bytes[8192];
    } all;

    (void)events;
    (void)now_ns;
    ssize_t n = read(watch->fd, all.bytes, sizeof all.bytes);
    for (ssize_t at = 0; at < n;) {
        struct inotify_event event;
        memcpy(&event, all.bytes + at, sizeof event);
        if (event.len > 0)
            take_exit(host, all.bytes + at + sizeof event);
        at += (ssize_t)(sizeof event + event.len);
    }
}

static bool watch_exits(struct host *host, struct err *err)
{
    const char *path = arena_printf(&host->arena, "%s/exits", host->run_dir);
    AUTO(fd_close) int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

    if (fd < 0 || inotify_add_watch(fd, path, IN_MOVED_TO) < 0)
        return err_sys(err, "cannot watch '%s'", path);
    if (!watch_add(host->loop, &host->exits, fd, EPOLLIN, on_exits, err))
        return false;
    (void)TAKE_FD(fd);
    return true;
}

static bool make_folders(struct host *host, struct err *err)
{
    struct arena *arena = &host->arena;
    const char *const folders[] = {
        arena_printf(arena, "%s/instances", host->state_dir),
        arena_printf(arena, "%s/trees", host->state_dir),
        arena_printf(arena, "%s/cache", host->state_dir),
        arena_printf(arena, "%s/instances", host->run_dir),
        arena_printf(arena, "%s/netns", host->run_dir),
        arena_printf(arena, "%s/exits", host->run_dir),
        arena_printf(arena, "%s/builds", host->run_dir),
        host->oci_root,
    };
    for (size_t i = 0; i < ARRAY_LEN(folders); i++)
        if (!file_make_dirs(folders[i], 0700, err))
            return false;
    return true;
}

static void host_free(struct runtime *runtime)
{
    if (runtime == NULL)
        return;
    struct host *host = host_of(runtime);
    ending_forget_all(host);
    VEC_DONE(&host->takers);
    if (watch_is_active(&host->exits)) {
        int fd = host->exits.fd;
        watch_remove(host->loop, &host->exits);
        fd_close(fd);
    }
    /* Mounted roots hold on to the mask by themselves. */
    struct err ignored;
    if (host->mask != NULL)
        (void)!rootfs_unmount(host->mask, &ignored);
    arena_done(&host->arena);
    free(host);
}
AUTO_TYPE(struct runtime *, host_free)

static const struct runtime_ops host_ops = {
    .name = "host",
    .check = host_check,
    .image_find = host_image_find,
    .build_key = build_key,
    .build = build_start,
    .build_cancel = build_cancel,
    .start = instance_start,
    .create = instance_create,
    .begin = instance_begin,
    .pause = instance_pause,
    .attach = instance_attach,
    .signal = instance_signal,
    .remove = instance_remove,
    .inspect = instance_inspect,
    .usage = instance_usage,
    .list = instance_list,
    .processes = processes_read,
    .stand_in = stand_in_find,
    .trees_collect = trees_collect,
    .trees_remove = trees_remove,
    .exec = exec_run,
    .exec_argv = exec_argv,
    .log_reopen = instance_log_reopen,
    .network_apply = network_apply,
    .names_apply = names_apply,
    .free = host_free,
};

/* They are part of mount options, where these bytes have a meaning. */
static bool check_folder(const char *path, struct err *err)
{
    if (path[0] != '/' || strpbrk(path, ":,\\ \n") != NULL || strlen(path) > 200)
        return err_set(err, ERR_INVALID,
                       "the folder '%.200s' cannot be used: an absolute path of at most 200 bytes "
                       "without ':', ',', '\\' and blanks is needed",
                       path);
    return true;
}

struct runtime *host_runtime_new(const struct runtime_config *config, struct err *err)
{
    struct host *host = NEW(struct host);
    AUTO(host_free) struct runtime *runtime = &host->runtime;

    host->runtime.ops = &host_ops;
    list_init(&host->endings);
    list_init(&host->builds);
    host->loop = config->loop;
    host->on_exit = config->on_exit;
    host->arg = config->arg;
    host->state_dir = arena_text(&host->arena, config->state_dir);
    host->run_dir = arena_text(&host->arena, config->run_dir);
    host->images_dir = arena_text(&host->arena, config->images_dir);
    host->mask = arena_printf(&host->arena, "%s/mask", host->run_dir);
    host->oci_root = arena_printf(&host->arena, "%s/oci", host->run_dir);
    if (!check_folder(host->state_dir, err) || !check_folder(host->run_dir, err) ||
        !host_check(runtime, err) || !make_folders(host, err) ||
        !rootfs_make_mask(host->mask, err) ||
        !recipes_load(host->images_dir, &host->arena, &host->recipes, err) ||
        !watch_exits(host, err))
        return NULL;
    builds_end_left(host);
    return TAKE(runtime);
}
