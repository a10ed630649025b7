/* SPDX-License-Identifier: Apache-2.0
 *
 * run: an instance of a service for one command. It is made of a release of its
 * own, that of the file with the command line's changes, which is stored but
 * never wanted, and takes no part in the plan. What it depends on is brought up
 * as `up` does; then it is created, its client attaches and lets it begin. When
 * it has ended it stays with its log, or goes away when that was asked for.
 */
#include "base/base.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "compose/load.h"
#include "control/daemon_priv.h"
#include "control/release.h"
#include "control/state.h"

enum { NAME_MAX_BYTES = 60 };

struct run {
    struct release *release;
    size_t service;
    char *name; /* NULL: the usual one */
    bool remove;
    bool takes_names;
    bool made;
    char id[RUNTIME_ID_MAX + 1];
    char shown[RUNTIME_ID_MAX + 1];
};

void run_free(struct run *run)
{
    if (run == NULL)
        return;
    release_unref(run->release);
    free(run->name);
    free(run);
}

struct release *run_release(const struct run *run, size_t *ret_service)
{
    *ret_service = run->service;
    return run->release;
}

json_t *run_describe(const struct run *run)
{
    return run->made ? json_pack("{s:s, s:s}", "id", run->id, "name", run->shown) : NULL;
}

/* ---- the release of its own ---- */

/* Only its own ports are published; what belongs to the system as a whole is not its matter. */
static void leave_out_others(json_t *config, const char *service)
{
    static const char *const of_system[] = {"routes", "listen", "domain", "tls"};
    json_t *services = json_object_get(config, "services");
    json_t *x = json_object_get(config, "x-ishizue");

    for (void *at = json_object_iter(services); at != NULL;
         at = json_object_iter_next(services, at))
        if (strcmp(json_object_iter_key(at), service) != 0)
            (void)json_object_del(json_object_iter_value(at), "ports");
    for (size_t i = 0; i < ARRAY_LEN(of_system); i++)
        (void)json_object_del(x, of_system[i]);
}

static bool change_service(json_t *service, const json_t *overrides, struct err *err)
{
    static const char *const of_many[] = {"container_name", "restart", "scale"};
    json_t *deploy = json_object_get(service, "deploy");
    json_t *x = json_object_get(service, "x-ishizue");

    for (size_t i = 0; i < ARRAY_LEN(of_many); i++)
        (void)json_object_del(service, of_many[i]);
    (void)json_object_del(deploy, "replicas");
    (void)json_object_del(deploy, "restart_policy");
    (void)json_object_del(x, "health");
    (void)json_object_del(x, "migrate");
    if (overrides == NULL)
        return true;
    if (!json_is_object(overrides))
        return err_set(err, ERR_INVALID, "'overrides' must be an object");
    if (json_object_get(overrides, "command") != NULL ||
        json_object_get(overrides, "entrypoint") != NULL) /* it would win over the service's */
        (void)json_object_del(json_object_get(x, "host"), "command");
    return json_object_update(service, (json_t *)(uintptr_t)overrides) == 0 ||
           err_set(err, ERR_INVALID, "'overrides' cannot be applied");
}

static bool make_release(struct run *run, const json_t *config, const struct run_request *request,
                         struct daemon *daemon, struct err *err)
{
    AUTO(json_unref) json_t *own = json_deep_copy(config);
    AUTO(buf_done) struct buf text = {0};
    json_t *service = json_object_get(json_object_get(own, "services"), request->service);

    if (!json_is_object(service))
        return err_set(err, ERR_NO_SERVICE, "there is no service '%.100s'", request->service);
    leave_out_others(own, request->service);
    if (!change_service(service, request->overrides, err))
        return false;
    json_format(own, false, &text);
    run->release = release_new(buf_str(&text), request->up.directory, daemon->runtime, err);
    if (run->release == NULL)
        return false;
    run->service = release_find(run->release, request->service);
    if (run->service == SIZE_MAX)
        return err_set(err, ERR_NO_SERVICE, "there is no service '%.100s'", request->service);
    if (run->release->services[run->service].service->x.provided_by_edge)
        return err_set(err, ERR_INVALID,
                       "service '%s' is provided by the edge, so nothing of it can be run",
                       request->service);
    return true;
}

/* ---- begin ---- */

static bool check_run_name(const struct system *system, const char *name, struct err *err)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789_.-";
    char other[RUNTIME_ID_MAX + 1];

    if (name == NULL)
        return true;
    if (name[0] == '\0' || strlen(name) > NAME_MAX_BYTES || strspn(name, allowed) != strlen(name))
        return err_set(err, ERR_INVALID,
                       "'%.80s' is no name of an instance: 1 to %d letters, digits, _ . and -",
                       name, NAME_MAX_BYTES);
    LIST_FOR_EACH (node, &system->instances) {
        instance_format_name(CONTAINER_OF(node, struct instance, link), other);
        if (strcmp(other, name) == 0)
            return err_set(err, ERR_EXISTS,
                           "there is an instance '%s' already; choose another name", name);
    }
    return true;
}

/* What it depends on, as a list of names. */
static json_t *needed_by(const json_t *config, const struct run_request *request,
                         struct arena *arena)
{
    struct compose_texts names = {0};
    json_t *list = json_array();

    scope_add(&names, request->service, arena);
    if (!request->up.no_deps)
        scope_add_needed(config, arena, &names);
    for (size_t i = 1; i < names.count; i++)
        (void)json_array_append_new(list, json_string(names.items[i]));
    return list;
}

