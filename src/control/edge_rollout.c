/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "control/edge_rollout.h"
#include "control/rollout.h"

/* The service of <name> when it is being replaced; NULL: it is not. */
static const struct rollout_service *find_replaced(const struct system *system, const char *name)
{
    if (!rollout_is_active(system))
        return NULL;
    const struct rollout_service *service = rollout_find_service(system->rollout, name);
    return service != NULL && service->change == ROLLOUT_REPLACED ? service : NULL;
}

static bool is_new(const struct rollout_service *service, const struct instance *instance)
{
    return strcmp(service->new->hash, instance->made_of->hash) == 0;
}

static bool is_old(const struct rollout_service *service, const struct instance *instance)
{
    return strcmp(service->old->hash, instance->made_of->hash) == 0;
}

uint32_t edge_rollout_label(const struct instance *instance)
{
    const struct rollout_service *service =
        find_replaced(instance->system, instance->made_of->service->name);

    if (service != NULL && is_new(service, instance))
        return instance->system->rollout->to_number;
    if (service != NULL && is_old(service, instance))
        return instance->system->rollout->from_number;
    return instance->release->number;
}

bool edge_rollout_is_next(const struct instance *instance)
{
    const struct rollout_service *service =
        find_replaced(instance->system, instance->made_of->service->name);

    if (service == NULL)
        return instance->in_traffic;
    return is_new(service, instance) && instance->state == INSTANCE_READY && !instance->paused;
}

bool edge_rollout_is_former(const struct instance *instance)
{
    const struct rollout_service *service =
        find_replaced(instance->system, instance->made_of->service->name);

    return service != NULL && is_old(service, instance) && !instance->paused &&
           (instance->state == INSTANCE_READY || instance->state == INSTANCE_DRAINING);
}

/* ---- shares ---- */

static json_t *values_of(const struct rollout *rollout, const struct compose_x_deploy *deploy)
{
    json_t *values = json_object();

    for (size_t i = 0; i < deploy->split.values.count; i++) {
        const struct compose_pair *pair = &deploy->split.values.items[i];
        uint32_t release =
            strcmp(pair->value, "new") == 0 ? rollout->to_number : rollout->from_number;
        (void)json_object_set_new(values, pair->key, json_integer(release));
    }
    return values;
}

static void add_choice(const struct rollout *rollout, const struct compose_x_deploy *deploy,
                       json_t *split)
{
    if (deploy->split.cookie != NULL)
        (void)json_object_set_new(split, "cookie", json_string(deploy->split.cookie));
    if (deploy->split.header != NULL)
        (void)json_object_set_new(split, "header", json_string(deploy->split.header));
    /* One with values is the application's own: who has none of them gets another one. */
    (void)json_object_set_new(split, "free", json_boolean(deploy->split.values.count > 0));
    (void)json_object_set_new(split, "values", values_of(rollout, deploy));
}

bool edge_rollout_share(const struct system *system, const char *name, uint32_t *ret)
{
    const struct rollout_service *service = find_replaced(system, name);

    if (service == NULL || service->track.strategy == ROLLOUT_ROLLING ||
        rollout_traffic(&service->track, &system->rollout->at) != PLAN_TRAFFIC_BOTH)
        return false;
    *ret = rollout_share(&service->track, &system->rollout->at);
    return true;
}

json_t *edge_rollout_split(const struct system *system, const char *name)
{
    const struct rollout_service *service = find_replaced(system, name);
    const struct rollout *rollout = system->rollout;
    uint32_t share;

    if (!edge_rollout_share(system, name, &share))
        return NULL;
    bool is_ab = service->track.strategy == ROLLOUT_AB;
    json_t *split =
        json_pack("{s:s, s:[{s:I, s:I}, {s:I, s:I}]}", "by",
                  is_ab && share > 0 ? "visitor" : "request", "shares", "release",
                  (json_int_t)rollout->from_number, "share", (json_int_t)(ROLLOUT_WHOLE - share),
                  "release", (json_int_t)rollout->to_number, "share", (json_int_t)share);
    if (is_ab)
        add_choice(rollout, &service->new->service->x.deploy, split);
    return split;
}

/* ---- the new release before its switch, the old one after it ---- */

const char *edge_rollout_test_host(const struct system *system, const struct release **ret)
{
    const struct rollout *rollout = system->rollout;

    if (!rollout_is_active(system) || rollout->test_host == NULL ||
        !rollout_state_is_before_switch(rollout->at.state))
        return NULL;
    *ret = rollout->to;
    return rollout->test_host;
}

static bool has_former(const struct system *system, const char *name)
{
    LIST_FOR_EACH (node, &system->instances) {
        const struct instance *instance = CONTAINER_OF(node, struct instance, link);
        if (!instance->is_job && strcmp(instance->made_of->service->name, name) == 0 &&
            edge_rollout_is_former(instance))
            return true;
    }
    return false;
}

const struct compose_texts *edge_rollout_assets(const struct system *system, const char *name)
{
    const struct rollout_service *service = find_replaced(system, name);

    if (service == NULL || service->new->service->x.deploy.assets.count == 0 ||
        rollout_share(&service->track, &system->rollout->at) == 0 || !has_former(system, name))
        return NULL;
    return &service->new->service->x.deploy.assets;
}

void edge_rollout_note(struct system *system, const char *service, const char *name)
{
    if (find_replaced(system, service) != NULL)
        rollout_note_upstream(system->rollout, name);
}
