/* SPDX-License-Identifier: Apache-2.0
 *
 * Builds a tree: copies the context, runs each step in a throw-away instance
 * with the tree as its writable layer, renames the result. With
 * host.dependencies the same is done before for a layer below, from the
 * host.cache_key files alone, unless it is there. What is interrupted leaves
 * only names with ".tmp", which the next build of the service removes.
 */
#include "base/base.h"

#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "io/child.h"
#include "runtime/build_environment.h"
#include "runtime/build_plan.h"
#include "runtime/bundle.h"
#include "runtime/helper_process.h"
#include "runtime/ownership.h"
#include "runtime/rootfs.h"
#include "json/json.h"

enum {
    STEP_TIMEOUT_MS = 60 * 60 * 1000,
    TAIL_BYTES = 2000,
    TAIL_LINES = 3,
    DELETE_TIMEOUT_MS = 30000
};

/* One build under way. */
struct build {
    struct list link; /* in host.builds */
    struct host *host;
    struct arena arena;
    struct build_plan plan;
    struct compose_service service; /* what the steps run as */
    struct instance_spec spec;
    bool on_dependencies; /* the layer below is being made */
    const struct compose_texts *steps;
    struct compose_texts dependencies, build;
    size_t step;        /* the one that runs */
    const char *target; /* what the layer will be called */
    const char *upper;  /* <target>.tmp */
    const char *work;
    const char *bundle;
    const char *rootfs;
    struct buf tail;     /* of the step's output, for the error */
    struct child *child; /* the OCI runtime of the step that runs; NULL: none does */
    bool cancelled;
    runtime_output_fn *output;
    runtime_done_fn *done;
    void *arg;
};

static bool start_layer(struct build *build, struct err *err);
static void run_step(struct build *build);

static void build_end(struct build *build, const struct err *err)
{
    struct err cancelled, ignored;

    if (build->cancelled) {
        err_set(&cancelled, ERR_CLOSED, "the build was cancelled");
        err = &cancelled;
    }
    list_remove(&build->link);
    (void)!rootfs_unmount(build->rootfs, &ignored);
    (void)!file_remove_tree(build->bundle, &ignored);
    (void)!file_remove_tree(build->work, &ignored);
    if (err != NULL)
        (void)!file_remove_tree(build->upper, &ignored);
    build->done(build->arg, err);
    buf_done(&build->tail);
    arena_done(&build->arena);
    free(build);
}

/* In the helper process. */
static bool copy_context(void *arg, struct err *err)
{
    const struct build *build = arg;
    const char *inside = build->plan.workdir;
    AUTO(arena_done) struct arena arena = {0};

    return file_remove_tree(build->upper, err) && file_remove_tree(build->work, err) &&
           file_make_dirs(build->upper, 0755, err) &&
           rootfs_make_dir(build->upper, inside, 0755, build->spec.uid, err) &&
           context_copy(build->on_dependencies ? &build->plan.deps_context : &build->plan.context,
                        arena_printf(&arena, "%s%s", build->upper, inside), build->spec.uid, err);
}

static bool mount_layer(struct build *build, struct err *err)
{
    const char *const layers[] = {build->plan.deps};
    struct rootfs rootfs = {.target = build->rootfs,
                            .upper = build->upper,
                            .work = build->work,
                            .mask = build->host->mask,
                            .layers = layers,
                            .layer_count =
                                build->on_dependencies || build->plan.deps == NULL ? 0 : 1};
    struct rootfs_names names = {.user = "app",
                                 .uid = build->spec.uid,
                                 .home = "/cache",
                                 .hostname = "build",
                                 .service = build->spec.service};

    return rootfs_write_names(build->upper, &names, err) && rootfs_mount(&rootfs, err);
}

static void on_copied(void *arg, const struct err *failed)
{
    struct build *build = arg;
    struct err err;

    if (failed != NULL || build->cancelled)
        build_end(build, failed);
    else if (!mount_layer(build, &err))
        build_end(build, &err);
    else
        run_step(build);
}

