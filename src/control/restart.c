/* SPDX-License-Identifier: Apache-2.0
 *
 * When an instance that has ended starts again: `deploy.restart_policy`, or
 * `restart` where the file has none. An instance that stays unhealthy is ended
 * and started again by the same rule, which Docker leaves to others.
 */
#include "base/base.h"

#include "control/daemon_priv.h"

/* Docker's figures: 100 ms, doubled each time, at most a minute; ten seconds of life and what it
 * failed at before is forgotten. */
enum { BACKOFF_FIRST_MS = 100, BACKOFF_MAX_MS = 60000, STABLE_MS = 10000 };

static bool has_attempt_left(uint32_t made, uint32_t most)
{
    return most == 0 || made < most;
}

/* Would an end with <exit_status> be followed by a start? */
static bool policy_applies(const struct instance *instance, int exit_status)
{
    const struct compose_service *service = instance->made_of->service;
    const struct compose_restart_policy *policy = &service->restart_policy;
    bool left = policy->present
                    ? has_attempt_left(instance->failures, policy->max_attempts)
                    : service->restart != RESTART_ON_FAILURE ||
                          has_attempt_left(instance->restarts, service->restart_max_retries);

    switch (policy->present ? policy->when : service->restart) {
    case RESTART_NO:
        return false;
    case RESTART_ALWAYS:
    case RESTART_UNLESS_STOPPED:
        return left;
    case RESTART_ON_FAILURE:
        return exit_status != 0 && left;
    }
    return false;
}

bool restart_applies(const struct instance *instance)
{
    if (instance->is_job || instance->stopped || instance->no_restart)
        return false;
    return instance->state == INSTANCE_RESTARTING ||
           policy_applies(instance, instance->exit_status);
}

bool restart_applies_to_unhealthy(const struct instance *instance)
{
    return !instance->is_job && !instance->made_of->service->x.keep_unhealthy &&
           policy_applies(instance, 1);
}

uint64_t restart_window_ms(const struct instance *instance)
{
    const struct compose_restart_policy *policy = &instance->made_of->service->restart_policy;
    return policy->present && policy->window_ms > 0 ? policy->window_ms : STABLE_MS;
}

uint64_t restart_pause_ms(const struct instance *instance)
{
    const struct compose_restart_policy *policy = &instance->made_of->service->restart_policy;
    uint64_t after_ms = BACKOFF_FIRST_MS;

    if (policy->present)
        return policy->delay_ms;
    for (uint32_t i = 1; i < instance->failures && after_ms < BACKOFF_MAX_MS; i++)
        after_ms *= 2;
    return MIN(after_ms, (uint64_t)BACKOFF_MAX_MS);
}
