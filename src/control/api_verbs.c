/* SPDX-License-Identifier: Apache-2.0
 *
 * The requests about the life of instances: create to wait. What each of them
 * does is elsewhere; here are their members.
 */
#include "base/base.h"

#include "base/err.h"
#include "base/signal_name.h"
#include "control/api_priv.h"

enum { MILLISECONDS_MAX = 86400000 };

uint64_t api_milliseconds(const struct api_call *call, const char *key, uint64_t otherwise)
{
    uint64_t value = json_find_u64(call->body, key, otherwise);
    return value == otherwise ? value : MIN(value, (uint64_t)MILLISECONDS_MAX);
}

bool api_up_request(const struct api_call *call, struct buf *config, struct up_request *ret,
                    struct err *err)
{
    const json_t *given = json_object_get(call->body, "config");
    const char *directory;

    if (!json_get_text(call->body, "directory", &directory, err))
        return false;
    if (directory[0] != '/')
        return err_set(err, ERR_INVALID, "'directory' must be an absolute path");
    if (!json_is_object(given))
        return err_set(err, ERR_INVALID, "'config' must be the resolved project");
    json_format(given, false, config);
    *ret = (struct up_request){
        .directory = directory,
        .config = buf_str(config),
        .files = json_object_get(call->body, "files"),
        .environment = json_object_get(call->body, "environment"),
        .git = json_object_get(call->body, "git"),
        .services = json_object_get(call->body, "services"),
        .force_recreate = json_find_bool(call->body, "force_recreate", false),
        .no_deps = json_find_bool(call->body, "no_deps", false),
        .no_recreate = json_find_bool(call->body, "no_recreate", false),
        .no_start = json_find_bool(call->body, "no_start", false),
        .no_build = json_find_bool(call->body, "no_build", false),
        .no_cache = json_find_bool(call->body, "no_cache", false),
        .only_build = json_find_bool(call->body, "only_build", false),
        .timeout_ms = api_milliseconds(call, "timeout_ms", 0),
    };
    return api_deploy_request(call, &ret->deploy, err);
}

void api_start(struct api_call *call)
{
    struct system *system = api_system(call);
    struct err err;

    if (system == NULL)
        return;
    struct subscriber *subscriber = api_stream(call);
    if (!start_begin(system, json_object_get(call->body, "services"),
                     api_milliseconds(call, "timeout_ms", 0), subscriber, &err))
        api_stream_refuse(subscriber, &err);
}

void api_stop(struct api_call *call)
{
    struct system *system = api_system(call);
    struct err err;

    if (system == NULL)
        return;
    struct subscriber *subscriber = api_stream(call);
    if (!stop_begin(system, json_object_get(call->body, "services"),
                    api_milliseconds(call, "timeout_ms", UINT64_MAX), subscriber, &err))
        api_stream_refuse(subscriber, &err);
}

void api_rm(struct api_call *call)
{
    struct system *system = api_system(call);
    struct err err;

    if (system == NULL)
        return;
    struct subscriber *subscriber = api_stream(call);
    if (!rm_begin(system, json_object_get(call->body, "services"),
                  json_find_bool(call->body, "stop", false),
                  json_find_bool(call->body, "volumes", false), subscriber, &err))
        api_stream_refuse(subscriber, &err);
}

static void set_paused(struct api_call *call, bool paused)
{
    struct system *system = api_system(call);
    struct err err;

    if (system == NULL)
        return;
    struct subscriber *subscriber = api_stream(call);
    if (!pause_begin(system, json_object_get(call->body, "services"), paused, subscriber, &err))
        api_stream_refuse(subscriber, &err);
}

void api_pause(struct api_call *call)
{
    set_paused(call, true);
}

void api_unpause(struct api_call *call)
{
    set_paused(call, false);
}

void api_kill(struct api_call *call)
{
    struct system *system = api_system(call);
    const char *id = json_find_text(call->body, "instance", NULL);
    json_t *names = NULL;
    struct err err;
    int signo;

    if (system == NULL)
        return;
    if (!signal_name_parse(json_find_text(call->body, "signal", "SIGKILL"), &signo, &err) ||
        !kill_all_of(system, json_object_get(call->body, "services"), id, signo, &names, &err))
        api_refuse(call, &err);
    else
        api_answer(call, 200, json_pack("{s:o}", "killed", names));
}

void api_cancel(struct api_call *call)
{
    struct system *system = api_system(call);

    if (system != NULL)
        api_answer(call, 200,
                   json_pack("{s:b}", "cancelled",
                             (int)operation_cancel(system, "the build was cancelled")));
}

/* ---- one instance ---- */

/* By "instance" (its id), or "service" and "index". */
static struct instance *find_instance(struct api_call *call, const struct system *system,
                                      struct err *err)
{
    const char *id = json_find_text(call->body, "instance", NULL);
    const char *service = json_find_text(call->body, "service", "");
    uint64_t index = json_find_u64(call->body, "index", 0);
    struct instance *found = NULL;