/* The files that exist only while steps run are not part of the tree. */
static bool finish_layer(struct build *build, struct err *err)
{
    AUTO(arena_done) struct arena arena = {0};
    static const char *const temporary[] = {"etc/passwd",   "etc/group",       "etc/hosts",
                                            "etc/hostname", "etc/resolv.conf", "cache"};

    if (!rootfs_unmount(build->rootfs, err) || !file_remove_tree(build->work, err))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(temporary); i++)
        if (!file_remove_tree(arena_printf(&arena, "%s/%s", build->upper, temporary[i]), err))
            return false;
    if (!build->on_dependencies && build->plan.deps != NULL &&
        !file_write(arena_printf(&arena, "%s.deps", build->target),
                    str_of(strrchr(build->plan.deps, '/') + 1), 0600, err))
        return false;
    if (!build_key_settle(build->target, err))
        return false;
    return rename(build->upper, build->target) == 0 ||
           err_sys(err, "cannot rename '%s'", build->upper);
}

static void next_layer(struct build *build)
{
    struct err err;

    if (!finish_layer(build, &err)) {
        build_end(build, &err);
    } else if (!build->on_dependencies) {
        build_end(build, NULL);
    } else {
        build->on_dependencies = false;
        if (!start_layer(build, &err))
            build_end(build, &err);
    }
}

static void on_step_output(void *arg, struct str bytes)
{
    struct build *build = arg;

    build->output(build->arg, bytes);
    buf_add_str(&build->tail, bytes);
    if (build->tail.len > TAIL_BYTES)
        buf_drop(&build->tail, build->tail.len - TAIL_BYTES);
}

/* The last lines as one: "a | b | c". */
static void format_tail(struct buf *tail)
{
    struct str text = str_trim(buf_str(tail));
    size_t start = text.len, lines = 0;

    while (start > 0 && lines < TAIL_LINES) {
        size_t cut = str_find_last(str_sub(text, 0, start - 1), '\n');
        start = cut == start - 1 ? 0 : cut + 1;
        lines++;
    }
    text = str_sub(text, start, text.len);
    AUTO(buf_done) struct buf joined = {0};
    while (text.ptr != NULL) {
        struct str line = str_trim(str_cut(&text, '\n'));
        buf_addf(&joined, "%s" STR_FMT, joined.len == 0 ? "" : " | ", STR_ARG(line));
    }
    buf_clear(tail);
    buf_add_str(tail, buf_str(&joined));
}

static void on_step_deleted(void *arg, int exit_status, bool timed_out)
{
    (void)exit_status;
    (void)timed_out;
    build_end(arg, NULL);
}

/* The OCI runtime was killed; the step's own processes may be left. */
static void delete_step(struct build *build)
{
    const struct host *host = build->host;
    const char *argv[] = {host->oci,      "--root", host->oci_root, "delete", "--force",
                          build->spec.id, NULL};
    struct child_spec child = {
        .argv = argv, .timeout_ms = DELETE_TIMEOUT_MS, .exit = on_step_deleted, .arg = build};
    struct err err;

    if (child_start(host->loop, &child, &err) == NULL)
        build_end(build, &err);
}

static void on_step_exit(void *arg, int exit_status, bool timed_out)
{
    struct build *build = arg;
    struct err err;

    build->child = NULL;
    if (build->cancelled) {
        delete_step(build);
        return;
    }
    build->step += exit_status == 0 ? 1 : 0;
    if (exit_status == 0) {
        run_step(build);
        return;
    }
    format_tail(&build->tail);
    if (timed_out)
        err_set(&err, ERR_TIMEOUT, "build step '%.200s' took longer than %d minutes",
                build->steps->items[build->step], STEP_TIMEOUT_MS / 60000);
    else
        err_set(&err, ERR_PROGRAM, "build step '%.200s' failed with status %d: %.500s",
                build->steps->items[build->step], exit_status, buf_text(&build->tail));
    build_end(build, &err);
}

