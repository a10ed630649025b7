/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <inttypes.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/map.h"
#include "base/vec.h"
#include "runtime/bundle.h"
#include "json/json.h"

static const char default_path[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/* Entries of /proc and /sys that tell about or change the machine. */
static const char *const masked[] = {
    "/proc/acpi",        "/proc/asound",        "/proc/kcore",
    "/proc/keys",        "/proc/latency_stats", "/proc/timer_list",
    "/proc/timer_stats", "/proc/sched_debug",   "/proc/scsi",
    "/proc/cmdline",     "/sys/firmware",       "/sys/devices/virtual/powercap"};
static const char *const read_only[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
                                        "/proc/sysrq-trigger"};

static void push_texts(struct compose_texts *to, const struct compose_texts *from)
{
    for (size_t i = 0; i < from->count; i++)
        to->items[to->count++] = from->items[i];
}

static void push_expanded(const struct bundle *bundle, struct arena *arena,
                          struct compose_texts *to, const struct compose_texts *from)
{
    for (size_t i = 0; i < from->count; i++)
        to->items[to->count++] = recipe_expand(arena, from->items[i], bundle->version);
}

/* What Docker calls CMD. */
static void push_command(const struct bundle *bundle, struct arena *arena,
                         struct compose_texts *argv)
{
    const struct compose_service *service = bundle->spec->service;

    if (bundle->spec->argv != NULL) {
        push_texts(argv, bundle->spec->argv);
    } else if (service->has_command || service->command.count > 0) {
        push_texts(argv, &service->command);
    } else if (service->x.host.command != NULL) {
        /* bash becomes the last program of the text; Debian's sh would stay in front of it as the
         * first process and keep the stop signal from it. */
        argv->items[argv->count++] = "/bin/bash";
        argv->items[argv->count++] = "--posix";
        argv->items[argv->count++] = "-c";
        argv->items[argv->count++] = service->x.host.command;
    } else if (!service->has_entrypoint && bundle->recipe != NULL) {
        push_expanded(bundle, arena, argv, &bundle->recipe->command);
    }
}

bool bundle_argv(const struct bundle *bundle, struct arena *arena, struct compose_texts *ret,
                 struct err *err)
{
    const struct compose_service *service = bundle->spec->service;
    const struct recipe *recipe = bundle->recipe;
    size_t most = 8 + service->entrypoint.count + service->command.count +
                  (bundle->spec->argv == NULL ? 0 : bundle->spec->argv->count) +
                  (recipe == NULL ? 0 : recipe->entrypoint.count + recipe->command.count);
    struct compose_texts argv = {.items = ARENA_ARRAY(arena, const char *, most)};

    if (bundle->init_program != NULL) {
        argv.items[argv.count++] = bundle->init_program;
        argv.items[argv.count++] = "--";
    }
    size_t start = argv.count;
    if (service->has_entrypoint || service->entrypoint.count > 0)
        push_texts(&argv, &service->entrypoint);
    else if (recipe != NULL)
        push_expanded(bundle, arena, &argv, &recipe->entrypoint);
    push_command(bundle, arena, &argv);
    if (argv.count == start)
        return err_set(err, ERR_INVALID,
                       "service '%s' has no command; set command or x-ishizue.host.command",
                       service->name);
    *ret = argv;
    return true;
}

const char *bundle_working_dir(const struct bundle *bundle)
{
    const struct compose_service *service = bundle->spec->service;

    if (service->working_dir != NULL)
        return service->working_dir;
    if (service->x.host.present)
        return service->x.host.workdir == NULL ? "/app" : service->x.host.workdir;
    if (bundle->recipe != NULL && bundle->recipe->working_dir != NULL)
        return bundle->recipe->working_dir;
    return "/";
}

const char *bundle_home(const struct bundle *bundle)
{
    if (bundle->recipe != NULL && bundle->recipe->home != NULL)
        return bundle->recipe->home;
    return bundle->spec->service->x.host.present ? bundle_working_dir(bundle) : "/";
}

const char *bundle_user(const struct bundle *bundle)
{
    return bundle->recipe != NULL && bundle->recipe->user != NULL ? bundle->recipe->user : "app";
}

struct pairs {
    struct arena *arena;
    struct map at; /* key -> index + 1 */
    VEC(struct compose_pair) list;
};

static void add_pair(struct pairs *pairs, const char *key, const char *value)
{
    uintptr_t at = (uintptr_t)map_find(&pairs->at, str_of(key));
    if (value == NULL)
        return;
    if (at > 0) {
        pairs->list.ptr[at - 1].value = value;
        return;
    }
    VEC_PUSH(&pairs->list, (struct compose_pair){key, value});
    (void)map_set(&pairs->at, str_of(key), (void *)(uintptr_t)pairs->list.len);
}

static void add_pairs(struct pairs *pairs, const struct compose_pairs *from)
{
    for (size_t i = 0; from != NULL && i < from->count; i++)
        add_pair(pairs, from->items[i].key, from->items[i].value);
}

static const char *search_path(const struct bundle *bundle, struct arena *arena)
{
    const char *path = default_path;

    for (size_t i = 0; bundle->recipe != NULL && i < bundle->recipe->path.count; i++)
        path = arena_printf(arena, "%s:%s",
                            recipe_expand(arena, bundle->recipe->path.items[i], bundle->version),
                            path);
    return path;
}

struct compose_pairs bundle_environment(const struct bundle *bundle, struct arena *arena)
{
    struct pairs pairs = {.arena = arena};

    add_pair(&pairs, "PATH", search_path(bundle, arena));
    add_pair(&pairs, "HOME", bundle_home(bundle));
    add_pair(&pairs, "HOSTNAME", bundle->spec->hostname);
    if (bundle->spec->service->tty)
        add_pair(&pairs, "TERM", "xterm");
    if (bundle->recipe != NULL)
        add_pairs(&pairs, &bundle->recipe->environment);
    add_pairs(&pairs, &bundle->spec->service->environment);
    add_pairs(&pairs, bundle->spec->environment);

    struct compose_pairs ret = {.items = ARENA_ARRAY(arena, struct compose_pair, pairs.list.len),
                                .count = pairs.list.len};
    memcpy(ret.items, pairs.list.ptr, pairs.list.len * sizeof *ret.items);
    VEC_DONE(&pairs.list);
    map_done(&pairs.at);
    return ret;
}

static json_t *texts_json(const char *const *items, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        (void)json_array_append_new(list, json_from_bytes(str_of(items[i])));
    return list;
}

static bool process_json(const struct bundle *bundle, struct arena *arena, json_t **ret,
                         struct err *err)
{
    struct compose_texts argv;
    if (!bundle_argv(bundle, arena, &argv, err))
        return false;
    struct compose_pairs pairs = bundle_environment(bundle, arena);
    json_t *environment = json_array();
    for (size_t i = 0; i < pairs.count; i++)
        (void)json_array_append_new(
            environment, json_from_bytes(str_of(arena_printf(arena, "%s=%s", pairs.items[i].key,
                                                             pairs.items[i].value))));
    json_int_t files = (json_int_t)bundle->files_max;
    /* An empty set of capabilities everywhere: the process has none and can get none. */
    *ret =
        json_pack("{s:b, s:{s:I, s:I}, s:o, s:o, s:s, s:{}, s:[{s:s, s:I, s:I}], s:b}", "terminal",
                  bundle->spec->service->tty, "user", "uid", (json_int_t)bundle->spec->uid, "gid",
                  (json_int_t)bundle->spec->uid, "args", texts_json(argv.items, argv.count), "env",
                  environment, "cwd", bundle_working_dir(bundle), "capabilities", "rlimits", "type",
                  "RLIMIT_NOFILE", "hard", files, "soft", files, "noNewPrivileges", true);
    return true;
}

static void add_mount(json_t *mounts, const char *target, const char *type, const char *source,
                      json_t *options)
{
    (void)json_array_append_new(mounts,
                                json_pack("{s:s, s:s, s:s, s:o}", "destination", target, "type",
                                          type, "source", source, "options", options));
}

static json_t *options_json(const char *first, const char *second, const char *third)
{
    json_t *options = json_array();
    const char *const all[] = {first, second, third};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if (all[i] != NULL)
            (void)json_array_append_new(options, json_string(all[i]));
    return options;
}

/* A tmpfs belongs to the instance's user: some versions of runc give it the mode of the folder
 * below, whatever its mode option says. */
static void add_user_mount(json_t *mounts, struct arena *arena, uid_t uid,
                           const struct runtime_mount *mount)
{
    const char *access = mount->read_only ? "ro" : "rw";

    if (mount->source != NULL) {
        json_t *options =
            json_pack("[s, s, s, s, s]", "rbind", "rprivate", "nosuid", "nodev", access);
        add_mount(mounts, mount->target, "bind", mount->source, options);
        return;
    }
    json_t *options =
        json_pack("[s, s, s, s, s]", "nosuid", "nodev", access, arena_printf(arena, "uid=%u", uid),
                  arena_printf(arena, "gid=%u", uid));
    uint32_t mode = mount->tmpfs_mode == 0 ? 01777 : mount->tmpfs_mode;
    (void)json_array_append_new(options, json_string(arena_printf(arena, "mode=%o", mode)));
    if (mount->tmpfs_size_bytes > 0)
        (void)json_array_append_new(
            options, json_string(arena_printf(arena, "size=%" PRIu64, mount->tmpfs_size_bytes)));
    add_mount(mounts, mount->target, "tmpfs", "tmpfs", options);
}

static json_t *mounts_json(const struct bundle *bundle, struct arena *arena)
{
    const struct instance_spec *spec = bundle->spec;
    const struct recipe *recipe = bundle->recipe;
    json_t *mounts = json_array();

    add_mount(mounts, "/proc", "proc", "proc", options_json("nosuid", "noexec", "nodev"));
    add_mount(mounts, "/dev", "tmpfs", "tmpfs",
              json_pack("[s, s, s, s]", "nosuid", "strictatime", "mode=755", "size=65536k"));
    add_mount(mounts, "/dev/pts", "devpts", "devpts",
              json_pack("[s, s, s, s, s, s]", "nosuid", "noexec", "newinstance", "ptmxmode=0666",
                        "mode=0620", "gid=5"));
    add_mount(
        mounts, "/dev/shm", "tmpfs", "shm",
        json_pack("[s, s, s, s, s]", "nosuid", "noexec", "nodev", "mode=1777", "size=65536k"));
    add_mount(mounts, "/dev/mqueue", "mqueue", "mqueue", options_json("nosuid", "noexec", "nodev"));
    add_mount(mounts, "/sys", "sysfs", "sysfs",
              json_pack("[s, s, s, s]", "nosuid", "noexec", "nodev", "ro"));
    if (bundle->cgroup_v2)
        add_mount(mounts, "/sys/fs/cgroup", "cgroup", "cgroup",
                  json_pack("[s, s, s, s]", "nosuid", "noexec", "nodev", "ro"));
    add_mount(mounts, "/tmp", "tmpfs", "tmpfs", options_json("nosuid", "nodev", "mode=1777"));
    add_mount(mounts, "/run", "tmpfs", "tmpfs",
              json_pack("[s, s, s, s, s]", "nosuid", "nodev", "mode=755",
                        arena_printf(arena, "uid=%u", spec->uid),
                        arena_printf(arena, "gid=%u", spec->uid)));
    if (recipe != NULL && recipe->script != NULL)
        add_mount(mounts, recipe->script_target, "bind",
                  arena_printf(arena, "%s/%s", bundle->images_dir, recipe->script),
                  options_json("bind", "ro", "nosuid"));
    for (size_t i = 0; i < spec->mount_count; i++)
        add_user_mount(mounts, arena, spec->uid, &spec->mounts[i]);
    return mounts;
}

static json_t *resources_json(const struct bundle *bundle)
{
    const struct compose_resources *limits = &bundle->spec->service->limits;
    json_t *resources = json_object();
    json_int_t memory = (json_int_t)limits->memory_bytes;
    json_int_t pids = limits->pids == 0 ? BUNDLE_PIDS_DEFAULT : (json_int_t)limits->pids;

    if (bundle->has_memory && memory > 0)
        (void)json_object_set_new(resources, "memory", json_pack("{s:I}", "limit", memory));
    if (bundle->has_cpu && limits->cpus > 0)
        (void)json_object_set_new(resources, "cpu",
                                  json_pack("{s:I, s:I}", "quota",
                                            (json_int_t)(limits->cpus * 100000), "period",
                                            (json_int_t)100000));
    if (bundle->has_pids)
        (void)json_object_set_new(resources, "pids", json_pack("{s:I}", "limit", pids));
    (void)json_object_set_new(resources, "devices",
                              json_pack("[{s:b, s:s}]", "allow", false, "access", "rwm"));
    return resources;
}

static json_t *namespaces_json(const struct bundle *bundle)
{
    json_t *list = json_pack("[{s:s}, {s:s}, {s:s}, {s:s}]", "type", "pid", "type", "mount", "type",
                             "ipc", "type", "uts");
    if (bundle->netns != NULL)
        (void)json_array_append_new(
            list, json_pack("{s:s, s:s}", "type", "network", "path", bundle->netns));
    else if (bundle->no_network)
        (void)json_array_append_new(list, json_pack("{s:s}", "type", "network"));
    if (bundle->cgroup_v2)
        (void)json_array_append_new(list, json_pack("{s:s}", "type", "cgroup"));
    return list;
}

bool bundle_config(const struct bundle *bundle, struct arena *arena, json_t **ret, struct err *err)
{
    json_t *process = NULL;

    if (!process_json(bundle, arena, &process, err))
        return false;
    json_t *linux_part =
        json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "cgroupsPath", bundle->cgroup_path, "resources",
                  resources_json(bundle), "namespaces", namespaces_json(bundle), "maskedPaths",
                  texts_json(masked, ARRAY_LEN(masked)), "readonlyPaths",
                  texts_json(read_only, ARRAY_LEN(read_only)), "seccomp", bundle_seccomp());
    *ret = json_pack("{s:s, s:o, s:{s:s, s:b}, s:s, s:o, s:o}", "ociVersion", "1.0.2", "process",
                     process, "root", "path", bundle->rootfs, "readonly",
                     bundle->spec->service->read_only, "hostname", bundle->spec->hostname, "mounts",
                     mounts_json(bundle, arena), "linux", linux_part);
    assert(*ret != NULL); /* every text is ASCII or came through json_from_bytes() */
    return true;
}
