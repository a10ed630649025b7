/* SPDX-License-Identifier: Apache-2.0
 *
 * What people are told of a rollout: lines while it is under way, the whole of it
 * when they ask, and the plan before it begins.
 */
#include "base/base.h"

#include "base/clock.h"
#include "control/rollout.h"

static const char *const change_names[] = {
    [ROLLOUT_SAME] = "same",
    [ROLLOUT_REPLACED] = "replaced",
    [ROLLOUT_ADDED] = "added",
    [ROLLOUT_REMOVED] = "removed",
};

/* The share that the most carefully treated service has: that is what is watched. */
static uint32_t share_of(const struct rollout *rollout)
{
    enum rollout_strategy most = rollout_strategy_of(rollout);
    uint32_t share = ROLLOUT_WHOLE;
    bool found = false;

    for (size_t i = 0; i < rollout->service_count; i++) {
        const struct rollout_service *service = &rollout->services[i];
        if (service->change != ROLLOUT_REPLACED || service->track.strategy != most)
            continue;
        share = MIN(share, rollout_share(&service->track, &rollout->at));
        found = true;
    }
    if (found)
        return share;
    return rollout_state_is_before_switch(rollout->at.state) ||
                   rollout->at.state == ROLLOUT_ABORTING || rollout->at.state == ROLLOUT_ROLLED_BACK
               ? 0
               : ROLLOUT_WHOLE;
}

static json_t *milliseconds_of(const struct meter *meter, unsigned per_mille)
{
    if (meter_total(meter->first_byte) == 0)
        return json_null();
    return json_real((double)meter_quantile_us(meter->first_byte, per_mille) / 1000);
}

static json_t *figures_of(struct rollout *rollout, bool new)
{
    struct meter meter;

    rollout_count(rollout, new, &meter);
    return json_pack("{s:I, s:I, s:I, s:o, s:o}", "release",
                     (json_int_t)(new ? rollout->to_number : rollout->from_number), "requests",
                     (json_int_t)meter.counts[METER_REQUESTS], "errors",
                     (json_int_t)meter.counts[METER_5XX], "p50_ms", milliseconds_of(&meter, 500),
                     "p99_ms", milliseconds_of(&meter, 990));
}

static json_t *releases_of(struct rollout *rollout)
{
    json_t *list = json_array();

    (void)json_array_append_new(list, figures_of(rollout, false));
    (void)json_array_append_new(list, figures_of(rollout, true));
    return list;
}

/* Wall-clock end of the state; null: it has none. */
static json_t *until_of(const struct rollout *rollout)
{
    uint64_t now_ns = loop_now_ns(rollout->system->daemon->loop);

    if (rollout->deadline_ns <= now_ns || rollout->at.state == ROLLOUT_SHIFTING)
        return json_null();
    return json_integer(clock_wall_ms() +
                        (json_int_t)((rollout->deadline_ns - now_ns) / NS_PER_MS));
}

void rollout_tell(struct rollout *rollout)
{
    operation_tell(
        rollout->system,
        json_pack("{s:s, s:I, s:I, s:s, s:I, s:I, s:I, s:o, s:o, s:o}", "event", "rollout", "from",
                  (json_int_t)rollout->from_number, "to", (json_int_t)rollout->to_number, "state",
                  rollout_state_name(rollout->at.state), "step", (json_int_t)rollout->at.step + 1,
                  "steps", (json_int_t)rollout->at.steps, "share", (json_int_t)share_of(rollout),
                  "text", json_from_bytes(str_of(rollout->why)), "until_ms", until_of(rollout),
                  "releases", releases_of(rollout)));
}

/* ---- GET rollout ---- */

static void count_instances(const struct rollout *rollout, const struct rollout_service *service,
                            uint32_t *ret_old, uint32_t *ret_new)
{
    *ret_old = *ret_new = 0;
    LIST_FOR_EACH (node, &rollout->system->instances) {
        const struct instance *instance = CONTAINER_OF(node, struct instance, link);
        if (instance->is_job || !instance_state_is_live(instance->state) ||
            strcmp(instance->made_of->service->name, service->name) != 0)
            continue;
        if (service->new != NULL && strcmp(instance->made_of->hash, service->new->hash) == 0)
            ++*ret_new;
        else
            ++*ret_old;
    }
}

static json_t *services_of(const struct rollout *rollout)
{
    json_t *list = json_array();

    for (size_t i = 0; i < rollout->service_count; i++) {
        const struct rollout_service *service = &rollout->services[i];
        bool replaced = service->change == ROLLOUT_REPLACED;
        uint32_t old, new;
        if (service->change == ROLLOUT_SAME)
            continue;
        count_instances(rollout, service, &old, &new);
        (void)json_array_append_new(
            list, json_pack("{s:s, s:s?, s:s, s:o, s:I, s:I}", "service", service->name, "strategy",
                            replaced ? rollout_strategy_name(service->track.strategy) : NULL,
                            "change", change_names[service->change], "share",
                            replaced ? json_integer(rollout_share(&service->track, &rollout->at))
                                     : json_null(),
                            "old", (json_int_t)old, "new", (json_int_t) new));
    }
    return list;
}

