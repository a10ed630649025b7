/* SPDX-License-Identifier: Apache-2.0
 *
 * What instances are made of: images and what stands in for them, volumes, and
 * the built trees of a system that is down.
 */
#include "base/base.h"

#include "base/err.h"
#include "compose/load.h"
#include "control/api_priv.h"
#include "control/state.h"

static void describe_stand_in(json_t *row, const struct runtime_stand_in *stand_in)
{
    const struct {
        const char *key;
        const char *value;
    } texts[] = {
        {"stand_in", stand_in->recipe},
        {"version", stand_in->version},
        {"package", stand_in->package},
        {"program", stand_in->program},
    };

    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        (void)json_object_set_new(
            row, texts[i].key, texts[i].value == NULL ? json_null() : json_string(texts[i].value));
    (void)json_object_set_new(row, "built", json_boolean(stand_in->built));
}

/* ---- images ---- */

static json_t *describe_image(const struct instance *instance)
{
    struct runtime *runtime = instance->system->daemon->runtime;
    const struct release_service *made = instance->made_of;
    AUTO(arena_done) struct arena arena = {0};
    struct runtime_stand_in stand_in = {0};
    char name[RUNTIME_ID_MAX + 1];
    struct err err;

    instance_format_name(instance, name);
    json_t *row =
        json_pack("{s:s, s:s, s:s, s:s?, s:s?, s:s, s:I, s:b}", "id", instance->id, "name", name,
                  "service", made->service->name, "image", made->service->image, "tree", made->tree,
                  "config_hash", made->config_hash, "created_ms",
                  (json_int_t)instance->created_wall_ms, "job", (int)instance->is_job);
    if (!runtime->ops->stand_in(runtime, made->service, &arena, &stand_in, &err))
        (void)json_object_set_new(row, "error", json_from_bytes(str_of(err.text)));
    describe_stand_in(row, &stand_in);
    return row;
}

void api_images(struct api_call *call)
{
    struct system *system = api_system(call);
    AUTO(arena_done) struct arena arena = {0};
    struct compose_texts choice;

    if (system == NULL || !api_choice_make(call, system, &arena, &choice))
        return;
    json_t *list = json_array();
    LIST_FOR_EACH (node, &system->instances) {
        const struct instance *instance = CONTAINER_OF(node, struct instance, link);
        if (instance->state != INSTANCE_GONE &&
            api_choice_has(&choice, instance->made_of->service->name))
            (void)json_array_append_new(list, describe_image(instance));
    }
    api_answer(call, 200, json_pack("{s:o}", "images", list));
}

/* ---- pull ---- */

/* A row for a service of a file that need not run. */
static json_t *look_for_image(struct runtime *runtime, const struct compose_service *service)
{
    AUTO(arena_done) struct arena arena = {0};
    struct runtime_stand_in stand_in = {0};
    struct err err;
    json_t *row =
        json_pack("{s:s, s:s?, s:b, s:s?}", "service", service->name, "image", service->image, "ok",
                  1, "provided_by", service->x.provided_by_edge ? "edge" : NULL);

    if (!service->x.provided_by_edge &&
        !runtime->ops->stand_in(runtime, service, &arena, &stand_in, &err)) {
        (void)json_object_set_new(row, "ok", json_false());
        (void)json_object_set_new(row, "error", json_from_bytes(str_of(err.text)));
    }
    describe_stand_in(row, &stand_in);
    return row;
}

void api_pull(struct api_call *call)
{
    AUTO(arena_done) struct arena arena = {0};
    AUTO(buf_done) struct buf text = {0};
    AUTO(free) struct compose_diags *diags = mem_new(sizeof *diags);
    struct compose *compose = NULL;
    const json_t *config;
    const char *directory;
    struct err err;

    bool ok = json_get_object(call->body, "config", &config, &err) &&
              json_get_text(call->body, "directory", &directory, &err);
    if (ok && directory[0] != '/')
        ok = err_set(&err, ERR_INVALID, "'directory' must be an absolute path");
    if (ok) {
        json_format(config, false, &text);
        ok = compose_load_resolved(buf_str(&text), directory, &arena, &compose, NULL, diags, &err);
    }
    if (!ok) {
        api_refuse(call, &err);
        return;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < compose->service_count; i++)
        (void)json_array_append_new(list,
                                    look_for_image(call->daemon->runtime, &compose->services[i]));
    api_answer(call, 200, json_pack("{s:o}", "images", list));
}

/* ---- volumes ---- */

struct volume_list {
    const struct system *system;
    struct arena *arena;
    const struct compose_texts *choice;
    json_t *rows;
};

/* The row of <name>, made when it is the first that asks for it. */
static json_t *volume_row(const struct volume_list *list, const char *name,
                          const struct compose_volume *volume)
{
    size_t i;
    json_t *row;

    json_array_foreach(list->rows, i, row)
    {
        if (strcmp(json_find_text(row, "name", ""), name) == 0)
            return row;
    }
    row = json_pack("{s:s, s:s?, s:s, s:s, s:b, s:[]}", "name", name, "key",
                    volume == NULL ? NULL : volume->key, "driver",
                    volume == NULL || volume->driver == NULL ? "local" : volume->driver, "path",
                    volumes_path(list->system->daemon, name, list->arena), "external",
                    volume != NULL && volume->external, "services");
    (void)json_array_append_new(list->rows, row);
    return row;
}

