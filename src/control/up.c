/* SPDX-License-Identifier: Apache-2.0
 *
 * up, create, build and restart, until the reconcile loop takes over: the
 * candidate release is decoded, its ports are held, its trees are built, and only
 * then does it become what is wanted. Whatever fails before that has changed
 * nothing.
 */
#include "base/base.h"

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "compose/load.h"
#include "control/daemon_priv.h"
#include "control/release.h"
#include "control/releases.h"
#include "control/rollout.h"
#include "control/state.h"

enum { DISK_FLOOR_BYTES = 256 << 20, ENVIRONMENT_MAX = 4096, TIMEOUT_MAX_MS = 86400000 };

bool operation_cancel(struct system *system, const char *why)
{
    struct operation *operation = system->operation;
    struct err err;

    if (operation == NULL || operation->reconciling || list_is_empty(&operation->builds))
        return false;
    err_set(&err, ERR_CLOSED, "%s; nothing was changed", why);
    operation_fail(operation, &err, NULL);
    builds_cancel(operation);
    return true;
}

/* ---- what becomes of the holds ---- */

/* Does an instance of it run that is as <made> wants it? */
static bool runs_unchanged(const struct system *system, const struct release_service *made)
{
    LIST_FOR_EACH (node, &system->instances) {
        const struct instance *instance = CONTAINER_OF(node, struct instance, link);
        if (!instance->is_job && instance_state_is_live(instance->state) &&
            strcmp(instance->made_of->service->name, made->service->name) == 0 &&
            strcmp(instance->made_of->hash, made->hash) == 0)
            return true;
    }
    return false;
}

/* `create` leaves alone what runs. A service that nobody has asked for yet has no instances. */
static enum plan_hold next_hold(const struct operation *operation,
                                const struct release_service *made)
{
    const struct system *system = operation->system;
    const char *name = made->service->name;
    enum plan_hold hold = system_hold(system, name);

    if (!operation_has(operation, name))
        return release_find(system->wanted, name) == SIZE_MAX ? PLAN_HOLD_EMPTY : hold;
    if (operation->kind == OPERATION_ROLLBACK) /* what a person stopped stays so */
        return hold;
    if (operation->kind != OPERATION_CREATE)
        return PLAN_HOLD_NONE;
    return hold == PLAN_HOLD_NONE && runs_unchanged(system, made) ? PLAN_HOLD_NONE
                                                                  : PLAN_HOLD_CREATED;
}

static void add_hold(struct system_change *change, const struct system *system, const char *service,
                     enum plan_hold hold)
{
    if (system_hold(system, service) == hold)
        return;
    change->holds[change->hold_count].service = service;
    change->holds[change->hold_count++].hold = hold;
}

static struct system_change make_change(struct operation *operation)
{
    const struct system *system = operation->system;
    const struct release *candidate = operation->candidate;
    struct system_change change = {.spares_volumes = true};
    struct map_entry *entry;
    size_t room = candidate->compose->service_count + system->holds.live + 1;

    change.holds = arena_alloc(&operation->arena, room * sizeof *change.holds);
    for (size_t i = 0; i < candidate->compose->service_count; i++)
        if (!candidate->services[i].service->x.provided_by_edge)
            add_hold(&change, system, candidate->services[i].service->name,
                     next_hold(operation, &candidate->services[i]));
    for (size_t i = 0; (entry = map_next(&system->holds, &i)) != NULL;)
        if (release_find(candidate, entry->key) == SIZE_MAX)
            add_hold(&change, system, arena_text(&operation->arena, entry->key), PLAN_HOLD_NONE);
    return change;
}

/* ---- it is built ---- */

static void seal(struct operation *operation)
{
    release_seal(operation->candidate, operation->system->wanted, operation->system->uid,
                 &operation->fresh, operation->force_recreate);
    deploy_take_warm(operation);
}

/* What a command needs is brought up whoever holds the system, but not changed. */
static bool check_beside(const struct operation *operation, struct err *err)
{
    const struct system *system = operation->system;

    return operation->kind != OPERATION_RUN ||
           (lock_check(system->daemon, system->name, err) && rollout_check_free(system, err));
}

/* What was done for the same version is not done once more. */
static bool keep_migrations(const struct operation *operation, struct err *err)
{
    return operation->kind == OPERATION_ROLLBACK ? releases_skip_migrations(operation, err)
                                                 : migration_settle(operation, err);
}