    LIST_FOR_EACH (node, &system->instances) {
        struct instance *instance = CONTAINER_OF(node, struct instance, link);
        if (id != NULL && strcmp(instance->id, id) == 0)
            return instance;
        bool fits = id == NULL && !instance->is_job && instance_state_is_live(instance->state) &&
                    strcmp(instance->made_of->service->name, service) == 0 &&
                    (index == 0 || index == instance->number);
        if (fits && (found == NULL || instance->in_traffic))
            found = instance;
    }
    if (found != NULL)
        return found;
    if (id != NULL)
        err_set(err, ERR_NOT_FOUND, "there is no instance '%.80s'", id);
    else if (release_find(system->wanted, service) == SIZE_MAX)
        err_set(err, ERR_NO_SERVICE, "there is no service '%.100s'", service);
    else
        err_set(err, ERR_NOT_FOUND,
                index == 0 ? "no instance of service '%s' is running"
                           : "service '%s' has no running instance of that number",
                service);
    return NULL;
}

void api_attach(struct api_call *call)
{
    struct runtime *runtime = call->daemon->runtime;
    struct system *system = api_system(call);
    AUTO(arena_done) struct arena arena = {0};
    struct runtime_attach attach;
    char name[RUNTIME_ID_MAX + 1];
    struct err err;

    if (system == NULL)
        return;
    const struct instance *instance = find_instance(call, system, &err);
    if (instance == NULL || !runtime->ops->attach(runtime, instance->id, &arena, &attach, &err)) {
        api_refuse(call, &err);
        return;
    }
    instance_format_name(instance, name);
    api_answer(call, 200,
               json_pack("{s:s, s:s, s:s, s:s, s:b, s:b}", "id", instance->id, "instance", name,
                         "socket", attach.socket, "control", attach.control, "tty",
                         (int)instance->made_of->service->tty, "stdin_open",
                         (int)instance->made_of->service->stdin_open));
}

/* Its end comes on the same stream, so none can be missed. */
void api_begin(struct api_call *call)
{
    struct system *system = api_system(call);
    struct err err;

    if (system == NULL)
        return;
    struct instance *instance = find_instance(call, system, &err);
    if (instance == NULL) {
        api_refuse(call, &err);
        return;
    }
    if (!instance_let_begin(instance, &err)) {
        api_refuse(call, &err);
        return;
    }
    if (!json_find_bool(call->body, "wait", true)) {
        api_answer(call, 200, json_pack("{s:b}", "begun", 1));
        return;
    }
    const char *ids[] = {instance->id};
    const struct compose_texts one = {ids, 1};
    wait_add(call->daemon, api_stream(call), &one);
}

/* ---- wait ---- */

/* Those of the services named that run, or the one with the id given. */
static bool choose_waited(const struct api_call *call, const struct system *system,
                          struct arena *arena, struct compose_texts *ret, struct err *err)
{
    const char *id = json_find_text(call->body, "instance", NULL);
    struct compose_texts names;

    if (!scope_choose(system, json_object_get(call->body, "services"), arena, &names, err))
        return false;
    LIST_FOR_EACH (node, &system->instances) {
        const struct instance *instance = CONTAINER_OF(node, struct instance, link);
        bool is_meant = id != NULL ? strcmp(instance->id, id) == 0
                                   : (!instance->is_job || instance->one_off != NULL) &&
                                         scope_has(&names, instance->made_of->service->name);
        if (is_meant && instance_state_is_live(instance->state))
            scope_add(ret, instance->id, arena);
    }
    return ret->count > 0 ? true
                          : err_set(err, ERR_NOT_FOUND, "nothing of it runs in '%s'", system->name);
}

void api_wait(struct api_call *call)
{
    struct system *system = api_system(call);
    AUTO(arena_done) struct arena arena = {0};
    struct compose_texts ids = {0};
    struct err err;

    if (system == NULL)
        return;
    if (!choose_waited(call, system, &arena, &ids, &err))
        api_refuse(call, &err);
    else
        wait_add(call->daemon, api_stream(call), &ids);
}

/* ---- run ---- */

void api_run(struct api_call *call)
{
    AUTO(buf_done) struct buf config = {0};
    AUTO(buf_done) struct buf name = {0};
    struct run_request request = {
        .overrides = json_object_get(call->body, "overrides"),
        .name = json_find_text(call->body, "name", NULL),
        .remove = json_find_bool(call->body, "remove", false),
        .takes_names = json_find_bool(call->body, "use_aliases", false),
    };
    struct err err;

    buf_add_str(&name, call->name);
    if (!api_up_request(call, &config, &request.up, &err) ||
        !json_get_text(call->body, "service", &request.service, &err)) {
        api_refuse(call, &err);
        return;
    }
    struct subscriber *subscriber = api_stream(call);
    if (!run_begin(call->daemon, buf_text(&name), &request, subscriber, &err))
        api_stream_refuse(subscriber, &err);
}
