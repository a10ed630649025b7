/* SPDX-License-Identifier: Apache-2.0
 *
 * What an instance gets: its mounts, the names it can resolve, the command of a
 * migration.
 */
#include "base/base.h"

#include "base/err.h"
#include "base/file.h"
#include "control/daemon_priv.h"

static const struct compose_texts *migration_argv(const struct instance *instance,
                                                  struct arena *arena)
{
    struct compose_texts *argv = ARENA_NEW(arena, struct compose_texts);

    argv->count = 3;
    argv->items = ARENA_ARRAY(arena, const char *, 4);
    argv->items[0] = "/bin/sh";
    argv->items[1] = "-c";
    argv->items[2] = instance->made_of->service->x.migrate;
    return argv;
}

/* The namespace it shares: one of the machine's network needs no joining. */
static bool find_joined(const struct instance *instance, const char **ret, struct err *err)
{
    const char *mode = instance->made_of->service->network_mode;
    const struct instance *joined = network_joined(instance);

    if (mode == NULL || strncmp(mode, "service:", strlen("service:")) != 0)
        return true;
    if (joined == NULL || !instance_state_is_live(joined->state))
        return err_set(err, ERR_NOT_FOUND, "network_mode '%.80s': no instance of it is running",
                       mode);
    const char *address = network_address(instance);
    if (address == NULL || strcmp(address, "127.0.0.1") != 0)
        *ret = joined->id;
    return true;
}

/* `pid` and `ipc`: service:NAME. */
static bool find_shared(const struct instance *instance, const char *mode, const char *what,
                        const char **ret, struct err *err)
{
    if (mode == NULL || strncmp(mode, "service:", strlen("service:")) != 0)
        return true;
    const struct instance *shared = network_find_sibling(instance, mode + strlen("service:"));
    if (shared == NULL || !instance_state_is_live(shared->state))
        return err_set(err, ERR_NOT_FOUND, "%s '%.80s': no instance of it is running", what, mode);
    *ret = shared->id;
    return true;
}

static bool find_namespaces(const struct instance *instance, struct instance_spec *ret,
                            struct err *err)
{
    const struct compose_isolation *isolation = &instance->made_of->service->isolation;

    return find_joined(instance, &ret->joins, err) &&
           find_shared(instance, isolation->pid, "pid", &ret->joins_pid, err) &&
           find_shared(instance, isolation->ipc, "ipc", &ret->joins_ipc, err);
}

bool spec_describe(const struct instance *instance, struct arena *arena, struct instance_spec *ret,
                   struct err *err)
{
    const struct system *system = instance->system;
    const struct compose_service *hook = migration_hook(instance, arena);
    const struct compose_service *service = hook == NULL ? instance->made_of->service : hook;
    bool is_migration = instance->is_job && instance->one_off == NULL && hook == NULL;
    struct runtime_host *hosts = NULL;
    size_t host_count = 0;

    if (!names_make(instance, arena, &hosts, &host_count, err))
        return false;
    *ret = (struct instance_spec){
        .id = instance->id,
        .system = system->name,
        .service = service,
        .hostname = service->hostname == NULL ? instance->id : service->hostname,
        .address = instance->address[0] == '\0' ? NULL : instance->address,
        .uid = system->uid,
        .tree = hook == NULL || hook->build.present ? instance->made_of->tree : NULL,
        .hosts = hosts,
        .host_count = host_count,
        .argv = is_migration ? migration_argv(instance, arena) : NULL,
        .log_path = instance->log_path,
        .log_max_bytes = 2 * service->logging.max_size_bytes,
    };
    return true;
}

bool spec_make(struct instance *instance, struct arena *arena, struct instance_spec *ret,
               struct err *err)
{
    const struct system *system = instance->system;
    AUTO(buf_done) struct buf folder = {0};

    buf_addf(&folder, "%s/logs/%s", system->daemon->options.state_dir, system->name);
    if (!file_make_dirs(buf_text(&folder), 0700, err) ||
        !spec_describe(instance, arena, ret, err) || !find_namespaces(instance, ret, err) ||
        !volumes_make(instance, arena, ret, err))
        return false;
    names_told(instance, ret);
    return files_make(instance, arena, ret, err);
}