static bool become_wanted(struct operation *operation, struct err *err)
{
    struct system *system = operation->system;
    struct release *candidate = operation->candidate;

    seal(operation);
    bool is_new = system->wanted == NULL || !release_is_same(candidate, system->wanted);
    if (is_new && (!check_beside(operation, err) || !keep_migrations(operation, err) ||
                   !releases_add(operation, err)))
        return false;
    struct system_change change = make_change(operation);
    if (is_new)
        change.rollout = deploy_make_rollout(operation);
    bool became = system_become(system, is_new ? candidate : system->wanted, &change, err);
    if (became)
        operation->follows = change.rollout != NULL || (!is_new && deploy_joins(operation));
    else
        rollout_free(change.rollout);
    return became;
}

/* What differs from the images that the file names. */
static void tell_notes(const struct operation *operation)
{
    const struct release *candidate = operation->candidate;

    for (size_t i = 0; i < candidate->compose->service_count; i++) {
        const struct release_service *made = &candidate->services[i];
        AUTO(arena_done) struct arena arena = {0};
        if (made->image != NULL && made->image->note != NULL &&
            operation_has(operation, made->service->name))
            operation_warn(operation->system,
                           arena_printf(&arena, "'%s' %s", made->service->name, made->image->note));
    }
}

static bool begin_afresh(struct operation *operation, struct err *err)
{
    struct system *system = operation->system;

    LIST_FOR_EACH (node, &system->instances) {
        struct instance *instance = CONTAINER_OF(node, struct instance, link);
        const char *service = instance->made_of->service->name;
        if (operation_has(operation, service) && system_hold(system, service) == PLAN_HOLD_NONE &&
            !instance_begin_afresh(instance, err))
            return false;
    }
    return true;
}

static void tell_edge_services(const struct operation *operation)
{
    const struct release *wanted = operation->system->wanted;

    for (size_t i = 0; i < wanted->compose->service_count; i++)
        if (wanted->services[i].service->x.provided_by_edge)
            operation_step(operation->system, wanted->services[i].service->name, NULL, "ready",
                           "by the edge");
}

void up_built(struct operation *operation)
{
    struct system *system = operation->system;
    struct err err;

    if (operation->deploy.dry_run) {
        seal(operation);
        deploy_tell_plan(operation);
        return;
    }
    if (operation->candidate != NULL) {
        if (!become_wanted(operation, &err) || !begin_afresh(operation, &err)) {
            operation_end(operation, &err);
            return;
        }
        if (operation_serves(operation))
            tell_edge_services(operation);
    }
    operation->reconciling = true;
    daemon_publish(system->daemon);
    system_touch(system);
}

/* ---- begin ---- */

static bool check_runtime(const struct release *candidate, struct err *err)
{
    const char *runtime = candidate->compose->x.runtime;

    if (runtime == NULL || strcmp(runtime, "auto") == 0 || strcmp(runtime, "host") == 0)
        return true;
    return err_set(err, ERR_INVALID,
                   "x-ishizue.runtime: '%s' is not in this version; write host or auto", runtime);
}

static bool check_disk(const struct daemon *daemon, struct err *err)
{
    uint64_t free_bytes = file_free_bytes(daemon->options.state_dir);

    if (free_bytes >= DISK_FLOOR_BYTES)
        return true;
    return err_set(err, ERR_LIMIT,
                   "the disk of '%s' is full: %llu MB are free, %d MB are needed; free some space",
                   daemon->options.state_dir, (unsigned long long)(free_bytes >> 20),
                   DISK_FLOOR_BYTES >> 20);
}

static char **copy_environment(const json_t *list)
{
    size_t count = MIN(json_array_size(list), (size_t)ENVIRONMENT_MAX);
    char **environment = mem_new((count + 1) * sizeof *environment);
    size_t used = 0;

    for (size_t i = 0; i < count; i++) {
        const char *text = json_string_value(json_array_get(list, i));
        if (text != NULL)
            environment[used++] = mem_copy_text(text);
    }
    return environment;
}

static bool check_request(const char *name, const struct up_request *request,
                          const struct release *candidate, struct err *err)
{
    if (strcmp(candidate->compose->name, name) != 0)
        return err_set(err, ERR_INVALID, "the project is named '%.60s', the path says '%.60s'",
                       candidate->compose->name, name);
    if (request->timeout_ms > TIMEOUT_MAX_MS)
        return err_set(err, ERR_LIMIT, "'timeout_ms' is above %d", TIMEOUT_MAX_MS);
    return true;
}

/* What a request chooses among the services of its file. */
struct choice {
    json_t *config; /* the file as it was asked for */
    struct compose_texts scope;
    bool has_scope;
    struct compose_texts named; /* before what they need was added */
    struct compose_texts kept;  /* stay as the release before has them */
};

