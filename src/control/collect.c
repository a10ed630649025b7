/* SPDX-License-Identifier: Apache-2.0
 *
 * What nothing can need any more: releases beyond the last few, and then the
 * trees and contents that only they used. Trees are taken out of the way at
 * once, by renaming, and removed by another process.
 */
#include "base/base.h"

#include "base/err.h"
#include "base/log.h"
#include "base/vec.h"
#include "compose/load.h"
#include "control/daemon_priv.h"
#include "control/releases.h"
#include "control/retention.h"
#include "control/rollout.h"
#include "control/state.h"
#include "control/tree_sizes.h"

enum { RELEASES_KEPT = 10 }; /* of a system without a file */

/* ---- releases ---- */

struct rows {
    struct retention_row *ptr;
    size_t len, cap;
};

static void add_row(void *arg, const struct state_release *release)
{
    struct rows *rows = arg;

    VEC_PUSH(rows, ((struct retention_row){.number = release->number,
                                           .reached = strcmp(release->state, "reached") == 0,
                                           .one_off = strcmp(release->note, "run") == 0}));
}

static void note_used(struct rows *rows, uint32_t number)
{
    for (size_t i = 0; i < rows->len; i++)
        if (rows->ptr[i].number == number)
            rows->ptr[i].used = true;
}

static void note_all_used(struct rows *rows, const struct system *system)
{
    size_t service;

    LIST_FOR_EACH (node, &system->instances)
        note_used(rows, CONTAINER_OF(node, struct instance, link)->release->number);
    if (system->wanted != NULL)
        note_used(rows, system->wanted->number);
    if (system->current != NULL)
        note_used(rows, system->current->number);
    if (rollout_is_active(system)) {
        note_used(rows, system->rollout->from_number);
        note_used(rows, system->rollout->to_number);
    }
    if (system->operation != NULL && system->operation->candidate != NULL)
        note_used(rows, system->operation->candidate->number);
    if (system->operation != NULL && system->operation->run != NULL)
        note_used(rows, run_release(system->operation->run, &service)->number);
}

/* What <row> has that none of <seen> has, and adds it to them. */
static uint64_t count_bytes(const struct system *system, uint32_t number, struct map *seen,
                            struct map *folders)
{
    AUTO(buf_done) struct buf config = {0}, text = {0};
    AUTO(json_unref) json_t *services = NULL;
    AUTO(map_done) struct map own = {0};
    const char *name;
    json_t *service;
    struct map_entry *entry;
    uint64_t total = 0, bytes;
    struct err err;

    if (!state_read_release(system->daemon->state, system->name, number, &config, &text, &err) ||
        !json_parse(buf_str(&text), COMPOSE_RESOLVED_BYTES, &services, &err))
        return 0;
    json_object_foreach(services, name, service)
    {
        tree_sizes_add_folders(json_find_text(service, "tree", NULL), &own);
    }
    for (size_t i = 0; (entry = map_next(&own, &i)) != NULL;) {
        (void)map_set(folders, str_of(entry->key), seen);
        if (map_set(seen, str_of(entry->key), seen) == NULL &&
            tree_sizes_find(system->daemon, entry->key, &bytes))
            total += bytes;
    }
    return total;
}

static void count_all_bytes(const struct system *system, struct rows *rows, struct map *folders)
{
    AUTO(map_done) struct map seen = {0};

    for (size_t i = 0; i < rows->len; i++)
        rows->ptr[i].bytes = count_bytes(system, rows->ptr[i].number, &seen, folders);
}

/* Of those before the current one, as far as it takes to find one that differs, or cannot be read.
 */
static void note_alike(struct rows *rows, const struct system *system)
{
    struct err ignored;

    for (size_t i = 0; system->current != NULL && i < rows->len; i++) {
        struct retention_row *row = &rows->ptr[i];
        if (!retention_is_former(row, system->current->number))
            continue;
        if (!releases_is_like_current(system, row->number, &row->alike, &ignored) || !row->alike)
            return;
    }
}

static struct compose_releases limits_of(const struct system *system)
{
    const struct release *release = system->current == NULL ? system->wanted : system->current;

    return release == NULL ? (struct compose_releases){.keep = RELEASES_KEPT}
                           : release->compose->x.releases;
}

static bool forget_rows(const struct system *system, const struct rows *rows, size_t *ret_count,
                        struct err *err)
{
    for (size_t i = 0; i < rows->len; i++) {
        if (rows->ptr[i].kept)
            continue;
        if (!state_forget_release(system->daemon->state, system->name, rows->ptr[i].number, err))
            return false;
        ++*ret_count;
    }
    return true;
}

/* Adds the folders of the trees that its releases have to <folders>, and how many releases went to
 * <ret_count>. */
static bool forget_releases(const struct system *system, struct map *folders, size_t *ret_count,
                            struct err *err)
{
    struct state *state = system->daemon->state;
    struct rows rows = {0};
    bool ok = state_begin(state, err);

