/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <errno.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "runtime/bundle.h"
#include "runtime/cgroup.h"
#include "runtime/host_priv.h"
#include "runtime/layers.h"
#include "runtime/netns.h"
#include "runtime/ownership.h"
#include "runtime/prepare.h"
#include "runtime/rootfs.h"
#include "json/json.h"

enum { FILES_MAX = 524288 }; /* RLIMIT_NOFILE of an instance where the machine allows it */

static const char *netns_path(const struct host *host, struct arena *arena, const char *id)
{
    return arena_printf(arena, "%s/netns/%s", host->run_dir, id);
}

static uint64_t files_max(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 1024;
    return MIN((uint64_t)limit.rlim_max, (uint64_t)FILES_MAX);
}

/* `init: true`: a small first process that reaps orphans and passes signals on. */
static bool find_init(const struct instance_spec *spec, struct arena *arena, const char **ret,
                      struct err *err)
{
    static const char *const programs[] = {"tini", "catatonit", "dumb-init"};

    for (size_t i = 0; spec->service->init && *ret == NULL && i < ARRAY_LEN(programs); i++)
        *ret = host_find_program(arena, programs[i]);
    if (spec->service->init && *ret == NULL)
        return err_set(err, ERR_PROGRAM,
                       "service '%s' has init: true, which needs the program 'tini'; install the "
                       "package tini",
                       spec->service->name);
    return true;
}

static bool bundle_for(struct host *host, const struct instance_spec *spec, struct arena *arena,
                       struct bundle *ret, struct err *err)
{
    const struct compose_service *service = spec->service;
    const char *mode = service->network_mode == NULL ? "" : service->network_mode;

    *ret = (struct bundle){
        .spec = spec,
        .version = "",
        .images_dir = host->images_dir,
        .rootfs = host_run_path(host, arena, spec->id, "rootfs"),
        .netns = spec->address == NULL ? NULL : netns_path(host, arena, spec->id),
        .no_network = spec->address == NULL && strcmp(mode, "none") == 0,
        .cgroup_path = arena_printf(arena, "/ishizue/%s", spec->id),
        .cgroup_v2 = cgroup_is_v2(),
        .has_memory = cgroup_has("memory"),
        .has_cpu = cgroup_has("cpu"),
        .has_pids = cgroup_has("pids"),
        .files_max = files_max(),
    };
    if (service->image != NULL && !service->build.present)
        ret->recipe = recipes_find(&host->recipes, service->image);
    if (ret->recipe != NULL &&
        !recipe_find_version(ret->recipe, service->image, arena, &ret->version, err))
        return false;
    return find_init(spec, arena, &ret->init_program, err);
}

static bool prepare_root(struct host *host, const struct bundle *bundle, struct arena *arena,
                         struct err *err)
{
    const struct instance_spec *spec = bundle->spec;
    const char *upper = host_state_path(host, arena, spec->id, "upper");
    struct layers layers = {0};
    struct rootfs_names names = {
        .user = bundle_user(bundle),
        .uid = spec->uid,
        .home = bundle_home(bundle),
        .hostname = spec->hostname,
        .address = spec->address,
        .hosts = spec->hosts,
        .host_count = spec->host_count,
    };
    if (!layers_find(spec->tree, arena, &layers, err))
        return false;
    struct rootfs rootfs = {.target = bundle->rootfs,
                            .upper = upper,
                            .work = host_state_path(host, arena, spec->id, "work"),
                            .mask = host->mask,
                            .layers = layers.items,
                            .layer_count = layers.count};
    if (!file_make_dirs(upper, 0755, err) || !rootfs_write_names(upper, &names, err))
        return false;
    for (size_t i = 0; bundle->recipe != NULL && i < bundle->recipe->folders.count; i++)
        if (!rootfs_make_dir(upper, bundle->recipe->folders.items[i], 0755, spec->uid, err))
            return false;
    return rootfs_mount(&rootfs, err);
}

/* Sources of bind mounts are made when they are not there; own ones are given to the user. */
static bool prepare_mounts(const struct bundle *bundle, struct err *err)
{
    const struct instance_spec *spec = bundle->spec;
    const struct compose_texts none = {0};

    for (size_t i = 0; i < spec->mount_count; i++)
        if (!ownership_prepare(&spec->mounts[i], spec->uid,
                               bundle->recipe == NULL ? &none : &bundle->recipe->image.volumes,
                               err))
            return err_prefix(err, "mount of '%s'", spec->mounts[i].target);
    return true;
}

static bool write_config(struct host *host, const struct bundle *bundle, struct arena *arena,
                         struct err *err)
{
    AUTO(json_unref) json_t *config = NULL;
    AUTO(buf_done) struct buf text = {0};
    const char *path = host_run_path(host, arena, bundle->spec->id, "config.json");

    if (!bundle_config(bundle, arena, &config, err))
        return false;
    json_format(config, true, &text);
    return file_write(path, buf_str(&text), 0600, err);
}

static bool prepare_network(struct host *host, const struct instance_spec *spec,
                            struct arena *arena, struct err *err)
{
    if (spec->address == NULL)
        return true;
    /* The address is needed to remove the machine's end of the link. */
    return file_write(host_run_path(host, arena, spec->id, "address"), str_of(spec->address), 0600,
                      err) &&
           netns_make(netns_path(host, arena, spec->id), spec->address, err);
}

bool prepare(struct host *host, const struct instance_spec *spec, struct err *err)
{
    AUTO(arena_done) struct arena arena = {0};
    struct bundle bundle;
    struct err ignored;

    if (!prepare_undo(host, spec->id, err) || !bundle_for(host, spec, &arena, &bundle, err))
        return false;
    if (file_make_dirs(host_state_path(host, &arena, spec->id, NULL), 0700, err) &&
        file_make_dirs(host_run_path(host, &arena, spec->id, NULL), 0700, err) &&
        prepare_mounts(&bundle, err) && prepare_root(host, &bundle, &arena, err) &&
        write_config(host, &bundle, &arena, err) && prepare_network(host, spec, &arena, err))
        return true;
    (void)!prepare_undo(host, spec->id, &ignored);
    return false;
}

bool prepare_undo(struct host *host, const char *id, struct err *err)
{
    AUTO(arena_done) struct arena arena = {0};
    AUTO(buf_done) struct buf address = {0};
    struct err ignored;
    const char *exit_file = host_exit_path(host, &arena, id);

    bool has_address =
        file_read(host_run_path(host, &arena, id, "address"), 64, &address, &ignored);
    cgroup_remove(id);
    if (!netns_remove(netns_path(host, &arena, id), has_address ? buf_text(&address) : NULL, err) ||
        !rootfs_unmount(host_run_path(host, &arena, id, "rootfs"), err) ||
        !file_remove_tree(host_run_path(host, &arena, id, NULL), err) ||
        /* What the OCI runtime remembers of an earlier run: it would refuse the id. */
        !file_remove_tree(arena_printf(&arena, "%s/%s", host->oci_root, id), err) ||
        !file_remove_tree(host_state_path(host, &arena, id, NULL), err))
        return false;
    if (unlink(exit_file) != 0 && errno != ENOENT)
        return err_sys(err, "cannot remove '%s'", exit_file);
    return true;
}
