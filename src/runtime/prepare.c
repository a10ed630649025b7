/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <errno.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "runtime/bundle.h"
#include "runtime/capabilities.h"
#include "runtime/cgroup.h"
#include "runtime/host_priv.h"
#include "runtime/layers.h"
#include "runtime/netns.h"
#include "runtime/ownership.h"
#include "runtime/pinned.h"
#include "runtime/prepare.h"
#include "runtime/rootfs.h"
#include "json/json.h"

enum { FILES_MAX = 524288 }; /* RLIMIT_NOFILE of an instance where the machine allows it */

static const char *netns_path(const struct host *host, struct arena *arena, const char *id)
{
    return arena_printf(arena, "%s/netns/%s", host->run_dir, id);
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

/* What of another instance is shared: its network (`net`), or its `pid` or `ipc` namespace. */
static bool find_namespace(struct host *host, const char *id, const char *type, struct arena *arena,
                           const char **ret, struct err *err)
{
    struct runtime_status status;

    *ret = NULL;
    if (id == NULL)
        return true;
    if (!instance_inspect(&host->runtime, id, &status, err))
        return false;
    if (status.state != RUNTIME_RUNNING)
        return err_set(err, ERR_NOT_FOUND,
                       "instance '%s' does not run, so its %s namespace cannot be shared", id,
                       type);
    *ret = arena_printf(arena, "/proc/%d/ns/%s", (int)status.pid, type);
    return true;
}

static bool find_namespaces(struct host *host, struct arena *arena, struct bundle *ret,
                            struct err *err)
{
    const struct instance_spec *spec = ret->spec;

    if (!find_namespace(host, spec->joins_pid, "pid", arena, &ret->pid_namespace, err) ||
        !find_namespace(host, spec->joins_ipc, "ipc", arena, &ret->ipc_namespace, err))
        return false;
    if (spec->joins != NULL)
        return find_namespace(host, spec->joins, "net", arena, &ret->netns, err);
    ret->netns = spec->address == NULL ? NULL : netns_path(host, arena, spec->id);
    return true;
}

static bool find_recipe(struct host *host, struct arena *arena, struct bundle *ret, struct err *err)
{
    const struct compose_service *service = ret->spec->service;

    if (service->image != NULL && !service->build.present)
        ret->recipe = recipes_find(&host->recipes, service->image);
    return ret->recipe == NULL ||
           recipe_find_version(ret->recipe, service->image, arena, &ret->version, err);
}

/* The rights that the file gives, as far as they are found on the machine. */
static bool find_rights(struct arena *arena, struct bundle *ret, struct err *err)
{
    const struct compose_isolation *isolation = &ret->spec->service->isolation;

    if (capabilities_of(ret->spec->service, arena, &ret->capabilities, err) &&
        groups_find(&isolation->group_add, arena, &ret->groups, err) &&
        devices_find(isolation, arena, &ret->devices, err) &&
        security_parse(&isolation->security_opt, arena, &ret->security, err) &&
        (ret->security.profile == NULL ||
         seccomp_profile_load(ret->security.profile, &ret->capabilities, &ret->seccomp, err)))
        return true;
    return err_prefix(err, "services.%s", ret->spec->service->name);
}

/* <ret>'s seccomp is the caller's, whether it fails or not. */
static bool bundle_for(struct host *host, const struct instance_spec *spec,
                       const struct machine *machine, struct arena *arena, struct bundle *ret,
                       struct err *err)
{
    const char *mode = spec->service->network_mode == NULL ? "" : spec->service->network_mode;

    *ret = (struct bundle){
        .spec = spec,
        .version = "",
        .images_dir = host->images_dir,
        .rootfs = host_run_path(host, arena, spec->id, "rootfs"),
        .machine = machine,
        .no_network = spec->address == NULL && strcmp(mode, "none") == 0,
        .cgroup_path = arena_printf(arena, "/ishizue/%s", spec->id),
        .files_max = MIN(machine->limits_max[RLIMIT_NOFILE], (uint64_t)FILES_MAX),
    };
    return find_recipe(host, arena, ret, err) && find_namespaces(host, arena, ret, err) &&
           find_rights(arena, ret, err) && find_init(spec, arena, &ret->init_program, err);
}

static bool make_recipe_files(const struct recipe *recipe, const char *upper, uid_t uid,
                              struct err *err)
{
    for (size_t i = 0; i < recipe->folders.count; i++)
        if (!rootfs_make_dir(upper, recipe->folders.items[i], 0755, uid, err))
            return false;
    for (size_t i = 0; i < recipe->links.count; i++)
        if (!rootfs_make_link(upper, recipe->links.items[i].key, recipe->links.items[i].value, err))
            return false;
    return true;
}

static bool prepare_root(struct host *host, const struct bundle *bundle, struct arena *arena,
                         struct err *err)
{
    const struct instance_spec *spec = bundle->spec;
    const char *upper = host_state_path(host, arena, spec->id, "upper");
    struct layers layers = {0};
    struct rootfs_names names = {
        .user = bundle_user(bundle, arena),
        .uid = spec->uid,
        .home = bundle_home(bundle),
        .hostname = spec->hostname,
        .address = spec->address,
        .hosts = spec->hosts,
        .host_count = spec->host_count,
        .service = spec->service,
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
    if (bundle->recipe != NULL && !make_recipe_files(bundle->recipe, upper, spec->uid, err))
        return false;
    return groups_write(upper, &bundle->groups, err) && rootfs_mount(&rootfs, err);
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

static const char *pinned_path(const struct host *host, struct arena *arena, const char *id)
{
    return host_run_path(host, arena, id, "pinned");
}

/* The /dev/shm of another instance, which must have been told to share it. */
static bool find_shared_shm(const struct host *host, const char *id, struct arena *arena,
                            const char **ret, struct err *err)
{
    *ret = pinned_shm_path(pinned_path(host, arena, id), arena);
    return file_is_dir(*ret) ? true
                             : err_set(err, ERR_INVALID,
                                       "ipc: instance '%s' keeps its shared memory to itself; "
                                       "give its service 'ipc: shareable'",
                                       id);
}

static bool prepare_pinned(struct host *host, struct bundle *bundle, struct arena *arena,
                           struct err *err)
{
    const struct instance_spec *spec = bundle->spec;
    const struct compose_service *service = spec->service;
    const char *ipc = service->isolation.ipc;
    uint64_t shm_bytes = service->tuning.shm_size_bytes;
    const char *shm = NULL;
    const struct compose_texts *uids = bundle->recipe == NULL ? NULL : &bundle->recipe->uids;

    if (ipc == NULL || strcmp(ipc, "shareable") != 0)
        shm_bytes = 0;
    else if (shm_bytes == 0)
        shm_bytes = BUNDLE_SHM_BYTES;
    if (spec->joins_ipc != NULL && !find_shared_shm(host, spec->joins_ipc, arena, &shm, err))
        return false;
    if (!pinned_make(pinned_path(host, arena, spec->id), spec, uids, shm_bytes, arena,
                     &bundle->pinned, err))
        return false;
    if (shm != NULL)
        bundle->pinned.shm = shm;
    return true;
}

/* For commands that are run inside later. */
static bool write_umask(const struct host *host, const struct bundle *bundle, struct arena *arena,
                        struct err *err)
{
    const struct compose_isolation *isolation = &bundle->spec->service->isolation;
    const char *text;

    if (!isolation->has_umask)
        return true;
    text = arena_printf(arena, "%04o", (unsigned)isolation->umask & 0777U);
    return file_write(host_run_path(host, arena, bundle->spec->id, HOST_UMASK), str_of(text), 0600,
                      err);
}

static bool write_config(struct host *host, const struct bundle *bundle, struct arena *arena,
                         struct err *err)
{
    AUTO(json_unref) json_t *config = NULL;
    AUTO(buf_done) struct buf text = {0};
    const char *path = host_run_path(host, arena, bundle->spec->id, "config.json");

    if (!bundle_config(bundle, arena, &config, err))
        return false;
    bundle_format(config, &text);
    return file_write(path, buf_str(&text), 0600, err) && write_umask(host, bundle, arena, err);
}

static bool prepare_network(struct host *host, const struct instance_spec *spec,
                            struct arena *arena, struct err *err)
{
    struct netns_link link = {.address = spec->address};

    if (spec->address == NULL)
        return true;
    network_describe(spec->service, arena, &link);
    /* The address is needed to remove the machine's end of the link. */
    return file_write(host_run_path(host, arena, spec->id, "address"), str_of(spec->address), 0600,
                      err) &&
           netns_make(netns_path(host, arena, spec->id), &link, err);
}

/* Pins come after the sources of mounts are made, and before config.json, which names them. */
static bool prepare_all(struct host *host, struct bundle *bundle, struct arena *arena,
                        struct err *err)
{
    const struct instance_spec *spec = bundle->spec;

    return file_make_dirs(host_state_path(host, arena, spec->id, NULL), 0700, err) &&
           file_make_dirs(host_run_path(host, arena, spec->id, NULL), 0700, err) &&
           prepare_mounts(bundle, err) && prepare_pinned(host, bundle, arena, err) &&
           prepare_root(host, bundle, arena, err) && write_config(host, bundle, arena, err) &&
           prepare_network(host, spec, arena, err);
}

bool prepare(struct host *host, const struct instance_spec *spec, struct err *err)
{
    AUTO(arena_done) struct arena arena = {0};
    struct machine machine;
    struct bundle bundle;
    struct err ignored;

    if (!prepare_undo(host, spec->id, err))
        return false;
    machine_look(&machine);
    bool prepared = bundle_for(host, spec, &machine, &arena, &bundle, err) &&
                    prepare_all(host, &bundle, &arena, err);
    json_unref(bundle.seccomp);
    if (!prepared)
        (void)!prepare_undo(host, spec->id, &ignored);
    return prepared;
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
        /* Before the folder is removed: volumes are mounted there. */
        !pinned_remove(pinned_path(host, &arena, id), err) ||
        !file_remove_tree(host_run_path(host, &arena, id, NULL), err) ||
        /* What the OCI runtime remembers of an earlier run: it would refuse the id. */
        !file_remove_tree(arena_printf(&arena, "%s/%s", host->oci_root, id), err) ||
        !file_remove_tree(host_state_path(host, &arena, id, NULL), err))
        return false;
    if (unlink(exit_file) != 0 && errno != ENOENT)
        return err_sys(err, "cannot remove '%s'", exit_file);
    return true;
}