    if (!ok)
        return false;
    ok = state_each_release(state, system->name, add_row, &rows, err);
    if (ok) {
        note_alike(&rows, system);
        const struct compose_releases limits = limits_of(system);
        note_all_used(&rows, system);
        count_all_bytes(system, &rows, folders);
        retention_choose(rows.ptr, rows.len, system->current == NULL ? 0 : system->current->number,
                         limits.keep, limits.disk_bytes);
        ok = forget_rows(system, &rows, ret_count, err);
    }
    VEC_DONE(&rows);
    ok = ok && state_commit(state, err);
    if (!ok)
        state_abandon(state);
    return ok;
}

/* ---- trees ---- */

struct keeping {
    struct map trees; /* path -> anything */
    bool damaged;     /* something stored cannot be read: nothing is removed */
};

static void keep_tree(struct keeping *keeping, const char *tree)
{
    if (tree != NULL)
        (void)map_set(&keeping->trees, str_of(tree), keeping);
}

static void keep_stored(void *arg, const char *note, struct str services)
{
    AUTO(json_unref) json_t *root = NULL;
    struct err err;
    const char *name;
    json_t *service;

    (void)note; /* a one-off may have ended and stay */
    ((struct keeping *)arg)->damaged |= !json_parse(services, COMPOSE_RESOLVED_BYTES, &root, &err);
    json_object_foreach(root, name, service) keep_tree(arg, json_find_text(service, "tree", NULL));
}

static void keep_release(struct keeping *keeping, const struct release *release)
{
    for (size_t i = 0; release != NULL && i < release->compose->service_count; i++)
        keep_tree(keeping, release->services[i].tree);
}

static void keep_known(struct keeping *keeping, const struct system *system)
{
    size_t service;

    keep_release(keeping, system->wanted);
    keep_release(keeping, system->current);
    if (rollout_is_active(system)) {
        keep_release(keeping, system->rollout->from);
        keep_release(keeping, system->rollout->to);
    }
    if (system->operation != NULL)
        keep_release(keeping, system->operation->candidate);
    if (system->operation != NULL && system->operation->run != NULL)
        keep_release(keeping, run_release(system->operation->run, &service));
    LIST_FOR_EACH (node, &system->instances)
        keep_release(keeping, CONTAINER_OF(node, struct instance, link)->release);
}

static bool is_building(const struct daemon *daemon)
{
    struct map_entry *entry;

    for (size_t i = 0; (entry = map_next(&daemon->systems, &i)) != NULL;) {
        const struct operation *operation = ((struct system *)entry->value)->operation;
        if (operation != NULL && (operation->builds_left > 0 || !list_is_empty(&operation->builds)))
            return true;
    }
    return false;
}

static void on_collected(void *arg, const struct err *err)
{
    struct daemon *daemon = arg;

    daemon->collecting = false;
    if (err != NULL)
        log_warn("daemon", "trees that nobody needs are left: %s", err->text);
}

static bool collect(struct daemon *daemon, struct err *err)
{
    struct keeping keeping = {0};
    struct map_entry *entry;

    bool ok = state_each_services(daemon->state, keep_stored, &keeping, err);
    if (ok && keeping.damaged)
        ok = err_set(err, ERR_INVALID, "a stored release cannot be read");
    for (size_t i = 0; ok && (entry = map_next(&daemon->systems, &i)) != NULL;)
        keep_known(&keeping, entry->value);
    daemon->collecting = true;
    ok = ok && daemon->runtime->ops->trees_collect(daemon->runtime, &keeping.trees, on_collected,
                                                   daemon, err);
    if (!ok)
        daemon->collecting = false;
    map_done(&keeping.trees);
    return ok;
}

void collect_housekeeping(struct daemon *daemon)
{
    struct err err;

    if (!daemon->collect_due || daemon->collecting || is_building(daemon))
        return;
    if (!collect(daemon, &err)) {
        if (err.code == ERR_LOCKED) /* a build that was cancelled takes a moment to end */
            return;
        log_warn("daemon", "trees that nobody needs are left: %s", err.text);
    }
    daemon->collect_due = false;
}

static void forget_all(struct daemon *daemon, size_t *ret_count);

/* Once more, with the sizes that were missing. */
static void on_measured(struct daemon *daemon)
{
    size_t count = 0;

    forget_all(daemon, &count);
    if (count == 0)
        return;
    daemon->collect_due = true;
    collect_housekeeping(daemon);
}

static void forget_all(struct daemon *daemon, size_t *ret_count)
{
    AUTO(map_done) struct map folders = {0};
    struct map_entry *entry;
    struct err err;

    for (size_t i = 0; (entry = map_next(&daemon->systems, &i)) != NULL;)
        if (!forget_releases(entry->value, &folders, ret_count, &err))
            log_error("daemon", "%s: %s", ((struct system *)entry->value)->name, err.text);
    tree_sizes_update(daemon, &folders, on_measured);
}

/* Sizes of trees are remembered together, so it is about all systems. */
void collect_begin(struct system *system)
{
    size_t ignored = 0;

    forget_all(system->daemon, &ignored);
    system->daemon->collect_due = true;
    collect_housekeeping(system->daemon);
}
