/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of both releases, and the command, make of a rollout: a track for
 * each service that is replaced.
 */
#include "base/base.h"

#include "control/rollout.h"

enum {
    DEFAULT_BAKE_MS = 120000,
    DEFAULT_WATCH_MS = 120000,
    DEFAULT_MIN_REQUESTS = 100,
    DEFAULT_ERRORS_PPM = 10000,
    DEFAULT_SPLIT = ROLLOUT_WHOLE / 2,
};

static const uint32_t default_steps[] = {500, 2500, ROLLOUT_WHOLE};

/* ---- the terms of one service ---- */

static struct rollout_count count_of(const struct compose_count *count)
{
    return (struct rollout_count){count->number, count->percent};
}

/* `update_config`: so many at a time; 0: all. */
static void take_parallelism(const struct compose_update *update, struct rollout_terms *terms)
{
    struct rollout_count batch = {.number = update->parallelism,
                                  .percent = update->parallelism == 0 ? 100 : 0};

    if (update->starts_first)
        terms->max_surge = batch;
    else
        terms->max_unavailable = batch;
}

static enum rollout_strategy strategy_of(const struct rollout *rollout,
                                         const struct compose_service *service,
                                         const struct compose_update *update)
{
    const char *written = service->x.deploy.strategy;

    if (rollout->asked != ROLLOUT_STRATEGY_COUNT)
        return rollout->asked;
    if (strcmp(rollout->command, "rollback") == 0) /* it is known to work */
        return update->given ? ROLLOUT_ROLLING : ROLLOUT_AUTO;
    if (written != NULL)
        return rollout_strategy_parse(written);
    return update->given ? ROLLOUT_ROLLING : ROLLOUT_AUTO;
}

/* Two of a recipe that shares one folder, or of what was told so, cannot run at once. */
static const char *find_force(const struct rollout_service *service)
{
    return service->new->image->exclusive
               ? "two of it cannot share its data: the old one ends before the new one starts"
               : NULL;
}

static void take_written(const struct compose_x_deploy *deploy, struct rollout_terms *terms)
{
    bool bakes = terms->strategy == ROLLOUT_CANARY;

    terms->manual = deploy->promote != NULL && strcmp(deploy->promote, "manual") == 0;
    terms->split_share = deploy->split.share > 0          ? deploy->split.share
                         : deploy->split.values.count > 0 ? 0
                                                          : DEFAULT_SPLIT;
    terms->shares = deploy->step_count > 0 ? deploy->steps : default_steps;
    terms->share_count = deploy->step_count > 0 ? deploy->step_count : ARRAY_LEN(default_steps);
    if (deploy->bake.given || bakes)
        terms->bake_ms = deploy->bake.given ? deploy->bake.ms : DEFAULT_BAKE_MS;
    if (deploy->max_surge.given || deploy->max_unavailable.given) {
        terms->max_surge = count_of(&deploy->max_surge);
        terms->max_unavailable = count_of(&deploy->max_unavailable);
    }
}

static struct rollout_terms terms_of(const struct rollout *rollout, struct rollout_service *service)
{
    const struct compose_service *file = service->new->service;
    const struct compose_update *update =
        strcmp(rollout->command, "rollback") == 0 ? &file->rollback : &file->update;
    struct rollout_terms terms = {
        .strategy = strategy_of(rollout, file, update),
        .old_count = service->old->service->replicas,
        .new_count = file->replicas,
    };

    service->forced = find_force(service);
    if (service->forced != NULL)
        terms.strategy = ROLLOUT_RECREATE;
    if (update->given) {
        take_parallelism(update, &terms);
        terms.bake_ms = update->delay_ms;
        terms.monitor_ms = update->monitor_ms;
        service->pauses = update->on_failure == FAILURE_PAUSE;
        service->monitored = update->monitor_ms > 0;
        service->tolerated =
            update->on_failure == FAILURE_CONTINUE
                ? UINT32_MAX
                : (uint32_t)((uint64_t)terms.new_count * update->max_failure_ppm / GATE_PPM);
    }
    take_written(&file->x.deploy, &terms);
    return terms;
}

static void take_gate(const struct compose_x_deploy *deploy, struct rollout_service *service)
{
    service->has_gate = deploy->gate.given || service->track.strategy == ROLLOUT_CANARY;
    service->gate = (struct gate_terms){
        .has_errors = true, .errors_ppm = DEFAULT_ERRORS_PPM, .min_requests = DEFAULT_MIN_REQUESTS};
    if (deploy->gate.given)
        service->gate = (struct gate_terms){.has_errors = deploy->gate.has_errors,
                                            .errors_ppm = deploy->gate.errors_ppm,
                                            .p99_ms = deploy->gate.p99_ms,
                                            .min_requests = deploy->gate.min_requests};
}

