/* SPDX-License-Identifier: Apache-2.0
 *
 * How a new release of a service takes over: `x-ishizue.deploy`, of the service or
 * of all, and Compose's `deploy.update_config`. Part of model.h, which includes it.
 */
#pragma once

#include "base/base.h"

/* A number of instances or a percentage of them. */
struct compose_count {
    bool given;
    uint32_t number;
    uint32_t percent; /* counts when it is not 0 */
};

struct compose_ms {
    bool given;
    uint64_t ms;
};

/* x-ishizue.deploy; a service has what the top level gives and it does not. NULL, 0 and given
 * false: the file does not say. */
struct compose_x_deploy {
    const char *strategy; /* a name of ROLLOUT_STRATEGIES */
    struct compose_count max_surge;
    struct compose_count max_unavailable;
    uint32_t *steps; /* shares in 1/10000, growing */
    size_t step_count;
    struct compose_ms bake;
    struct compose_ms keep_warm;
    struct compose_ms watch;
    struct compose_ms stream_drain;
    const char *promote; /* "auto" or "manual" */
    struct {
        bool given;
        bool has_errors;
        uint32_t errors_ppm;
        uint64_t p99_ms;       /* 0: no limit */
        uint32_t min_requests; /* default 100 */
    } gate;
    struct {
        bool given;
        const char *cookie;
        const char *header;
        struct compose_pairs values; /* value -> "new" or "old" */
        uint32_t share;              /* of the new variant, in 1/10000 */
    } split;
    const char *test_host;
    struct compose_texts assets; /* prefixes of paths */
};

enum compose_failure_action { FAILURE_ROLLBACK, FAILURE_PAUSE, FAILURE_CONTINUE };

/* deploy.update_config and rollback_config */
struct compose_update {
    bool given;
    uint32_t parallelism; /* 0: all; default 1 */
    uint64_t delay_ms;
    bool starts_first;
    enum compose_failure_action on_failure; /* default rollback */
    uint64_t monitor_ms;                    /* default 0 */
    uint32_t max_failure_ppm;
};