static bool prepare(struct operation *operation, const struct run_request *request, struct err *err)
{
    struct daemon *daemon = operation->system->daemon;
    AUTO(json_unref) json_t *config = NULL;
    struct run *run = operation->run = NEW(struct run);
    struct up_request up = request->up;

    run->name = request->name == NULL ? NULL : mem_copy_text(request->name);
    run->remove = request->remove;
    run->takes_names = request->takes_names;
    if (!check_run_name(operation->system, request->name, err) ||
        !json_parse(request->up.config, COMPOSE_RESOLVED_BYTES, &config, err) ||
        !make_release(run, config, request, daemon, err))
        return false;
    AUTO(json_unref) json_t *needed = needed_by(config, request, &operation->arena);
    up.services = needed;
    up.no_deps = true; /* they are all there */
    if (json_array_size(needed) > 0 && !up_prepare(operation, &up, err))
        return false;
    operation->has_scope = true;
    return up_hold(daemon, run->release, err);
}

bool run_begin(struct daemon *daemon, const char *name, const struct run_request *request,
               struct subscriber *subscriber, struct err *err)
{
    struct system_change none = {0};
    struct system *system;

    if (!daemon_get_system(daemon, name, request->up.directory, &system, err))
        return false;
    struct operation *operation = up_operation(system, OPERATION_RUN, &request->up, err);
    if (operation == NULL)
        return false;
    bool ok = prepare(operation, request, err);
    if (ok && system->wanted == NULL) { /* its instance must be found again */
        up_place(system, &request->up);
        ok = system_become(system, NULL, &none, err);
    }
    if (!ok) {
        operation_end(operation, err);
        return false;
    }
    list_push(&operation->subscribers, &subscriber->link);
    builds_begin(operation);
    return true;
}

/* ---- the instance ---- */

static bool doom_one(const struct instance *instance, const char *target, struct err *err)
{
    struct system *system = instance->system;
    AUTO(arena_done) struct arena arena = {0};

    system->has_doomed = true;
    return state_doom_volume(system->daemon->state, system->name, instance->id,
                             volumes_one_off_name(instance, target, &arena), err);
}

/* Volumes without a name are its own, and go with it. */
static bool doom_own(const struct instance *instance, struct err *err)
{
    const struct compose_service *service = instance->made_of->service;
    const struct compose_texts *of_image = &instance->made_of->image->volumes;

    for (size_t i = 0; i < service->volume_count; i++)
        if (service->volumes[i].type == VOLUME_ANONYMOUS &&
            !doom_one(instance, service->volumes[i].target, err))
            return false;
    for (size_t i = 0; i < of_image->count; i++)
        if (!doom_one(instance, of_image->items[i], err))
            return false;
    return true;
}

static struct instance *make(struct operation *operation, struct err *err)
{
    struct system *system = operation->system;
    struct run *run = operation->run;
    const struct compose_texts nothing = {0};
    struct err ignored;

    release_seal(run->release, NULL, system->uid, &nothing, false);
    if (!release_store(run->release, system->daemon->state, system->name, "run", err))
        return NULL;
    struct instance *instance =
        instance_new_one_off(system, run->release, run->service, run->name, err);
    if (instance == NULL)
        return NULL;
    instance->auto_remove = run->remove;
    instance->takes_names = run->takes_names;
    instance->awaits_begin = true;
    if (doom_own(instance, err) && state_save_instance(system->daemon->state, instance, err))
        return instance;
    (void)!state_delete_instance(system->daemon->state, instance->id, &ignored);
    instance_free(instance);
    return NULL;
}

void run_make(struct operation *operation)
{
    struct run *run = operation->run;
    struct err err;

    if (run->made)
        return; /* it is being created */
    struct instance *instance = make(operation, &err);
    if (instance == NULL) {
        operation_end(operation, &err);
        return;
    }
    run->made = true;
    operation->changed = true;
    str_format(run->id, sizeof run->id, "%s", instance->id);
    instance_format_name(instance, run->shown);
    instance_event(instance, INSTANCE_ON_START, NULL);
}

void run_created(struct instance *instance, const struct err *err)
{
    struct operation *operation = instance->system->operation;

    if (err != NULL)
        instance->auto_remove = true; /* it never was */
    if (operation == NULL || operation->run == NULL ||
        strcmp(operation->run->id, instance->id) != 0)
        return;
    operation->exit_status = instance->exit_status;
    operation_end(operation, err);
}

/* ---- the end ---- */

bool run_clear(struct system *system)
{
    bool left = false;

    LIST_FOR_EACH (node, &system->instances) {
        struct instance *instance = CONTAINER_OF(node, struct instance, link);
        if (instance->one_off == NULL || !(instance->leaving || instance->auto_remove))
            continue;
        left |= instance->leaving;
        if (instance->state == INSTANCE_EXITED)
            instance_event(instance, INSTANCE_ON_REMOVE, NULL);
        else if (instance->leaving && instance->awaits_begin)
            instance_abandon(instance, "nobody waits for it any more");
        else if (instance->leaving)
            instance_event(instance, INSTANCE_ON_STOP, NULL);
    }
    return left;
}

bool run_leave(struct system *system, struct err *err)
{
    LIST_FOR_EACH (node, &system->instances) {
        struct instance *instance = CONTAINER_OF(node, struct instance, link);
        if (instance->one_off == NULL || instance->leaving)
            continue;
        instance->leaving = true;
        if (!state_save_instance(system->daemon->state, instance, err)) {
            instance->leaving = false;
            return false;
        }
    }
    return true;
}
