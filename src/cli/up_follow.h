/* SPDX-License-Identifier: Apache-2.0
 *
 * `up` without -d, once the system is up: the logs, until Ctrl-C or until an
 * instance ends, and then the way down.
 */
#pragma once

#include "base/base.h"
#include "compose/model.h"

struct cli;
struct err;
struct options;

/* Does the end of an instance end `up`? */
bool up_follow_aborts(const struct options *options);
/* Do the options name services that are there? */
MUST_CHECK bool up_follow_check(struct cli *cli, const struct compose *compose, struct err *err);

/* Follows from <since_ms> on. Returns the exit status. */
int up_follow(struct cli *cli, const struct compose *compose, int64_t since_ms);
/* After an `up` that failed with <status>: with --exit-code-from, what the service said. */
int up_follow_failed(struct cli *cli, const char *system, int64_t since_ms, int status);
