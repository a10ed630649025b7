/* SPDX-License-Identifier: Apache-2.0
 *
 * What a deploy would do, as the daemon says it before it does it.
 */
#pragma once

#include <jansson.h>

#include "base/base.h"

struct cli;
struct err;

/* Sends <body>, which must ask for a dry run, and gives the plan; a new reference. */
MUST_CHECK bool deploy_plan_ask(struct cli *cli, const char *system, const json_t *body,
                                json_t **ret, struct err *err);

/* A table, or JSON with --json. */
void deploy_plan_print(struct cli *cli, const json_t *plan);

/* Whether the plan changes anything. */
bool deploy_plan_changes(const json_t *plan);