static void choice_done(struct choice *choice)
{
    json_decref(choice->config);
}
AUTO_VALUE(struct choice, choice_done)

static bool choose_named(struct choice *choice, const json_t *services, struct arena *arena,
                         struct err *err)
{
    const json_t *known = json_object_get(choice->config, "services");

    if (services != NULL && !json_is_array(services))
        return err_set(err, ERR_INVALID, "'services' must be a list of names");
    for (size_t i = 0; i < json_array_size(services); i++) {
        const char *name = json_string_value(json_array_get(services, i));
        if (name == NULL || json_object_get(known, name) == NULL)
            return err_set(err, ERR_NO_SERVICE, "there is no service '%.100s'",
                           name == NULL ? "" : name);
        scope_add(&choice->named, name, arena);
    }
    return true;
}

/* Those that were not chosen, and with no_recreate those that are there. */
static void choose_kept(struct choice *choice, const struct system *system,
                        const struct up_request *request, struct arena *arena)
{
    json_t *services = json_object_get(choice->config, "services");

    for (void *at = json_object_iter(services); at != NULL;
         at = json_object_iter_next(services, at)) {
        const char *name = json_object_iter_key(at);
        bool is_out = choice->has_scope && !scope_has(&choice->scope, name);
        bool is_there = request->no_recreate && system_has_instance(system, name);
        if ((is_out || is_there) && release_find(system->wanted, name) != SIZE_MAX)
            scope_add(&choice->kept, name, arena);
    }
}

static bool choose(struct choice *choice, const struct system *system,
                   const struct up_request *request, struct arena *arena, struct err *err)
{
    if (!json_parse(request->config, COMPOSE_RESOLVED_BYTES, &choice->config, err) ||
        !choose_named(choice, request->services, arena, err))
        return false;
    choice->has_scope = choice->named.count > 0;
    choice->scope = choice->named;
    if (choice->has_scope && !request->no_deps)
        scope_add_needed(choice->config, arena, &choice->scope);
    if (system == NULL || system->wanted == NULL)
        return true;
    choose_kept(choice, system, request, arena);
    if (!choice->has_scope && choice->kept.count == 0)
        return true;
    return scope_merge(choice->config, system->wanted, &choice->kept, choice->has_scope, err);
}

static struct release *candidate_new(struct daemon *daemon, const struct choice *choice,
                                     const char *directory, struct err *err)
{
    AUTO(buf_done) struct buf text = {0};

    json_format(choice->config, false, &text);
    return release_new(buf_str(&text), directory, daemon->runtime, err);
}

struct operation *up_operation(struct system *system, enum operation_kind kind,
                               const struct up_request *request, struct err *err)
{
    struct operation *operation = operation_begin(system, kind, err);

    if (operation == NULL)
        return NULL;
    operation->no_build = request->no_build;
    operation->no_cache = request->no_cache;
    operation->environment = copy_environment(request->environment);
    operation_set_timeout(operation, request->timeout_ms);
    return operation;
}

bool up_hold_ports(struct daemon *daemon, struct release *candidate, struct err *err)
{
    return network_check(daemon, candidate, err) &&
           edge_link_reserve(daemon->edge, candidate, err) &&
           edge_table_check(daemon, candidate, err);
}

bool up_hold(struct daemon *daemon, struct release *candidate, struct err *err)
{
    return files_take(daemon, candidate, err) && up_hold_ports(daemon, candidate, err);
}

static void take_over_kept(struct release *candidate, const struct system *system,
                           const struct compose_texts *kept)
{
    for (size_t i = 0; i < candidate->compose->service_count; i++) {
        const char *name = candidate->services[i].service->name;
        size_t before = release_find(system->wanted, name);
        if (kept->count > 0 && scope_has(kept, name) && before != SIZE_MAX)
            release_take_service(candidate, i, &system->wanted->services[before]);
    }
}

bool up_prepare(struct operation *operation, const struct up_request *request, struct err *err)
{
    AUTO(choice_done) struct choice choice = {0};
    struct system *system = operation->system;
    struct daemon *daemon = system->daemon;

    if (!choose(&choice, system, request, &operation->arena, err))
        return false;
    operation->candidate = candidate_new(daemon, &choice, request->directory, err);
    if (operation->candidate == NULL ||
        !check_request(system->name, request, operation->candidate, err) ||
        !check_runtime(operation->candidate, err) || !check_disk(daemon, err))
        return false;
    if (operation->kind != OPERATION_BUILD && !up_hold(daemon, operation->candidate, err))
        return false;
    take_over_kept(operation->candidate, system, &choice.kept);
    operation->scope = choice.scope;
    operation->has_scope = choice.has_scope;
    operation->force_recreate = request->force_recreate && !choice.has_scope;
    if (request->force_recreate)
        operation->fresh = choice.named;
    return true;
}

