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
#include "control/retention.h"
#include "control/state.h"

enum { RELEASES_KEPT = 10 };

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
    if (system->operation != NULL && system->operation->candidate != NULL)
        note_used(rows, system->operation->candidate->number);
    if (system->operation != NULL && system->operation->run != NULL)
        note_used(rows, run_release(system->operation->run, &service)->number);
}

static bool forget_rows(const struct system *system, const struct rows *rows, struct err *err)
{
    for (size_t i = 0; i < rows->len; i++)
        if (!rows->ptr[i].kept &&
            !state_forget_release(system->daemon->state, system->name, rows->ptr[i].number, err))
            return false;
    return true;
}

static bool forget_releases(const struct system *system, struct err *err)
{
    struct state *state = system->daemon->state;
    struct rows rows = {0};
    bool ok = state_begin(state, err);

    if (!ok)
        return false;
    ok = state_each_release(state, system->name, add_row, &rows, err);
    if (ok) {
        note_all_used(&rows, system);
        retention_choose(rows.ptr, rows.len, system->current == NULL ? 0 : system->current->number,
                         RELEASES_KEPT);
        ok = forget_rows(system, &rows, err);
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

void collect_begin(struct system *system)
{
    struct err err;

    if (!forget_releases(system, &err))
        log_error("daemon", "%s: %s", system->name, err.text);
    system->daemon->collect_due = true;
    collect_housekeeping(system->daemon);
}