static bool can_promote(const struct rollout *rollout)
{
    return rollout_fsm_next(rollout->at.state, ROLLOUT_ON_PROMOTE_LAST) != NULL;
}

json_t *rollout_json(const struct system *system)
{
    struct rollout *rollout = system->rollout;

    if (rollout == NULL)
        return json_null();
    bool active = rollout_is_active(system);
    return json_pack(
        "{s:I, s:I, s:s, s:s?, s:s, s:b, s:I, s:I, s:I, s:I, s:I, s:o, s:I, s:o, s:b, s:b, s:s?, "
        "s:o, s:o}",
        "from", (json_int_t)rollout->from_number, "to", (json_int_t)rollout->to_number, "command",
        rollout->command, "strategy",
        active ? rollout_strategy_name(rollout_strategy_of(rollout)) : NULL, "state",
        rollout_state_name(rollout->at.state), "active", (int)active, "step",
        (json_int_t)rollout->at.step + 1, "steps", (json_int_t)MAX(rollout->at.steps, (size_t)1),
        "share", (json_int_t)share_of(rollout), "started_ms", (json_int_t)rollout->started_wall_ms,
        "since_ms", (json_int_t)rollout->since_wall_ms, "until_ms", until_of(rollout),
        "switched_ms", (json_int_t)rollout->switched_wall_ms, "why",
        json_from_bytes(str_of(rollout->why)), "can_promote", (int)can_promote(rollout),
        "can_abort", (int)(rollout_fsm_next(rollout->at.state, ROLLOUT_ON_ABORT) != NULL),
        "test_host", active ? rollout->test_host : NULL, "services", services_of(rollout),
        "releases", releases_of(rollout));
}

/* ---- the plan ---- */

static json_t *steps_of(const struct rollout_track *track)
{
    json_t *list = json_array();

    for (size_t i = 0; i < track->stage_count; i++)
        (void)json_array_append_new(list, json_pack("{s:I, s:I, s:I, s:b}", "share",
                                                    (json_int_t)track->stages[i].share, "instances",
                                                    (json_int_t)track->stages[i].new_limit,
                                                    "bake_ms", (json_int_t)track->stages[i].bake_ms,
                                                    "manual", (int)track->stages[i].manual));
    return list;
}

static const char *action_of(const struct rollout_service *service)
{
    switch (service->change) {
    case ROLLOUT_REPLACED:
        return service->track.strategy == ROLLOUT_RECREATE ? "recreate" : "replace";
    case ROLLOUT_ADDED:
        return "add";
    case ROLLOUT_REMOVED:
        return "remove";
    case ROLLOUT_SAME:
        break;
    }
    return service->old->service->replicas == service->new->service->replicas ? "keep" : "scale";
}

/* NULL: it stays as it is. */
static const char *plain_action_of(const struct release *from, const struct release_service *made)
{
    size_t index = release_find(from, made->service->name);

    if (index == SIZE_MAX)
        return "add";
    return from->services[index].service->replicas == made->service->replicas ? NULL : "scale";
}

json_t *rollout_plain_plan_json(const struct system *system, const struct release *to,
                                const struct compose_texts *unbuilt)
{
    json_t *list = json_array();
    bool changes = false;

    for (size_t i = 0; i < to->compose->service_count; i++) {
        const struct release_service *made = &to->services[i];
        const char *action = plain_action_of(system->current, made);
        bool added = action != NULL && strcmp(action, "add") == 0;
        if (made->service->x.provided_by_edge)
            continue;
        changes |= action != NULL;
        (void)json_array_append_new(
            list,
            json_pack("{s:s, s:s, s:b, s:n, s:n, s:s?, s:I, s:[]}", "service", made->service->name,
                      "action", action == NULL ? "keep" : action, "build",
                      (int)(unbuilt->count > 0 && scope_has(unbuilt, made->service->name)),
                      "strategy", "why", "migrate",
                      added && migration_is_due(system, made) ? made->service->x.migrate : NULL,
                      "instances", (json_int_t)made->service->replicas, "steps"));
    }
    if (!changes)
        (void)json_array_clear(list);
    return list;
}

json_t *rollout_plan_json(const struct rollout *rollout, const struct compose_texts *unbuilt)
{
    json_t *list = json_array();

    for (size_t i = 0; i < rollout->service_count; i++) {
        const struct rollout_service *service = &rollout->services[i];
        const struct release_service *made = service->new == NULL ? service->old : service->new;
        bool replaced = service->change == ROLLOUT_REPLACED;
        (void)json_array_append_new(
            list,
            json_pack("{s:s, s:s, s:b, s:s?, s:s?, s:s?, s:I, s:o}", "service", service->name,
                      "action", action_of(service), "build",
                      (int)(unbuilt->count > 0 && scope_has(unbuilt, service->name)), "strategy",
                      replaced ? rollout_strategy_name(service->track.strategy) : NULL, "why",
                      service->forced, "migrate",
                      (replaced || service->change == ROLLOUT_ADDED) &&
                              migration_is_due(rollout->system, made)
                          ? made->service->x.migrate
                          : NULL,
                      "instances", (json_int_t)(service->new == NULL ? 0 : made->service->replicas),
                      "steps", replaced ? steps_of(&service->track) : json_array()));
    }
    return list;
}
