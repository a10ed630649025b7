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

static const struct release_service *find(const struct release *release, const char *name)
{
    size_t index = release_find(release, name);
    return index == SIZE_MAX ? NULL : &release->services[index];
}

/* Do the new instances come into the very network that the old ones are in? Both would listen on
 * the same ports there. */
static bool shares_network(const struct rollout *rollout, const struct rollout_service *service)
{
    static const char joins[] = "service:";
    const char *mode = service->new->service->network_mode;
    const char *former = service->old->service->network_mode;

    if (mode == NULL || former == NULL || strcmp(mode, former) != 0)
        return false;
    if (!str_starts(str_of(mode), str_of(joins)))
        return strcmp(mode, "host") == 0;
    const struct release_service *then = find(rollout->from, mode + strlen(joins));
    const struct release_service *now = find(rollout->to, mode + strlen(joins));
    return then != NULL && now != NULL && strcmp(then->hash, now->hash) == 0;
}

/* Two of a recipe that shares one folder, and two in one network, cannot run at once. */
static const char *find_force(const struct rollout *rollout, const struct rollout_service *service)
{
    if (service->new->image->exclusive)
        return "two of it cannot share its data: the old one ends before the new one starts";
    if (shares_network(rollout, service))
        return "two of it cannot share one network: the old one ends before the new one starts";
    return NULL;
}

/* Does another service of the new release wait for it to end? */
static bool is_waited_out(const struct rollout *rollout, const char *name)
{
    const struct compose *compose = rollout->to->compose;

    for (size_t i = 0; i < compose->service_count; i++) {
        const struct compose_service *user = &compose->services[i];
        for (size_t d = 0; d < user->depends_on_count; d++)
            if (user->depends_on[d].condition == CONDITION_COMPLETED &&
                strcmp(user->depends_on[d].service, name) == 0)
                return true;
    }
    return false;
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

    service->forced = find_force(rollout, service);
    if (service->forced != NULL)
        terms.strategy = ROLLOUT_RECREATE;
    else if (is_waited_out(rollout,
                           service->name)) /* it serves nobody: it runs once, before them */
        terms.strategy = ROLLOUT_AUTO;
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
    service->track.comes_first = is_waited_out(rollout, service->name);
    take_gate(deploy, service);
    rollout->at.steps = MAX(rollout->at.steps, service->track.stage_count);
}

/* ---- all of them ---- */

static bool runs(const struct release_service *made)
{
    return made != NULL && !made->service->x.provided_by_edge && made->service->replicas > 0;
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

bool rollout_migrates(const struct rollout_service *service)
{
    return service->new != NULL &&
           (service->new->service->x.migrate != NULL || service->new->service->pre_start_count > 0);
}

/* What a migration needs is there before it: `depends_on`, and what that depends on. */
static void precede(struct rollout *rollout, const struct compose_service *user)
{
    for (size_t i = 0; i < user->depends_on_count; i++) {
        struct rollout_service *needed = rollout_find_service(rollout, user->depends_on[i].service);
        if (needed == NULL || needed->new == NULL || needed->precedes)
            continue;
        needed->precedes = true;
        precede(rollout, needed->new->service);
    }
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
    for (size_t i = 0; i < rollout->service_count; i++)
        if (rollout->services[i].change != ROLLOUT_SAME && rollout_migrates(&rollout->services[i]))
            precede(rollout, rollout->services[i].new->service);
}
