/* SPDX-License-Identifier: Apache-2.0
 *
 * What the edge has counted of both releases since the step began, and whether
 * the gate lets the new one on.
 */
#include "base/base.h"

#include "control/meters.h"
#include "control/rollout.h"

void rollout_note_upstream(struct rollout *rollout, const char *name)
{
    for (size_t i = 0; i < rollout->upstreams.len; i++)
        if (strcmp(rollout->upstreams.ptr[i].name, name) == 0)
            return;
    VEC_PUSH(&rollout->upstreams, ((struct rollout_upstream){.name = mem_copy_text(name)}));
}

static void read_one(struct rollout *rollout, const struct rollout_upstream *upstream, bool new,
                     struct meter *ret)
{
    AUTO(arena_done) struct arena arena = {0};
    const char *name = meters_release_name(&arena, upstream->name,
                                           new ? rollout->to_number : rollout->from_number);

    if (!meters_read(rollout->system->daemon, name, ret))
        *ret = (struct meter){0};
}

void rollout_start_counting(struct rollout *rollout)
{
    for (size_t i = 0; i < rollout->upstreams.len; i++)
        for (size_t new = 0; new < 2; new ++)
            read_one(rollout, &rollout->upstreams.ptr[i], new == 1,
                     &rollout->upstreams.ptr[i].before[new]);
    rollout->epoch = meters_epoch(rollout->system->daemon);
}

static void add(struct meter *sum, const struct meter *meter)
{
    for (size_t i = 0; i < METER_COUNTS; i++)
        sum->counts[i] += meter->counts[i];
    for (size_t i = 0; i < METER_BUCKETS; i++) {
        sum->first_byte[i] += meter->first_byte[i];
        sum->whole[i] += meter->whole[i];
    }
}

/* Of <upstream>, or of all when NULL. */
static void count(struct rollout *rollout, bool new, const char *service, struct meter *ret)
{
    AUTO(arena_done) struct arena arena = {0};
    const char *prefix =
        service == NULL ? "" : arena_printf(&arena, "%s/%s:", rollout->system->name, service);

    if (rollout->epoch != meters_epoch(rollout->system->daemon))
        rollout_start_counting(rollout); /* another edge counts from 0 */
    *ret = (struct meter){0};
    for (size_t i = 0; i < rollout->upstreams.len; i++) {
        const struct rollout_upstream *upstream = &rollout->upstreams.ptr[i];
        struct meter meter;
        if (!str_starts(str_of(upstream->name), str_of(prefix)))
            continue;
        read_one(rollout, upstream, new, &meter);
        meter_subtract(&meter, &upstream->before[new]);
        add(ret, &meter);
    }
}

void rollout_count(struct rollout *rollout, bool new, struct meter *ret)
{
    count(rollout, new, NULL, ret);
}

/* A connection that was refused is one too, although another target answered in the end. */
static uint64_t errors_of(const struct meter *meter)
{
    return meter->counts[METER_5XX] + meter->counts[METER_CONNECT_FAILURES];
}

/* Answers that took longer than <limit_ms>, as far as the buckets tell. */
static uint64_t slow_of(const struct meter *meter, uint64_t limit_ms)
{
    uint64_t slow = 0;

    for (size_t i = 0; i < METER_BUCKETS; i++)
        if (meter_bucket_us(i) >= limit_ms * 1000)
            slow += meter->first_byte[i];
    return slow;
}

static struct gate_sample sample_of(const struct meter *meter, const struct gate_terms *terms)
{
    uint64_t requests = meter->counts[METER_REQUESTS] + meter->counts[METER_CONNECT_FAILURES];

    return (struct gate_sample){.requests = requests,
                                .errors = MIN(errors_of(meter), requests),
                                .slow = terms->p99_ms == 0 ? 0 : slow_of(meter, terms->p99_ms)};
}

enum gate_verdict rollout_check_gate(struct rollout *rollout, char *ret_why)
{
    enum gate_verdict worst = GATE_GOOD;

    for (size_t i = 0; i < rollout->service_count; i++) {
        const struct rollout_service *service = &rollout->services[i];
        struct meter old, new;
        if (service->change != ROLLOUT_REPLACED || !service->has_gate ||
            (service->track.strategy == ROLLOUT_CANARY &&
             rollout_share(&service->track, &rollout->at) == 0))
            continue;
        count(rollout, false, service->name, &old);
        count(rollout, true, service->name, &new);
        struct gate_sample old_sample = sample_of(&old, &service->gate);
        struct gate_sample new_sample = sample_of(&new, &service->gate);
        enum gate_verdict verdict = gate_check(&service->gate, &old_sample, &new_sample, ret_why);
        if (verdict == GATE_BAD)
            return GATE_BAD;
        worst = verdict == GATE_TOO_FEW ? GATE_TOO_FEW : worst;
    }
    return worst;
}
