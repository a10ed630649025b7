/* SPDX-License-Identifier: Apache-2.0
 *
 * Releases as they are stored, and the two operations that start from a stored
 * one: rollback and scale. Both go on as `up` does once everything is built.
 */
#include "base/base.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/vec.h"
#include "compose/load.h"
#include "control/daemon_priv.h"
#include "control/release.h"
#include "control/releases.h"
#include "control/state.h"
#include "runtime/layers.h"

enum { SCALE_MAX = 100 };

AUTO_TYPE(struct release *, release_unref)

/* ---- storing ---- */

static json_t *hashes_of(const struct release *release)
{
    json_t *services = json_object();

    for (size_t i = 0; release != NULL && i < release->compose->service_count; i++)
        (void)json_object_set_new(services, release->services[i].service->name,
                                  json_pack("{s:s}", "hash", release->services[i].hash));
    return services;
}

static bool store(const struct operation *operation, struct err *err)
{
    struct system *system = operation->system;
    struct release *candidate = operation->candidate;
    struct state *state = system->daemon->state;
    AUTO(json_unref) json_t *now = hashes_of(candidate), *former = hashes_of(system->wanted);
    AUTO(json_unref) json_t *changed = releases_changed(now, former, "hash");
    AUTO(buf_done) struct buf text = {0};

    if (!release_store(candidate, state, system->name, operation_kind_name(operation->kind), err))
        return false;
    json_format(changed, false, &text);
    struct state_release facts = {.number = candidate->number,
                                  .uid = operation->caller.uid,
                                  .user = operation->caller.user,
                                  .back_to = operation->back_to,
                                  .commit = operation->commit[0] == '\0' ? NULL : operation->commit,
                                  .dirty = operation->dirty,
                                  .changed = buf_str(&text),
                                  .state = "new"};
    return state_note_release(state, system->name, &facts, err);
}

bool releases_add(struct operation *operation, struct err *err)
{
    struct state *state = operation->system->daemon->state;

    if (!state_begin(state, err))
        return false;
    if (store(operation, err))
        return state_commit(state, err);
    state_abandon(state);
    return false;
}

struct former {
    uint32_t number;
    bool was_reached;
};

static void find_reached(void *arg, const struct state_release *row)
{
    struct former *former = arg;

    if (row->number == former->number)
        former->was_reached = strcmp(row->state, "reached") == 0;
}

/* Was the migration of <service> done when the release with <services> was new? */
static bool was_migrated(const struct system *system, const struct former *former,
                         const json_t *services, const char *service, bool *ret, struct err *err)
{
    const char *hash = json_find_text(json_object_get(services, service), "hash", "");

    *ret = former->was_reached;
    return *ret || state_is_migrated(system->daemon->state, system->name, service, hash, ret, err);
}

bool releases_skip_migrations(const struct operation *operation, struct err *err)
{
    const struct release *candidate = operation->candidate;
    const struct system *system = operation->system;
    struct state *state = system->daemon->state;
    struct former former = {.number = operation->back_to};
    AUTO(buf_done) struct buf config = {0}, text = {0};
    AUTO(json_unref) json_t *services = NULL;

    if (!state_each_release(state, system->name, find_reached, &former, err) ||
        !state_read_release(state, system->name, former.number, &config, &text, err) ||
        !json_parse(buf_str(&text), COMPOSE_RESOLVED_BYTES, &services, err))
        return false;
    for (size_t i = 0; i < candidate->compose->service_count; i++) {
        const struct release_service *made = &candidate->services[i];
        const char *name = made->service->name;
        bool migrated;
        if (migration_count_steps(made->service) == 0)
            continue;
        if (!was_migrated(system, &former, services, name, &migrated, err) ||
            (migrated && !migration_mark_all(system, made, err)))
            return false;
    }
    return true;
}

/* ---- reading ---- */

static bool check_trees(const struct release *release, struct err *err)
{
    AUTO(arena_done) struct arena arena = {0};
    struct layers layers;

    for (size_t i = 0; i < release->compose->service_count; i++)
        if (!layers_find(release->services[i].tree, &arena, &layers, err))
            return err_prefix(err, "%s", release->services[i].service->name);
    return true;
}

struct release *releases_read(const struct system *system, uint32_t number, struct err *err)
{
    struct daemon *daemon = system->daemon;
    AUTO(release_unref)
    struct release *stored =
        release_read(daemon->state, system->name, system->directory, number, daemon->runtime, err);

