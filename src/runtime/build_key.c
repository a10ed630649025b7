/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <stdio.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "runtime/build_plan.h"
#include "tls/hasher.h"

enum { KEY_DIGITS = 24, ROUNDS_MAX = 1000000 };

/* A layer that was built again on request has another name than the one before, which instances may
 * stand on: "<key>-2". The file "<key>.again" says which of them counts. */
static uint64_t read_round(const char *base)
{
    AUTO(arena_done) struct arena arena = {0};
    AUTO(buf_done) struct buf text = {0};
    struct err ignored;
    uint64_t round;

    if (!file_read(arena_printf(&arena, "%s.again", base), 32, &text, &ignored) ||
        !str_to_u64(str_trim(buf_str(&text)), ROUNDS_MAX, &round))
        return 0;
    return round;
}

static const char *name_round(const char *base, bool fresh, struct arena *arena)
{
    uint64_t round = read_round(base) + (fresh ? 1 : 0);

    return round == 0 ? base : arena_printf(arena, "%s-%llu", base, (unsigned long long)round);
}

bool build_key_settle(const char *layer, struct err *err)
{
    AUTO(arena_done) struct arena arena = {0};
    const char *name = strrchr(layer, '/') + 1;
    size_t before = (size_t)(name - layer) + (str_starts(str_of(name), STR("deps-")) ? 5 : 0);
    struct str round = str_sub(str_of(layer), before + KEY_DIGITS, SIZE_MAX);

    if (round.len < 2 || round.ptr[0] != '-')
        return true;
    const char *mark = arena_printf(&arena, "%.*s.again", (int)(before + KEY_DIGITS), layer);
    return file_write(mark, str_sub(round, 1, round.len), 0600, err);
}

/* A name that becomes part of a path. */
static bool check_name(const char *name, struct err *err)
{
    size_t len = strlen(name);

    if (len == 0 || len > 128 || name[0] == '.' ||
        strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") != len)
        return err_set(err, ERR_INVALID, "'%.128s' cannot name a folder", name);
    return true;
}

/* An interpreter that was upgraded makes other trees (a virtual environment links to python3,
 * native Node modules to one ABI): the file that the name leads to is its version. */
static void add_interpreter(struct hasher *hasher, const char *path)
{
    char real[4096];
    struct stat st;
    char text[128];

    ssize_t n = readlink(path, real, sizeof real);
    if (n > 0)
        hasher_add(hasher, str_from(real, (size_t)n));
    if (stat(path, &st) != 0)
        return;
    (void)snprintf(text, sizeof text, "%llu.%lld.%ld", (unsigned long long)st.st_size,
                   (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
    hasher_add(hasher, str_of(text));
}

static void add_texts(struct hasher *hasher, const struct compose_texts *texts)
{
    for (size_t i = 0; i < texts->count; i++)
        hasher_add(hasher, str_of(texts->items[i]));
    hasher_add(hasher, STR("")); /* a step cannot move from one list to the next */
}

/* What both layers depend on. */
static void add_common(struct hasher *hasher, const struct build_spec *spec, const char *workdir)
{
    const struct compose_pairs *args = &spec->service->build.args;

    hasher_add_raw(hasher, &spec->uid, sizeof spec->uid);
    hasher_add(hasher, str_of(workdir));
    for (size_t i = 0; i < args->count; i++) {
        hasher_add(hasher, str_of(args->items[i].key));
        hasher_add(hasher, str_of(args->items[i].value));
    }
    add_interpreter(hasher, "/usr/bin/python3");
    add_interpreter(hasher, "/usr/bin/node");
}

static bool name_dependencies(const struct build_spec *spec, struct stat_cache *cache,
                              struct arena *arena, struct build_plan *plan, struct err *err)
{
    const struct compose_service *service = spec->service;
    AUTO(hasher_done) struct hasher hasher = {0};
    char key[HASHER_TEXT_BYTES];

    if (service->x.host.dependencies.count == 0)
        return true;
    if (!context_pick(&plan->context, &service->x.host.cache_key, arena, &plan->deps_context,
                      err) ||
        !context_hash(&plan->deps_context, cache, key, err))
        return false;
    hasher_init(&hasher);
    add_common(&hasher, spec, plan->workdir);
    hasher_add(&hasher, str_of(key));
    add_texts(&hasher, &service->x.host.dependencies);
    hasher_end(&hasher, key);
    plan->deps = name_round(arena_printf(arena, "%s/deps-%.*s", plan->folder, KEY_DIGITS, key),
                            spec->fresh, arena);
    return true;
}

static bool name_tree(const struct build_spec *spec, struct stat_cache *cache, struct arena *arena,
                      struct build_plan *plan, struct err *err)
{
    AUTO(hasher_done) struct hasher hasher = {0};
    char key[HASHER_TEXT_BYTES];

    if (!context_hash(&plan->context, cache, key, err))
        return false;
    hasher_init(&hasher);
    add_common(&hasher, spec, plan->workdir);
    hasher_add(&hasher, str_of(key));
    hasher_add(&hasher, str_of(plan->deps == NULL ? "" : plan->deps));
    add_texts(&hasher, &spec->service->x.host.build);
    hasher_end(&hasher, key);
    plan->tree = name_round(arena_printf(arena, "%s/%.*s", plan->folder, KEY_DIGITS, key),
                            spec->fresh, arena);
    return true;
}

bool build_plan_make(const struct host *host, const struct build_spec *spec, struct arena *arena,
                     struct build_plan *ret, struct err *err)
{
    const struct compose_service *service = spec->service;
    AUTO(stat_cache_done) struct stat_cache cache = {0};

    if (!service->x.host.present || !service->build.present || service->build.context == NULL)
        return err_set(err, ERR_NOT_FOUND,
                       "service '%s' needs build and x-ishizue.host to be built on this machine",
                       service->name);
    if (!check_name(spec->system, err) || !check_name(service->name, err))
        return false;
    *ret = (struct build_plan){
        .folder =
            arena_printf(arena, "%s/trees/%s/%s", host->state_dir, spec->system, service->name),
        .workdir = service->x.host.workdir == NULL ? "/app" : service->x.host.workdir,
        .cache =
            arena_printf(arena, "%s/cache/%s/%s", host->state_dir, spec->system, service->name),
    };
    const char *remembered = arena_printf(arena, "%s/.stat-cache", ret->folder);
    stat_cache_read(&cache, remembered);
    return file_make_dirs(ret->folder, 0755, err) &&
           context_list(service->build.context, arena, &ret->context, err) &&
           name_dependencies(spec, &cache, arena, ret, err) &&
           name_tree(spec, &cache, arena, ret, err) && stat_cache_write(&cache, remembered, err);
}

bool build_key(struct runtime *runtime, const struct build_spec *spec, struct arena *arena,
               const char **ret_tree, bool *ret_ready, struct err *err)
{
    AUTO(arena_done) struct arena local = {0};
    struct build_plan plan;

    if (!build_plan_make(host_of(runtime), spec, &local, &plan, err))
        return false;
    *ret_tree = arena_text(arena, plan.tree);
    *ret_ready = file_is_dir(plan.tree) && (plan.deps == NULL || file_is_dir(plan.deps));
    return true;
}
