/* SPDX-License-Identifier: Apache-2.0
 *
 * Health checks that the edge makes of its own accord, as its table says, with
 * or without a daemon: the main thread asks each target again and again, takes
 * it out of the balance in all workers when it failed <fall> times in a row, and
 * brings it back after <rise> successes. The daemon is told and draws its own
 * conclusions. When all targets of an upstream are out, requests wait in the
 * queue: nobody is sent to a service that says it cannot work.
 *
 * In the table:
 *     "checks": [{"target": "a1", "address": "10.213.0.5:8000", "path": "/health" | null,
 *                 "host": "backend", "interval_ms": 2000, "timeout_ms": 5000, "fall": 3, "rise": 1,
 *                 "status": [200, 399], "send_proxy": 0, "sick": false}]
 * "sick" is what a check begins with. One that the former table had too, with the same address,
 * keeps what it knows, and when that differs the daemon is told again.
 */
#pragma once

#include "base/base.h"
#include "edge/probe.h"

struct edge;
struct table;

enum {
    CHECKS_MAX = 4096,
    CHECK_INTERVAL_MIN_MS = 10,
    CHECK_COUNT_MAX = 1000, /* of fall and rise */
};

struct table_check {
    struct str target;
    struct probe_question question;
    uint32_t interval_ms;
    uint32_t fall;
    uint32_t rise;
    bool sick;
};

/* <next> is about to replace edge->table: says of each of its targets whether it is sick. */
void check_plan(struct edge *edge, struct table *next);
void check_done(struct edge *edge);

struct check_totals {
    uint64_t made; /* since the edge started: answered, or not in time */
    uint64_t failed;
    uint32_t up; /* targets with a check, as it stands */
    uint32_t down;
};

struct check_totals check_totals(const struct edge *edge);