    if (stored == NULL)
        return NULL;
    if (!check_trees(stored, err) || !files_check(daemon, stored, err)) {
        err_prefix(err, "release %u cannot be brought back", number);
        return NULL;
    }
    struct release *release =
        release_new(str_of(stored->text), system->directory, daemon->runtime, err);
    if (release == NULL) {
        err_prefix(err, "release %u cannot be brought back", number);
        return NULL;
    }
    release_take_over(release, stored);
    return release;
}

struct numbers {
    uint32_t *ptr;
    size_t len, cap;
    uint32_t below;
};

static void add_reached(void *arg, const struct state_release *row)
{
    struct numbers *numbers = arg;

    if (row->number < numbers->below && strcmp(row->state, "reached") == 0 &&
        strcmp(row->note, "run") != 0)
        VEC_PUSH(numbers, row->number);
}

static bool read_stored(struct state *state, const char *system, uint32_t number,
                        json_t **ret_config, json_t **ret_services, struct err *err)
{
    AUTO(buf_done) struct buf config = {0}, services = {0};

    return state_read_release(state, system, number, &config, &services, err) &&
           json_parse(buf_str(&config), COMPOSE_RESOLVED_BYTES, ret_config, err) &&
           json_parse(buf_str(&services), COMPOSE_RESOLVED_BYTES, ret_services, err);
}

bool releases_is_like_current(const struct system *system, uint32_t number, bool *ret,
                              struct err *err)
{
    AUTO(json_unref) json_t *config = NULL, *services = NULL;
    AUTO(json_unref) json_t *current = NULL, *current_services = NULL;

    struct state *state = system->daemon->state;
    if (!read_stored(state, system->name, number, &config, &services, err) ||
        !read_stored(state, system->name, system->current->number, &current, &current_services,
                     err))
        return false;
    *ret = releases_are_alike(config, services, current, current_services);
    return true;
}

/* While another one is on its way, "the release before" is not the one before the current one. */
static bool check_arrived(const struct system *system, struct err *err)
{
    if (system->wanted == NULL || system->wanted == system->current)
        return true;
    return err_set(err, ERR_LOCKED,
                   "release %u of '%s' is not current yet; 'ishizue abort' takes it back, "
                   "'ishizue rollback NUMBER' goes to another one",
                   system->wanted->number, system->name);
}

bool releases_find_former(struct system *system, uint32_t *ret, struct err *err)
{
    struct numbers numbers = {.below = system->current == NULL ? 0 : system->current->number};
    bool alike = true;

    if (system->current == NULL)
        return err_set(err, ERR_NOT_FOUND,
                       "'%s' has not been up yet, there is nothing to go back to", system->name);
    if (!check_arrived(system, err))
        return false;
    bool ok = state_each_release(system->daemon->state, system->name, add_reached, &numbers, err);
    size_t i = 0;
    for (; ok && i < numbers.len && alike; i++) {
        ok = releases_is_like_current(system, numbers.ptr[i], &alike, err);
        *ret = numbers.ptr[i];
    }
    VEC_DONE(&numbers);
    if (ok && alike)
        return err_set(err, ERR_NOT_FOUND,
                       "no release before %u of '%s' was reached and differs from it; 'ishizue "
                       "releases' lists them",
                       system->current->number, system->name);
    return ok;
}

/* ---- what cannot be undone ---- */

static bool is_irreversible(const json_t *service)
{
    const json_t *migrate = json_object_get(json_object_get(service, "x-ishizue"), "migrate");
    return json_is_object(migrate) && !json_find_bool(migrate, "reversible", true);
}

static bool has_text(const json_t *list, const char *text)
{
    const json_t *item;
    size_t i;

    json_array_foreach(list, i, item)
    {
        if (strcmp(json_string_value(item), text) == 0)
            return true;
    }
    return false;
}

/* Adds the services of release <number> that it migrated for good, and that are not as in <old>. */
static bool add_irreversible(struct state *state, const char *system, uint32_t number,
                             const json_t *old, json_t *list, struct err *err)
{
    AUTO(json_unref) json_t *config = NULL, *services = NULL;
    const char *name;
    json_t *service;

    if (!read_stored(state, system, number, &config, &services, err))
        return false;
    json_object_foreach(json_object_get(config, "services"), name, service)
    {
        const char *now = json_find_text(json_object_get(services, name), "config_hash", "");
        const char *then = json_find_text(json_object_get(old, name), "config_hash", "");
        if (is_irreversible(service) && strcmp(now, then) != 0 && !has_text(list, name))
            (void)json_array_append_new(list, json_string(name));
    }
    return true;
}