static void add_user(json_t *row, const char *service)
{
    json_t *services = json_object_get(row, "services");
    size_t i;
    const json_t *known;

    json_array_foreach(services, i, known)
    {
        if (strcmp(json_string_value(known), service) == 0)
            return;
    }
    (void)json_array_append_new(services, json_string(service));
}

static void add_anonymous(const struct volume_list *list, const struct release_service *made,
                          const char *target)
{
    LIST_FOR_EACH (node, &list->system->instances) {
        const struct instance *instance = CONTAINER_OF(node, struct instance, link);
        const char *service = made->service->name;
        if (instance->state == INSTANCE_GONE || instance->is_job ||
            strcmp(instance->made_of->service->name, service) != 0)
            continue;
        const char *name =
            volumes_anonymous_name(list->system, service, instance->number, target, list->arena);
        add_user(volume_row(list, name, NULL), service);
    }
}

static bool has_mount_at(const struct compose_service *service, const char *target)
{
    for (size_t i = 0; i < service->volume_count; i++)
        if (strcmp(service->volumes[i].target, target) == 0)
            return true;
    return false;
}

static void add_volumes_of(const struct volume_list *list, const struct release_service *made)
{
    const struct compose *compose = list->system->wanted->compose;
    const struct compose_service *service = made->service;

    for (size_t i = 0; i < service->volume_count; i++) {
        const struct compose_volume_mount *mount = &service->volumes[i];
        const struct compose_volume *volume = NULL;
        for (size_t k = 0; mount->type == VOLUME_NAMED && k < compose->volume_count; k++)
            if (strcmp(compose->volumes[k].key, mount->source) == 0)
                volume = &compose->volumes[k];
        if (mount->type == VOLUME_NAMED)
            add_user(volume_row(list, volume == NULL ? mount->source : volume->name, volume),
                     service->name);
        else if (mount->type == VOLUME_ANONYMOUS)
            add_anonymous(list, made, mount->target);
    }
    for (size_t i = 0; made->image != NULL && i < made->image->volumes.count; i++)
        if (!has_mount_at(service, made->image->volumes.items[i]))
            add_anonymous(list, made, made->image->volumes.items[i]);
}

void api_volumes(struct api_call *call)
{
    const struct system *system = api_system(call);
    AUTO(arena_done) struct arena arena = {0};
    struct compose_texts choice;

    if (system == NULL || !api_choice_make(call, system, &arena, &choice))
        return;
    struct volume_list list = {system, &arena, &choice, json_array()};
    for (size_t i = 0; system->wanted != NULL && i < system->wanted->compose->service_count; i++)
        if (api_choice_has(&choice, system->wanted->services[i].service->name))
            add_volumes_of(&list, &system->wanted->services[i]);
    api_answer(call, 200, json_pack("{s:o}", "volumes", list.rows));
}

/* ---- trees ---- */

struct trees_call {
    struct api_call call;
    bool gone; /* the client */
};

static void on_client_gone(void *arg)
{
    struct trees_call *removal = arg;

    removal->gone = true;
}

static void on_trees_removed(void *arg, const struct err *err)
{
    struct trees_call *removal = arg;

    AUTO(buf_done) struct buf name = {0};
    struct err failed;

    buf_add_str(&name, removal->call.name);
    if (err == NULL &&
        !state_forget_releases(removal->call.daemon->state, buf_text(&name), &failed))
        err = &failed; /* nobody could go back to them */
    if (!removal->gone && err != NULL)
        api_refuse(&removal->call, err);
    else if (!removal->gone)
        api_answer(&removal->call, 200, json_pack("{s:b}", "removed", 1));
    free(removal);
}

/* One that was taken down is known for a moment longer. */
static bool is_used(const struct system *system)
{
    return system != NULL && (system->wanted != NULL || system->operation != NULL ||
                              !list_is_empty(&system->instances));
}

void api_remove_trees(struct api_call *call)
{
    AUTO(buf_done) struct buf name = {0};
    struct runtime *runtime = call->daemon->runtime;
    struct err err;

    buf_add_str(&name, call->name);
    if (is_used(daemon_find_system(call->daemon, buf_text(&name)))) {
        err_set(&err, ERR_EXISTS, "'%s' is up and needs what was built: take it down first",
                buf_text(&name));
        api_refuse(call, &err);
        return;
    }
    struct trees_call *removal = NEW(struct trees_call);
    removal->call = *call;
    if (!runtime->ops->trees_remove(runtime, buf_text(&name), on_trees_removed, removal, &err)) {
        free(removal);
        api_refuse(call, &err);
        return;
    }
    http_exchange_watch(call->exchange, on_client_gone, NULL, removal);
}