void up_place(struct system *system, const struct up_request *request)
{
    AUTO(buf_done) struct buf files = {0};

    free(system->directory);
    system->directory = mem_copy_text(request->directory);
    if (request->files != NULL)
        json_format(request->files, false, &files);
    free(system->files);
    system->files = buf_take(&files);
}

/* What the caller says of the project folder. */
static bool take_commit(struct operation *operation, const json_t *git, struct err *err)
{
    const char *commit = json_find_text(git, "commit", "");
    size_t len = strlen(commit);

    if (git == NULL || json_is_null(git))
        return true;
    if (len < 7 || len >= sizeof operation->commit || strspn(commit, "0123456789abcdef") != len)
        return err_set(err, ERR_INVALID, "'git' must have a commit, 7 to %zu hexadecimal digits",
                       sizeof operation->commit - 1);
    memcpy(operation->commit, commit, len + 1);
    operation->dirty = json_find_bool(git, "dirty", false);
    return true;
}

static enum operation_kind kind_of(const struct up_request *request)
{
    if (request->only_build)
        return OPERATION_BUILD;
    if (request->deploy.present)
        return OPERATION_DEPLOY;
    return request->no_start ? OPERATION_CREATE : OPERATION_UP;
}

bool up_begin(struct daemon *daemon, const char *name, const struct up_request *request,
              struct subscriber *subscriber, struct err *err)
{
    struct system *system;

    if (!daemon_get_system(daemon, name, request->directory, &system, err))
        return false;
    struct operation *operation = up_operation(system, kind_of(request), request, err);
    if (operation == NULL) {
        system_touch(system); /* one that was made for this is forgotten */
        return false;
    }
    if (!take_commit(operation, request->git, err) ||
        !deploy_take_request(operation, &request->deploy, err) ||
        !up_prepare(operation, request, err)) {
        operation_end(operation, err);
        return false;
    }
    if (operation->kind != OPERATION_BUILD || system->wanted == NULL)
        up_place(system, request);
    list_push(&operation->subscribers, &subscriber->link);
    tell_notes(operation);
    builds_begin(operation);
    return true;
}

/* ---- restart ---- */

/* Those named, which must have instances; else all that somebody has asked for. */
static bool choose_restarted(struct operation *operation, const json_t *services, struct err *err)
{
    const struct system *system = operation->system;
    struct compose_texts named;

    if (!scope_choose(system, services, &operation->arena, &named, err))
        return false;
    operation->has_scope = true;
    for (size_t i = 0; i < system->wanted->compose->service_count; i++) {
        const char *name = system->wanted->services[i].service->name;
        bool is_empty =
            system_hold(system, name) == PLAN_HOLD_EMPTY && !system_has_instance(system, name);
        if (!scope_has(&named, name))
            continue;
        if (is_empty && named.count > 0)
            return err_set(err, ERR_NOT_FOUND,
                           "service '%s' has no instances to restart; 'up %s' makes them", name,
                           name);
        if (!is_empty)
            scope_add(&operation->scope, name, &operation->arena);
    }
    operation->fresh = operation->scope;
    return true;
}

bool restart_begin(struct system *system, const json_t *services, uint64_t grace_ms,
                   struct subscriber *subscriber, struct err *err)
{
    struct daemon *daemon = system->daemon;

    if (system->wanted == NULL)
        return err_set(err, ERR_NOT_FOUND, "'%s' is not up", system->name);
    struct operation *operation = operation_begin(system, OPERATION_RESTART, err);
    if (operation == NULL)
        return false;
    operation->candidate =
        release_new(str_of(system->wanted->text), system->directory, daemon->runtime, err);
    if (operation->candidate == NULL || !choose_restarted(operation, services, err) ||
        !ports_settle(daemon, operation->candidate, err)) {
        operation_end(operation, err);
        return false;
    }
    release_take_over(operation->candidate, system->wanted);
    operation->grace_ms = grace_ms;
    operation->deploy.wait = grace_ms == UINT64_MAX ? DEPLOY_WAIT_SWITCHED : DEPLOY_WAIT_DONE;
    list_push(&operation->subscribers, &subscriber->link);
    up_built(operation);
    return true;
}