static void make_track(struct rollout *rollout, struct rollout_service *service)
{
    const struct compose_x_deploy *deploy = &service->new->service->x.deploy;
    struct rollout_terms terms = terms_of(rollout, service);
    struct rollout_stage *stages =
        ARENA_ARRAY(&rollout->arena, struct rollout_stage, ROLLOUT_MAX_STAGES);

    rollout_track_make(&terms, stages, &service->track);
    take_gate(deploy, service);
    rollout->at.steps = MAX(rollout->at.steps, service->track.stage_count);
}

/* ---- all of them ---- */

static bool runs(const struct release_service *made)
{
    return made != NULL && !made->service->x.provided_by_edge && made->service->replicas > 0;
}

static const struct release_service *find(const struct release *release, const char *name)
{
    size_t index = release_find(release, name);
    return index == SIZE_MAX ? NULL : &release->services[index];
}

static void add_service(struct rollout *rollout, const char *name)
{
    const struct release_service *old = find(rollout->from, name), *new = find(rollout->to, name);
    struct rollout_service *service = &rollout->services[rollout->service_count];

    if (!runs(old) && !runs(new))
        return;
    *service = (struct rollout_service){
        .name = name, .old = runs(old) ? old : NULL, .new = runs(new) ? new : NULL};
    rollout->service_count++;
    if (service->old == NULL)
        service->change = ROLLOUT_ADDED;
    else if (service->new == NULL)
        service->change = ROLLOUT_REMOVED;
    else if (strcmp(service->old->hash, service->new->hash) != 0)
        service->change = ROLLOUT_REPLACED;
    if (service->change == ROLLOUT_REPLACED)
        make_track(rollout, service);
}

struct rollout_service *rollout_find_service(const struct rollout *rollout, const char *name)
{
    for (size_t i = 0; i < rollout->service_count; i++)
        if (strcmp(rollout->services[i].name, name) == 0)
            return &rollout->services[i];
    return NULL;
}

enum rollout_strategy rollout_strategy_of(const struct rollout *rollout)
{
    enum rollout_strategy most = ROLLOUT_AUTO;

    for (size_t i = 0; i < rollout->service_count; i++)
        if (rollout->services[i].change == ROLLOUT_REPLACED &&
            rollout->services[i].track.strategy != ROLLOUT_RECREATE)
            most = MAX(most, rollout->services[i].track.strategy);
    return most;
}

/* Those that other people asked for are looked after; a way back or a restart is not watched for a
 * crash loop: what it would go back to is no better. */
static bool is_watched(const struct rollout *rollout)
{
    return strcmp(rollout->command, "deploy") == 0 || strcmp(rollout->command, "up") == 0;
}

static void take_times(struct rollout *rollout, const struct rollout_service *service)
{
    const struct compose_x_deploy *deploy = &service->new->service->x.deploy;
    bool is_deploy = strcmp(rollout->command, "deploy") == 0;

    if (!is_watched(rollout))
        return;
    rollout->keep_warm_ms = MAX(rollout->keep_warm_ms, deploy->keep_warm.ms);
    if (deploy->watch.given || is_deploy)
        rollout->watch_ms =
            MAX(rollout->watch_ms, deploy->watch.given ? deploy->watch.ms : DEFAULT_WATCH_MS);
}

/* Where the new release answers before it takes traffic: what the file says, or next.DOMAIN. */
static void take_test_host(struct rollout *rollout, const struct rollout_service *service)
{
    const struct compose_x_deploy *deploy = &service->new->service->x.deploy;
    enum rollout_strategy strategy = service->track.strategy;
    const char *domain = rollout->to->compose->x.domain;

    if (strategy != ROLLOUT_BLUE_GREEN && strategy != ROLLOUT_CANARY && strategy != ROLLOUT_AB)
        return;
    if (deploy->test_host != NULL)
        rollout->test_host = deploy->test_host;
    else if (rollout->test_host == NULL && domain != NULL)
        rollout->test_host = arena_printf(&rollout->arena, "next.%s", domain);
}

void rollout_make_tracks(struct rollout *rollout)
{
    const struct compose *to = rollout->to->compose, *from = rollout->from->compose;

    rollout->services = ARENA_ARRAY(&rollout->arena, struct rollout_service,
                                    to->service_count + from->service_count + 1);
    rollout->at.steps = 1;
    for (size_t i = 0; i < to->service_count; i++)
        add_service(rollout, to->services[i].name);
    for (size_t i = 0; i < from->service_count; i++)
        if (release_find(rollout->to, from->services[i].name) == SIZE_MAX)
            add_service(rollout, from->services[i].name);
    for (size_t i = 0; i < rollout->service_count; i++)
        if (rollout->services[i].change == ROLLOUT_REPLACED) {
            take_times(rollout, &rollout->services[i]);
            take_test_host(rollout, &rollout->services[i]);
        }
}