static bool write_bundle(struct build *build, const char *step, struct err *err)
{
    AUTO(arena_done) struct arena arena = {0};
    AUTO(json_unref) json_t *config = NULL;
    AUTO(buf_done) struct buf text = {0};
    const char *argv[] = {"/bin/sh", "-c", step};
    struct compose_texts texts = {argv, ARRAY_LEN(argv)};
    struct instance_spec spec = build->spec;

    spec.argv = &texts;
    struct bundle bundle = {.spec = &spec,
                            .version = "",
                            .rootfs = build->rootfs,
                            .cgroup_path = arena_printf(&arena, "/ishizue/%s", spec.id),
                            .files_max = 4096};
    if (!bundle_config(&bundle, &arena, &config, err))
        return false;
    json_format(config, true, &text);
    return file_make_dirs(build->bundle, 0700, err) &&
           file_write(arena_printf(&arena, "%s/config.json", build->bundle), buf_str(&text), 0600,
                      err);
}

static void run_step(struct build *build)
{
    struct host *host = build->host;
    struct err err;

    if (build->step == build->steps->count) {
        next_layer(build);
        return;
    }
    const char *step = build->steps->items[build->step];
    const char *argv[] = {host->oci,  "--root",      host->oci_root, "run",
                          "--bundle", build->bundle, build->spec.id, NULL};
    struct child_spec child = {.argv = argv,
                               .timeout_ms = STEP_TIMEOUT_MS,
                               .output = on_step_output,
                               .exit = on_step_exit,
                               .arg = build};
    buf_clear(&build->tail);
    build->output(build->arg, str_of(arena_printf(&build->arena, "+ %s\n", step)));
    if (!write_bundle(build, step, &err) ||
        (build->child = child_start(host->loop, &child, &err)) == NULL)
        build_end(build, &err);
}

static bool start_layer(struct build *build, struct err *err)
{
    build->target = build->on_dependencies ? build->plan.deps : build->plan.tree;
    build->steps = build->on_dependencies ? &build->dependencies : &build->build;
    build->step = 0;
    build->upper = arena_printf(&build->arena, "%s.tmp", build->target);
    build->work = arena_printf(&build->arena, "%s.work.tmp", build->target);
    return helper_process_start(build->host->loop, copy_context, on_copied, build, err);
}

static void copy_texts(struct arena *arena, const struct compose_texts *from,
                       struct compose_texts *to)
{
    *to = (struct compose_texts){.items = ARENA_ARRAY(arena, const char *, from->count),
                                 .count = from->count};
    for (size_t i = 0; i < from->count; i++)
        to->items[i] = arena_text(arena, from->items[i]);
}

/* The caller's texts may go away before the build ends: everything is copied. */
static void prepare_spec(struct build *build, const struct build_spec *spec)
{
    struct arena *arena = &build->arena;
    const char *key = strrchr(build->plan.tree, '/') + 1;
    struct runtime_mount *cache = ARENA_NEW(arena, struct runtime_mount);

    *cache = (struct runtime_mount){.source = build->plan.cache, .target = "/cache"};
    build->plan.workdir = arena_text(arena, build->plan.workdir);
    copy_texts(arena, &spec->service->x.host.dependencies, &build->dependencies);
    copy_texts(arena, &spec->service->x.host.build, &build->build);
    build->service = (struct compose_service){
        .name = arena_text(arena, spec->service->name),
        .environment = build_environment(spec, arena),
        .x = {.host = {.present = true, .workdir = build->plan.workdir}},
    };
    build->spec = (struct instance_spec){
        .id = arena_printf(arena, "build-%s", key),
        .service = &build->service,
        .hostname = "build",
        .uid = spec->uid,
        .mounts = cache,
        .mount_count = 1,
    };
    build->bundle = arena_printf(arena, "%s/builds/%s", build->host->run_dir, key);
    build->rootfs = arena_printf(arena, "%s/rootfs", build->bundle);
}

static bool prepare_cache(const struct build *build, struct err *err)
{
    const struct compose_texts volumes = {(const char *[]){"/cache"}, 1};
    struct runtime_mount cache = {.source = build->plan.cache, .target = "/cache", .own = true};

    return ownership_prepare(&cache, build->spec.uid, &volumes, err) &&
           rootfs_make_dir(build->plan.cache, ".tmp", 0755, build->spec.uid, err);
}