bool releases_irreversible(struct state *state, const char *system, uint32_t from, uint32_t to,
                           json_t **ret, struct err *err)
{
    AUTO(json_unref) json_t *config = NULL, *old = NULL, *list = json_array();
    struct numbers numbers = {.below = from == UINT32_MAX ? from : from + 1};

    bool ok = read_stored(state, system, to, &config, &old, err) &&
              state_each_release(state, system, add_reached, &numbers, err);
    for (size_t i = 0; ok && i < numbers.len; i++)
        if (numbers.ptr[i] > to)
            ok = add_irreversible(state, system, numbers.ptr[i], old, list, err);
    VEC_DONE(&numbers);
    if (ok)
        *ret = json_incref(list);
    return ok;
}

/* ---- rollback and scale ---- */

static struct operation *begin(struct system *system, enum operation_kind kind, uint64_t timeout_ms,
                               struct err *err)
{
    if (system->wanted == NULL) {
        err_set(err, ERR_NOT_FOUND, "'%s' is not up", system->name);
        return NULL;
    }
    struct operation *operation = operation_begin(system, kind, err);
    if (operation != NULL)
        operation_set_timeout(operation, timeout_ms);
    return operation;
}

/* The candidate is there: its ports are held, then the plan decides. */
static bool go(struct operation *operation, struct subscriber *subscriber, struct err *err)
{
    if (operation->candidate == NULL ||
        !up_hold_ports(operation->system->daemon, operation->candidate, err)) {
        operation_end(operation, err);
        return false;
    }
    list_push(&operation->subscribers, &subscriber->link);
    up_built(operation);
    return true;
}

bool rollback_begin(struct system *system, uint32_t number, uint64_t timeout_ms,
                    struct subscriber *subscriber, struct err *err)
{
    struct operation *operation = begin(system, OPERATION_ROLLBACK, timeout_ms, err);

    if (operation == NULL)
        return false;
    if (number == 0 && !releases_find_former(system, &number, err)) {
        operation_end(operation, err);
        return false;
    }
    operation->back_to = number;
    operation->deploy.wait = DEPLOY_WAIT_SWITCHED; /* what drains does so by itself */
    operation->candidate = releases_read(system, number, err);
    return go(operation, subscriber, err);
}

static bool set_counts(struct operation *operation, json_t *config, const json_t *counts,
                       struct err *err)
{
    json_t *services = json_object_get(config, "services");
    const char *name;
    json_t *count;

    if (!json_is_object(counts) || json_object_size(counts) == 0)
        return err_set(err, ERR_INVALID, "'services' must say how many of which: {\"web\": 2}");
    json_object_foreach((json_t *)(uintptr_t)counts, name, count)
    {
        json_t *service = json_object_get(services, name);
        json_t *deploy = json_object_get(service, "deploy");
        json_int_t value = json_integer_value(count);
        if (service == NULL)
            return err_set(err, ERR_NO_SERVICE, "there is no service '%.100s'", name);
        if (!json_is_integer(count) || value < 0 || value > SCALE_MAX)
            return err_set(err, ERR_LIMIT, "'%s' can have 0 to %d instances", name, SCALE_MAX);
        (void)json_object_set_new(service, "scale", json_integer(value));
        if (json_object_get(deploy, "replicas") != NULL)
            (void)json_object_set_new(deploy, "replicas", json_integer(value));
        scope_add(&operation->scope, name, &operation->arena);
    }
    operation->has_scope = true;
    return true;
}

static struct release *scaled(struct operation *operation, const json_t *counts, struct err *err)
{
    struct system *system = operation->system;
    AUTO(json_unref) json_t *config = NULL;
    AUTO(buf_done) struct buf text = {0};

    if (!json_parse(str_of(system->wanted->text), COMPOSE_RESOLVED_BYTES, &config, err) ||
        !set_counts(operation, config, counts, err))
        return NULL;
    json_format(config, false, &text);
    struct release *release =
        release_new(buf_str(&text), system->directory, system->daemon->runtime, err);
    for (size_t i = 0; release != NULL && i < release->compose->service_count; i++)
        release_take_service(
            release, i,
            &system->wanted
                 ->services[release_find(system->wanted, release->services[i].service->name)]);
    return release;
}

bool scale_begin(struct system *system, const json_t *counts, uint64_t timeout_ms,
                 struct subscriber *subscriber, struct err *err)
{
    struct operation *operation = begin(system, OPERATION_SCALE, timeout_ms, err);

    if (operation == NULL)
        return false;
    operation->candidate = scaled(operation, counts, err);
    return go(operation, subscriber, err);
}
