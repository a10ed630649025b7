/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/map.h"
#include "base/vec.h"
#include "runtime/bundle.h"
#include "runtime/bundle_priv.h"
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

/* tini(1) takes in orphans by itself only as process 1. */
static bool needs_subreaper(const struct bundle *bundle)
{
    const char *pid = bundle->spec->service->isolation.pid;
    bool is_first = bundle->pid_namespace == NULL && (pid == NULL || strcmp(pid, "host") != 0);

    return !is_first && str_ends(str_of(bundle->init_program), STR("/tini"));
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
        if (needs_subreaper(bundle))
            argv.items[argv.count++] = "-s";
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

/* A name that can stand in passwd(5); numbers and root stand for the one user that there is. */
static bool is_user_name(struct str name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789_-";
    bool ok = name.len > 0 && name.len <= 32 && !str_is(name, "root") && !str_is(name, "nobody") &&
              (name.ptr[0] < '0' || name.ptr[0] > '9') && name.ptr[0] != '-';

    for (size_t i = 0; ok && i < name.len; i++)
        ok = strchr(allowed, name.ptr[i]) != NULL && name.ptr[i] != '\0';
    return ok;
}

/* The entry point of a recipe that has one knows its user by name. */
const char *bundle_user(const struct bundle *bundle, struct arena *arena)
{
    struct str rest = str_of(bundle->spec->service->user);
    struct str name = str_cut(&rest, ':');
    bool has_recipe = bundle->recipe != NULL && bundle->recipe->user != NULL;

    if (is_user_name(name) && !(has_recipe && bundle->recipe->script != NULL))
        return arena_str(arena, name);
    return has_recipe ? bundle->recipe->user : "app";
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

/* What the steps of a build install is found by its name, as it is in an image. */
static const char *built_path(const struct compose_service *service, struct arena *arena)
{
    const char *workdir = service->x.host.workdir == NULL ? "/app" : service->x.host.workdir;

    if (!service->x.host.present)
        return default_path;
    return arena_printf(arena, "%s/.venv/bin:%s/node_modules/.bin:%s", workdir, workdir,
                        default_path);
}

static const char *search_path(const struct bundle *bundle, struct arena *arena)
{
    const char *path = built_path(bundle->spec->service, arena);

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

json_t *bundle_texts(const char *const *items, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        (void)json_array_append_new(list, json_from_bytes(str_of(items[i])));
    return list;
}

static json_t *environment_json(const struct bundle *bundle, struct arena *arena)
{
    struct compose_pairs pairs = bundle_environment(bundle, arena);
    json_t *list = json_array();

    for (size_t i = 0; i < pairs.count; i++) {
        const struct compose_pair *pair = &pairs.items[i];
        const char *text = arena_printf(arena, "%s=%s", pair->key, pair->value);
        (void)json_array_append_new(list, json_from_bytes(str_of(text)));
    }
    return list;
}

static bool process_json(const struct bundle *bundle, struct arena *arena, json_t **ret,
                         struct err *err)
{
    struct compose_texts argv;

    if (!bundle_argv(bundle, arena, &argv, err))
        return false;
    AUTO(json_unref)
    json_t *process = json_pack(
        "{s:b, s:o, s:o, s:o, s:b}", "terminal", bundle->spec->service->tty, "args",
        bundle_texts(argv.items, argv.count), "env", environment_json(bundle, arena), "cwd",
        json_from_bytes(str_of(bundle_working_dir(bundle))), "noNewPrivileges", true);
    bundle_add_rights(bundle, process);
    if (!bundle_add_limits(bundle, process, err))
        return err_prefix(err, "services.%s", bundle->spec->service->name);
    *ret = TAKE(process);
    return true;
}

static bool linux_json(const struct bundle *bundle, json_t **ret, struct err *err)
{
    AUTO(json_unref)
    json_t *part = json_pack("{s:s, s:o, s:o}", "cgroupsPath", bundle->cgroup_path, "maskedPaths",
                             bundle_texts(masked, ARRAY_LEN(masked)), "readonlyPaths",
                             bundle_texts(read_only, ARRAY_LEN(read_only)));
    json_t *seccomp = bundle_filter(bundle);

    if (seccomp != NULL)
        (void)json_object_set_new(part, "seccomp", seccomp);
    bundle_add_namespaces(bundle, part);
    if (!bundle_add_sysctls(bundle, part, err) || !bundle_add_resources(bundle, part, err))
        return false;
    bundle_add_devices(bundle, part);
    *ret = TAKE(part);
    return true;
}

/* Everything but the process: fails for what the file wants and an instance cannot have. */
static bool fill_config(const struct bundle *bundle, struct arena *arena, json_t *config,
                        struct err *err)
{
    json_t *mounts = NULL, *linux_part = NULL;

    if (!bundle_check_rights(bundle, err) || !bundle_mounts(bundle, arena, &mounts, err))
        return false;
    (void)json_object_set_new(config, "mounts", mounts);
    if (!linux_json(bundle, &linux_part, err))
        return false;
    (void)json_object_set_new(config, "linux", linux_part);
    if (bundle_has_own_names(bundle))
        (void)json_object_set_new(config, "hostname", json_string(bundle->spec->hostname));
    return bundle_add_annotations(bundle, config, err);
}

bool bundle_config(const struct bundle *bundle, struct arena *arena, json_t **ret, struct err *err)
{
    const struct compose_service *service = bundle->spec->service;
    bool read_only_root = service->read_only && bundle->machine != NULL;
    json_t *process = NULL;

    AUTO(json_unref)
    json_t *config = json_pack("{s:s, s:{s:s, s:b}}", "ociVersion", "1.0.2", "root", "path",
                               bundle->rootfs, "readonly", read_only_root);
    assert(config != NULL); /* every text is ASCII or came through json_from_bytes() */
    if (!process_json(bundle, arena, &process, err))
        return false;
    (void)json_object_set_new(config, "process", process);
    if (!fill_config(bundle, arena, config, err))
        return err_prefix(err, "services.%s", service->name);
    *ret = TAKE(config);
    return true;
}

/* No text can have these bytes: a quotation mark within one is written with a backslash. */
void bundle_format(const json_t *config, struct buf *ret)
{
    static const char *const keys[] = {"\"hard\": -1", "\"soft\": -1"};
    AUTO(buf_done) struct buf text = {0};

    json_format(config, true, &text);
    const char *at = buf_text(&text);
    for (;;) {
        const char *hard = strstr(at, keys[0]), *soft = strstr(at, keys[1]);
        const char *next = hard == NULL || (soft != NULL && soft < hard) ? soft : hard;
        if (next == NULL)
            break;
        next += strlen("\"hard\": ");
        buf_add(ret, at, (size_t)(next - at));
        buf_add_text(ret, "18446744073709551615");
        at = next + strlen("-1");
    }
    buf_add_text(ret, at);
}