static bool remove_temporary(const char *folder, struct err *err)
{
    AUTO(arena_done) struct arena arena = {0};
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    bool ok = true;

    if (dir == NULL)
        return err_sys(err, "cannot read '%s'", folder);
    while (ok && (entry = readdir(dir)) != NULL)
        if (str_ends(str_of(entry->d_name), STR(".tmp")))
            ok = file_remove_tree(arena_printf(&arena, "%s/%s", folder, entry->d_name), err);
    (void)closedir(dir);
    return ok;
}

/* A step that was cut off, with its container. */
static bool remove_step(const struct host *host, const char *id, const char *bundle,
                        struct err *err)
{
    AUTO(arena_done) struct arena arena = {0};
    const char *argv[] = {host->oci, "--root", host->oci_root, "delete", "--force", id, NULL};

    if (file_exists(bundle)) {
        struct err ignored;
        (void)!child_run(argv, (struct str){0}, 10000, 4096, NULL, &ignored);
    }
    return rootfs_unmount(arena_printf(&arena, "%s/rootfs", bundle), err) &&
           file_remove_tree(bundle, err);
}

static bool remove_leftovers(const struct build *build, struct err *err)
{
    return remove_step(build->host, build->spec.id, build->bundle, err) &&
           remove_temporary(build->plan.folder, err);
}

void builds_end_left(struct host *host)
{
    AUTO(arena_done) struct arena arena = {0};
    const char *folder = arena_printf(&arena, "%s/builds", host->run_dir);
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    struct err err;

    while (dir != NULL && (entry = readdir(dir)) != NULL)
        if (entry->d_name[0] != '.' &&
            !remove_step(host, arena_printf(&arena, "build-%s", entry->d_name),
                         arena_printf(&arena, "%s/%s", folder, entry->d_name), &err))
            log_warn("daemon", "a build that was cut off is left: %s", err.text);
    if (dir != NULL)
        (void)closedir(dir);
}

/* One that was cancelled takes a moment to end. */
static bool is_building(const struct host *host, const char *folder)
{
    LIST_FOR_EACH (node, &host->builds)
        if (strcmp(CONTAINER_OF(node, struct build, link)->plan.folder, folder) == 0)
            return true;
    return false;
}

bool build_start(struct runtime *runtime, const struct build_spec *spec, const char *tree,
                 runtime_output_fn *output, runtime_done_fn *done, void *arg, struct err *err)
{
    struct build *build = NEW(struct build);

    build->host = host_of(runtime);
    build->output = output;
    build->done = done;
    build->arg = arg;
    bool ok = build_plan_make(build->host, spec, &build->arena, &build->plan, err);
    if (ok && is_building(build->host, build->plan.folder))
        ok = err_set(err, ERR_LOCKED,
                     "a build of service '%s' is still being ended; try again in a moment",
                     spec->service->name);
    if (ok && strcmp(build->plan.tree, tree) != 0)
        ok = err_set(err, ERR_INVALID,
                     "the build context of service '%s' changed just now; try again",
                     spec->service->name);
    if (ok) {
        build->plan.context.folder = arena_text(&build->arena, build->plan.context.folder);
        build->plan.deps_context.folder = build->plan.context.folder;
        prepare_spec(build, spec);
        build->on_dependencies = build->plan.deps != NULL && !file_is_dir(build->plan.deps);
        ok = prepare_cache(build, err) && remove_leftovers(build, err) && start_layer(build, err);
    }
    if (!ok) {
        arena_done(&build->arena);
        free(build);
        return false;
    }
    list_push(&build->host->builds, &build->link);
    return true;
}

void build_cancel(struct runtime *runtime, const char *tree)
{
    LIST_FOR_EACH (node, &host_of(runtime)->builds) {
        struct build *build = CONTAINER_OF(node, struct build, link);
        if (strcmp(build->plan.tree, tree) != 0 || build->cancelled)
            continue;
        build->cancelled = true;
        if (build->child != NULL)
            child_kill(build->child); /* a copy that is under way is short, and looked at then */
    }
}
