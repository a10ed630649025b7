/* SPDX-License-Identifier: Apache-2.0
 *
 * What is remembered of migrations that were done, in state.db, and until when:
 *
 *     HASH            all steps of the instances with this hash
 *     HASH/N          step N of them, a container of `pre_start`
 *     CONFIG/migrate  the `migrate` of this version, whichever instances it has
 *
 * `migrate` is about data: it runs once for each version, and again only where the
 * data is gone, by `down -v` or otherwise. `pre_start` is about instances: it runs
 * again whenever new ones are made, but not for a restart and not on the way back,
 * as Compose has it.
 */
#include "base/base.h"

#include "base/err.h"
#include "base/log.h"
#include "control/daemon_priv.h"
#include "control/release.h"
#include "control/releases.h"
#include "control/state.h"

static size_t count_runs(const struct compose_service *service)
{
    size_t count = 0;

    for (size_t i = 0; i < service->pre_start_count; i++)
        count += service->pre_start[i].per_replica ? service->replicas : 1;
    return count;
}

size_t migration_count_steps(const struct compose_service *service)
{
    return count_runs(service) + (service->x.migrate != NULL);
}

static const char *version_mark(const struct release_service *made, struct arena *arena)
{
    return arena_printf(arena, "%s/migrate", made->config_hash);
}

static const char *step_mark(const struct release_service *made, size_t step, struct arena *arena)
{
    return step > count_runs(made->service) ? version_mark(made, arena)
                                            : arena_printf(arena, "%s/%zu", made->hash, step);
}

static bool is_marked(const struct system *system, const struct release_service *made,
                      const char *mark, bool *ret, struct err *err)
{
    return state_is_migrated(system->daemon->state, system->name, made->service->name, mark, ret,
                             err);
}

static bool mark(const struct system *system, const struct release_service *made, const char *text,
                 struct err *err)
{
    return state_mark_migrated(system->daemon->state, system->name, made->service->name, text, err);
}

static bool find_step(const struct system *system, const struct release_service *made,
                      size_t *ret_step, struct err *err)
{
    AUTO(arena_done) struct arena arena = {0};
    size_t count = migration_count_steps(made->service);
    bool done = false;

    if (count > 0 && !is_marked(system, made, made->hash, &done, err))
        return false;
    for (size_t step = 1; !done && step <= count; step++) {
        bool is_over;
        if (!is_marked(system, made, step_mark(made, step, &arena), &is_over, err))
            return false;
        if (!is_over) {
            *ret_step = step;
            return true;
        }
    }
    *ret_step = 0;
    return true;
}

size_t migration_next_step(const struct system *system, const struct release_service *made)
{
    size_t step = 1;
    struct err err;

    if (!find_step(system, made, &step, &err))
        log_error("daemon", "%s: %s", system->name, err.text);
    return step;
}

bool migration_is_due(const struct system *system, const struct release_service *made)
{
    AUTO(arena_done) struct arena arena = {0};
    bool done = false;
    struct err err;

    if (made->service->x.migrate == NULL)
        return false;
    if (!is_marked(system, made, version_mark(made, &arena), &done, &err))
        log_error("daemon", "%s: %s", system->name, err.text);
    return !done;
}

bool migration_mark_step(const struct system *system, const struct release_service *made,
                         size_t step, struct err *err)
{
    AUTO(arena_done) struct arena arena = {0};

    return mark(system, made, step_mark(made, step, &arena), err) &&
           (step < migration_count_steps(made->service) || mark(system, made, made->hash, err));
}

bool migration_mark_all(const struct system *system, const struct release_service *made,
                        struct err *err)
{
    return mark(system, made, made->hash, err);
}

/* That all of <made> was done says so of its version too: a restart marks nothing else. */
static bool note_version(const struct system *system, const struct release_service *made,
                         struct err *err)
{
    AUTO(arena_done) struct arena arena = {0};
    bool done = false;

    if (made->service->x.migrate == NULL)
        return true;
    return is_marked(system, made, made->hash, &done, err) &&
           (!done || mark(system, made, version_mark(made, &arena), err));
}

bool migration_note_versions(const struct system *system, struct err *err)
{
    for (size_t i = 0; system->wanted != NULL && i < system->wanted->compose->service_count; i++)
        if (!note_version(system, &system->wanted->services[i], err))
            return false;
    return true;
}

/* ---- data that is gone ---- */

/* <seen> has room for every service. A service that the edge stands in for has no data. */
static bool is_data_kept(const struct system *system, const struct release *release, size_t service,
                         bool *seen)
{
    const struct compose_service *own = release->services[service].service;

    seen[service] = true;
    for (size_t i = 0; i < own->depends_on_count; i++) {
        size_t other = release_find(release, own->depends_on[i].service);
        if (other == SIZE_MAX || seen[other] || release->services[other].image == NULL)
            continue;
        if (!volumes_are_kept(system, release, other, true) ||
            !is_data_kept(system, release, other, seen))
            return false;
    }
    return volumes_are_kept(system, release, service, false);
}

/* After a `down`: what was migrated may not be there any more, as a volume that somebody removed or
 * a database without one. Then the migration runs once more, which it must be able to. */
static bool forget_without_data(const struct operation *operation, size_t service, struct err *err)
{
    const struct system *system = operation->system;
    const struct release *release = operation->candidate;
    const struct release_service *made = &release->services[service];
    AUTO(arena_done) struct arena arena = {0};
    bool *seen = ARENA_ARRAY(&arena, bool, release->compose->service_count);

    if (is_data_kept(system, release, service, seen))
        return true;
    return state_forget_migration(system->daemon->state, system->name, made->service->name,
                                  version_mark(made, &arena), err);
}

/* ---- a release that is about to be wanted ---- */

/* Its instances will be new: `pre_start` runs for them, unless it has not been through yet. */
static bool forget_runs(const struct system *system, const struct release_service *made,
                        struct err *err)
{
    struct state *state = system->daemon->state;
    const char *name = made->service->name;
    size_t step;

    if (count_runs(made->service) == 0)
        return true;
    if (!note_version(system, made, err) || !find_step(system, made, &step, err))
        return false;
    if (step > 0 && step <= count_runs(made->service))
        return true;
    for (size_t i = 1; i <= count_runs(made->service); i++) {
        AUTO(arena_done) struct arena arena = {0};
        if (!state_forget_migration(state, system->name, name, step_mark(made, i, &arena), err))
            return false;
    }
    return state_forget_migration(state, system->name, name, made->hash, err);
}

static bool settle(const struct operation *operation, size_t service, struct err *err)
{
    const struct system *system = operation->system;
    const struct release_service *made = &operation->candidate->services[service];
    size_t index = release_find(system->wanted, made->service->name);
    const struct release_service *before =
        index == SIZE_MAX ? NULL : &system->wanted->services[index];
    size_t step;

    if (migration_count_steps(made->service) == 0 ||
        (before != NULL && strcmp(before->hash, made->hash) == 0))
        return true;
    if (system->wanted == NULL && !forget_without_data(operation, service, err))
        return false;
    if (before == NULL || strcmp(before->config_hash, made->config_hash) != 0)
        return forget_runs(system, made, err);
    if (!note_version(system, before, err))
        return false;
    if (operation->kind != OPERATION_RESTART)
        return forget_runs(system, made, err);
    return find_step(system, before, &step, err) &&
           (step > 0 || migration_mark_all(system, made, err));
}

bool migration_settle(const struct operation *operation, struct err *err)
{
    for (size_t i = 0; i < operation->candidate->compose->service_count; i++)
        if (!settle(operation, i, err))
            return false;
    return true;
}
